/*
 * Consistent hashing with a Maglev table (Eisenbud et al., "Maglev: A Fast and Reliable Software
 * Network Load Balancer", 2016, section 3.4): each backend walks the slots in its own order, given
 * by its key, and the backends take turns in claiming the next free slot. A lookup is one read; the
 * shares are even to one slot; another set of backends changes little more than it must.
 *
 * Nobody is given more than 1.25 times its share of the requests in flight (Mirrokni, Thorup and
 * Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018): a key whose backend is full,
 * closed or tried goes on to the next slot of a sequence of its own, and finds its way back
 * afterwards.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "balance/strategy.h"

enum {
    /* Primes, as in the paper. The size must not follow the count closely, because another size
     * moves every key. */
    SLOTS_SMALL = 65537,
    SLOTS_LARGE = 655373,
    SLOTS_SMALL_BACKENDS_MAX = 2048,

    SLOT_FREE = UINT16_MAX,
    ATTEMPTS = 16,

    /* A share of few requests is mostly chance, and one browser has six connections: up to so many
     * in flight a backend is never full. */
    FULL_FLOOR = 16,
};
static_assert((int)BALANCE_BACKENDS_MAX <= (int)SLOT_FREE, "an index fits in a slot");

struct ip_hash {
    struct balance balance;
    u32 count;
    u32 slot_count;
    u16 *slots;
    u32 *weights;
    u64 *keys;
    struct scan scan;
    u64 *seen; /* the usable bits that usable_weight is made from */
    u64 usable_weight;
};

/* One backend while the table is being filled. */
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

static void claimant_claim(struct claimant *claimant, struct ip_hash *hash)
{
    while (hash->slots[claimant->at] != SLOT_FREE)
        claimant->at = (claimant->at + claimant->step) % hash->slot_count;
    hash->slots[claimant->at] = (u16)claimant->index;
}

/* Sorted by key, so that the order in the config has no influence. */
static u32 claimants_make(struct claimant *claimants, const struct ip_hash *hash)
{
    u32 claimant_count = 0;
    for (u32 i = 0; i < hash->count; i++) {
        if (hash->weights[i] == 0)
            continue;
        u64 key = hash->keys[i];
        claimants[claimant_count++] = (struct claimant){
            .key = key,
            .index = i,
            .weight = hash->weights[i],
            .at = (u32)(hash_mix64(key ^ 0x243f6a8885a308d3ull) % hash->slot_count),
            .step = (u32)(hash_mix64(key ^ 0x13198a2e03707344ull) % (hash->slot_count - 1)) + 1,
        };
    }
    qsort(claimants, claimant_count, sizeof(*claimants), claimant_compare);
    return claimant_count;
}

/* Rounds in which the heaviest claims a slot each time and others as often as their weight allows;
 * in the first, everybody, so that nobody is left out. */
static void slots_fill(struct ip_hash *hash, struct claimant *claimants, u32 claimant_count)
{
    u32 weight_max = 0;
    for (u32 i = 0; i < claimant_count; i++)
        weight_max = max_u32(weight_max, claimants[i].weight);
    for (u32 i = 0; i < claimant_count; i++)
        claimants[i].credit = weight_max - claimants[i].weight;
    u32 filled = 0;
    while (claimant_count > 0) {
        for (u32 i = 0; i < claimant_count; i++) {
            struct claimant *claimant = &claimants[i];
            claimant->credit += claimant->weight;
            if (claimant->credit < weight_max)
                continue;
            claimant->credit -= weight_max;
            claimant_claim(claimant, hash);
            if (++filled == hash->slot_count)
                return;
        }
    }
}

static struct balance *ip_hash_create(struct arena *arena, const struct balance_backend *backends,
                                      u32 count)
{
    u32 slot_count = count <= SLOTS_SMALL_BACKENDS_MAX ? SLOTS_SMALL : SLOTS_LARGE;
    struct ip_hash *hash = arena_alloc(arena, sizeof(*hash));
    *hash = (struct ip_hash){
        .count = count,
        .slot_count = slot_count,
        .slots = arena_alloc(arena, slot_count * sizeof(u16)),
        .weights = arena_alloc(arena, count * sizeof(u32)),
        .keys = arena_alloc(arena, count * sizeof(u64)),
        .seen = arena_alloc(arena, words_for(count) * sizeof(u64)),
    };
    scan_init(&hash->scan, arena, backends, count);
    for (u32 i = 0; i < count; i++) {
        hash->weights[i] = backends[i].weight;
        hash->keys[i] = backends[i].key;
    }
    for (u32 i = 0; i < slot_count; i++)
        hash->slots[i] = SLOT_FREE;
    struct arena scratch;
    arena_init(&scratch);
    struct claimant *claimants = arena_alloc(&scratch, count * sizeof(*claimants));
    slots_fill(hash, claimants, claimants_make(claimants, hash));
    arena_deinit(&scratch);
    return &hash->balance;
}

/* A request's way from slot to slot. */
struct search {
    const struct ip_hash *hash;
    const struct balance_request *request;
    u64 active_total;
    bool
        active_known; /* adding up costs a pass over the figures, which most requests do not need */
};

/* True when one more request would lift the backend above 1.25 times its share of all requests,
 * this one included: active + 1 > ceil(1.25 * (total + 1) * weight / usable_weight). */
static bool search_full(struct search *search, u32 index)
{
    const struct ip_hash *hash = search->hash;
    u64 active = balance_active(search->request->load, index);
    if (active < FULL_FLOOR)
        return false;
    if (!search->active_known) {
        search->active_total = scan_active_total(&hash->scan, search->request->load);
        search->active_known = true;
    }
    return 4 * active * hash->usable_weight >=
           5 * (search->active_total + 1) * hash->weights[index];
}

/* Rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and Schomaker 2005)
 * for the few that the table cannot place, when most backends are closed or full: as consistent,
 * but it looks at all of them. If all are full, the same without that. */
static u32 search_all(struct search *search)
{
    const struct ip_hash *hash = search->hash;
    u32 best[2] = {BALANCE_NONE, BALANCE_NONE}; /* with room; full */
    double best_cost[2] = {HUGE_VAL, HUGE_VAL};
    for (u32 base = 0; base < hash->count; base += 64) {
        u64 open = request_open_word(search->request, base / 64) & hash->scan.weighted[base / 64];
        for (; open != 0; open &= open - 1) {
            u32 index = base + (u32)__builtin_ctzll(open);
            u64 mixed = hash_mix64(search->request->key ^ hash_mix64(hash->keys[index]));
            double uniform = ((double)(mixed >> 11) + 0.5) * 0x1p-53;
            double cost = -log(uniform) / hash->weights[index];
            bool full = search_full(search, index);
            if (cost < best_cost[full]) {
                best_cost[full] = cost;
                best[full] = index;
            }
        }
    }
    return best[0] != BALANCE_NONE ? best[0] : best[1];
}

static void ip_hash_refresh(struct ip_hash *hash)
{
    hash->usable_weight = 0;
    for (u32 i = 0; i < hash->count; i++)
        if (hash->seen[i / 64] >> (i % 64) & 1)
            hash->usable_weight += hash->weights[i];
}

static u32 ip_hash_pick(struct balance *balance, const struct balance_request *request)
{
    struct ip_hash *hash = container_of(balance, struct ip_hash, balance);
    if (usable_changed(hash->seen, request->load->usable, words_for(hash->count)))
        ip_hash_refresh(hash);
    if (hash->usable_weight == 0)
        return BALANCE_NONE;
    struct search search = {.hash = hash, .request = request};
    u64 sequence = request->key;
    for (u32 attempt = 0; attempt < ATTEMPTS; attempt++) {
        sequence = hash_mix64(sequence + 0x9e3779b97f4a7c15ull);
        u32 index = hash->slots[(sequence >> 32) * hash->slot_count >> 32];
        if (request_open(request, index) && !search_full(&search, index))
            return index;
    }
    return search_all(&search);
}

const struct strategy strategy_ip_hash = {
    .name = "ip-hash",
    .create = ip_hash_create,
    .pick = ip_hash_pick,
};
