/* One backend of /status and /backends. */
#include "admin/admin_internal.h"
#include "base/clock.h"

static unsigned long long number(u64 value)
{
    return value;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
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

/* What the last probe said, and since when the backend has been as it is. */
static void write_probe(const struct admin_view *view, u32 slot, struct http_writer *out)
{
    struct health_last last;
    if (!view->health || !health_last(view->health, slot, &last))
        return;
    u64 now_ns = clock_monotonic_ns();
    write_format(out, ",\"lastProbe\":{\"good\":%s,\"secondsAgo\":%.1f", truth(last.good),
                 (double)(now_ns - min_u64(last.probed_ns, now_ns)) / (double)NS_PER_S);
    if (!last.good)
        write_format(out, ",\"reason\":\"%s\"", last.reason);
    http_write(out, SLICE(",\"detail\":"));
    write_json(out, slice_of_string(last.detail));
    http_write(out, SLICE("}"));
    if (last.changed_ns > 0)
        write_format(out, ",\"healthForSeconds\":%.1f",
                     (double)(now_ns - min_u64(last.changed_ns, now_ns)) / (double)NS_PER_S);
}

/* Of a name; null while it has none. Addresses have nothing to escape. */
static void write_address(const struct config_backend *backend, struct http_writer *out)
{
    char address[ADDRESS_TEXT_BYTES];
    address_format(&backend->address, address);
    if (backend->name.len > 0 && backend->address.len == 0)
        http_write(out, SLICE(",\"address\":null"));
    else if (backend->name.len > 0)
        write_format(out, ",\"address\":\"%s\"", address);
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
    write_address(backend, out);
    write_format(out, ",\"maxConnections\":%u", backend->connections_max);
    write_format(out, ",\"weight\":%u,\"usable\":%s,\"active\":%u,\"latencyUs\":%u",
                 backend->weight, truth(state_backend_usable(snapshot->state, slot)),
                 state_backend_active(snapshot->state, slot),
                 state_backend_latency_us(snapshot->state, slot));
    write_format(out, ",\"health\":\"%s\",\"addedAtRunTime\":%s",
                 health_state_name(view_health(view, slot)),
                 truth(added_at_run_time(view, backend->id)));
    write_marks(state_backend_marks(snapshot->state, slot) & STATE_BARS, out);
    write_circuit(state_circuit(snapshot->state, slot), out);
    write_probe(view, slot, out);
    struct state_latency_sums heads = state_backend_latencies(snapshot->state, slot);
    status_times(out, "responseHeadUs", &heads);
    write_format(out, ",\"requests\":%llu,\"failures\":%llu,\"responses\":{",
                 number(tally.requests), number(tally.failures));
    for (u32 i = 0; i < ARRAY_COUNT(tally.responses); i++)
        write_format(out, "%s\"%uxx\":%llu", i > 0 ? "," : "", i + 1, number(tally.responses[i]));
    http_write(out, SLICE("}}"));
}
