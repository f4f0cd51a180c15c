/*
 * Watching the configuration file. Editors write a new file and rename it, Kubernetes swaps a
 * symbolic link beside it, and some write in place: so the file's directory is watched, and that of
 * the file it leads to, and any event there means a look at what the name leads to now. What makes
 * no event there is seen by looking now and then.
 */
#ifndef NEXTPROXY_CONTROL_WATCH_H
#define NEXTPROXY_CONTROL_WATCH_H

#include "ring.h"

struct watch;

struct watch_listener {
    void (*on_change)(void *context);
    void *context;
};

/* Tells the listener, from watch_tick(), when the file is another one than it was at the last
 * watch_loaded(), and has been left alone for a moment; at once when it may have changed since
 * read_wall_ns, when it was read first. `file` outlives the watch. NULL with errno when it cannot
 * be watched. */
MUST_CHECK struct watch *watch_create(struct ring *ring, const char *file,
                                      struct watch_listener listener, u64 read_wall_ns);
void watch_destroy(struct watch *watch);

/* The file is about to be read: what it is now is known. */
void watch_loaded(struct watch *watch);

/* When watch_tick() is to be called at the latest. */
u64 watch_deadline_ns(const struct watch *watch);
void watch_tick(struct watch *watch, u64 now_ns);

#endif
