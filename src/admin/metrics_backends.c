/* The families of /metrics that have a sample for each backend, or for the pool of each route. */
#include "admin/metrics.h"

/* One figure of a backend. */
struct backend_family {
    const char *name, *type, *help;
    u64 (*value)(struct state *state, u32 slot);
    bool micros; /* written as seconds */
};

static u64 backend_active(struct state *state, u32 slot)
{
    return state_backend_active(state, slot);
}

static u64 backend_usable(struct state *state, u32 slot)
{
    return state_backend_usable(state, slot);
}

static u64 backend_latency(struct state *state, u32 slot)
{
    return state_backend_latency_us(state, slot);
}

static u64 backend_requests(struct state *state, u32 slot)
{
    return state_backend_tally(state, slot).requests;
}

static u64 backend_failures(struct state *state, u32 slot)
{
    return state_backend_tally(state, slot).failures;
}

static u64 backend_ejections(struct state *state, u32 slot)
{
    return state_circuit(state, slot).ejections;
}

static u64 backend_spared(struct state *state, u32 slot)
{
    return state_circuit(state, slot).spared;
}

static u64 backend_passive_failures(struct state *state, u32 slot)
{
    return state_circuit(state, slot).failures;
}

/* Each address of a name has figures of its own. */
static void write_id(struct http_writer *out, const char *name,
                     const struct config_backend *backend)
{
    char address[ADDRESS_TEXT_BYTES];
    metrics_id(out, name, "backend", backend->id);
    if (backend->name.len == 0)
        return;
    address_format(&backend->address, address);
    write_format(out, ",address=\"%s\"", address);
}

static void write_backend_family(struct scrape *scrape, const struct backend_family *row)
{
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, row->name, row->type, row->help);
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        u64 value = row->value(snapshot->state, snapshot->backend_slots[i]);
        write_id(out, row->name, &snapshot->config->backends[i]);
        if (row->micros)
            write_format(out, "} %llu.%06llu\n", number(value / 1000000), number(value % 1000000));
        else
            write_format(out, "} %llu\n", number(value));
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
        metrics_id(out, "backend_active_limit", "backend", config->backends[i].id);
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

/* Bounds are every second power of two from 256 us, where buckets end: no count is a guess. */
static void write_backend_latencies(struct scrape *scrape)
{
    enum { FIRST_BITS = 8, LAST_BITS = STATE_LATENCY_LAST_BITS };
    static const char name[] = "backend_response_head_seconds";
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, name, "histogram",
                   "From the beginning of an attempt to the head of its response.");
    for (u32 i = 0; i < scrape->backends && !out->full; i++) {
        const struct config_backend *backend = &snapshot->config->backends[i];
        u32 slot = snapshot->backend_slots[i];
        struct state_latency_sums sums = state_backend_latencies(snapshot->state, slot);
        u64 sum_us = state_backend_tally(snapshot->state, slot).latency_us_sum;
        u64 count = state_latency_count(&sums);
        for (u32 bits = FIRST_BITS; bits < LAST_BITS; bits += 2) {
            write_id(out, "backend_response_head_seconds_bucket", backend);
            write_format(out, ",le=\"%.6f\"} %llu\n", (double)(1ull << bits) / 1e6,
                         number(state_latency_below(&sums, bits)));
        }
        write_id(out, "backend_response_head_seconds_bucket", backend);
        write_format(out, ",le=\"+Inf\"} %llu\n", number(count));
        write_id(out, "backend_response_head_seconds_sum", backend);
        write_format(out, "} %.6f\n", (double)sum_us / 1e6);
        write_id(out, "backend_response_head_seconds_count", backend);
        write_format(out, "} %llu\n", number(count));
    }
}

void metrics_backends(struct scrape *scrape)
{
    static const struct backend_family rows[] = {
        {"backend_active", "gauge", "Requests in progress at each backend.", backend_active, false},
        {"backend_usable", "gauge", "1 when the backend may be chosen.", backend_usable, false},
        {"backend_latency_seconds", "gauge",
         "Moving average (peak EWMA) of the time to a response's head; 0 = not known yet.",
         backend_latency, true},
        {"backend_requests_total", "counter", "Attempts on each backend.", backend_requests, false},
        {"backend_failures_total", "counter", "Attempts that failed by the backend's fault.",
         backend_failures, false},
        {"backend_passive_failures_total", "counter",
         "Failures that passive checks have counted against each backend.",
         backend_passive_failures, false},
        {"backend_ejections_total", "counter", "Times each backend was ejected by passive checks.",
         backend_ejections, false},
        {"backend_ejections_spared_total", "counter",
         "Times it would have been, had maxEjectionPercent allowed it.", backend_spared, false},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++)
        write_backend_family(scrape, &rows[i]);
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
