/* The tests of the benchmark's own code, gathered by tests/main.c. */
#ifndef NEXTPROXY_BENCH_TESTS_H
#define NEXTPROXY_BENCH_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HISTOGRAM_TESTS = 4, REQUEST_TESTS = 3, RESPONSE_TESTS = 5, PACE_TESTS = 2 };

extern const struct CMUnitTest histogram_tests[HISTOGRAM_TESTS];
extern const struct CMUnitTest request_tests[REQUEST_TESTS];
extern const struct CMUnitTest response_tests[RESPONSE_TESTS];
extern const struct CMUnitTest pace_tests[PACE_TESTS];

#endif
