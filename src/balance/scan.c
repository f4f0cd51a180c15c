/*
 * One pass over the load figures of all backends, four at a time. With 1,000 backends the figures
 * are 4 KB and lie mostly in order, and a pass costs less than keeping a heap in order would: the
 * figures are changed by other workers with every request.
 *
 * Costs are compared as single floats. Two that differ by less than one part in four million may be
 * taken for equal.
 */
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "balance/strategy.h"

/* The vectors are plain loads of what others store with relaxed atomics. Every element is an
 * aligned word and so read whole; a cost from a moment ago is as good. ThreadSanitizer cannot know
 * that. */
#define RACY __attribute__((no_sanitize("thread")))
/* Must be, so that each cost gets a loop of its own. */
#define INLINE static inline __attribute__((always_inline))

typedef float f32x4 __attribute__((vector_size(16)));
typedef i32 i32x4 __attribute__((vector_size(16)));

/* A backend without a known latency is tried before all others, but only by one request at a time:
 * with that one still out, it is taken for this slow. */
static const i32 UNKNOWN_LATENCY_US = 60000000;

/* Four bits of an open word as four lanes. */
#define LANES(bits)                                                                                \
    {                                                                                              \
        -((bits)&1), -((bits) >> 1 & 1), -((bits) >> 2 & 1), -((bits) >> 3 & 1)                    \
    }
static const i32x4 open_lanes[16] = {
    LANES(0), LANES(1), LANES(2),  LANES(3),  LANES(4),  LANES(5),  LANES(6),  LANES(7),
    LANES(8), LANES(9), LANES(10), LANES(11), LANES(12), LANES(13), LANES(14), LANES(15),
};

/* The part of a scan that one word of the bit sets stands for. */
struct word {
    const struct scan *scan;
    const struct balance_load *load;
    enum scan_cost cost; /* a constant wherever this is used, once inlined */
    u32 base;            /* the first backend */
    u64 open;
};

void scan_init(struct scan *scan, struct arena *arena, const struct balance_backend *backends,
               u32 count)
{
    u32 words = words_for(count);
    *scan = (struct scan){
        .count = count,
        .weighted = arena_alloc(arena, words * sizeof(u64)),
        .inverse = arena_alloc(arena, (usize)words * 64 * sizeof(float)),
    };
    for (u32 i = 0; i < count; i++) {
        if (backends[i].weight == 0)
            continue;
        scan->weighted[i / 64] |= 1ull << (i % 64);
        scan->inverse[i] = 1.0F / (float)backends[i].weight;
    }
}

struct balance *least_create(struct arena *arena, const struct balance_backend *backends, u32 count)
{
    struct least *least = arena_alloc(arena, sizeof(*least));
    least->turn = balance_create(arena, BALANCE_ROUND_ROBIN, backends, count);
    scan_init(&least->scan, arena, backends, count);
    return &least->balance;
}

/* The figures of four backends from `at` on. Unless the `whole` word is within the pool, zeroes
 * beyond its end. Made in registers: a vector read back from where its lanes were just stored is a
 * stall. */
RACY INLINE i32x4 load_figures(const u32 *figures, const u32 *slots, u32 left, bool whole)
{
    if (whole || LIKELY(left >= 4))
        return (i32x4){(i32)figures[slots[0]], (i32)figures[slots[1]], (i32)figures[slots[2]],
                       (i32)figures[slots[3]]};
    return (i32x4){left > 0 ? (i32)figures[slots[0]] : 0, left > 1 ? (i32)figures[slots[1]] : 0,
                   left > 2 ? (i32)figures[slots[2]] : 0, 0};
}

/* Lane by lane. */
RACY INLINE f32x4 lesser(f32x4 a, f32x4 b)
{
#ifdef __SSE__
    return _mm_min_ps(a, b);
#else
    i32x4 less = a < b;
    return (f32x4)((less & (i32x4)a) | (~less & (i32x4)b));
#endif
}

RACY INLINE f32x4 cost_of_four(const struct scan *scan, const struct balance_load *load,
                               enum scan_cost cost, u32 at, bool whole)
{
    const u32 *slots = load->slots + at;
    u32 left = scan->count - min_u32(at, scan->count);
    i32x4 active = load_figures(load->active, slots, left, whole);
    f32x4 inverse;
    memcpy(&inverse, scan->inverse + at, sizeof(inverse));
    if (cost == SCAN_CONNECTIONS)
        return __builtin_convertvector(active, f32x4) * inverse;
    /* A comparison that holds is -1 in its lane: where the latency is unknown it is replaced, and
     * only there an idle backend costs nothing. */
    i32x4 latency_us = load_figures(load->latency_us, slots, left, whole);
    i32x4 unknown = latency_us == 0;
    i32x4 assumed_us = latency_us | (unknown & UNKNOWN_LATENCY_US);
    i32x4 waiting = active + (unknown + 1);
    return __builtin_convertvector(assumed_us, f32x4) * __builtin_convertvector(waiting, f32x4) *
           inverse;
}

RACY INLINE float least_lane(f32x4 costs)
{
    float low = costs[0] < costs[1] ? costs[0] : costs[1];
    float high = costs[2] < costs[3] ? costs[2] : costs[3];
    return low < high ? low : high;
}

/* The costs of four of which only some are open: the others become infinite. */
RACY INLINE f32x4 hide_closed(f32x4 costs, u64 open)
{
    f32x4 infinite = {__builtin_inff(), __builtin_inff(), __builtin_inff(), __builtin_inff()};
    i32x4 lanes = open_lanes[open & 15];
    return (f32x4)((lanes & (i32x4)costs) | (~lanes & (i32x4)infinite));
}

RACY INLINE f32x4 open_cost_of_four(const struct word *word, u32 offset, bool all_open)
{
    f32x4 costs = cost_of_four(word->scan, word->load, word->cost, word->base + offset, true);
    return all_open ? costs : hide_closed(costs, word->open >> offset);
}

/* The least cost in a word that is wholly within the pool, in four strands, because each step of a
 * single one would wait for the step before. */
RACY INLINE float word_least_of_64(const struct word *word, bool all_open)
{
    f32x4 a = open_cost_of_four(word, 0, all_open);
    f32x4 b = open_cost_of_four(word, 4, all_open);
    f32x4 c = open_cost_of_four(word, 8, all_open);
    f32x4 d = open_cost_of_four(word, 12, all_open);
    for (u32 offset = 16; offset < 64; offset += 16) {
        a = lesser(open_cost_of_four(word, offset, all_open), a);
        b = lesser(open_cost_of_four(word, offset + 4, all_open), b);
        c = lesser(open_cost_of_four(word, offset + 8, all_open), c);
        d = lesser(open_cost_of_four(word, offset + 12, all_open), d);
    }
    return least_lane(lesser(lesser(a, b), lesser(c, d)));
}

/* The least cost among the open backends of a word. */
RACY INLINE float word_least(const struct word *word)
{
    if (LIKELY(word->open == UINT64_MAX))
        return word_least_of_64(word, true);
    if (word->open != 0 && word->base + 64 <= word->scan->count)
        return word_least_of_64(word, false);
    f32x4 least = {__builtin_inff(), __builtin_inff(), __builtin_inff(), __builtin_inff()};
    u32 at = word->base;
    for (u64 open = word->open; open != 0; at += 4, open >>= 4) {
        f32x4 costs = cost_of_four(word->scan, word->load, word->cost, at, false);
        least = lesser(hide_closed(costs, open), least);
    }
    return least_lane(least);
}

/* The first open backend of a word whose cost is at most `limit`. When another worker has changed
 * the figures since the limit was found there may be none: then the first open one. */
RACY INLINE u32 word_find(const struct word *word, float limit)
{
    f32x4 limits = {limit, limit, limit, limit};
    u32 at = word->base;
    for (u64 open = word->open; open != 0; at += 4, open >>= 4) {
        i32x4 low = cost_of_four(word->scan, word->load, word->cost, at, false) <= limits;
        i32x4 found = low & open_lanes[open & 15];
        u64 halves[2];
        memcpy(halves, &found, sizeof(halves));
        if ((halves[0] | halves[1]) == 0)
            continue;
        for (u32 i = 0; i < 4; i++)
            if (found[i])
                return at + i;
    }
    return word->base + (u32)__builtin_ctzll(word->open);
}

RACY INLINE u32 least_of_all(const struct scan *scan, const struct balance_request *request,
                             enum scan_cost cost, u32 hint)
{
    u32 words = words_for(scan->count);
    struct word best = {.scan = scan, .load = request->load, .cost = cost};
    float best_cost = __builtin_inff();
    /* Around from the hint's word, so that equals are not always found at the front. */
    u32 at = hint / 64;
    for (u32 i = 0; i < words; i++, at = at + 1 == words ? 0 : at + 1) {
        struct word word = best;
        word.base = at * 64;
        word.open = request_open_word(request, at) & scan->weighted[at];
        float least = word_least(&word);
        if (least < best_cost) {
            best_cost = least;
            best = word;
        }
    }
    f32x4 around_hint = cost_of_four(scan, request->load, cost, hint & ~3u, false);
    if (best.open == 0 || around_hint[hint & 3] <= best_cost)
        return hint;
    return word_find(&best, best_cost);
}

RACY u32 scan_least(const struct scan *scan, const struct balance_request *request,
                    enum scan_cost cost, u32 hint)
{
    ASSERT(hint < scan->count);
    if (cost == SCAN_CONNECTIONS)
        return least_of_all(scan, request, SCAN_CONNECTIONS, hint);
    return least_of_all(scan, request, SCAN_LATENCY, hint);
}

RACY u64 scan_active_total(const struct scan *scan, const struct balance_load *load)
{
    u64 total = 0;
    for (u32 word = 0; word < words_for(scan->count); word++) {
        u64 open = balance_word(load->usable, word) & scan->weighted[word];
        i32x4 sums = {0};
        for (u32 at = word * 64; open != 0; at += 4, open >>= 4)
            sums += load_figures(load->active, load->slots + at,
                                 scan->count - min_u32(at, scan->count), false) &
                    open_lanes[open & 15];
        total += (u64)(u32)sums[0] + (u32)sums[1] + (u32)sums[2] + (u32)sums[3];
    }
    return total;
}
