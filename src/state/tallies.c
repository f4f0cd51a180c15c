/* What each worker has counted of each backend and route, and its sums. */
#include "base/arena.h"
#include "state/state_internal.h"

struct state_tally *state_tallies(struct state *state, u32 worker)
{
    if (worker >= STATE_WORKERS_MAX)
        return NULL;
    marks_lock(state); /* workers that serve already add them up when a backend fails */
    if (!state->tallies[worker])
        __atomic_store_n(&state->tallies[worker], region_reserve(sizeof(struct tallies)),
                         __ATOMIC_RELEASE);
    if (state->tallies[worker]) /* others add up without the lock: active.c */
        __atomic_store_n(&state->workers, max_u32(state->workers, worker + 1), __ATOMIC_RELEASE);
    marks_unlock(state);
    return state->tallies[worker] ? state->tallies[worker]->by_slot : NULL;
}

struct state_latencies *state_latencies(struct state *state, u32 worker)
{
    return state->tallies[worker]->latencies;
}

struct state_exchanges *state_route_exchanges(struct state *state, u32 worker)
{
    return state->tallies[worker]->exchanges;
}

struct state_latencies *state_route_durations(struct state *state, u32 worker)
{
    return state->tallies[worker]->durations;
}

struct state_waits *state_route_waits(struct state *state, u32 worker)
{
    return state->tallies[worker]->waits;
}

/* ---- Forgetting ---- */

void tallies_release(struct state *state)
{
    for (u32 worker = 0; worker < state->workers; worker++)
        if (state->tallies[worker])
            region_release(state->tallies[worker], sizeof(*state->tallies[worker]));
}

void tallies_forget_backend(struct state *state, u32 slot)
{
    for (u32 worker = 0; worker < state->workers; worker++) {
        struct tallies *tallies = state->tallies[worker];
        /* What was never written is not touched: it would take memory. */
        if (!tallies || tallies->by_slot[slot].requests == 0)
            continue;
        tallies->by_slot[slot] = (struct state_tally){0};
        memset(&tallies->latencies[slot], 0, sizeof(tallies->latencies[slot]));
    }
}

static bool anybody_waited(const struct state_waits *waits)
{
    return waits->us_sum > 0 || waits->times.counts[0] > 0; /* shorter than a microsecond */
}

void tallies_forget_route(struct state *state, u32 slot)
{
    for (u32 worker = 0; worker < state->workers; worker++) {
        struct tallies *tallies = state->tallies[worker];
        if (tallies && tallies->exchanges[slot].begun > 0) {
            tallies->exchanges[slot] = (struct state_exchanges){0};
            memset(&tallies->durations[slot], 0, sizeof(tallies->durations[slot]));
        }
        if (tallies && anybody_waited(&tallies->waits[slot]))
            memset(&tallies->waits[slot], 0, sizeof(tallies->waits[slot]));
    }
}

/* ---- Reading ---- */

static u64 figure_read(const u64 *figure)
{
    return __atomic_load_n(figure, __ATOMIC_RELAXED);
}

struct state_tally state_backend_tally(const struct state *state, u32 slot)
{
    struct state_tally sum = {0};
    for (u32 worker = 0; worker < state->workers; worker++) {
        if (!state->tallies[worker])
            continue;
        const struct state_tally *one = &state->tallies[worker]->by_slot[slot];
        sum.requests += figure_read(&one->requests);
        sum.failures += figure_read(&one->failures);
        for (u32 i = 0; i < ARRAY_COUNT(sum.responses); i++)
            sum.responses[i] += figure_read(&one->responses[i]);
        sum.latency_us_sum += figure_read(&one->latency_us_sum);
    }
    return sum;
}

static void latencies_add(struct state_latency_sums *sums, const struct state_latencies *one)
{
    for (u32 i = 0; i < STATE_LATENCY_BUCKETS; i++)
        sums->counts[i] += __atomic_load_n(&one->counts[i], __ATOMIC_RELAXED);
}

struct state_latency_sums state_backend_latencies(const struct state *state, u32 slot)
{
    struct state_latency_sums sums = {.counts = {0}};
    for (u32 worker = 0; worker < state->workers; worker++)
        if (state->tallies[worker])
            latencies_add(&sums, &state->tallies[worker]->latencies[slot]);
    return sums;
}

struct state_wait_sums state_route_wait_sums(const struct state *state, u32 slot)
{
    struct state_wait_sums sums = {.us_sum = 0};
    for (u32 worker = 0; worker < state->workers; worker++) {
        if (!state->tallies[worker])
            continue;
        latencies_add(&sums.times, &state->tallies[worker]->waits[slot].times);
        sums.us_sum += figure_read(&state->tallies[worker]->waits[slot].us_sum);
    }
    return sums;
}

struct state_exchanges state_route_exchange_sums(const struct state *state, u32 slot)
{
    struct state_exchanges sum = {0};
    for (u32 worker = 0; worker < state->workers; worker++) {
        if (!state->tallies[worker])
            continue;
        const struct state_exchanges *one = &state->tallies[worker]->exchanges[slot];
        sum.begun += figure_read(&one->begun);
        for (u32 i = 0; i < ARRAY_COUNT(sum.ended); i++)
            sum.ended[i] += figure_read(&one->ended[i]);
        sum.duration_us_sum += figure_read(&one->duration_us_sum);
    }
    return sum;
}

struct state_latency_sums state_route_duration_sums(const struct state *state, u32 slot)
{
    struct state_latency_sums sums = {.counts = {0}};
    for (u32 worker = 0; worker < state->workers; worker++)
        if (state->tallies[worker])
            latencies_add(&sums, &state->tallies[worker]->durations[slot]);
    return sums;
}
