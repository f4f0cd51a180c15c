/* Limits that follow the latency, one for each route, shared by all workers: they add up samples
 * together, and whoever completes a window works out the next limit. */
#include "base/assert.h"
#include "base/clock.h"
#include "state/places.h"

enum { WINDOW_SAMPLES = 50, WINDOW_MS = 100 }; /* at least */
enum { GIVEN_UP_PERCENT = 10 };                /* of them, or more */

/* What changes with every sample, and what with every window. */
struct adaptive {
    u64 from_ns; /* when the window began: what began earlier is none of its samples */
    u64 latency_us;
    u32 samples;
    u32 given_up; /* of these */
    u32 most_active;
    u32 limit;       /* 0 = none was asked for yet */
    u32 baseline_us; /* the gradient's */
    bool busy;       /* somebody works on the gradient */
    struct limit_gradient gradient;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct adaptive_by_slot {
    struct adaptive at[STATE_SLOTS_MAX];
};

usize adaptive_region_bytes(void)
{
    return sizeof(struct adaptive_by_slot);
}

static struct adaptive *adaptive_of(const struct state_routes *routes, u32 slot)
{
    return &routes_adaptive(routes)->at[slot];
}

void adaptive_forget(struct state_routes *routes, u32 slot)
{
    struct adaptive *adaptive = adaptive_of(routes, slot);
    if (adaptive->limit > 0)
        *adaptive = (struct adaptive){0};
}

static bool lock(struct adaptive *adaptive)
{
    return !__atomic_exchange_n(&adaptive->busy, true, __ATOMIC_ACQUIRE);
}

static void unlock(struct adaptive *adaptive)
{
    __atomic_store_n(&adaptive->busy, false, __ATOMIC_RELEASE);
}

static void begin_window(struct adaptive *adaptive, u32 limit, u64 now_ns)
{
    __atomic_store_n(&adaptive->latency_us, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&adaptive->samples, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&adaptive->given_up, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&adaptive->most_active, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&adaptive->from_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&adaptive->limit, limit, __ATOMIC_SEQ_CST);
}

static u32 begin(struct adaptive *adaptive, const struct limit_gradient_settings *settings,
                 u64 now_ns)
{
    struct limit_gradient gradient;
    u32 limit = limit_gradient_begin(&gradient, settings, now_ns);
    if (!lock(adaptive))
        return limit; /* somebody else begins just now */
    if (adaptive->limit == 0) {
        adaptive->gradient = gradient;
        begin_window(adaptive, limit, now_ns);
    }
    unlock(adaptive);
    return limit;
}

u32 state_route_limit(struct state_routes *routes, u32 slot,
                      const struct limit_gradient_settings *settings, u64 now_ns)
{
    struct adaptive *adaptive = adaptive_of(routes, slot);
    u32 limit = __atomic_load_n(&adaptive->limit, __ATOMIC_SEQ_CST);
    if (UNLIKELY(limit == 0))
        limit = begin(adaptive, settings, now_ns);
    return min_u32(max_u32(limit, settings->least), settings->most); /* they may be new */
}

u32 state_route_limit_known(const struct state_routes *routes, u32 slot)
{
    return __atomic_load_n(&adaptive_of(routes, slot)->limit, __ATOMIC_RELAXED);
}

static bool end_window(struct adaptive *adaptive, const struct limit_gradient_settings *settings,
                       u64 now_ns)
{
    bool changed = false;
    if (!lock(adaptive))
        return false;
    u32 samples = __atomic_load_n(&adaptive->samples, __ATOMIC_RELAXED);
    if (samples >= WINDOW_SAMPLES) { /* or somebody else was quicker */
        u64 latency_us = __atomic_load_n(&adaptive->latency_us, __ATOMIC_RELAXED) / samples;
        const struct limit_window window = {
            .now_ns = now_ns,
            .latency_us = (u32)min_u64(max_u64(latency_us, 1), UINT32_MAX),
            .most_active = __atomic_load_n(&adaptive->most_active, __ATOMIC_RELAXED),
            .given_up = __atomic_load_n(&adaptive->given_up, __ATOMIC_RELAXED) * 100ull >=
                        samples * (u64)GIVEN_UP_PERCENT,
        };
        u32 limit = limit_gradient_next(&adaptive->gradient, settings, &window);
        changed = limit != adaptive->limit;
        __atomic_store_n(&adaptive->baseline_us, (u32)adaptive->gradient.baseline_us,
                         __ATOMIC_RELAXED);
        begin_window(adaptive, limit, now_ns);
    }
    unlock(adaptive);
    return changed;
}

/* One that was given up while it took no longer than it may says nothing. */
static bool add_given_up(struct adaptive *adaptive, const struct limit_gradient_settings *settings,
                         u64 latency_us)
{
    u64 baseline_us = __atomic_load_n(&adaptive->baseline_us, __ATOMIC_RELAXED);
    if (latency_us * 100 <= baseline_us * settings->tolerance_percent)
        return false;
    __atomic_fetch_add(&adaptive->given_up, 1, __ATOMIC_RELAXED);
    return true;
}

/* A sample that is lost to the end of a window, or counted in the next one, does no harm. */
bool state_route_sample(struct state_routes *routes, u32 slot,
                        const struct limit_gradient_settings *settings,
                        const struct state_sample *sample)
{
    struct adaptive *adaptive = adaptive_of(routes, slot);
    u32 active = state_route_active(routes, slot);
    if (active > __atomic_load_n(&adaptive->most_active, __ATOMIC_RELAXED))
        __atomic_store_n(&adaptive->most_active, active, __ATOMIC_RELAXED);
    if (active > __atomic_load_n(&adaptive->limit, __ATOMIC_RELAXED)) /* it was lowered */
        __atomic_store_n(&adaptive->from_ns, sample->now_ns, __ATOMIC_RELAXED);
    u64 from_ns = __atomic_load_n(&adaptive->from_ns, __ATOMIC_RELAXED);
    if (sample->began_ns < from_ns)
        return false;
    u64 latency_us = (sample->now_ns - sample->began_ns) / NS_PER_US;
    if (sample->unanswered && !add_given_up(adaptive, settings, latency_us))
        return false;
    __atomic_fetch_add(&adaptive->latency_us, latency_us, __ATOMIC_RELAXED);
    u32 samples = __atomic_add_fetch(&adaptive->samples, 1, __ATOMIC_RELAXED);
    return samples >= WINDOW_SAMPLES && sample->now_ns - from_ns >= WINDOW_MS * NS_PER_MS &&
           end_window(adaptive, settings, sample->now_ns);
}
