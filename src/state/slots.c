/* A hash table of keys with stable numbers: chains of indexes into a growing array. */
#include "state/slots.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"

enum { CAPACITY_FIRST = 64 };

void slots_init(struct slots *slots)
{
    *slots = (struct slots){.free = STATE_SLOT_NONE};
}

void slots_deinit(struct slots *slots)
{
    for (u32 i = 0; i < slots->count; i++)
        if (slots->at[i].takers > 0)
            free((char *)(uintptr_t)slots->at[i].key.data);
    free(slots->at);
    free(slots->buckets);
}

static u32 *bucket_of(struct slots *slots, u64 hash)
{
    return &slots->buckets[hash & (slots->bucket_count - 1)];
}

static void link_slot(struct slots *slots, u32 index)
{
    u32 *bucket = bucket_of(slots, slots->at[index].hash);
    slots->at[index].next = *bucket;
    *bucket = index;
}

/* Twice as many, and as many buckets as slots. False, and nothing changed, without memory. */
static bool grow(struct slots *slots)
{
    u32 capacity = max_u32(2 * slots->capacity, CAPACITY_FIRST);
    u32 *buckets = malloc(capacity * sizeof(u32));
    struct slot *at = buckets ? realloc(slots->at, capacity * sizeof(*at)) : NULL;
    if (!at) {
        free(buckets);
        return false;
    }
    free(slots->buckets);
    slots->at = at;
    slots->buckets = buckets;
    slots->capacity = slots->bucket_count = capacity;
    for (u32 i = 0; i < slots->bucket_count; i++)
        slots->buckets[i] = STATE_SLOT_NONE;
    for (u32 i = 0; i < slots->count; i++) /* all are taken, or there would be no need to grow */
        link_slot(slots, i);
    return true;
}

static u32 find(struct slots *slots, struct slice key, u64 hash)
{
    if (slots->bucket_count == 0)
        return STATE_SLOT_NONE;
    u32 index = *bucket_of(slots, hash);
    while (index != STATE_SLOT_NONE &&
           (slots->at[index].hash != hash || !slice_equal(slots->at[index].key, key)))
        index = slots->at[index].next;
    return index;
}

static u32 take_free(struct slots *slots)
{
    u32 index = slots->free;
    if (index != STATE_SLOT_NONE) {
        slots->free = slots->at[index].next;
        return index;
    }
    if (slots->count == STATE_SLOTS_MAX || (slots->count == slots->capacity && !grow(slots)))
        return STATE_SLOT_NONE;
    return slots->count++;
}

static u32 take_fresh(struct slots *slots, struct slice key, u64 hash)
{
    char *copy = malloc(max_u32(key.len, 1));
    u32 index = copy ? take_free(slots) : STATE_SLOT_NONE;
    if (index == STATE_SLOT_NONE) {
        free(copy);
        return index;
    }
    if (key.len > 0)
        memcpy(copy, key.data, key.len);
    slots->at[index] = (struct slot){.key = slice_of(copy, key.len), .hash = hash};
    link_slot(slots, index);
    slots->taken++;
    return index;
}

u32 slots_take(struct slots *slots, struct slice key, bool *fresh)
{
    u64 hash = hash_bytes(key.data, key.len, 0);
    u32 index = find(slots, key, hash);
    *fresh = index == STATE_SLOT_NONE;
    if (*fresh)
        index = take_fresh(slots, key, hash);
    if (index != STATE_SLOT_NONE)
        slots->at[index].takers++;
    return index;
}

bool slots_release(struct slots *slots, u32 index)
{
    struct slot *slot = &slots->at[index];
    ASSERT(index < slots->count && slot->takers > 0);
    if (--slot->takers > 0)
        return false;
    u32 *link = bucket_of(slots, slot->hash);
    while (*link != index)
        link = &slots->at[*link].next;
    *link = slot->next;
    free((char *)(uintptr_t)slot->key.data);
    slot->next = slots->free;
    slots->free = index;
    slots->taken--;
    return true;
}
