# The program: every src/**/*.c, an archive of all but main.c for the tests, and the binary.

# ONLY="base http" builds and tests those modules alone, while another one is being worked on.
ONLY ?=
SOURCES := $(sort $(shell find $(if $(ONLY),$(ONLY:%=src/%),src) -name '*.c' 2>/dev/null))
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
MAIN_OBJECT := $(BUILD)/obj/src/main.o
LIB_OBJECTS := $(filter-out $(MAIN_OBJECT),$(OBJECTS))
LIBRARY := $(BUILD)/libnextproxy.a
PROGRAM := $(BUILD)/nextproxy

.PHONY: build debug run
build: $(PROGRAM) ## build build/nextproxy (the default)

debug: ## build build/debug/nextproxy: no optimisation, all assertions
	@$(MAKE) BUILD=$(BUILD)/debug OPT='-O0 -g3 -DNEXTPROXY_DEBUG=1' build

# Without exec there would be a shell between make and the script, which Ctrl-C kills at once: make
# would end, with a complaint, before everything is stopped.
run: ## install build packages, build, start the demo backends and the proxy on config.json
	@tools/install.sh build
	@$(MAKE) --no-print-directory build
	@exec env NEXTPROXY_BIN='$(PROGRAM)' tools/run.sh

ifneq ($(filter src/main.c,$(SOURCES)),)
$(PROGRAM): $(MAIN_OBJECT) $(LIBRARY)
	@echo "  LD $@"
	@$(CC) $(HARDENING) $(LTO_LDFLAGS) $(NP_LDFLAGS) -o $@ $(MAIN_OBJECT) $(LIBRARY) $(NP_LDLIBS)
else
# Without a main there is nothing to link yet; the modules still build.
.PHONY: $(PROGRAM)
$(PROGRAM): $(LIBRARY)
	@echo 'src/main.c does not exist yet: built the library only'
endif

# Removed first: ar only adds and replaces, and a deleted source must not live on in the archive.
$(LIBRARY): $(LIB_OBJECTS) $(BUILD)/sources
	@rm -f $@
	@ar rcs $@ $(LIB_OBJECTS)

# The list of sources, so that adding or deleting one makes the archive again.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJECTS)' | cmp -s - $@ || echo '$(LIB_OBJECTS)' > $@

$(BUILD)/obj/src/%.o: private TARGET_CFLAGS := $(LTO_CFLAGS)
$(BUILD)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(NP_CPPFLAGS) $(TARGET_CPPFLAGS) $(NP_CFLAGS) $(TARGET_CFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)
