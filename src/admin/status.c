/* GET /status, for programs: one JSON object. */
#include <unistd.h>

#include "admin/admin_internal.h"

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

/* Of a route without a limit nobody counts. */
static void write_route_limits(const struct snapshot *snapshot, u32 index, struct http_writer *out)
{
    const struct config_route *route = &snapshot->config->routes[index];
    const struct state_routes *routes = state_routes(snapshot->state);
    u32 slot = snapshot->route_slots[index];
    write_format(out, ",\"activeLimit\":%u", route->active_max);
    if (!route->limited)
        return;
    struct state_route_tally tally = state_route_tally(routes, slot);
    write_format(out, ",\"active\":%u,\"queue\":{\"limit\":%u,\"length\":%u,\"queued\":%llu",
                 state_route_active(routes, slot), route->queue_max,
                 state_route_waiting(routes, slot), number(tally.queued));
    write_format(out, ",\"served\":%llu,\"waitedUs\":%llu", number(tally.waited),
                 number(tally.waited_us_sum));
    write_format(out, ",\"timedOut\":%llu,\"shed\":%llu,\"refused\":%llu", number(tally.timed_out),
                 number(tally.shed), number(tally.refused));
    write_format(out, ",\"standing\":%s}", truth(tally.standing > 0));
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
    http_write(out, SLICE("}"));
}

static bool added_at_run_time(const struct admin_view *view, struct slice id)
{
    for (u32 i = 0; i < view->overlay->added_count; i++)
        if (slice_equal(view->overlay->added[i].id, id))
            return true;
    return false;
}

/* Why it may not be chosen. */
static void write_marks(u32 marks, struct http_writer *out)
{
    bool first = true;
    http_write(out, SLICE(",\"marks\":["));
    for (u32 mark = 1; mark <= marks; mark <<= 1) {
        if (!(marks & mark))
            continue;
        write_format(out, "%s\"%s\"", first ? "" : ",", state_mark_name((enum state_mark)mark));
        first = false;
    }
    http_write(out, SLICE("]"));
}

/* What passive checks know. */
static void write_circuit(struct circuit circuit, struct http_writer *out)
{
    write_format(out, ",\"circuit\":{\"state\":\"%s\",\"failures\":%llu,\"inARow\":%u",
                 circuit_state_name((enum circuit_state)circuit.state), number(circuit.failures),
                 circuit.row);
    write_format(out, ",\"ejections\":%llu,\"spared\":%llu", number(circuit.ejections),
                 number(circuit.spared));
    if (circuit.ejections > 0)
        write_format(out, ",\"reason\":\"%s\",\"ejectionMs\":%u",
                     circuit_reason_name(circuit.reason), circuit.open_ms);
    if (circuit.last.status > 0)
        write_format(out, ",\"lastFailure\":\"status %u\"", circuit.last.status);
    else if (circuit.last.what)
        write_format(out, ",\"lastFailure\":\"%s\"", circuit.last.what);
    http_write(out, SLICE("}"));
}

void status_backend_json(const struct admin_view *view, u32 index, struct http_writer *out)
{
    const struct snapshot *snapshot = view->snapshot;
    const struct config_backend *backend = &snapshot->config->backends[index];
    u32 slot = snapshot->backend_slots[index];
    struct state_tally tally = state_backend_tally(snapshot->state, slot);
    http_write(out, SLICE("{\"id\":"));
    write_json(out, backend->id);
    http_write(out, SLICE(",\"url\":"));
    write_json(out, backend->url);
    write_format(out, ",\"weight\":%u,\"usable\":%s,\"active\":%u,\"latencyUs\":%u",
                 backend->weight, truth(state_backend_usable(snapshot->state, slot)),
                 state_backend_active(snapshot->state, slot),
                 state_backend_latency_us(snapshot->state, slot));
    write_format(out, ",\"health\":\"%s\",\"addedAtRunTime\":%s",
                 health_state_name(view_health(view, slot)),
                 truth(added_at_run_time(view, backend->id)));
    write_marks(state_backend_marks(snapshot->state, slot) & STATE_BARS, out);
    write_circuit(state_circuit(snapshot->state, slot), out);
    write_format(out, ",\"requests\":%llu,\"failures\":%llu,\"responses\":{",
                 number(tally.requests), number(tally.failures));
    for (u32 i = 0; i < ARRAY_COUNT(tally.responses); i++)
        write_format(out, "%s\"%uxx\":%llu", i > 0 ? "," : "", i + 1, number(tally.responses[i]));
    http_write(out, SLICE("}}"));
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

void status_json(const struct admin *admin, struct http_writer *out)
{
    struct admin_view view;
    struct proxy_figures sum;
    admin->source->view(admin->source->context, &view);
    figures_sum(admin, view.workers, &sum);
    http_write(out, SLICE("{\"instance\":"));
    write_json(out, slice_of_string(admin->host_name));
    write_format(out, ",\"version\":\"%s\",\"pid\":%d,\"uptimeSeconds\":%llu", NEXTPROXY_VERSION,
                 (int)getpid(), number(admin_uptime_s(admin)));
    write_format(out, ",\"draining\":%s,\"snapshot\":%llu,\"workers\":%u", truth(view.draining),
                 number(view.snapshot->version), view.workers);
    write_totals(&sum, out);
    write_format(out, ",\"overload\":{\"stage\":\"%s\",\"changes\":%llu,\"shed\":%llu}",
                 overload_stage_name((enum overload_stage)sum.overload),
                 number(sum.counters.overload_changes), number(sum.counters.clients_shed));
    write_format(out, ",\"memoryBytes\":{\"used\":%llu,\"limit\":%llu}", number(view.memory_bytes),
                 number(view.memory_bytes_max));
    write_format(out, ",\"logDropped\":{\"error\":%llu,\"access\":%llu}",
                 number(view.log_dropped[LOG_FILE_ERROR]),
                 number(view.log_dropped[LOG_FILE_ACCESS]));
    http_write(out, SLICE(",\n\"routes\":["));
    write_list(&view, view.snapshot->config->route_count, out, write_route);
    http_write(out, SLICE(",\n\"backends\":"));
    status_backends_json(&view, out);
    http_write(out, SLICE("}\n"));
}
