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

/* Bounds are every second power of two from 256 us, where buckets end: no count is a guess. */
void metrics_histogram(struct http_writer *out, const struct metrics_histogram *histogram)
{
    enum { FIRST_BITS = 8, LAST_BITS = STATE_LATENCY_LAST_BITS };
    const char *name = histogram->name, *labels = histogram->labels;
    u64 count = state_latency_count(histogram->times);
    for (u32 bits = FIRST_BITS; bits < LAST_BITS; bits += 2)
        write_format(out, PREFIX "%s_bucket{%s,le=\"%.6f\"} %llu\n", name, labels,
                     (double)(1ull << bits) / 1e6,
                     number(state_latency_below(histogram->times, bits)));
    write_format(out, PREFIX "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, number(count));
    write_format(out, PREFIX "%s_sum{%s} %.6f\n", name, labels, (double)histogram->us_sum / 1e6);
    write_format(out, PREFIX "%s_count{%s} %llu\n", name, labels, number(count));
}

static u64 member_read(const char *at, usize bytes)
{
    u32 word;
    u64 value;
    switch (bytes) {
    case sizeof(u8):
        return *(const u8 *)at;
    case sizeof(u32):
        memcpy(&word, at, sizeof(word));
        return word;
    default:
        ASSERT(bytes == sizeof(value));
        memcpy(&value, at, sizeof(value));
        return value;
    }
}

void metrics_value(struct http_writer *out, const struct metric *metric, const void *from)
{
    u64 value = member_read((const char *)from + metric->offset, metric->bytes);
    if (metric->micros)
        write_format(out, " %llu.%06llu\n", number(value / 1000000), number(value % 1000000));
    else
        write_format(out, " %llu\n", number(value));
}

/* ---- Plain figures ---- */

static const struct metric plain_rows[] = {
    {"start_time_seconds", "gauge", "When the process started, since 1970.",
     METRIC(scrape, start_s)},
    {"snapshot_version", "gauge", "The version of the configuration in use.",
     METRIC(scrape, version)},
    {"workers", "gauge", "Threads that serve clients.", METRIC(scrape, view.workers)},
    {"workers_stuck", "gauge", "Of these, threads that do not go on.",
     METRIC(scrape, view.workers_stuck)},
    {"draining", "gauge", "1 while the proxy is being stopped.", METRIC(scrape, view.draining)},
    {"engine_restarts_total", "counter", "Restarts after crashes, since the supervisor began.",
     METRIC(scrape, view.restarts)},
    {"clock_steps_total", "counter", "How often the wall clock was set by a second or more.",
     METRIC(scrape, view.clock_steps)},
    {"clock_doubted", "gauge", "1 after a step forward, while no log is deleted for its age.",
     METRIC(scrape, view.clock_doubted)},
    {"health_probes_total", "counter", "Active checks begun.", METRIC(scrape, health_probes)},
    {"check_programs", "gauge", "Programs that check backends now, killed ones included.",
     METRIC(scrape, programs.there)},
    {"check_programs_killed", "gauge", "Of these, killed and not ended yet.",
     METRIC(scrape, programs.killed)},
    {"check_programs_waiting", "gauge", "Checks that wait until one of these programs ends.",
     METRIC(scrape, programs.waiting)},
    {"dns_names", "gauge", "Names of backends, and of hosts that services lead to.",
     METRIC(scrape, view.names.names)},
    {"dns_names_failing", "gauge", "Of these, names without an answer now.",
     METRIC(scrape, view.names.failing)},
    {"dns_queries_total", "counter", "Questions to name servers.",
     METRIC(scrape, view.names.queries)},
    {"dns_failures_total", "counter",
     "Of these, without an answer, or with one that cannot be used.",
     METRIC(scrape, view.names.failures)},
    {"admin_requests_total", "counter", "Requests to the management API.",
     METRIC(scrape, admin_requests)},
    {"admin_connections_crowded_out_total", "counter",
     "Silent connections to it that were ended to make room for others.",
     METRIC(scrape, admin_crowded_out)},
    {"client_connections", "gauge", "Open connections of clients.", METRIC(scrape, sum.clients)},
    {"client_connections_accepted_total", "counter", "Connections taken from clients.",
     METRIC(scrape, sum.counters.clients_accepted)},
    {"client_connections_refused_total", "counter", "Connections for which there was no room.",
     METRIC(scrape, sum.counters.clients_refused)},
    {"client_accepts_failed_total", "counter",
     "Attempts to take a connection that failed, mostly for want of a descriptor: it waits.",
     METRIC(scrape, sum.counters.accepts_failed)},
    {"client_connections_handed_over_total", "counter",
     "Connections that one worker has accepted and another, less busy one serves.",
     METRIC(scrape, sum.counters.clients_taken)},
    {"client_connections_shed_total", "counter", "Idle connections closed to make room.",
     METRIC(scrape, sum.counters.clients_shed)},
    {"overload_stage", "gauge",
     "The highest stage of overload of any worker: 0 = none ... 4 = stopAccepting.",
     METRIC(scrape, sum.overload)},
    {"overload_changes_total", "counter", "Changes of a worker's stage of overload.",
     METRIC(scrape, sum.counters.overload_changes)},
    {"memory_bytes", "gauge", "Resident memory in use.", METRIC(scrape, view.memory_bytes)},
    {"memory_limit_bytes", "gauge", "limits.memoryBytes; 0 = any.",
     METRIC(scrape, view.memory_bytes_max)},
    {"file_descriptors_limit", "gauge", "Descriptors that the process may have.",
     METRIC(scrape, view.files_max)},
    {"client_received_bytes_total", "counter", "Bytes from clients.",
     METRIC(scrape, sum.counters.bytes_from_clients)},
    {"client_sent_bytes_total", "counter", "Bytes to clients.",
     METRIC(scrape, sum.counters.bytes_to_clients)},
    {"requests_active", "gauge", "Requests in progress.", METRIC(scrape, sum.exchanges)},
    {"requests_total", "counter", "Requests that were begun.",
     METRIC(scrape, sum.counters.requests)},
    {"retries_total", "counter", "Attempts after a first one.",
     METRIC(scrape, sum.counters.retries)},
    {"upstream_connections", "gauge", "Open connections to backends, idle ones included.",
     METRIC(scrape, sum.upstreams)},
    {"upstream_connections_opened_total", "counter", "Connections opened to backends.",
     METRIC(scrape, sum.counters.upstreams_opened)},
    {"upstream_connections_reused_total", "counter", "Attempts that used a connection again.",
     METRIC(scrape, sum.counters.upstreams_reused)},
    {"ring_turns_total", "counter", "Turns of the workers' loops.", METRIC(scrape, sum.ring.turns)},
    {"ring_completions_total", "counter", "Completions the workers handled.",
     METRIC(scrape, sum.ring.completions)},
    {"ring_starved_total", "counter", "Receives that found no free buffer.",
     METRIC(scrape, sum.ring.starved)},
    {"ring_overflows_total", "counter", "Overflows of a completion queue.",
     METRIC(scrape, sum.ring.overflows)},
    {"ring_buffers_free_min", "gauge", "The fewest free receive buffers any worker has had so far.",
     METRIC(scrape, sum.ring.leases_free_min)},
};

static void write_plain(struct scrape *scrape)
{
    struct http_writer *out = scrape->out;
    metrics_family(out, "build_info", "gauge", "The version that runs; the value is always 1.");
    write_format(out, PREFIX "build_info{version=\"%s\"} 1\n", NEXTPROXY_VERSION);
    for (u32 i = 0; i < ARRAY_COUNT(plain_rows); i++) {
        metrics_family(out, plain_rows[i].name, plain_rows[i].type, plain_rows[i].help);
        write_format(out, PREFIX "%s", plain_rows[i].name);
        metrics_value(out, &plain_rows[i], scrape);
    }
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
    scrape.version = scrape.view.snapshot->version;
    scrape.start_s = admin->start_wall_ns / NS_PER_S;
    scrape.health_probes = scrape.view.health ? health_probes(scrape.view.health) : 0;
    if (scrape.view.health)
        scrape.programs = health_programs(scrape.view.health);
    scrape.admin_requests = admin->requests;
    scrape.admin_crowded_out = admin->crowded_out;
    scrape.backends = min_u32(scrape.view.snapshot->config->backend_count, METRICS_BACKENDS_MAX);
    scrape.routes = min_u32(scrape.view.snapshot->config->route_count, METRICS_ROUTES_MAX);
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
    metrics_routes(&scrape);
    metrics_hedges(&scrape);
}
