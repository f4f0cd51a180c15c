/* What the end of an attempt says of its backend: passive checks. The worker that sees the deciding
 * failure ejects the backend itself, at once. A request that goes well costs a look at the marks of
 * its backend, which are only written when something fails. */
#include <stdio.h>

#include "base/clock.h"
#include "proxy/proxy_internal.h"

static const struct config_passive_check *check_of(const struct exchange *exchange)
{
    return &exchange_backend(exchange)->passive_check;
}

static struct state_attempt attempt_of(const struct exchange *exchange)
{
    return (struct state_attempt){
        .check = check_of(exchange),
        .now_ns = proxy_now_ns(exchange->proxy),
        .slot = exchange_backend_slot(exchange),
        .trial = exchange->trial,
    };
}

/* ---- What the log says ---- */

enum { REASON_BYTES = 128, MESSAGE_BYTES = 320 };

static void describe_reason(const struct circuit *circuit, const struct config_passive_check *check,
                            char out[REASON_BYTES])
{
    switch (circuit->reason) {
    case CIRCUIT_NO_REASON:
        out[0] = '\0';
        return;
    case CIRCUIT_BY_REFUSAL:
        (void)snprintf(out, REASON_BYTES, "it refuses connections");
        return;
    case CIRCUIT_BY_ROW:
        (void)snprintf(out, REASON_BYTES, "%u requests failed in a row", circuit->row);
        return;
    case CIRCUIT_BY_RATE:
        (void)snprintf(out, REASON_BYTES, "%u%% of its requests or more failed within %u ms",
                       check->error_rate_percent, check->window_ms);
        return;
    case CIRCUIT_BY_TRIAL:
        (void)snprintf(out, REASON_BYTES, "its trial request failed");
        return;
    }
}

static void describe(enum state_circuit_event event, const struct circuit *circuit,
                     const struct config_passive_check *check, char out[MESSAGE_BYTES])
{
    char reason[REASON_BYTES], seconds[32];
    const char *last =
        circuit->last.status > 0 ? "a response with this status" : circuit->last.what;
    (void)snprintf(seconds, sizeof(seconds), "%u.%03u s", circuit->open_ms / 1000,
                   circuit->open_ms % 1000);
    describe_reason(circuit, check, reason);
    if (event == STATE_CIRCUIT_OPENED)
        (void)snprintf(out, MESSAGE_BYTES, "Backend is ejected for %s: %s, the last: %s", seconds,
                       reason, last);
    else if (event == STATE_CIRCUIT_SPARED)
        (void)snprintf(out, MESSAGE_BYTES,
                       "Backend fails and is not ejected, because as many as maxEjectionPercent "
                       "allows are; the last failure: %s",
                       last);
    else
        (void)snprintf(out, MESSAGE_BYTES, "Backend is back: its trial requests went well");
}

/* Empty when there was none. */
static struct slice error_of(const struct circuit_failure *failure, char scratch[16])
{
    if (failure->status > 0) {
        (void)snprintf(scratch, 16, "status %u", failure->status);
        return slice_of_string(scratch);
    }
    return slice_of_string(failure->error != 0 ? log_errno_name(failure->error, scratch)
                                               : failure->what);
}

static void record(struct exchange *exchange, enum state_circuit_event event,
                   const struct circuit *circuit)
{
    struct proxy *proxy = exchange->proxy;
    const struct config_backend *backend = exchange_backend(exchange);
    enum log_severity severity = event == STATE_CIRCUIT_CLOSED ? LOG_INFO : LOG_WARN;
    char message[MESSAGE_BYTES], scratch[16];
    if (event == STATE_CIRCUIT_SAME || !proxy->logs[LOG_FILE_ERROR] ||
        severity < proxy->config->logging.severity_min)
        return;
    describe(event, circuit, &backend->passive_check, message);
    const struct log_event line = {
        .wall_ns = proxy_wall_ns(proxy),
        .severity = severity,
        .type = SLICE("passive_check"),
        .backend_id = backend->id,
        .url = backend->url,
        .error = error_of(&circuit->last, scratch),
        .message = slice_of_string(message),
        .request_id = exchange->request_id,
    };
    (void)log_event_write(proxy->logs[LOG_FILE_ERROR], &line);
}

/* ---- Failures ---- */

static void fail(struct exchange *exchange, struct circuit_failure failure)
{
    struct circuit circuit;
    const struct state_attempt attempt = attempt_of(exchange);
    failure.trial = exchange->trial == CIRCUIT_TRIAL_HELD;
    enum state_circuit_event event =
        state_circuit_fail(exchange->proxy->state, &attempt, &failure, &circuit);
    exchange->trial = CIRCUIT_TRIAL_NONE;
    record(exchange, event, &circuit);
}

static bool counts(const struct exchange *exchange, u32 status)
{
    return UNLIKELY(status >= CONFIG_FAILURE_STATUS_MIN) &&
           config_status_in(check_of(exchange)->statuses, status);
}

/* A connection that was idle may be closed by any backend at any time. A tunnel's end is its own
 * business. What was out of our own resources is our own fault. */
static bool is_the_backends(const struct exchange *exchange, enum fault fault,
                            enum ring_status status)
{
    return fault_row(fault)->blame == BLAME_BACKEND && fault != FAULT_UPSTREAM_STALE &&
           exchange->phase != EXCHANGE_TUNNEL && status != RING_EXHAUSTED;
}

void outcome_failed(struct exchange *exchange, enum fault fault, struct ring_done done)
{
    if (exchange->backend == BALANCE_NONE || !exchange->counted || !check_of(exchange)->enabled ||
        !is_the_backends(exchange, fault, done.status))
        return;
    if (exchange->phase == EXCHANGE_RELAYING && counts(exchange, exchange->status))
        return; /* was a failure when it began */
    fail(exchange, (struct circuit_failure){
                       .what = fault_name(fault),
                       .error = done.error,
                       .refused = fault == FAULT_CONNECT_REFUSED,
                   });
}

/* ---- Success ---- */

static void succeed(struct exchange *exchange)
{
    struct state *state = exchange->proxy->state;
    const struct state_attempt attempt = attempt_of(exchange);
    if (exchange->trial == CIRCUIT_TRIAL_NONE &&
        (state_backend_marks(state, attempt.slot) & STATE_FAILING) == 0)
        return;
    enum state_circuit_event event = state_circuit_succeed(state, &attempt);
    exchange->trial = CIRCUIT_TRIAL_NONE;
    record(exchange, event, &(struct circuit){.last = {.what = ""}});
}

/* A response may take hours; a trial is decided by its head. A tunnel has nothing else. */
void outcome_head(struct exchange *exchange, u32 status)
{
    if (UNLIKELY(status >= CONFIG_FAILURE_STATUS_MIN) && check_of(exchange)->enabled &&
        counts(exchange, status))
        fail(exchange, (struct circuit_failure){.what = "status", .status = (u16)status});
    else if (UNLIKELY(exchange->trial != CIRCUIT_TRIAL_NONE ||
                      status == HTTP_STATUS_SWITCHING_PROTOCOLS))
        succeed(exchange);
}

void outcome_complete(struct exchange *exchange)
{
    u32 marks = state_backend_marks(exchange->proxy->state, exchange_backend_slot(exchange));
    if (UNLIKELY((marks & STATE_FAILING) != 0) && !counts(exchange, exchange->status))
        succeed(exchange);
}

void outcome_none(struct exchange *exchange)
{
    if (exchange->trial == CIRCUIT_TRIAL_HELD)
        state_circuit_untried(exchange->proxy->state, exchange_backend_slot(exchange));
    exchange->trial = CIRCUIT_TRIAL_NONE;
}

void outcome_late(struct exchange *exchange)
{
    outcome_none(exchange);
    exchange->trial = CIRCUIT_TRIAL_PASSED_ON;
}
