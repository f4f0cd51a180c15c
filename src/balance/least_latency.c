/*
 * The least expected wait: peak EWMA of the latency, times the requests that would then be in
 * flight, per weight (after Finagle's PeakEwma balancer). The figures are live, not gossip, and
 * each pick raises the cost of its backend at once, so taking the best of all does not make a
 * stampede.
 */
#include <math.h>

#include "balance/strategy.h"
#include "base/clock.h"

/* A backend once slow would not be chosen again, so its figure would never improve. One pick in so
 * many goes to whoever's turn it is, if that is idle: it costs the slowest of N backends one
 * request in EXPLORE * N. */
enum { EXPLORE = 256 };

static u32 least_latency_pick(struct balance *balance, const struct balance_request *request)
{
    struct least *least = container_of(balance, struct least, balance);
    u32 proposed = balance_pick(least->turn, request);
    if (proposed == BALANCE_NONE)
        return BALANCE_NONE;
    if (balance_active(request->load, proposed) == 0) {
        bool unknown = balance_latency_us(request->load, proposed) == 0;
        if (unknown || rng_below(request->rng, EXPLORE) == 0)
            return proposed;
    }
    return scan_least(&least->scan, request, SCAN_LATENCY, proposed);
}

const struct strategy strategy_least_latency = {
    .name = "least-latency",
    .create = least_create,
    .pick = least_latency_pick,
    .looks_at_load = true,
};

u32 balance_latency_update(u32 latency_us, u32 sample_us, u64 elapsed_ns, u64 decay_ns)
{
    /* 0 is kept for "not known", and the scan reads figures as signed. */
    u32 sample = min_u32(max_u32(sample_us, 1), INT32_MAX);
    if (sample >= latency_us || decay_ns == 0)
        return sample;
    double kept = exp(-(double)elapsed_ns / (double)decay_ns);
    return (u32)(sample + (latency_us - sample) * kept);
}
