/* The CPU time of other processes, read at the two ends of the measured window. */
#ifndef NEXTPROXY_BENCH_LOAD_WATCH_H
#define NEXTPROXY_BENCH_LOAD_WATCH_H

#include <stdio.h>
#include <time.h>

#include "base/types.h"

enum { WATCHES_MAX = 16 };

struct watch_sample {
    u64 cpu_ns;     /* the process's own CPU clock: exact, all its threads */
    u64 user_ticks; /* from /proc/<pid>/stat: only good for the split */
    u64 system_ticks;
    u64 switches; /* voluntary and involuntary context switches of the main thread */
};

struct watch {
    char name[32];
    i32 pid;
    clockid_t clock;
    struct watch_sample begin;
    struct watch_sample end;
};

/* Parses "name=pid" and checks that the process exists; dies otherwise. */
void watch_open(struct watch *watch, const char *text);

/* Reads the process's accounting now. A process that is gone leaves the sample at zero. */
void watch_read(const struct watch *watch, struct watch_sample *sample);

/* Writes `"name": {...}` with the differences between `end` and `begin`. */
void watch_print(const struct watch *watch, FILE *out);

#endif
