/* The families of /metrics that have a sample for each route. */
#include "admin/metrics.h"

struct route_figures {
    u64 active;
    u32 limit;
    u32 waiting;
    struct state_route_tally tally;
};

static const struct metric of_all[] = {
    {"route_active", "gauge", "Requests in progress on each route, without those that wait.",
     METRIC(route_figures, active)},
};

static const struct metric of_limited[] = {
    {"route_active_limit", "gauge", "The limit in force: how many there may be.",
     METRIC(route_figures, limit)},
    {"route_queue_length", "gauge", "Requests that wait for their turn.",
     METRIC(route_figures, waiting)},
    {"route_queued_total", "counter", "Requests that had to wait.",
     METRIC(route_figures, tally.queued)},
    {"route_queue_wait_seconds_total", "counter", "How long these had waited, all in all.",
     METRIC_MICROS(route_figures, tally.waited_us_sum)},
    {"route_queue_served_total", "counter", "Requests that were served after they had waited.",
     METRIC(route_figures, tally.waited)},
    {"route_queue_timeouts_total", "counter", "Requests that waited for timeouts.queue.",
     METRIC(route_figures, tally.timed_out)},
    {"route_shed_total", "counter", "Requests that were sent away while they waited.",
     METRIC(route_figures, tally.shed)},
    {"route_queues_standing", "gauge",
     "Workers whose queue stands: they turn the newest requests away.",
     METRIC(route_figures, tally.standing)},
    {"route_refused_total", "counter",
     "Requests for which there was neither a place nor room to wait.",
     METRIC(route_figures, tally.refused)},
};

static struct route_figures figures_of(const struct snapshot *snapshot, u32 route)
{
    const struct state_routes *routes = state_routes(snapshot->state);
    u32 slot = snapshot->route_slots[route];
    return (struct route_figures){
        .active = view_route_active(snapshot, route),
        .limit = view_route_limit(snapshot, route),
        .waiting = state_route_waiting(routes, slot),
        .tally = state_route_tally(routes, slot),
    };
}

static void write_family(const struct scrape *scrape, const struct metric *row, bool limited_only)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    const struct config *config = snapshot->config;
    struct http_writer *out = scrape->out;
    metrics_family(out, row->name, row->type, row->help);
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        if (limited_only && !config->routes[i].limited)
            continue;
        struct route_figures figures = figures_of(snapshot, i);
        metrics_id(out, row->name, "route", config->routes[i].id);
        http_write(out, SLICE("}"));
        metrics_value(out, row, &figures);
    }
}

static void write_times(const struct scrape *scrape, const char *name, u32 route,
                        const struct state_latency_sums *times, u64 us_sum)
{
    const struct config_route *config = &scrape->view.snapshot->config->routes[route];
    char labels[METRICS_LABELS_BYTES];
    (void)snprintf(labels, sizeof(labels), "route=\"%.*s\"", (int)config->id.len, config->id.data);
    metrics_histogram(scrape->out,
                      &(struct metrics_histogram){
                          .name = name, .labels = labels, .times = times, .us_sum = us_sum});
}

static void write_waits(const struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    const struct config *config = snapshot->config;
    struct http_writer *out = scrape->out;
    metrics_family(out, "route_queue_wait_seconds", "histogram",
                   "How long requests have waited in each route's queue, however that ended.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        if (!config->routes[i].limited)
            continue;
        struct state_wait_sums sums =
            state_route_wait_sums(snapshot->state, snapshot->route_slots[i]);
        write_times(scrape, "route_queue_wait_seconds", i, &sums.times, sums.us_sum);
    }
}

static void write_durations(const struct scrape *scrape)
{
    static const char name[] = "route_request_duration_seconds";
    const struct snapshot *snapshot = scrape->view.snapshot;
    metrics_family(scrape->out, name, "histogram",
                   "From the first byte of a request to the end, by route, without tunnels.");
    for (u32 i = 0; i < scrape->routes && !scrape->out->full; i++) {
        u32 slot = snapshot->route_slots[i];
        struct state_latency_sums times = state_route_duration_sums(snapshot->state, slot);
        write_times(scrape, name, i, &times,
                    state_route_exchange_sums(snapshot->state, slot).duration_us_sum);
    }
}

static void write_classes(const struct scrape *scrape)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "route_responses_total", "counter",
                   "Requests of each route that are over, by the class of the status sent.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        struct state_exchanges sum =
            state_route_exchange_sums(snapshot->state, snapshot->route_slots[i]);
        for (u32 class = 0; class < ARRAY_COUNT(sum.ended); class ++) {
            metrics_id(out, "route_responses_total", "route", snapshot->config->routes[i].id);
            write_format(out, ",class=\"%s\"} %llu\n", classes[class], number(sum.ended[class]));
        }
    }
}

void metrics_routes(struct scrape *scrape)
{
    for (u32 i = 0; i < ARRAY_COUNT(of_all); i++)
        write_family(scrape, &of_all[i], false);
    for (u32 i = 0; i < ARRAY_COUNT(of_limited); i++)
        write_family(scrape, &of_limited[i], true);
    write_durations(scrape);
    write_waits(scrape);
    write_classes(scrape);
}
