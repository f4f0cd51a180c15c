/*
 * Assertions are for bugs, never for what arrives from outside: a failing ASSERT stops the process
 * with the expression, the place and the trace of the last events. They stay in release builds,
 * so a condition must be cheap. DEBUG_ASSERT is for scans and is compiled in by -DNEXTPROXY_DEBUG.
 */
#ifndef NEXTPROXY_BASE_ASSERT_H
#define NEXTPROXY_BASE_ASSERT_H

#include "base/types.h"

/* Prints what failed and the recent trace to stderr, then aborts. Never returns. */
__attribute__((noreturn, cold)) void panic(const char *file, int line, const char *what);

/* Remembers `event` (a string literal) with two values in this thread's ring of the last 256
 * events, which panic() prints. Costs four stores. */
void trace_event(const char *event, u64 a, u64 b);

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition)))                                                                \
            panic(__FILE__, __LINE__, #condition);                                                 \
    } while (0)

#ifdef NEXTPROXY_DEBUG
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
