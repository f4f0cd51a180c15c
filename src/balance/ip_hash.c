/*
 * Consistent hashing with a Maglev table (maglev.c): a lookup is one read.
 *
 * Nobody is given more than 1.25 times its share of the requests in flight (Mirrokni, Thorup and
 * Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018): a key whose backend is full,
 * closed or tried goes on to the next slot of a sequence of its own, and finds its way back
 * afterwards.
 */
#include <math.h>

#include "balance/strategy.h"

enum {
    LOOKUPS_MAX = 16, /* in the table, before all backends are looked at */

    /* A share of few requests is mostly chance, and one browser has six connections: up to so many
     * in flight a backend is never full. */
    FULL_FLOOR = 16,
};

struct ip_hash {
    struct balance balance;
    const struct balance_table *table;
    struct scan scan;
    u64 *seen; /* the usable bits that usable_weight is made from */
    u64 usable_weight;
};

struct balance *balance_create_over(struct arena *arena, const struct balance_table *table)
{
    struct ip_hash *hash = arena_alloc(arena, sizeof(*hash));
    *hash = (struct ip_hash){
        .balance = {&strategy_ip_hash},
        .table = table,
        .seen = arena_alloc(arena, words_for(table->count) * sizeof(u64)),
    };
    scan_init(&hash->scan, arena, table->backends, table->count);
    return &hash->balance;
}

static struct balance *ip_hash_create(struct arena *arena, const struct balance_backend *backends,
                                      u32 count)
{
    return balance_create_over(arena, balance_table_create(arena, backends, count));
}

/* A request's way from slot to slot. */
struct search {
    const struct ip_hash *hash;
    const struct balance_request *request;
    u64 active_total;
    bool active_known; /* it costs a pass over the figures, which most requests do not need */
};

/* True when one more request would lift the backend above 1.25 times its share of all requests,
 * this one included: active + 1 > ceil(1.25 * (total + 1) * weight / usable_weight). */
static bool search_full(struct search *search, u32 index)
{
    const struct ip_hash *hash = search->hash;
    const struct balance_backend *backend = &hash->table->backends[index];
    u64 active = balance_active(search->request->load, index);
    if (active < FULL_FLOOR)
        return false;
    if (!search->active_known) {
        search->active_total = scan_active_total(&hash->scan, search->request->load);
        search->active_known = true;
    }
    return 4 * active * hash->usable_weight >= 5 * (search->active_total + 1) * backend->weight;
}

/* Rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and Schomaker 2005)
 * for the few that the table cannot place, when most backends are closed or full: as consistent,
 * but it looks at all of them. If all are full, the same without that. */
static u32 search_all(struct search *search)
{
    const struct ip_hash *hash = search->hash;
    const struct balance_table *table = hash->table;
    u32 best[2] = {BALANCE_NONE, BALANCE_NONE}; /* with room; full */
    double best_cost[2] = {HUGE_VAL, HUGE_VAL};
    for (u32 base = 0; base < table->count; base += 64) {
        u64 open = request_open_word(search->request, base / 64) & hash->scan.weighted[base / 64];
        for (; open != 0; open &= open - 1) {
            u32 index = base + (u32)__builtin_ctzll(open);
            const struct balance_backend *backend = &table->backends[index];
            u64 mixed = hash_mix64(search->request->key ^ hash_mix64(backend->key));
            double uniform = ((double)(mixed >> 11) + 0.5) * 0x1p-53;
            double cost = -log(uniform) / backend->weight;
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
    const struct balance_table *table = hash->table;
    hash->usable_weight = 0;
    for (u32 i = 0; i < table->count; i++)
        if (hash->seen[i / 64] >> (i % 64) & 1)
            hash->usable_weight += table->backends[i].weight;
}

static u32 ip_hash_pick(struct balance *balance, const struct balance_request *request)
{
    struct ip_hash *hash = container_of(balance, struct ip_hash, balance);
    const struct balance_table *table = hash->table;
    if (usable_changed(hash->seen, request->load->usable, words_for(table->count)))
        ip_hash_refresh(hash);
    if (hash->usable_weight == 0)
        return BALANCE_NONE;
    struct search search = {.hash = hash, .request = request};
    u64 sequence = request->key;
    for (u32 i = 0; i < LOOKUPS_MAX; i++) {
        sequence = hash_mix64(sequence + 0x9e3779b97f4a7c15ull);
        u32 index = table->slots[(sequence >> 32) * table->slot_count >> 32];
        if (request_open(request, index) && !search_full(&search, index))
            return index;
    }
    return search_all(&search);
}

const struct strategy strategy_ip_hash = {
    .name = "ip-hash",
    .create = ip_hash_create,
    .pick = ip_hash_pick,
    .looks_at_load = true,
};
