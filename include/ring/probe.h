/*
 * What this kernel offers of io_uring, found by trying it out: never by its version, because
 * distributions carry features back and containers take them away. The rows are those of
 * kernel-reqs/features.def.
 */
#ifndef NEXTPROXY_RING_PROBE_H
#define NEXTPROXY_RING_PROBE_H

#include "ring.h"

/* One for each row of features.def, required and optional ones, in its order. */
enum ring_feature {
#define FEATURE_REQUIRED(suffix, name, since, why) RING_FEATURE_##suffix,
#define FEATURE_OPTIONAL(suffix, name, since, needs, why, without) RING_FEATURE_##suffix,
#include "../../kernel-reqs/features.def"
    RING_FEATURE_COUNT,
};

/* A row of features.def. */
struct ring_feature_info {
    const char *name;
    const char *since; /* the first mainline kernel, for people */
    const char *why;
    const char *without; /* what happens when it is missing */
    u32 capability;      /* bit of the capability; 0 = required */
    u32 needs;           /* bits of the capabilities that it works with only */
};

const struct ring_feature_info *ring_feature_info(enum ring_feature feature);

enum ring_feature_state {
    RING_FEATURE_UNTESTED, /* the test could not be made: no ring, no descriptors, no memory */
    RING_FEATURE_PRESENT,
    RING_FEATURE_MISSING,
};

struct ring_probe {
    u32 capabilities; /* bit set of enum ring_capability */
    bool usable;      /* everything required is present */
    i32 error;        /* 0 when usable, otherwise what to give to ring_explain_setup_error() */
    struct ring_probe_row {
        enum ring_feature_state state;
        i32 error; /* errno of what was tried; EPROTO: accepted, but it did something else */
    } rows[RING_FEATURE_COUNT];
};

/* Tries everything out. Takes some milliseconds, at most about 100 when the kernel does not answer;
 * touches only descriptors and memory of its own and gives them back. */
void ring_probe_run(struct ring_probe *out);

/* `wanted` without the capabilities that need one which is not in it. */
u32 ring_capabilities_reduce(u32 wanted);

/* ---- Why there is no ring ---- */

/* What of this process' surroundings decides whether it may have rings. -1: not known. */
struct ring_host {
    u64 capabilities; /* the effective ones, one bit each (capabilities(7)); 0 also: not known */
    i32 seccomp_mode; /* 0 off, 1 strict, 2 filter */
    i32 io_uring_disabled; /* sysctl kernel.io_uring_disabled: 0 for all, 1 for a group, 2 nobody */
    i32 io_uring_group;    /* sysctl kernel.io_uring_group: the group id, -1 none */
    bool admitted;         /* CAP_SYS_ADMIN or a member of io_uring_group */
    bool memory_unlimited; /* CAP_IPC_LOCK: RLIMIT_MEMLOCK does not count */
    u64 memlock_bytes;     /* RLIMIT_MEMLOCK; UINT64_MAX without limit */
    u64 descriptors_max;   /* RLIMIT_NOFILE */
};

void ring_host_read(struct ring_host *out);

enum { RING_EXPLANATION_BYTES = 256 }; /* enough for every text */

/* Writes one line: what failed, its cause, and after "cure: " what to do about it. `error` is the
 * errno of io_uring_setup(2) or of the steps after it. */
void ring_explain_setup_error(i32 error, char *out, usize bytes);
/* The same for given surroundings. */
void ring_explain(i32 error, const struct ring_host *host, char *out, usize bytes);

#endif
