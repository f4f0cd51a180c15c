/* What the files of src/state share: the figures, and where everything is. */
#ifndef NEXTPROXY_STATE_STATE_INTERNAL_H
#define NEXTPROXY_STATE_STATE_INTERNAL_H

#include <pthread.h>

#include "state.h"
#include "state/slots.h"

struct figures {
    u32 active[STATE_SLOTS_MAX];
    u32 latency_us[STATE_SLOTS_MAX];
    u64 latency_at_ns[STATE_SLOTS_MAX];
    u32 marks[STATE_SLOTS_MAX]; /* written under state.lock, read without */
};

/* One worker's, reserved when it asks for them. */
struct tallies {
    struct state_tally by_slot[STATE_SLOTS_MAX];
};

struct state {
    struct slots slots[STATE_KIND_COUNT];
    struct figures *figures;
    struct state_routes *routes;
    struct tallies *tallies[STATE_WORKERS_MAX];
    u32 workers;           /* one more than the last that has tallies */
    pthread_mutex_t lock;  /* of the marks and who follows them */
    struct list followers; /* of struct state_follower */
};

/* ---- marks.c ---- */

void marks_init(struct state *state);
void marks_deinit(struct state *state);
/* The slot is another backend's from now on. */
void marks_forget(struct state *state, u32 slot);

#endif
