# nextproxy: build, test and install. `make help` lists the targets.
#
# Sources are discovered, never listed: src/**/*.c is the program, tests/unit/<module>/test_*.c is one
# program each, tests/sim and tests/fuzz likewise. Everything made goes under $(BUILD).

# --- What may be set from outside -------------------------------------------------------------------
BUILD    ?= build
PREFIX   ?= /usr/local
WERROR   ?= 1
# OPT replaces the optimisation flags; SANITIZE is a list for -fsanitize=; LTO is 1 or 0, see
# tools/make/flags.mk; SEED replays one simulator run; FUZZ_SECONDS bounds each fuzz target.
OPT      ?= -O2 -g
SANITIZE ?=
FUZZ_SECONDS ?= 20
ifeq ($(origin CC),default)
CC := gcc
endif

# The distribution's Python, because that is where the distribution's pytest lives; a different
# python3 earlier in PATH (pyenv, venv) would not find it.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)

SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

include tools/make/flags.mk
include tools/make/program.mk
include tools/make/tests.mk
include tools/make/quality.mk
include tools/make/install.mk

.DEFAULT_GOAL := build
