/*
 * What the process has left of what its workers cannot see: file descriptors and memory. Control
 * looks now and then and tells them; what they do about it is theirs (src/proxy/overload.c).
 */
#ifndef NEXTPROXY_CONTROL_PRESSURE_H
#define NEXTPROXY_CONTROL_PRESSURE_H

#include "worker.h"

struct pressure {
    u64 next_ns;
    u64 files_max;    /* the process' limit */
    u64 memory_bytes; /* resident, without what is free for use again */
    u64 memory_max;   /* limits.memoryBytes; 0 = any */
    u64 least_bytes;  /* the fewest that were resident so far */
    int statm_fd;     /* /proc/self/statm; -1 = not open */
};

struct pressure_memory {
    u64 resident_bytes;
    u64 least_bytes;   /* the fewest that were resident so far, before workers had anything to do */
    u64 touched_bytes; /* of all workers, as in struct proxy_figures */
    u64 spare_bytes;
};

struct pressure_sources {
    const struct config *config; /* the newest */
    struct team *team;
    struct worker *const *workers;
    u32 worker_count;
};

/* What is resident without what is free for use again. */
u64 pressure_memory_in_use(const struct pressure_memory *memory);

void pressure_init(struct pressure *pressure);
void pressure_deinit(struct pressure *pressure);
/* When pressure_tick() is to be called. */
u64 pressure_deadline_ns(const struct pressure *pressure);
/* Cheap when it is not time yet. */
void pressure_tick(struct pressure *pressure, const struct pressure_sources *from, u64 now_ns);

#endif
