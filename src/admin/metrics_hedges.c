/* The families of /metrics that have samples for each route whose requests may be hedged. */
#include "admin/metrics.h"
#include "state/hedges.h"

static void write_counts(const struct scrape *scrape)
{
    static const char *const results[STATE_HEDGE_COUNT] = {
        [STATE_HEDGE_STARTED] = "started",
        [STATE_HEDGE_WON] = "won",
        [STATE_HEDGE_DENIED_BUDGET] = "denied_budget",
        [STATE_HEDGE_DENIED_BACKEND] = "denied_no_backend",
    };
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "route_hedges_total", "counter",
                   "Second attempts while the first one still waited: what became of them, or why "
                   "there was none.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        const struct config_route *route = &snapshot->config->routes[i];
        if (!route->hedged)
            continue;
        struct state_hedge_sums sums = state_hedge_sums(snapshot->state, snapshot->route_slots[i]);
        for (u32 result = 0; result < STATE_HEDGE_COUNT; result++) {
            metrics_id(out, "route_hedges_total", "route", route->id);
            write_format(out, ",result=\"%s\"} %llu\n", results[result],
                         number(sums.counts[result]));
        }
    }
}

static void write_delays(const struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "route_hedge_percentile_seconds", "gauge",
                   "retry.hedge.percentile of the latest times to a response's head; 0 = not known "
                   "yet.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        const struct config_route *route = &snapshot->config->routes[i];
        u32 us = state_hedge_delay_us(snapshot->state, snapshot->route_slots[i]);
        if (!route->hedged)
            continue;
        metrics_id(out, "route_hedge_percentile_seconds", "route", route->id);
        write_format(out, "} %u.%06u\n", us / 1000000, us % 1000000);
    }
}

void metrics_hedges(const struct scrape *scrape)
{
    write_counts(scrape);
    write_delays(scrape);
}
