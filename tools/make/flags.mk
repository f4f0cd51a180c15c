# Compiler and linker flags. Objects depend on $(FLAGS_STAMP), so a changed flag rebuilds what it must.

VERSION := 0.1.0

IS_CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))

comma := ,

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-align -Wcast-qual \
  -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wswitch-enum -Wundef \
  -Wvla -Wnull-dereference -Wwrite-strings -Wpointer-arith -Wredundant-decls
ifeq ($(IS_CLANG),)
WARNINGS += -Wimplicit-fallthrough=5 -Wlogical-op -Wduplicated-cond -Wduplicated-branches
else
# clang has no levels here, and its pedantry also objects to extensions that gnu17 is chosen for.
WARNINGS += -Wimplicit-fallthrough -Wno-gnu-zero-variadic-macro-arguments
endif
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

HARDENING := -fstack-protector-strong -fstack-clash-protection
ifeq ($(SANITIZE),)
# Sanitizers intercept the same calls as _FORTIFY_SOURCE, and -O0 builds cannot use it.
ifeq ($(findstring -O0,$(OPT)),)
HARDENING += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
else
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
ifneq ($(filter address,$(subst $(comma), ,$(SANITIZE))),)
SANITIZE_FLAGS += -fsanitize-address-use-after-scope
endif
endif

# gcc optimises the program as a whole: the path of a request goes through small functions of many
# modules. Its objects hold both forms, so that the tests, which are many, are linked as they are.
# With clang it is off unless asked for, because it needs lld.
LTO ?= $(if $(IS_CLANG)$(SANITIZE)$(findstring -O0,$(OPT)),0,1)
ifeq ($(LTO),1)
LTO_CFLAGS   := $(if $(IS_CLANG),-flto=thin,-flto=auto -ffat-lto-objects)
LTO_LDFLAGS  := $(if $(IS_CLANG),-flto=thin -fuse-ld=lld,-flto=auto)
TEST_LDFLAGS := $(if $(IS_CLANG),$(LTO_LDFLAGS),-fno-lto)
endif

# liburing 2.3 does not say its own version.
PKG_CONFIG ?= pkg-config
URING_VERSION := $(or $(shell $(PKG_CONFIG) --modversion liburing 2>/dev/null),unknown)
# What c-ares 1.18 (Debian 12) offers is deprecated in later versions.
NP_CPPFLAGS := -Iinclude -Isrc -I. -D_GNU_SOURCE -DLIBURING_VERSION='"$(URING_VERSION)"' -DNEXTPROXY_VERSION='"$(VERSION)"' \
               -DCARES_NO_DEPRECATED $(CPPFLAGS)
NP_CFLAGS   := -std=gnu17 $(OPT) $(WARNINGS) $(HARDENING) $(SANITIZE_FLAGS) -fPIE \
               -pthread $(EXTRA_CFLAGS) $(CFLAGS)
NP_LDFLAGS  := -pie -pthread $(OPT) $(SANITIZE_FLAGS) -Wl,-z,relro,-z,now,-z,noexecstack \
               $(EXTRA_LDFLAGS) $(LDFLAGS)

# liburing is linked statically where the archive exists: it is small, on the hot path, and its
# functions then need no PLT. jansson and c-ares run on control
# only.
URING_DIR  := $(shell $(PKG_CONFIG) --variable=libdir liburing 2>/dev/null)
URING_LIB  := $(or $(wildcard $(URING_DIR)/liburing.a),-luring)
JANSSON_LIB := $(or $(shell $(PKG_CONFIG) --libs jansson 2>/dev/null),-ljansson)
CARES_LIB  := $(or $(shell $(PKG_CONFIG) --libs libcares 2>/dev/null),-lcares)
NP_LDLIBS  := $(URING_LIB) $(JANSSON_LIB) $(CARES_LIB) -lm $(LDLIBS)

FLAGS_STAMP := $(BUILD)/flags
FLAGS_TEXT   = $(CC) $(NP_CPPFLAGS) $(NP_CFLAGS) $(LTO_CFLAGS) $(NP_LDFLAGS) $(NP_LDLIBS)

# Rewritten only when its text differs, so its age is the age of the flags.
$(FLAGS_STAMP): FORCE | $(BUILD)/packages
	@printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' | cmp -s - $@ || \
	  printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' > $@

$(BUILD)/packages:
	@CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' tools/need.sh
	@mkdir -p $(@D) && touch $@

.PHONY: FORCE
FORCE:
