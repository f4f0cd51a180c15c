/* GET /status with `Accept: text/plain`: for people, and `nextproxy status`. */
#include <stdio.h>
#include <unistd.h>

#include "admin/admin_internal.h"

enum { ID_COLUMN = 24 };

static unsigned long long number(u64 value)
{
    return value;
}

static void write_summary(const struct admin *admin, const struct admin_view *view,
                          const struct proxy_figures *sum, struct http_writer *out)
{
    u64 uptime_s = admin_uptime_s(admin);
    const struct proxy_counters *counters = &sum->counters;
    const struct histogram *duration = &counters->duration_us;
    write_format(out, "nextproxy %s on %s, process %d, up %llud %02llu:%02llu:%02llu%s\n",
                 NEXTPROXY_VERSION, admin->host_name, (int)getpid(), number(uptime_s / 86400),
                 number(uptime_s / 3600 % 24), number(uptime_s / 60 % 60), number(uptime_s % 60),
                 view->draining ? ", draining" : "");
    write_format(out, "configuration   version %llu, %u workers\n", number(view->snapshot->version),
                 view->workers);
    write_format(out, "connections     %llu open, %llu accepted, %llu refused\n",
                 number(sum->clients), number(counters->clients_accepted),
                 number(counters->clients_refused));
    write_format(out, "overload        %s, %llu idle connections closed\n",
                 overload_stage_name((enum overload_stage)sum->overload),
                 number(counters->clients_shed));
    write_format(out, "requests        %llu active, %llu in all, %llu retries\n",
                 number(sum->exchanges), number(counters->requests), number(counters->retries));
    write_format(out, "duration        p50 %.3f ms, p90 %.3f ms, p99 %.3f ms\n",
                 (double)histogram_quantile(duration, 0.5) / 1000,
                 (double)histogram_quantile(duration, 0.9) / 1000,
                 (double)histogram_quantile(duration, 0.99) / 1000);
    write_format(out, "log             %llu records dropped\n",
                 number(view->log_dropped[LOG_FILE_ERROR] + view->log_dropped[LOG_FILE_ACCESS]));
}

static u32 panics(const struct snapshot *snapshot)
{
    u32 count = 0;
    for (u32 i = 0; i < snapshot->config->route_count; i++)
        count += snapshot_pool_tallies(snapshot, snapshot->config->routes[i].pool).panic;
    return count;
}

/* What is to be worried about: nothing where there is nothing. */
static void write_troubles(const struct admin_view *view, struct http_writer *out)
{
    u32 panic = panics(view->snapshot);
    if (view->restarts > 0)
        write_format(out, "engine          restarted %u time%s after a crash\n", view->restarts,
                     view->restarts == 1 ? "" : "s");
    if (view->workers_stuck > 0)
        write_format(out, "workers         %u of %u stuck\n", view->workers_stuck, view->workers);
    if (panic > 0)
        write_format(out, "panic           %u route%s use%s all backends, as too few are usable\n",
                     panic, panic == 1 ? "" : "s", panic == 1 ? "s" : "");
}

static double quantile_ms(const struct state_latency_sums *sums, double share)
{
    return (double)state_latency_quantile(sums, share) / 1000;
}

enum { LOAD_BYTES = 24 };

/* How many are in progress and how many wait, each with its limit where there is one. */
static void format_load(const struct snapshot *snapshot, u32 index, char active[LOAD_BYTES],
                        char waiting[LOAD_BYTES])
{
    const struct config_route *route = &snapshot->config->routes[index];
    u32 limit = view_route_limit(snapshot, index);
    int len = snprintf(active, LOAD_BYTES, "%llu", number(view_route_active(snapshot, index)));
    if (limit > 0)
        (void)snprintf(active + len, LOAD_BYTES - (usize)len, "/%u", limit);
    (void)snprintf(waiting, LOAD_BYTES, "-");
    if (route->limited)
        (void)snprintf(
            waiting, LOAD_BYTES, "%u/%u",
            state_route_waiting(state_routes(snapshot->state), snapshot->route_slots[index]),
            route->queue_max);
}

static void write_route(const struct snapshot *snapshot, u32 index, struct http_writer *out)
{
    const struct config_route *route = &snapshot->config->routes[index];
    const struct config_pool *pool = &snapshot->config->pools[route->pool];
    u32 slot = snapshot->route_slots[index];
    struct state_exchanges sums = state_route_exchange_sums(snapshot->state, slot);
    struct state_latency_sums durations = state_route_duration_sums(snapshot->state, slot);
    char active[LOAD_BYTES], waiting[LOAD_BYTES];
    format_load(snapshot, index, active, waiting);
    write_format(out, "%-*.*s %-20s %9s %9s %9u %10llu %9llu %9.3f %9.3f %9.3f  ", ID_COLUMN,
                 (int)route->id.len, route->id.data, balance_strategy_name(pool->strategy), active,
                 waiting, pool->backend_count, number(state_exchanges_ended(&sums)),
                 number(sums.ended[5]), quantile_ms(&durations, 0.5), quantile_ms(&durations, 0.95),
                 quantile_ms(&durations, 0.99));
    http_write(out, route->wildcard || route->host.len == 0 ? SLICE("*") : SLICE(""));
    http_write(out, route->host);
    http_write(out, SLICE(" "));
    write_json_path(out, route->path);
    http_write(out, SLICE("\n"));
}

static void write_routes(const struct snapshot *snapshot, struct http_writer *out)
{
    write_format(out, "\n%-*s %-20s %9s %9s %9s %10s %9s %9s %9s %9s  %s\n", ID_COLUMN, "route",
                 "strategy", "active", "waiting", "backends", "requests", "5xx", "p50 ms", "p95 ms",
                 "p99 ms", "host and path");
    for (u32 i = 0; i < snapshot->config->route_count && !out->full; i++)
        write_route(snapshot, i, out);
}

static void write_backends_head(struct http_writer *out)
{
    write_format(out, "%-*s %-11s %-9s %6s %7s %10s %9s %9s %9s %9s  %s\n", ID_COLUMN, "backend",
                 "use", "health", "weight", "active", "requests", "failures", "p50 ms", "p95 ms",
                 "p99 ms", "url, and the last probe if it failed");
}

/* The operator's word first, then the other judges'. */
static const char *use(u32 marks)
{
    static const enum state_mark order[] = {STATE_MAINTENANCE, STATE_DRAINING, STATE_UNRESOLVED,
                                            STATE_DOWN,        STATE_ON_TRIAL, STATE_EJECTED};
    for (u32 i = 0; i < ARRAY_COUNT(order); i++)
        if (marks & order[i])
            return state_mark_name(order[i]);
    return "yes";
}

static void write_address(const struct config_backend *backend, struct http_writer *out)
{
    char address[ADDRESS_TEXT_BYTES];
    address_format(&backend->address, address);
    if (backend->name.len > 0 && backend->address.len > 0)
        write_format(out, " at %s", address);
}

static void write_backend(const struct admin_view *view, u32 index, struct http_writer *out)
{
    const struct snapshot *snapshot = view->snapshot;
    const struct config_backend *backend = &snapshot->config->backends[index];
    u32 slot = snapshot->backend_slots[index];
    struct state_tally tally = state_backend_tally(snapshot->state, slot);
    struct state_latency_sums sums = state_backend_latencies(snapshot->state, slot);
    struct health_last last;
    write_format(out, "%-*.*s %-11s %-9s %6u %7u %10llu %9llu %9.3f %9.3f %9.3f  %.*s", ID_COLUMN,
                 (int)backend->id.len, backend->id.data,
                 use(state_backend_marks(snapshot->state, slot)),
                 health_state_name(view_health(view, slot)), backend->weight,
                 state_backend_active(snapshot->state, slot), number(tally.requests),
                 number(tally.failures), quantile_ms(&sums, 0.5), quantile_ms(&sums, 0.95),
                 quantile_ms(&sums, 0.99), (int)backend->url.len, backend->url.data);
    write_address(backend, out);
    if (view->health && health_last(view->health, slot, &last) && !last.good)
        write_format(out, "  (%s)", last.reason);
    http_write(out, SLICE("\n"));
}

void status_backend_text(const struct admin_view *view, u32 index, struct http_writer *out)
{
    write_backends_head(out);
    write_backend(view, index, out);
}

void status_backends_text(const struct admin_view *view, struct http_writer *out)
{
    write_backends_head(out);
    for (u32 i = 0; i < view->snapshot->config->backend_count && !out->full; i++)
        write_backend(view, i, out);
}

/* The newest first, each with the first line of its report. */
static void write_events(const struct admin_view *view, struct http_writer *out)
{
    if (view->event_count > 0)
        write_format(out, "\n%-26s %-7s %-9s %8s  %s\n", "when", "what", "result", "version",
                     "what the log says first");
    for (u32 i = 0; i < view->event_count; i++) {
        const struct admin_event *event = &view->events[i];
        const char *end = memchr(event->report.data, '\n', event->report.len);
        write_json_time(out, event->wall_ns);
        write_format(out, " %-7s %-9s %8llu  %.*s\n", admin_event_kind_name(event->kind),
                     admin_event_result_name(event->result), number(event->version),
                     end ? (int)(end - event->report.data) : 0, event->report.data);
    }
}

void status_text(const struct admin *admin, struct http_writer *out)
{
    struct admin_view view;
    struct proxy_figures sum;
    admin->source->view(admin->source->context, &view);
    figures_sum(admin, &view, &sum);
    write_summary(admin, &view, &sum, out);
    write_troubles(&view, out);
    write_routes(view.snapshot, out);
    http_write(out, SLICE("\n"));
    status_backends_text(&view, out);
    write_events(&view, out);
}
