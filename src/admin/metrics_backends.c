/* The families of /metrics that have a sample for each backend, or for the pool of each route. */
#include "admin/metrics.h"

struct backend_figures {
    u32 active;
    u32 latency_us;
    bool usable;
    struct state_tally tally;
    struct circuit circuit;
};

static const struct metric rows[] = {
    {"backend_active", "gauge", "Requests in progress at each backend.",
     METRIC(backend_figures, active)},
    {"backend_usable", "gauge", "1 when the backend may be chosen.",
     METRIC(backend_figures, usable)},
    {"backend_latency_seconds", "gauge",
     "Moving average (peak EWMA) of the time to a response's head; 0 = not known yet.",
     METRIC_MICROS(backend_figures, latency_us)},
    {"backend_requests_total", "counter", "Attempts on each backend.",
     METRIC(backend_figures, tally.requests)},
    {"backend_failures_total", "counter", "Attempts that failed by the backend's fault.",
     METRIC(backend_figures, tally.failures)},
    {"backend_passive_failures_total", "counter",
     "Failures that passive checks have counted against each backend.",
     METRIC(backend_figures, circuit.failures)},
    {"backend_ejections_total", "counter", "Times each backend was ejected by passive checks.",
     METRIC(backend_figures, circuit.ejections)},
    {"backend_ejections_spared_total", "counter",
     "Times it would have been, had maxEjectionPercent allowed it.",
     METRIC(backend_figures, circuit.spared)},
};

static struct backend_figures figures_of(struct state *state, u32 slot)
{
    return (struct backend_figures){
        .active = state_backend_active(state, slot),
        .latency_us = state_backend_latency_us(state, slot),
        .usable = state_backend_usable(state, slot),
        .tally = state_backend_tally(state, slot),
        .circuit = state_circuit(state, slot),
    };
}

/* Each address of a name has figures of its own. */
static void write_labels(char out[METRICS_LABELS_BYTES], const struct config_backend *backend)
{
    char address[ADDRESS_TEXT_BYTES] = "";
    bool named = backend->name.len > 0;
    if (named)
        address_format(&backend->address, address);
    (void)snprintf(out, METRICS_LABELS_BYTES, "backend=\"%.*s\"%s%s%s", (int)backend->id.len,
                   backend->id.data, named ? ",address=\"" : "", address, named ? "\"" : "");
}

static void write_id(struct http_writer *out, const char *name,
                     const struct config_backend *backend)
{
    char labels[METRICS_LABELS_BYTES];
    write_labels(labels, backend);
    write_format(out, PREFIX "%s{%s", name, labels);
}

static void write_family(struct scrape *scrape, const struct metric *row)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, row->name, row->type, row->help);
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        struct backend_figures figures = figures_of(snapshot->state, snapshot->backend_slots[i]);
        write_id(out, row->name, &snapshot->config->backends[i]);
        http_write(out, SLICE("}"));
        metrics_value(out, row, &figures);
    }
}

/* Of backends that have one: it comes from the configuration, not from the state. */
static void write_backend_limits(struct scrape *scrape)
{
    const struct config *config = scrape->view.snapshot->config;
    struct http_writer *out = scrape->out;
    metrics_family(out, "backend_active_limit", "gauge",
                   "How many requests it may have: maxConnections.");
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        if (config->backends[i].connections_max == 0)
            continue;
        write_id(out, "backend_active_limit", &config->backends[i]);
        write_format(out, "} %u\n", config->backends[i].connections_max);
    }
}

static void write_backend_classes(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "backend_responses_total", "counter",
                   "Responses of each backend, by the class of their status.");
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        struct state_tally tally = state_backend_tally(snapshot->state, snapshot->backend_slots[i]);
        for (u32 class = 0; class < ARRAY_COUNT(tally.responses); class ++) {
            write_id(out, "backend_responses_total", &snapshot->config->backends[i]);
            write_format(out, ",class=\"%uxx\"} %llu\n", class + 1, number(tally.responses[class]));
        }
    }
}

/* A state set: 1 for the state that holds. */
static void write_backend_health(struct scrape *scrape)
{
    static const enum health_state states[] = {HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_UNHEALTHY};
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "backend_health", "gauge",
                   "What active checks say of each backend: 1 = so it is.");
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        enum health_state state = view_health(&scrape->view, snapshot->backend_slots[i]);
        for (u32 at = 0; at < ARRAY_COUNT(states); at++) {
            write_id(out, "backend_health", &snapshot->config->backends[i]);
            write_format(out, ",state=\"%s\"} %d\n", health_state_name(states[at]),
                         states[at] == state);
        }
    }
}

static void write_backend_circuits(struct scrape *scrape)
{
    static const enum circuit_state states[] = {CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN};
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "backend_circuit", "gauge",
                   "What passive checks have made of each backend: 1 = so it is.");
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        struct circuit circuit = state_circuit(snapshot->state, snapshot->backend_slots[i]);
        const char *name = circuit_state_name((enum circuit_state)circuit.state);
        for (u32 at = 0; at < ARRAY_COUNT(states); at++) {
            write_id(out, "backend_circuit", &snapshot->config->backends[i]);
            write_format(out, ",state=\"%s\"} %d\n", circuit_state_name(states[at]),
                         name == circuit_state_name(states[at]));
        }
    }
}

static void write_backend_latencies(struct scrape *scrape)
{
    static const char name[] = "backend_response_head_seconds";
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    char labels[METRICS_LABELS_BYTES];
    metrics_family(out, name, "histogram",
                   "From the beginning of an attempt to the head of its response.");
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        u32 slot = snapshot->backend_slots[i];
        struct state_latency_sums times = state_backend_latencies(snapshot->state, slot);
        write_labels(labels, &snapshot->config->backends[i]);
        metrics_histogram(out,
                          &(struct metrics_histogram){
                              .name = name,
                              .labels = labels,
                              .times = &times,
                              .us_sum = state_backend_tally(snapshot->state, slot).latency_us_sum,
                          });
    }
}

void metrics_backends(struct scrape *scrape)
{
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++)
        write_family(scrape, &rows[i]);
    write_backend_limits(scrape);
    write_backend_classes(scrape);
    write_backend_health(scrape);
    write_backend_circuits(scrape);
    write_backend_latencies(scrape);
}

void metrics_pools(struct scrape *scrape)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    const struct config *config = snapshot->config;
    struct http_writer *out = scrape->out;
    metrics_family(out, "route_backends_ejected", "gauge",
                   "Backends of each route that are ejected, those on trial included.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        metrics_id(out, "route_backends_ejected", "route", config->routes[i].id);
        write_format(out, "} %u\n",
                     snapshot_pool_tallies(snapshot, config->routes[i].pool).ejected);
    }
    metrics_family(out, "route_panic", "gauge",
                   "1 while so few backends of the route are usable that all of them are used.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        metrics_id(out, "route_panic", "route", config->routes[i].id);
        write_format(out, "} %u\n", snapshot_pool_tallies(snapshot, config->routes[i].pool).panic);
    }
}
