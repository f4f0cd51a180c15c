# Tests. Each suite writes its counts to $(RESULTS); `make test` adds them up in its last line.

RESULTS ?= $(abspath $(BUILD))/results
SUITE_PREFIX ?=
# Programs of tests at once.
CPUS := $(shell nproc)
RUNNER := $(PYTHON) tools/runner.py --results $(RESULTS)

TEST_CPPFLAGS := -Itests/lib -Itests/sim
# cmocka hands every test a state pointer that most do not need.
TEST_CFLAGS := -Wno-unused-parameter

# --- Helpers shared by the test programs ------------------------------------------------------------
HELPER_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tests/lib/*.c)))
HELPERS := $(if $(HELPER_OBJECTS),$(BUILD)/libhelpers.a)

$(BUILD)/libhelpers.a: $(HELPER_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/obj/tests/%.o: private TARGET_CPPFLAGS := $(TEST_CPPFLAGS)
$(BUILD)/obj/tests/%.o: private TARGET_CFLAGS := $(TEST_CFLAGS)

# A test that needs linker flags of its own (--wrap, say) has a line in its source:
#     /* link: -Wl,--wrap=malloc */
link_flags = $(shell sed -n 's|^/\* link: \(.*\) \*/$$|\1|p' $(1))

# --- Unit: tests/unit/<module>/test_<x>.c, one program each -----------------------------------------
# A test may #include the .c it tests: its own definitions come first, and the archive only supplies
# what is still missing.
UNIT_SOURCES  := $(sort $(shell find $(if $(ONLY),$(ONLY:%=tests/unit/%),tests/unit) -name 'test_*.c' 2>/dev/null))
UNIT_PROGRAMS := $(UNIT_SOURCES:tests/%.c=$(BUILD)/%)

.PHONY: unit unit-build
unit-build: $(UNIT_PROGRAMS)
unit: $(UNIT_PROGRAMS) $(if $(filter src/main.c,$(SOURCES)),$(PROGRAM)) ## build and run the unit tests
	@NEXTPROXY_BIN='$(abspath $(PROGRAM))' $(RUNNER) --jobs $(CPUS) programs $(SUITE_PREFIX)unit $(UNIT_PROGRAMS)

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIBRARY) $(HELPERS)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(NP_LDFLAGS) $(TEST_LDFLAGS) $(call link_flags,tests/unit/$*.c) -o $@ $< $(HELPERS) $(LIBRARY) \
	  -lcmocka $(NP_LDLIBS)

# --- Simulator: tests/sim supplies the kernel, the sockets and the clock; the rest is the real code -
# What it defines comes first, so the library's and liburing's functions of that name are not linked.
# A file there with a main() is a program; all others are the simulator.
# In a variable of its own, for make would count its parenthesis.
MAIN_PATTERN := ^int main(
SIM_SOURCES  := $(sort $(wildcard tests/sim/*.c))
SIM_MAINS    := $(if $(SIM_SOURCES),$(sort $(shell grep -l '$(MAIN_PATTERN)' $(SIM_SOURCES))))
SIM_PROGRAMS := $(SIM_MAINS:tests/%.c=$(BUILD)/%)
SIM_OBJECTS  := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(SIM_MAINS),$(SIM_SOURCES)))
SIM_LIBRARY  := $(if $(SIM_OBJECTS),$(BUILD)/libsim.a)

$(BUILD)/libsim.a: $(SIM_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

.PHONY: sim sim-build
sim-build: $(SIM_PROGRAMS)
sim: $(SIM_PROGRAMS) ## run the proxy on the simulated kernel (SEED=n replays one seed)
	@$(if $(SEED),SEED='$(SEED)') $(RUNNER) --jobs $(CPUS) programs \
	  $(SUITE_PREFIX)sim $(SIM_PROGRAMS)

$(BUILD)/sim/%: $(BUILD)/obj/tests/sim/%.o $(SIM_LIBRARY) $(LIBRARY) $(HELPERS)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(NP_LDFLAGS) $(TEST_LDFLAGS) $(call link_flags,tests/sim/$*.c) -o $@ $< $(HELPERS) $(SIM_LIBRARY) \
	  $(LIBRARY) -lcmocka $(NP_LDLIBS)

# --- Integration and conformance: pytest on the real binary -----------------------------------------
# Most tests wait most of the time, so more of them than there are processors run at once.
PYTEST_JOBS ?= 4

.PHONY: integration soak conformance matrix matrix-full
integration: $(PROGRAM) ## pytest: the real binary against raw sockets and real origins
	@NEXTPROXY_BIN='$(abspath $(PROGRAM))' $(RUNNER) --jobs $(PYTEST_JOBS) pytest \
	  $(SUITE_PREFIX)integration tests/integration -- $(PYTEST_ARGS)
SOAK_SECONDS ?= 600
soak: $(PROGRAM) ## ten minutes of everything that goes wrong and changes (SOAK_SECONDS=n)
	@SOAK_SECONDS='$(SOAK_SECONDS)' NEXTPROXY_BIN='$(abspath $(PROGRAM))' $(RUNNER) pytest soak \
	  tests/integration/test_soak.py -- $(PYTEST_ARGS)
conformance: $(PROGRAM) ## pytest: RFC 9110/9112 byte vectors and the smuggling set
	@NEXTPROXY_BIN='$(abspath $(PROGRAM))' $(RUNNER) pytest $(SUITE_PREFIX)conformance \
	  tests/conformance -- $(PYTEST_ARGS)

# The tests that reach every way of accepting, receiving, sending and canceling.
MATRIX_TESTS := $(patsubst %,tests/integration/test_%.py,bodies cancel early_response http10 keepalive \
  leaks pipelining pool slow_clients stop streaming upgrade)
MATRIX_FEATURES := kernel-reqs/features.def
matrix_run = NEXTPROXY_BIN='$(abspath $(PROGRAM))' $(RUNNER) --jobs $(PYTEST_JOBS) matrix \
  $(SUITE_PREFIX)matrix $(MATRIX_FEATURES) $(1) -- $(PYTEST_ARGS)
matrix: $(PROGRAM) ## tests of the data path with each optional kernel feature forced off, and all
	@$(call matrix_run,$(MATRIX_TESTS))
matrix-full: $(PROGRAM) ## the same with all integration tests
	@$(call matrix_run,tests/integration)

# --- Fuzz: tests/fuzz/fuzz_<x>.c with libFuzzer, against the simulator where it wants one -----------
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_NAMES   := $(FUZZ_SOURCES:tests/fuzz/fuzz_%.c=%)
FUZZ_BUILD   := $(BUILD)/fuzz
FUZZ_CC      ?= clang
# fuzzer-no-link instruments every object; only the target's link adds libFuzzer's main.
FUZZ_MAKE = $(MAKE) BUILD=$(FUZZ_BUILD) RESULTS=$(RESULTS) CC=$(FUZZ_CC) OPT='-O1 -g -DNEXTPROXY_FUZZ=1' \
  SANITIZE=fuzzer-no-link,address,undefined

.PHONY: fuzz fuzz-run fuzz-build
fuzz: ## run every fuzz target for FUZZ_SECONDS and replay its regression inputs
	+@$(FUZZ_MAKE) fuzz-build
	@$(RUNNER) --jobs $(CPUS) fuzz $(SUITE_PREFIX)fuzz --seconds $(FUZZ_SECONDS) --build $(FUZZ_BUILD) $(FUZZ_NAMES)

.PHONY: $(FUZZ_NAMES:%=fuzz-%)
$(FUZZ_NAMES:%=fuzz-%): fuzz-%:
	+@$(FUZZ_MAKE) $(FUZZ_BUILD)/bin/fuzz_$*
	@$(RUNNER) fuzz $(SUITE_PREFIX)fuzz --seconds $(FUZZ_SECONDS) --build $(FUZZ_BUILD) $*

fuzz-build: $(FUZZ_NAMES:%=$(BUILD)/bin/fuzz_%)

FUZZ_LIBRARIES := $(SIM_LIBRARY) $(LIBRARY)

$(BUILD)/bin/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(FUZZ_LIBRARIES) $(HELPERS)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(NP_LDFLAGS) $(TEST_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(HELPERS) $(FUZZ_LIBRARIES) -lcmocka $(NP_LDLIBS)

# --- Sanitizers: the same suites in a build of their own --------------------------------------------
# clang by default, so that a test run has seen both compilers.
SANITIZE_CC ?= $(if $(shell command -v clang 2>/dev/null),clang,$(CC))
sanitized = $(MAKE) BUILD=$(BUILD)/$(1) RESULTS=$(RESULTS) SUITE_PREFIX=$(1)- CC=$(SANITIZE_CC) \
  OPT='-O1 -g -DNEXTPROXY_DEBUG=1' SANITIZE=$(2)
ASAN_SUITES := unit $(if $(ONLY),,$(if $(SIM_SOURCES),sim) \
  $(if $(wildcard tests/integration),integration))
TSAN_SUITES := unit $(if $(ONLY),,$(if $(SIM_SOURCES),sim))

.PHONY: asan ubsan tsan
asan: ## unit, sim and integration under AddressSanitizer and UBSan (build/asan)
	+@status=0; for suite in $(ASAN_SUITES); do $(call sanitized,asan,address$(comma)undefined) $$suite || status=1; done; exit $$status
ubsan: ## unit, sim and integration under UBSan alone (build/ubsan)
	+@status=0; for suite in $(ASAN_SUITES); do $(call sanitized,ubsan,undefined) $$suite || status=1; done; exit $$status
# TSan does not see the kernel's side of a ring, so it runs what does not depend on it.
tsan: ## unit and sim under ThreadSanitizer (build/tsan)
	+@status=0; for suite in $(TSAN_SUITES); do $(call sanitized,tsan,thread) $$suite || status=1; done; exit $$status

export ASAN_OPTIONS ?= abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS ?= halt_on_error=1

-include $(UNIT_SOURCES:%.c=$(BUILD)/obj/%.d) $(SIM_SOURCES:%.c=$(BUILD)/obj/%.d) \
  $(FUZZ_SOURCES:%.c=$(BUILD)/obj/%.d) $(HELPER_OBJECTS:.o=.d)
