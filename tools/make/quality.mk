# What judges the code without running it, the whole test run, coverage, help and cleaning.

C_FILES   := $(sort $(shell find src include kernel-reqs bench tests -name '*.[ch]' 2>/dev/null))
HEADERS   := $(filter %.h,$(C_FILES))

# --- The whole run ----------------------------------------------------------------------------------
# A suite is left out only while its folder does not exist. Steps go on after a failure, so that one
# run shows everything; the last line and the exit status tell.
TEST_STEPS := build unit $(if $(SIM_SOURCES),sim) tidy format-check \
  $(if $(wildcard tests/integration),integration matrix) $(if $(wildcard tests/conformance),conformance) \
  $(if $(FUZZ_SOURCES),fuzz) asan build-clang debug musl-check lint \
  $(if $(wildcard bench/Makefile),bench-test)

.PHONY: test check
test: ## install what tests need, build, run every suite; ends with "N passed, N failed"
	@tools/install.sh test
	+@rm -rf $(RESULTS); for step in $(TEST_STEPS); do \
	  $(RUNNER) step $$step -- $(MAKE) --no-print-directory $$step; done; $(RUNNER) summary

check: ## everything CI does: test, tsan, coverage
	@$(MAKE) test
	@$(MAKE) tsan
	@$(MAKE) coverage

.PHONY: build-clang bench-test
build-clang:
	@$(MAKE) BUILD=$(BUILD)/clang CC=clang build
# The benchmark must not rot: its own tests run in every test run, and each scenario and each micro
# benchmark with a few requests. Peers that are not installed are left out.
bench-test: $(PROGRAM)
	@$(MAKE) -f bench/Makefile BUILD=$(BUILD) bench-programs $(BUILD)/bench/tests
	@status=0; $(RUNNER) programs $(SUITE_PREFIX)bench $(BUILD)/bench/tests || status=1; \
	  $(RUNNER) command $(SUITE_PREFIX)bench-micro -- \
	    $(MAKE) -s -f bench/Makefile BUILD=$(BUILD) micro-smoke || status=1; \
	  $(RUNNER) command $(SUITE_PREFIX)bench-smoke -- $(PYTHON) bench/run --smoke \
	    --build '$(abspath $(BUILD))' --nextproxy '$(abspath $(PROGRAM))' || status=1; exit $$status

# --- Style ------------------------------------------------------------------------------------------
.PHONY: tidy lint clang-tidy cppcheck format format-check
tidy: ## module ranks, banned calls, size limits, what the documents name; and the checkers' own tests
	@status=0; $(RUNNER) command $(SUITE_PREFIX)tidy -- $(PYTHON) tests/tidy/check_tidy.py || status=1; \
	  $(RUNNER) command $(SUITE_PREFIX)docs -- $(PYTHON) tests/docs/check_docs.py || status=1; \
	  $(RUNNER) pytest $(SUITE_PREFIX)tidy-self tests/tidy || status=1; \
	  $(RUNNER) pytest $(SUITE_PREFIX)docs-self tests/docs || status=1; exit $$status

lint: ## clang-tidy and cppcheck over src/
	+@$(RUNNER) command $(SUITE_PREFIX)clang-tidy -- $(MAKE) --no-print-directory -k clang-tidy
	+@$(RUNNER) command $(SUITE_PREFIX)cppcheck -- $(MAKE) --no-print-directory cppcheck

# One stamp per file: unchanged files are not analysed again.
LINT_STAMPS := $(SOURCES:%.c=$(BUILD)/lint/%.ok)
clang-tidy: $(LINT_STAMPS)
$(BUILD)/lint/%.ok: %.c .clang-tidy $(HEADERS)
	@mkdir -p $(@D)
	@echo '  TIDY $<'
	@clang-tidy --quiet $< -- $(NP_CPPFLAGS) -std=gnu17 -Wall -Wextra 2>$@.log || \
	  { grep -v 'warnings generated' $@.log; exit 1; }
	@touch $@

# --force would try every combination of macros; the build has exactly one.
cppcheck:
	@mkdir -p $(BUILD)/cppcheck
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppressions-list=tools/cppcheck.suppress --error-exitcode=1 -j2 \
	  --cppcheck-build-dir=$(BUILD)/cppcheck -Iinclude -Isrc -I. -D_GNU_SOURCE -D__linux__ -D__x86_64__ \
	  -DNEXTPROXY_VERSION='"$(VERSION)"' $(wildcard src)

format: ## lay out all C files with clang-format
	@clang-format -i $(C_FILES)

format-check: ## fail if `make format` would change a file
	@clang-format --dry-run --Werror $(C_FILES)

# --- musl -------------------------------------------------------------------------------------------
# Compiles everything against musl's headers, so that Dockerfile.alpine keeps building. Kernel,
# liburing, jansson and c-ares headers have no C library in them and are borrowed from the system.
MUSL_CC := musl-gcc
MUSL_OBJECTS := $(SOURCES:%.c=$(BUILD)/musl/%.o)
MUSL_INCLUDE := $(BUILD)/musl/include
SYSTEM_ARCH_INCLUDE := /usr/include/$(shell gcc -print-multiarch 2>/dev/null)

.PHONY: musl-check
musl-check: $(MUSL_OBJECTS) ## compile all of src/ against musl's headers
	@echo 'musl-check: $(words $(MUSL_OBJECTS)) files compile'

$(BUILD)/musl/%.o: %.c $(MUSL_INCLUDE)/ready $(HEADERS)
	@mkdir -p $(@D)
	@echo '  MUSL $<'
	@$(MUSL_CC) $(NP_CPPFLAGS) -isystem $(MUSL_INCLUDE) -std=gnu17 $(OPT) $(WARNINGS) -fPIE -pthread \
	  -c -o $@ $<

$(MUSL_INCLUDE)/ready:
	@command -v $(MUSL_CC) >/dev/null || { echo 'musl-gcc is missing: tools/install.sh test'; exit 1; }
	@mkdir -p $(@D)
	@for header in linux asm-generic liburing liburing.h jansson.h jansson_config.h ares.h ares_build.h ares_rules.h ares_version.h; do \
	  if [ -e /usr/include/$$header ]; then ln -sfn /usr/include/$$header $(@D)/$$header; \
	  else ln -sfn $(SYSTEM_ARCH_INCLUDE)/$$header $(@D)/$$header; fi; done
	@ln -sfn $(SYSTEM_ARCH_INCLUDE)/asm $(@D)/asm
	@touch $@

# --- Coverage, kernel, benchmark ----------------------------------------------------------------------
COVERAGE_PERCENT := 85
COVERAGE_SUITES := unit $(if $(SIM_SOURCES),sim) $(if $(wildcard tests/integration),integration) \
  $(if $(wildcard tests/conformance),conformance)
COVERAGE_ENDS := $(BUILD)/coverage/ends.o
# The program of a health check runs in the engine's memory until execve(2). Were counts written
# there, which gcc adds to that call, the engine would have written its own, and nothing later.
COVERAGE_OPT := -O0 -g --coverage -fprofile-update=atomic -fno-builtin-execve
# Where no file may grow there can be no counts either.
COVERAGE_PYTEST := --deselect tests/integration/test_start_failures.py::test_log_on_a_full_disk
# Without optimisation a seed of the simulator takes long, and a few reach the same lines.
COVERAGE_MAKE = SEEDS=$${SEEDS:-5} $(MAKE) BUILD=$(BUILD)/coverage RESULTS=$(abspath $(BUILD))/coverage/results CC=gcc \
  OPT='$(COVERAGE_OPT)' EXTRA_LDFLAGS='-Wl,--wrap=_exit,--wrap=abort $(COVERAGE_ENDS)' \
  PYTEST_ARGS='$(COVERAGE_PYTEST) $(PYTEST_ARGS)'

.PHONY: coverage kernel-check bench
$(COVERAGE_ENDS): tests/coverage/ends.c
	@mkdir -p $(@D)
	@gcc -O2 -Wall -Wextra -Werror -c -o $@ $<

# A process killed outright writes no counters; the suites stop the proxy with SIGTERM.
coverage: $(COVERAGE_ENDS) ## line coverage of src/ by all suites; fails under 85 %
	@find $(BUILD)/coverage -name '*.gcda' -delete 2>/dev/null || true
	+@status=0; for suite in $(COVERAGE_SUITES); do $(COVERAGE_MAKE) $$suite || status=1; done; \
	  gcovr --root . --filter 'src/' --object-directory $(BUILD)/coverage \
	    --print-summary --fail-under-line $(COVERAGE_PERCENT) $(BUILD)/coverage || status=1; \
	  exit $$status

# The build speaks on stderr, so that JSON=1 leaves nothing but JSON on stdout.
kernel-check: ## what this kernel offers (JSON=1 for programs); fails unless all of it is there
	@$(MAKE) --no-print-directory build >&2
	@NEXTPROXY_BIN='$(PROGRAM)' tools/kernel-check.sh $(if $(filter-out 0,$(JSON)),--json)

bench: $(PROGRAM) ## compare with HAProxy, nginx and the floor (see bench/README.md)
	@tools/install.sh bench
	@$(PYTHON) bench/run --build '$(abspath $(BUILD))' --nextproxy '$(abspath $(PROGRAM))' $(BENCH_ARGS)

# --- Help, clean --------------------------------------------------------------------------------------
.PHONY: help clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | \
	  awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'
	@echo '  make fuzz-NAME      one fuzz target for FUZZ_SECONDS'
	@echo 'Variables: BUILD CC OPT SANITIZE LTO WERROR ONLY PREFIX DESTDIR SEED JSON DEMO_PORT FUZZ_SECONDS PYTEST_ARGS BENCH_ARGS'

clean: ## remove everything that was built
	rm -rf $(BUILD)
