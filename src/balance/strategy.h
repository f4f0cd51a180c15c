/* What the strategies share: how one is described, which backends are open to a request, and the
 * tools that more than one of them uses. */
#ifndef NEXTPROXY_BALANCE_STRATEGY_H
#define NEXTPROXY_BALANCE_STRATEGY_H

#include "balance.h"

struct strategy {
    const char *name;
    struct balance *(*create)(struct arena *, const struct balance_backend *, u32 count);
    u32 (*pick)(struct balance *, const struct balance_request *);
    bool looks_at_load; /* at balance_load.active */
};

/* Begins every strategy's own struct. */
struct balance {
    const struct strategy *strategy;
};

extern const struct strategy strategy_round_robin;
extern const struct strategy strategy_random;
extern const struct strategy strategy_power_of_two;
extern const struct strategy strategy_ip_hash;
extern const struct strategy strategy_least_connections;
extern const struct strategy strategy_least_latency;

/* ---- Bit sets, and what is open to a request ---- */

static inline u32 words_for(u32 count)
{
    return (count + 63) / 64;
}

/* The usable and untried backends of one word of 64. Bits beyond the last backend are arbitrary. */
static inline u64 request_open_word(const struct balance_request *request, u32 word)
{
    u64 open = balance_word(request->load->usable, word);
    return request->tried == NULL ? open : open & ~request->tried[word];
}

static inline bool request_tried(const struct balance_request *request, u32 index)
{
    return request->tried != NULL && (request->tried[index / 64] >> (index % 64) & 1);
}

static inline bool request_open(const struct balance_request *request, u32 index)
{
    return balance_bit(request->load->usable, index) && !request_tried(request, index);
}

/* Copies the usable bits to `seen`; true when they differ from what was there. Strategies derive
 * things from the usable set, and do it again only when this says so. */
bool usable_changed(u64 *seen, const u64 *usable, u32 words);

/* ---- maglev.c ---- */

/* Which backend has which slot; all in one allocation. */
struct balance_table {
    u16 *slots; /* behind the backends */
    u32 slot_count;
    u32 count;
    struct balance_backend backends[];
};

/* ---- sampler.c: weighted random draws ---- */

struct sampler_column;

struct sampler {
    struct sampler_column *columns;
    u32 column_count; /* backends with a weight */
    u32 count;
    u32 *weights; /* of all backends */
};

void sampler_init(struct sampler *sampler, struct arena *arena,
                  const struct balance_backend *backends, u32 count);
/* An open backend other than `except`, with a probability in proportion to its weight. */
u32 sampler_draw(const struct sampler *sampler, const struct balance_request *request, u32 except);

/* ---- scan.c: one pass over the load figures of all backends ---- */

struct scan {
    u32 count;
    u64 *weighted;  /* bit set: the weight is not 0 */
    float *inverse; /* 1 / weight; 0 where that is 0 */
};

enum scan_cost {
    SCAN_CONNECTIONS, /* active / weight */
    SCAN_LATENCY,     /* latency * (active + 1) / weight */
};

void scan_init(struct scan *scan, struct arena *arena, const struct balance_backend *backends,
               u32 count);
/* An open backend of the least cost; `hint`, which must be open, if that is one of them. */
u32 scan_least(const struct scan *scan, const struct balance_request *request, enum scan_cost cost,
               u32 hint);
/* The sum of active over the backends that are usable and have a weight. */
u64 scan_active_total(const struct scan *scan, const struct balance_load *load);

/* What least-connections and least-latency are made of: smooth round robin proposes a backend, and
 * the scan looks for a better one. */
struct least {
    struct balance balance;
    struct balance *turn;
    struct scan scan;
};

struct balance *least_create(struct arena *arena, const struct balance_backend *backends,
                             u32 count);

#endif
