/* Slots: numbers for keys, as long as somebody needs them. One thread. */
#ifndef NEXTPROXY_STATE_SLOTS_H
#define NEXTPROXY_STATE_SLOTS_H

#include "state.h"

struct slot {
    struct slice key; /* malloc'ed copy */
    u64 hash;
    u32 takers;
    u32 next; /* in its bucket's chain, or in the free list; STATE_SLOT_NONE at its end */
};

struct slots {
    struct slot *at;
    u32 *buckets;
    u32 bucket_count; /* a power of two */
    u32 capacity;
    u32 count; /* given out at least once: the others were never touched */
    u32 taken;
    u32 free;
};

void slots_init(struct slots *slots);
void slots_deinit(struct slots *slots);
/* The slot of the key; *fresh when it had none. STATE_SLOT_NONE when all are taken,
 * or there is no memory. */
u32 slots_take(struct slots *slots, struct slice key, bool *fresh);
/* True when it was the last taker: the slot is free. */
bool slots_release(struct slots *slots, u32 slot);

#endif
