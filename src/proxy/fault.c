/* Everything that can go wrong, one row each: who is to blame, whether it may be tried again, what
 * the client is told, how loud the log is, and whether the client's connection can go on. */
#include "proxy/proxy_internal.h"

/* A table, laid out by hand. */
/* clang-format off */
static const struct fault_row rows[FAULT_COUNT] = {
    /* name and status; who is to blame, whether to try again; log severity, keep the client,
     * let it try again;
     * the page's sentence; the log's; what stands for the errno when the kernel gave none */
    [FAULT_NONE] = {
        "none", 0, BLAME_US, RETRY_NEVER, LOG_DEBUG, true, false,
        "",
        "",
        NULL},
    [FAULT_BAD_REQUEST] = {
        "bad_request", 400, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "The request is malformed.",
        "Malformed request",
        NULL},
    [FAULT_BAD_BODY] = {
        "bad_body", 400, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "The request body is malformed.",
        "Malformed request body",
        NULL},
    [FAULT_BODY_TOO_LARGE] = {
        "body_too_large", 413, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "The request body is too large.",
        "Request body over limits.bodyBytes",
        NULL},
    [FAULT_HEAD_TIMEOUT] = {
        "head_timeout", 408, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "The request took too long to arrive.",
        "Request head timeout",
        NULL},
    [FAULT_BODY_TIMEOUT] = {
        "body_timeout", 408, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "The request body took too long to arrive.",
        "Request body timeout",
        NULL},
    [FAULT_BODY_SLOW] = {
        "body_slow", 408, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "The request body came too slowly, and others were waiting.",
        "Request body below reqBodyRate while others waited",
        NULL},
    [FAULT_CLIENT_GONE] = {
        "client_gone", 0, BLAME_CLIENT, RETRY_NEVER, LOG_DEBUG, false, false,
        "",
        "Client closed the connection",
        NULL},
    [FAULT_CLIENT_STALLED] = {
        "client_stalled", 0, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, false, false,
        "",
        "Client stopped reading",
        NULL},
    [FAULT_PROXY_HEADER] = {
        "proxy_header", 0, BLAME_CLIENT, RETRY_NEVER, LOG_WARN, false, false,
        "",
        "PROXY protocol header missing or malformed",
        NULL},
    [FAULT_TRACE_REFUSED] = {
        "trace_refused", 405, BLAME_CLIENT, RETRY_NEVER, LOG_INFO, true, false,
        "TRACE is not answered here.",
        "TRACE with Max-Forwards: 0",
        NULL},
    [FAULT_NO_BACKEND] = {
        "no_backend", 503, BLAME_US, RETRY_NEVER, LOG_ERROR, true, false,
        "No server is available to answer this request.",
        "No usable backend",
        NULL},
    [FAULT_ROUTE_FULL] = {
        "route_full", 503, BLAME_US, RETRY_NEVER, LOG_WARN, true, true,
        "Too many requests are being served at the moment.",
        "Route serves as many requests as it may",
        NULL},
    [FAULT_QUEUE_FULL] = {
        "queue_full", 503, BLAME_US, RETRY_NEVER, LOG_WARN, true, true,
        "Too many requests are waiting at the moment.",
        "Route serves as many requests as it may, and its queue is full",
        NULL},
    [FAULT_QUEUE_TIMEOUT] = {
        "queue_timeout", 503, BLAME_US, RETRY_NEVER, LOG_WARN, true, true,
        "Too many requests are being served at the moment.",
        "No place among the route's active requests within timeouts.queue",
        NULL},
    [FAULT_SHED] = {
        "shed", 503, BLAME_US, RETRY_NEVER, LOG_DEBUG, true, true,
        "Too many requests are waiting at the moment.",
        "Turned away from a queue that stands, or for a request of higher priority",
        NULL},
    [FAULT_BACKENDS_FULL] = {
        "backends_full", 503, BLAME_US, RETRY_NEVER, LOG_WARN, true, true,
        "Too many requests are being served at the moment.",
        "All usable backends of the route are at maxConnections",
        NULL},
    [FAULT_EXHAUSTED] = {
        "exhausted", 503, BLAME_US, RETRY_NEVER, LOG_ERROR, false, false,
        "The proxy is out of resources at the moment.",
        "Out of memory, sockets or buffers",
        NULL},
    [FAULT_OVERLOADED] = {
        "overloaded", 503, BLAME_US, RETRY_NEVER, LOG_ERROR, false, true,
        "The proxy is overloaded at the moment.",
        "Overload, stage refuse",
        NULL},
    [FAULT_HEAD_OVERFLOW] = {
        "head_overflow", 431, BLAME_CLIENT, RETRY_NEVER, LOG_WARN, false, false,
        "The request head is too large.",
        "Rewritten request head does not fit",
        NULL},
    [FAULT_STOPPING] = {
        "stopping", 503, BLAME_US, RETRY_NEVER, LOG_DEBUG, false, false,
        "The proxy is stopping.",
        "Cut at the end of the drain timeout",
        NULL},
    [FAULT_REMOVED] = {
        "removed", 503, BLAME_US, RETRY_NEVER, LOG_WARN, false, true,
        "The server was taken out of service.",
        "Still running timeouts.removedDrain after its backend or route was removed",
        NULL},
    [FAULT_CONNECT_REFUSED] = {
        "connect_refused", 502, BLAME_BACKEND, RETRY_OTHER, LOG_ERROR, true, false,
        "The server could not be reached.",
        "Backend connection refused",
        "ECONNREFUSED"},
    [FAULT_CONNECT_FAILED] = {
        "connect_failed", 502, BLAME_BACKEND, RETRY_OTHER, LOG_ERROR, true, false,
        "The server could not be reached.",
        "Backend connection failed",
        NULL},
    [FAULT_CONNECT_TIMEOUT] = {
        "connect_timeout", 504, BLAME_BACKEND, RETRY_OTHER, LOG_ERROR, true, false,
        "The server did not answer in time.",
        "Backend connection timeout",
        "ETIMEDOUT"},
    [FAULT_UPSTREAM_STALE] = {
        "upstream_stale", 502, BLAME_BACKEND, RETRY_FRESH, LOG_INFO, true, false,
        "The server closed the connection.",
        "Backend closed a reused connection",
        NULL},
    [FAULT_UPSTREAM_RESET] = {
        "upstream_reset", 502, BLAME_BACKEND, RETRY_REPLAY, LOG_ERROR, true, false,
        "The server closed the connection.",
        "Backend closed the connection before its response",
        NULL},
    [FAULT_BAD_RESPONSE] = {
        "bad_response", 502, BLAME_BACKEND, RETRY_REPLAY, LOG_ERROR, true, false,
        "The server sent an invalid answer.",
        "Backend sent a malformed response",
        NULL},
    [FAULT_RESPONSE_TIMEOUT] = {
        "response_timeout", 504, BLAME_BACKEND, RETRY_REPLAY, LOG_ERROR, true, false,
        "The server did not answer in time.",
        "Backend response timeout",
        "ETIMEDOUT"},
    /* These two are never answered: without another attempt the one that was goes on. */
    [FAULT_TRY_TIMEOUT] = {
        "try_timeout", 504, BLAME_BACKEND, RETRY_REPLAY, LOG_WARN, true, false,
        "The server did not answer in time.",
        "Backend took longer than timeouts.perTry",
        "ETIMEDOUT"},
    [FAULT_BAD_STATUS] = {
        "bad_status", 502, BLAME_BACKEND, RETRY_REPLAY, LOG_WARN, true, false,
        "The server could not answer.",
        "Backend answered with one of retry.statuses",
        NULL},
    [FAULT_RESPONSE_CUT] = {
        "response_cut", 502, BLAME_BACKEND, RETRY_NEVER, LOG_ERROR, false, false,
        "The server ended its answer early.",
        "Backend closed the connection within its response",
        NULL},
    [FAULT_RESPONSE_STALLED] = {
        "response_stalled", 504, BLAME_BACKEND, RETRY_NEVER, LOG_ERROR, false, false,
        "The server stopped answering.",
        "Backend stopped within its response",
        "ETIMEDOUT"},
    [FAULT_TUNNEL_IDLE] = {
        "tunnel_idle", 0, BLAME_CLIENT, RETRY_NEVER, LOG_DEBUG, false, false,
        "",
        "Tunnel idle timeout",
        NULL},
};
/* clang-format on */

const struct fault_row *fault_row(enum fault fault)
{
    ASSERT(fault < FAULT_COUNT);
    return &rows[fault];
}

const char *fault_name(enum fault fault)
{
    return fault_row(fault)->name;
}

enum fault fault_of_connect(enum ring_status status)
{
    switch (status) {
    case RING_REFUSED:
    case RING_RESET:
        return FAULT_CONNECT_REFUSED;
    case RING_TIMED_OUT:
        return FAULT_CONNECT_TIMEOUT;
    case RING_EXHAUSTED:
        return FAULT_EXHAUSTED;
    case RING_OK:
    case RING_END:
    case RING_CANCELED:
    case RING_UNREACHABLE:
    case RING_SHORT:
    case RING_FAILED:
    case RING_STATUS_COUNT:
        break;
    }
    return FAULT_CONNECT_FAILED;
}

enum fault fault_of_body(enum relay_verdict verdict)
{
    switch (verdict) {
    case RELAY_OK:
        return FAULT_NONE;
    case RELAY_BAD:
        return FAULT_BAD_BODY;
    case RELAY_TOO_LONG:
        return FAULT_BODY_TOO_LARGE;
    case RELAY_NO_ROOM:
        break;
    }
    return FAULT_EXHAUSTED;
}
