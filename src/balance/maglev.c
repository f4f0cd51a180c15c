/*
 * The table of consistent hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network
 * Load Balancer", 2016, section 3.4): each backend walks the slots in its own order, given by its
 * key, and the backends take turns in claiming the next free slot. The shares are even to one slot;
 * another set of backends changes little more than it must.
 */
#include <assert.h>
#include <stdlib.h>

#include "balance/strategy.h"

enum {
    /* Primes, as in the paper. The size must not follow the count closely, because another size
     * moves every key. */
    SLOTS_SMALL = 65537,
    SLOTS_LARGE = 655373,
    SLOTS_SMALL_BACKENDS_MAX = 2048,
};
static_assert((int)BALANCE_BACKENDS_MAX <= (int)UINT16_MAX, "an index fits in a slot");

/* A table while it is being filled. Most questions are whether a slot is free: one bit each, so
 * that the answers stay in the nearest cache. */
struct filling {
    struct balance_table *table;
    struct claimant *claimants;
    u64 *claimed;
    u32 claimant_count;
};

/* One backend meanwhile. */
struct claimant {
    u64 key;
    u64 credit;
    u32 index;
    u32 weight;
    u32 at;   /* the slot to ask for next */
    u32 step; /* coprime to the prime number of slots, so that all are asked for in the end */
};

static int claimant_compare(const void *left, const void *right)
{
    const struct claimant *a = left;
    const struct claimant *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static void claimant_claim(struct claimant *claimant, struct filling *filling)
{
    u32 slot_count = filling->table->slot_count;
    u32 at = claimant->at;
    while (filling->claimed[at / 64] >> (at % 64) & 1) {
        at += claimant->step;
        at -= at >= slot_count ? slot_count : 0;
    }
    filling->claimed[at / 64] |= 1ull << (at % 64);
    filling->table->slots[at] = (u16)claimant->index;
    claimant->at = at;
}

/* Sorted by key, so that the order in the config has no influence. */
static void claimants_make(struct filling *filling)
{
    const struct balance_table *table = filling->table;
    for (u32 i = 0; i < table->count; i++) {
        const struct balance_backend *backend = &table->backends[i];
        u64 key = backend->key;
        if (backend->weight == 0)
            continue;
        filling->claimants[filling->claimant_count++] = (struct claimant){
            .key = key,
            .index = i,
            .weight = backend->weight,
            .at = (u32)(hash_mix64(key ^ 0x243f6a8885a308d3ull) % table->slot_count),
            .step = (u32)(hash_mix64(key ^ 0x13198a2e03707344ull) % (table->slot_count - 1)) + 1,
        };
    }
    qsort(filling->claimants, filling->claimant_count, sizeof(struct claimant), claimant_compare);
}

/* Rounds in which the heaviest claims a slot each time and others as often as their weight allows;
 * in the first, everybody, so that nobody is left out. */
static void slots_fill(struct filling *filling)
{
    u32 count = filling->claimant_count;
    u32 weight_max = 0;
    for (u32 i = 0; i < count; i++)
        weight_max = max_u32(weight_max, filling->claimants[i].weight);
    for (u32 i = 0; i < count; i++)
        filling->claimants[i].credit = weight_max - filling->claimants[i].weight;
    u32 filled = 0;
    while (count > 0) {
        for (u32 i = 0; i < count; i++) {
            struct claimant *claimant = &filling->claimants[i];
            claimant->credit += claimant->weight;
            if (claimant->credit < weight_max)
                continue;
            claimant->credit -= weight_max;
            claimant_claim(claimant, filling);
            if (++filled == filling->table->slot_count)
                return;
        }
    }
}

/* One allocation, so that an arena for a table alone is no larger than the table. */
static struct balance_table *table_alloc(struct arena *arena, u32 count)
{
    u32 slot_count = count <= SLOTS_SMALL_BACKENDS_MAX ? SLOTS_SMALL : SLOTS_LARGE;
    usize backends_bytes = count * sizeof(struct balance_backend);
    struct balance_table *table =
        arena_alloc(arena, sizeof(*table) + backends_bytes + slot_count * sizeof(u16));
    table->count = count;
    table->slot_count = slot_count;
    table->slots = (u16 *)(table->backends + count);
    return table;
}

const struct balance_table *balance_table_create(struct arena *arena,
                                                 const struct balance_backend *backends, u32 count)
{
    struct arena scratch;
    arena_init(&scratch);
    struct balance_table *table = table_alloc(arena, count);
    memcpy(table->backends, backends, count * sizeof(*backends));
    struct filling filling = {
        .table = table,
        .claimants = arena_alloc(&scratch, count * sizeof(struct claimant)),
        .claimed = arena_alloc(&scratch, words_for(table->slot_count) * sizeof(u64)),
    };
    claimants_make(&filling);
    slots_fill(&filling);
    arena_deinit(&scratch);
    return table;
}

bool balance_table_is_for(const struct balance_table *table, const struct balance_backend *backends,
                          u32 count)
{
    if (table->count != count)
        return false;
    for (u32 i = 0; i < count; i++)
        if (table->backends[i].key != backends[i].key ||
            table->backends[i].weight != backends[i].weight)
            return false;
    return true;
}
