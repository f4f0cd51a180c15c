/*
 * GET /metrics: the Prometheus text format (version 0.0.4). One family after the other, each a HELP
 * and a TYPE line and its samples. How many lines there are depends on the configuration alone:
 * labels are ids of backends and routes, numbers of workers, names of faults, classes of status;
 * nothing that a client can choose.
 */
#include "admin/metrics.h"
#include "base/clock.h"

void metrics_family(struct http_writer *out, const char *name, const char *type, const char *help)
{
    write_format(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

void metrics_id(struct http_writer *out, const char *name, const char *label, struct slice id)
{
    write_format(out, PREFIX "%s{%s=\"%.*s\"", name, label, (int)id.len, id.data);
}

/* ---- Plain figures ---- */

static void write_single(struct http_writer *out, const char *name, const char *type,
                         const char *help, u64 value)
{
    metrics_family(out, name, type, help);
    write_format(out, PREFIX "%s %llu\n", name, number(value));
}

static void write_process(struct scrape *scrape)
{
    struct http_writer *out = scrape->out;
    metrics_family(out, "build_info", "gauge", "The version that runs; the value is always 1.");
    write_format(out, PREFIX "build_info{version=\"%s\"} 1\n", NEXTPROXY_VERSION);
    write_single(out, "start_time_seconds", "gauge", "When the process started, since 1970.",
                 scrape->admin->start_wall_ns / NS_PER_S);
    write_single(out, "snapshot_version", "gauge", "The version of the configuration in use.",
                 scrape->view.snapshot->version);
    write_single(out, "workers", "gauge", "Threads that serve clients.", scrape->view.workers);
    write_single(out, "workers_stuck", "gauge", "Of these, threads that do not go on.",
                 scrape->view.workers_stuck);
    write_single(out, "draining", "gauge", "1 while the proxy is being stopped.",
                 scrape->view.draining);
    write_single(out, "engine_restarts_total", "counter",
                 "Restarts after crashes, since the supervisor began.", scrape->view.restarts);
    write_single(out, "clock_steps_total", "counter",
                 "How often the wall clock was set by a second or more.", scrape->view.clock_steps);
    write_single(out, "health_probes_total", "counter", "Active checks begun.",
                 scrape->view.health ? health_probes(scrape->view.health) : 0);
    write_single(out, "dns_names", "gauge",
                 "Names of backends, and of hosts that services lead to.",
                 scrape->view.names.names);
    write_single(out, "dns_names_failing", "gauge", "Of these, names without an answer now.",
                 scrape->view.names.failing);
    write_single(out, "dns_queries_total", "counter", "Questions to name servers.",
                 scrape->view.names.queries);
    write_single(out, "dns_failures_total", "counter",
                 "Of these, without an answer, or with one that cannot be used.",
                 scrape->view.names.failures);
    write_single(out, "admin_requests_total", "counter", "Requests to the management API.",
                 scrape->admin->requests);
}

static void write_plain(struct scrape *scrape)
{
    const struct proxy_figures *sum = &scrape->sum;
    const struct proxy_counters *counters = &sum->counters;
    const struct ring_stats *ring = &sum->ring;
    const struct {
        const char *name, *type, *help;
        u64 value;
    } rows[] = {
        {"client_connections", "gauge", "Open connections of clients.", sum->clients},
        {"client_connections_accepted_total", "counter", "Connections taken from clients.",
         counters->clients_accepted},
        {"client_connections_refused_total", "counter", "Connections for which there was no room.",
         counters->clients_refused},
        {"client_accepts_failed_total", "counter",
         "Attempts to take a connection that failed, mostly for want of a descriptor: it waits.",
         counters->accepts_failed},
        {"client_connections_handed_over_total", "counter",
         "Connections that one worker has accepted and another, less busy one serves.",
         counters->clients_taken},
        {"client_connections_shed_total", "counter", "Idle connections closed to make room.",
         counters->clients_shed},
        {"overload_stage", "gauge",
         "The highest stage of overload of any worker: 0 = none ... 4 = stopAccepting.",
         sum->overload},
        {"overload_changes_total", "counter", "Changes of a worker's stage of overload.",
         counters->overload_changes},
        {"memory_bytes", "gauge", "Resident memory in use.", scrape->view.memory_bytes},
        {"memory_limit_bytes", "gauge", "limits.memoryBytes; 0 = any.",
         scrape->view.memory_bytes_max},
        {"file_descriptors_limit", "gauge", "Descriptors that the process may have.",
         scrape->view.files_max},
        {"client_received_bytes_total", "counter", "Bytes from clients.",
         counters->bytes_from_clients},
        {"client_sent_bytes_total", "counter", "Bytes to clients.", counters->bytes_to_clients},
        {"requests_active", "gauge", "Requests in progress.", sum->exchanges},
        {"requests_total", "counter", "Requests that were begun.", counters->requests},
        {"retries_total", "counter", "Attempts after a first one.", counters->retries},
        {"upstream_connections", "gauge", "Open connections to backends, idle ones included.",
         sum->upstreams},
        {"upstream_connections_opened_total", "counter", "Connections opened to backends.",
         counters->upstreams_opened},
        {"upstream_connections_reused_total", "counter", "Attempts that used a connection again.",
         counters->upstreams_reused},
        {"ring_turns_total", "counter", "Turns of the workers' loops.", ring->turns},
        {"ring_completions_total", "counter", "Completions the workers handled.",
         ring->completions},
        {"ring_starved_total", "counter", "Receives that found no free buffer.", ring->starved},
        {"ring_overflows_total", "counter", "Overflows of a completion queue.", ring->overflows},
        {"ring_buffers_free_min", "gauge",
         "The fewest free receive buffers any worker has had so far.", ring->leases_free_min},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++)
        write_single(scrape->out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
}

/* ---- Families with one label ---- */

static void write_workers(struct scrape *scrape)
{
    const struct admin_source *source = scrape->admin->source;
    struct proxy_figures one;
    metrics_family(scrape->out, "worker_connections", "gauge",
                   "Open connections of each worker's clients.");
    for (u32 i = 0; i < scrape->view.workers && !scrape->out->full; i++) {
        source->figures(source->context, i, &one);
        write_format(scrape->out, PREFIX "worker_connections{worker=\"%llu\"} %llu\n",
                     number(one.worker), number(one.clients));
    }
}

static void write_classes(struct scrape *scrape)
{
    const u64 *classes = scrape->sum.counters.responses_by_class;
    metrics_family(
        scrape->out, "responses_total", "counter",
        "Requests that are over, by the class of the status sent; none: the client had gone.");
    write_format(scrape->out, PREFIX "responses_total{class=\"none\"} %llu\n", number(classes[0]));
    for (u32 i = 1; i < ARRAY_COUNT(scrape->sum.counters.responses_by_class); i++)
        write_format(scrape->out, PREFIX "responses_total{class=\"%uxx\"} %llu\n", i,
                     number(classes[i]));
}

static void write_faults(struct scrape *scrape)
{
    metrics_family(scrape->out, "faults_total", "counter",
                   "Requests and connections that ended badly.");
    for (u32 i = FAULT_NONE + 1; i < FAULT_COUNT; i++)
        write_format(scrape->out, PREFIX "faults_total{fault=\"%s\"} %llu\n",
                     fault_name((enum fault)i), number(scrape->sum.counters.faults[i]));
}

static void write_retry_denials(struct scrape *scrape)
{
    metrics_family(scrape->out, "retries_denied_total", "counter",
                   "Failed attempts that were not followed by another one, and why.");
    for (u32 i = 0; i < RETRY_DENIAL_COUNT; i++)
        write_format(scrape->out, PREFIX "retries_denied_total{reason=\"%s\"} %llu\n",
                     retry_denial_name((enum retry_denial)i),
                     number(scrape->sum.counters.retries_denied[i]));
}

static void write_sessions(struct scrape *scrape)
{
    metrics_family(
        scrape->out, "sessions_total", "counter",
        "Responses of sticky sessions by what became of them; ignored: cookies without value.");
    for (u32 i = 0; i < SESSION_OUTCOME_COUNT; i++)
        write_format(scrape->out, PREFIX "sessions_total{outcome=\"%s\"} %llu\n",
                     session_outcome_name((enum session_outcome)i),
                     number(scrape->sum.counters.sessions[i]));
}

static void write_log_drops(struct scrape *scrape)
{
    static const char *const names[LOG_FILE_COUNT] = {
        [LOG_FILE_ERROR] = "error", [LOG_FILE_ACCESS] = "access"};
    metrics_family(scrape->out, "log_dropped_total", "counter",
                   "Log records for which there was no room.");
    for (u32 i = 0; i < LOG_FILE_COUNT; i++)
        write_format(scrape->out, PREFIX "log_dropped_total{log=\"%s\"} %llu\n", names[i],
                     number(scrape->view.log_dropped[i]));
}

/* Bounds are powers of two microseconds, where buckets of the histogram end: no count is a guess.
 */
static void write_durations(struct scrape *scrape)
{
    enum { FIRST_BITS = 6, LAST_BITS = 26 };
    const struct histogram *duration = &scrape->sum.counters.duration_us;
    metrics_family(scrape->out, "request_duration_seconds", "histogram",
                   "From the first byte of a request to the end of its response; without tunnels.");
    for (u32 bits = FIRST_BITS; bits <= LAST_BITS; bits++)
        write_format(scrape->out, PREFIX "request_duration_seconds_bucket{le=\"%.6f\"} %llu\n",
                     (double)(1ull << bits) / 1e6,
                     number(histogram_count_below(duration, 1ull << bits)));
    write_format(scrape->out,
                 PREFIX "request_duration_seconds_bucket{le=\"+Inf\"} %llu\n" PREFIX
                        "request_duration_seconds_sum %.6f\n" PREFIX
                        "request_duration_seconds_count %llu\n",
                 number(histogram_count(duration)), (double)duration->sum / 1e6,
                 number(histogram_count(duration)));
}

/* ---- Routes ---- */

/* One figure of a route. */
struct route_family {
    const char *name, *type, *help;
    u64 (*value)(const struct scrape *scrape, u32 route);
    bool micros; /* written as seconds */
};

static const struct state_routes *routes_of(const struct scrape *scrape)
{
    return state_routes(scrape->view.snapshot->state);
}

static u64 route_active(const struct scrape *scrape, u32 route)
{
    return state_route_active(routes_of(scrape), scrape->view.snapshot->route_slots[route]);
}

static u64 route_limit(const struct scrape *scrape, u32 route)
{
    return view_route_limit(scrape->view.snapshot, route);
}

static u64 route_waiting(const struct scrape *scrape, u32 route)
{
    return state_route_waiting(routes_of(scrape), scrape->view.snapshot->route_slots[route]);
}

static struct state_route_tally route_tally(const struct scrape *scrape, u32 route)
{
    return state_route_tally(routes_of(scrape), scrape->view.snapshot->route_slots[route]);
}

static u64 route_queued(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).queued;
}

static u64 route_waited(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).waited;
}

static u64 route_waited_us(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).waited_us_sum;
}

static u64 route_timed_out(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).timed_out;
}

static u64 route_shed(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).shed;
}

static u64 route_standing(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).standing;
}

static u64 route_refused(const struct scrape *scrape, u32 route)
{
    return route_tally(scrape, route).refused;
}

/* Routes without a limit are not counted, and have no samples. */
static void write_route_family(const struct scrape *scrape, const struct route_family *row)
{
    const struct config *config = scrape->view.snapshot->config;
    struct http_writer *out = scrape->out;
    metrics_family(out, row->name, row->type, row->help);
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        if (!config->routes[i].limited)
            continue;
        u64 value = row->value(scrape, i);
        metrics_id(out, row->name, "route", config->routes[i].id);
        if (row->micros)
            write_format(out, "} %llu.%06llu\n", number(value / 1000000), number(value % 1000000));
        else
            write_format(out, "} %llu\n", number(value));
    }
}

static void write_route_classes(const struct scrape *scrape)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct snapshot *snapshot = scrape->view.snapshot;
    struct http_writer *out = scrape->out;
    metrics_family(out, "route_responses_total", "counter",
                   "Requests of each route that are over, by the class of the status sent.");
    for (u32 i = 0; i < scrape->routes && !out->full; i++) {
        struct state_classes sum = state_route_responses(snapshot->state, snapshot->route_slots[i]);
        for (u32 class = 0; class < ARRAY_COUNT(sum.counts); class ++) {
            metrics_id(out, "route_responses_total", "route", snapshot->config->routes[i].id);
            write_format(out, ",class=\"%s\"} %llu\n", classes[class], number(sum.counts[class]));
        }
    }
}

static void write_routes(const struct scrape *scrape)
{
    static const struct route_family rows[] = {
        {"route_active", "gauge", "Requests in progress on each route with a limit.", route_active,
         false},
        {"route_active_limit", "gauge", "The limit in force: how many there may be.", route_limit,
         false},
        {"route_queue_length", "gauge", "Requests that wait for their turn.", route_waiting, false},
        {"route_queued_total", "counter", "Requests that had to wait.", route_queued, false},
        {"route_queue_wait_seconds_total", "counter", "How long these had waited, all in all.",
         route_waited_us, true},
        {"route_queue_served_total", "counter", "Requests that were served after they had waited.",
         route_waited, false},
        {"route_queue_timeouts_total", "counter", "Requests that waited for timeouts.queue.",
         route_timed_out, false},
        {"route_shed_total", "counter", "Requests that were sent away while they waited.",
         route_shed, false},
        {"route_queues_standing", "gauge",
         "Workers whose queue stands: they turn the newest requests away.", route_standing, false},
        {"route_refused_total", "counter",
         "Requests for which there was neither a place nor room to wait.", route_refused, false},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++)
        write_route_family(scrape, &rows[i]);
    write_route_classes(scrape);
}

/* ---- What changed, and what is not shown ---- */

static void write_left_out(const struct scrape *scrape)
{
    const struct config *config = scrape->view.snapshot->config;
    metrics_family(scrape->out, "metrics_left_out", "gauge",
                   "Backends and routes beyond the first 1024, which have no samples here.");
    write_format(scrape->out, PREFIX "metrics_left_out{kind=\"backend\"} %u\n",
                 config->backend_count - scrape->backends);
    write_format(scrape->out, PREFIX "metrics_left_out{kind=\"route\"} %u\n",
                 config->route_count - scrape->routes);
}

static void write_events(const struct scrape *scrape)
{
    static const char *const names[ADMIN_EVENT_KINDS] = {
        [ADMIN_EVENT_RELOAD] = "reloads_total", [ADMIN_EVENT_CHANGE] = "changes_total"};
    static const char *const helps[ADMIN_EVENT_KINDS] = {
        [ADMIN_EVENT_RELOAD] = "How often the configuration was read again, and what came of it.",
        [ADMIN_EVENT_CHANGE] = "Backends added and removed over the management API.",
    };
    for (u32 kind = 0; kind < ADMIN_EVENT_KINDS; kind++) {
        metrics_family(scrape->out, names[kind], "counter", helps[kind]);
        for (u32 result = 0; result < ADMIN_EVENT_RESULTS; result++)
            write_format(scrape->out, PREFIX "%s{result=\"%s\"} %llu\n", names[kind],
                         admin_event_result_name((enum admin_event_result)result),
                         number(scrape->view.event_counts[kind][result]));
    }
}

void metrics_write(const struct admin *admin, struct http_writer *out)
{
    struct scrape scrape = {.admin = admin, .out = out};
    admin->source->view(admin->source->context, &scrape.view);
    figures_sum(admin, &scrape.view, &scrape.sum);
    scrape.backends = min_u32(scrape.view.snapshot->config->backend_count, METRICS_BACKENDS_MAX);
    scrape.routes = min_u32(scrape.view.snapshot->config->route_count, METRICS_ROUTES_MAX);
    write_process(&scrape);
    write_plain(&scrape);
    write_workers(&scrape);
    write_classes(&scrape);
    write_faults(&scrape);
    write_retry_denials(&scrape);
    write_sessions(&scrape);
    write_log_drops(&scrape);
    write_durations(&scrape);
    write_left_out(&scrape);
    write_events(&scrape);
    metrics_backends(&scrape);
    metrics_pools(&scrape);
    write_routes(&scrape);
    metrics_hedges(&scrape);
}
