/* GET /status, for programs: one JSON object. */
#include <unistd.h>

#include "admin/admin_internal.h"
#include "state/hedges.h"

static unsigned long long number(u64 value)
{
    return value;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void write_totals(const struct proxy_figures *sum, struct http_writer *out)
{
    const struct proxy_counters *counters = &sum->counters;
    const struct histogram *duration = &counters->duration_us;
    u64 failed = 0;
    for (u32 i = FAULT_NONE + 1; i < FAULT_COUNT; i++)
        failed += counters->faults[i];
    write_format(out,
                 ",\"connections\":{\"open\":%llu,\"accepted\":%llu,\"refused\":%llu}"
                 ",\"requests\":{\"active\":%llu,\"total\":%llu,\"failed\":%llu,\"retries\":%llu}",
                 number(sum->clients), number(counters->clients_accepted),
                 number(counters->clients_refused), number(sum->exchanges),
                 number(counters->requests), number(failed), number(counters->retries));
    write_format(
        out, ",\"durationUs\":{\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu}",
        number(histogram_quantile(duration, 0.5)), number(histogram_quantile(duration, 0.9)),
        number(histogram_quantile(duration, 0.99)), number(histogram_quantile(duration, 0.999)));
    write_format(out, ",\"upstreams\":{\"open\":%llu,\"opened\":%llu,\"reused\":%llu}",
                 number(sum->upstreams), number(counters->upstreams_opened),
                 number(counters->upstreams_reused));
}

void status_times(struct http_writer *out, const char *key, const struct state_latency_sums *times)
{
    write_format(out, ",\"%s\":{\"p50\":%llu,\"p95\":%llu,\"p99\":%llu}", key,
                 number(state_latency_quantile(times, 0.5)),
                 number(state_latency_quantile(times, 0.95)),
                 number(state_latency_quantile(times, 0.99)));
}

static void write_route_limits(const struct snapshot *snapshot, u32 index, struct http_writer *out)
{
    const struct config_route *route = &snapshot->config->routes[index];
    const struct state_routes *routes = state_routes(snapshot->state);
    u32 slot = snapshot->route_slots[index];
    write_format(out, ",\"active\":%llu,\"activeLimit\":%u",
                 number(view_route_active(snapshot, index)), view_route_limit(snapshot, index));
    if (!route->limited)
        return;
    struct state_route_tally tally = state_route_tally(routes, slot);
    write_format(out, ",\"queue\":{\"limit\":%u,\"length\":%u,\"queued\":%llu", route->queue_max,
                 state_route_waiting(routes, slot), number(tally.queued));
    write_format(out, ",\"served\":%llu,\"waitedUs\":%llu", number(tally.waited),
                 number(tally.waited_us_sum));
    struct state_wait_sums waits = state_route_wait_sums(snapshot->state, slot);
    status_times(out, "waitUs", &waits.times);
    write_format(out, ",\"timedOut\":%llu,\"shed\":%llu,\"refused\":%llu", number(tally.timed_out),
                 number(tally.shed), number(tally.refused));
    write_format(out, ",\"standing\":%s}", truth(tally.standing > 0));
}

static void write_route_hedges(const struct snapshot *snapshot, u32 index, struct http_writer *out)
{
    const struct config_route *route = &snapshot->config->routes[index];
    u32 slot = snapshot->route_slots[index];
    if (!route->hedged)
        return;
    struct state_hedge_sums sums = state_hedge_sums(snapshot->state, slot);
    write_format(out, ",\"hedge\":{\"percentile\":%u,\"percentileUs\":%u",
                 route->retry.hedge.percentile, state_hedge_delay_us(snapshot->state, slot));
    write_format(out, ",\"started\":%llu,\"won\":%llu", number(sums.counts[STATE_HEDGE_STARTED]),
                 number(sums.counts[STATE_HEDGE_WON]));
    write_format(out, ",\"deniedByBudget\":%llu,\"deniedNoBackend\":%llu}",
                 number(sums.counts[STATE_HEDGE_DENIED_BUDGET]),
                 number(sums.counts[STATE_HEDGE_DENIED_BACKEND]));
}

static void write_route_responses(const struct snapshot *snapshot, u32 slot,
                                  struct http_writer *out)
{
    struct state_exchanges sums = state_route_exchange_sums(snapshot->state, slot);
    struct state_latency_sums durations = state_route_duration_sums(snapshot->state, slot);
    write_format(out, ",\"responses\":{\"none\":%llu", number(sums.ended[0]));
    for (u32 i = 1; i < ARRAY_COUNT(sums.ended); i++)
        write_format(out, ",\"%uxx\":%llu", i, number(sums.ended[i]));
    write_format(out, "},\"requests\":%llu", number(state_exchanges_ended(&sums)));
    status_times(out, "durationUs", &durations);
}

static void write_route(const struct admin_view *view, u32 index, struct http_writer *out)
{
    const struct snapshot *snapshot = view->snapshot;
    const struct config_route *route = &snapshot->config->routes[index];
    const struct config_pool *pool = &snapshot->config->pools[route->pool];
    struct snapshot_tallies tallies = snapshot_pool_tallies(snapshot, route->pool);
    u32 usable = 0;
    for (u32 i = 0; i < pool->backend_count; i++)
        usable += state_backend_usable(snapshot->state, snapshot->backend_slots[pool->backends[i]]);
    http_write(out, SLICE("{\"id\":"));
    write_json(out, route->id);
    http_write(out, route->wildcard ? SLICE(",\"host\":\"*") : SLICE(",\"host\":\""));
    /* Hosts are letters, digits, dots and hyphens. */
    http_write(out, route->host.len > 0 ? route->host : SLICE("*"));
    http_write(out, SLICE("\",\"path\":"));
    write_json_path(out, route->path);
    write_format(out, ",\"strategy\":\"%s\",\"backends\":%u,\"usable\":%u",
                 balance_strategy_name(pool->strategy), pool->backend_count, usable);
    write_format(out, ",\"ejected\":%u,\"panic\":%s", tallies.ejected, truth(tallies.panic));
    write_route_limits(snapshot, index, out);
    write_route_hedges(snapshot, index, out);
    write_route_responses(snapshot, snapshot->route_slots[index], out);
    http_write(out, SLICE("}"));
}

static void write_list(const struct admin_view *view, u32 count, struct http_writer *out,
                       void (*write)(const struct admin_view *, u32, struct http_writer *))
{
    for (u32 i = 0; i < count && !out->full; i++) {
        http_write(out, i > 0 ? SLICE(",\n") : SLICE("\n"));
        write(view, i, out);
    }
    http_write(out, SLICE("]"));
}

void status_backends_json(const struct admin_view *view, struct http_writer *out)
{
    http_write(out, SLICE("["));
    write_list(view, view->snapshot->config->backend_count, out, status_backend_json);
}

static void write_event(const struct admin_event *event, struct http_writer *out)
{
    http_write(out, SLICE("{\"time\":"));
    write_json_time(out, event->wall_ns);
    write_format(out, ",\"what\":\"%s\",\"result\":\"%s\",\"snapshot\":%llu,\"report\":",
                 admin_event_kind_name(event->kind), admin_event_result_name(event->result),
                 number(event->version));
    write_json_lines(out, event->report);
    write_format(out, ",\"cut\":%s}", truth(event->cut));
}

static void write_events(const struct admin_view *view, struct http_writer *out)
{
    http_write(out, SLICE(",\n\"reloads\":["));
    for (u32 i = 0; i < view->event_count; i++) {
        http_write(out, i > 0 ? SLICE(",\n") : SLICE("\n"));
        write_event(&view->events[i], out);
    }
    http_write(out, SLICE("]"));
}

static void write_programs(const struct admin_view *view, struct http_writer *out)
{
    struct health_programs programs = {0};
    if (view->health)
        programs = health_programs(view->health);
    write_format(out, ",\"checkPrograms\":{\"running\":%u,\"killed\":%u,\"waiting\":%u}",
                 programs.there - programs.killed, programs.killed, programs.waiting);
}

void status_json(const struct admin *admin, struct http_writer *out)
{
    struct admin_view view;
    struct proxy_figures sum;
    admin->source->view(admin->source->context, &view);
    figures_sum(admin, &view, &sum);
    http_write(out, SLICE("{\"instance\":"));
    write_json(out, slice_of_string(admin->host_name));
    write_format(out, ",\"version\":\"%s\",\"pid\":%d,\"uptimeSeconds\":%llu", NEXTPROXY_VERSION,
                 (int)getpid(), number(admin_uptime_s(admin)));
    write_format(out, ",\"supervisor\":%d,\"restarts\":%u", view.supervisor, view.restarts);
    write_format(out, ",\"draining\":%s,\"snapshot\":%llu", truth(view.draining),
                 number(view.snapshot->version));
    write_format(out, ",\"workers\":%u,\"workersStuck\":%u", view.workers, view.workers_stuck);
    write_totals(&sum, out);
    write_format(out, ",\"overload\":{\"stage\":\"%s\",\"changes\":%llu,\"shed\":%llu}",
                 overload_stage_name((enum overload_stage)sum.overload),
                 number(sum.counters.overload_changes), number(sum.counters.clients_shed));
    write_format(out, ",\"memoryBytes\":{\"used\":%llu,\"limit\":%llu}", number(view.memory_bytes),
                 number(view.memory_bytes_max));
    write_format(out, ",\"logDropped\":{\"error\":%llu,\"access\":%llu}",
                 number(view.log_dropped[LOG_FILE_ERROR]),
                 number(view.log_dropped[LOG_FILE_ACCESS]));
    write_programs(&view, out);
    write_events(&view, out);
    http_write(out, SLICE(",\n\"routes\":["));
    write_list(&view, view.snapshot->config->route_count, out, write_route);
    http_write(out, SLICE(",\n\"backends\":"));
    status_backends_json(&view, out);
    http_write(out, SLICE("}\n"));
}
