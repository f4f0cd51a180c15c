/* The rows: every setting of the configuration file. See settings.h for what the columns mean. */
#include "config/settings.h"

#include "config/choices.h"
#include "config/forms.h"

#define MEMBER(structure, member)                                                                  \
    .offset = offsetof(structure, member), .size = sizeof(((structure *)NULL)->member)
#define TABLE(structure, rows)                                                                     \
    {                                                                                              \
        rows, ARRAY_COUNT(rows), sizeof(structure)                                                 \
    }

#define MS "milliseconds"
#define BYTES "bytes"

enum {
    MS_MAX = 24 * 3600 * 1000,          /* a day */
    MS_LONG_MAX = 7 * 24 * 3600 * 1000, /* a week */
    COUNT_MAX = 1 << 20,
    WORKERS_MAX = 1024,
};

#define BODY_BYTES_MAX (1ull << 50)

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

static const struct setting proxy_rows[] = {
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct settings_proxy, port),
     .min = 0, .max = UINT16_MAX, .fallback = "3000", .restart = true,
     .text = "TCP port of the one listener on all addresses, IPv4 and IPv6. With `listeners` it is "
             "only their default port. 0 lets the system choose a free port."},
    {.key = "timeout", .type = SETTING_INTEGER, MEMBER(struct settings_proxy, timeout_ms),
     .min = 1, .max = MS_MAX, .unit = MS, .fallback = "30000",
     .text = "How long a backend may take: the default of `timeouts.responseHead` and "
             "`timeouts.responseIdle`."},
    {.key = "retries", .type = SETTING_INTEGER, MEMBER(struct settings_proxy, retries),
     .min = 0, .max = 10, .unit = "backends", .fallback = "3",
     .text = "How many further backends are tried when one cannot be connected to: refused, not "
             "reachable, or no connection within timeouts.connect."},
};
static const struct settings_table proxy_table = TABLE(struct settings_proxy, proxy_rows);

static const struct setting sticky_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_sticky, enabled),
     .fallback = "false", .later = true,
     .text = "Whether a client stays with the backend that answered it first."},
    {.key = "cookieName", .type = SETTING_STRING, MEMBER(struct config_sticky, cookie_name),
     .fallback = "\"nextproxy_backend\"", .form = &form_cookie_name,
     .text = "Name of the cookie that remembers the backend."},
    {.key = "ttl", .type = SETTING_INTEGER, MEMBER(struct config_sticky, ttl_ms),
     .min = 1000, .max = UINT32_MAX, .unit = MS, .fallback = "3600000",
     .text = "How long the cookie is valid."},
};
static const struct settings_table sticky_table = TABLE(struct config_sticky, sticky_rows);

static const struct setting load_balancing_rows[] = {
    {.key = "strategy", .type = SETTING_CHOICE, MEMBER(struct settings_load_balancing, strategy),
     .fallback = "\"round-robin\"", .choice = &choice_strategy,
     .text = "How a backend is chosen. Both spellings are accepted: `round-robin` and "
             "`ROUND_ROBIN`."},
    {.key = "stickySession", .type = SETTING_OBJECT,
     MEMBER(struct settings_load_balancing, sticky), .table = &sticky_table,
     .text = "Keeps a client with one backend by a cookie."},
};
static const struct settings_table load_balancing_table =
    TABLE(struct settings_load_balancing, load_balancing_rows);

static const struct setting health_check_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_health_check, enabled),
     .fallback = "false",
     .text = "Whether the backend is probed, and left out while it is down. Without, it always "
             "counts as usable."},
    {.key = "type", .type = SETTING_CHOICE, MEMBER(struct config_health_check, type),
     .fallback = "\"http\"", .choice = &choice_probe,
     .text = "`http`: a request is sent, and its response's status judged. `tcp`: a connection is "
             "enough; `path`, `method`, `host` and `expectedStatus` do not matter then."},
    {.key = "path", .type = SETTING_STRING, MEMBER(struct config_health_check, path),
     .fallback = "\"/\"", .form = &form_target,
     .text = "What a probe asks for."},
    {.key = "method", .type = SETTING_CHOICE, MEMBER(struct config_health_check, method),
     .fallback = "\"GET\"", .choice = &choice_probe_method, .text = "How it asks."},
    {.key = "host", .type = SETTING_STRING, MEMBER(struct config_health_check, host),
     .form = &form_probe_host, .inherits = "the host and port of `url`; `localhost` for `unix:`",
     .text = "The Host field of a probe."},
    {.key = "expectedStatus", .type = SETTING_STRING,
     MEMBER(struct config_health_check, expected_status), .fallback = "\"200-399\"",
     .form = &form_status_ranges, .text = "The statuses of a healthy backend."},
    {.key = "interval", .type = SETTING_INTEGER, MEMBER(struct config_health_check, interval_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "10000",
     .text = "Time from the beginning of one probe to that of the next; up to an eighth shorter by "
             "chance, so that backends are not probed in step."},
    {.key = "fastInterval", .type = SETTING_INTEGER,
     MEMBER(struct config_health_check, fast_interval_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .inherits = "`interval`",
     .text = "The same while a change is being confirmed: after a failed probe of a backend that "
             "is up, or a good one of a backend that is down."},
    {.key = "maxInterval", .type = SETTING_INTEGER,
     MEMBER(struct config_health_check, interval_max_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "60000",
     .text = "A backend that stays down is probed less and less often: from the fourth failed "
             "probe since it went down, the time to the next one doubles, up to this. No more "
             "than `interval` means that it does not."},
    {.key = "timeout", .type = SETTING_INTEGER, MEMBER(struct config_health_check, timeout_ms),
     .min = 10, .max = MS_MAX, .unit = MS, .fallback = "5000",
     .text = "A probe that takes longer has failed."},
    {.key = "healthyThreshold", .type = SETTING_INTEGER,
     MEMBER(struct config_health_check, healthy_threshold),
     .min = 1, .max = 100, .unit = "probes", .fallback = "2",
     .text = "Good probes in a row after which a backend that is down is up again."},
    {.key = "unhealthyThreshold", .type = SETTING_INTEGER,
     MEMBER(struct config_health_check, unhealthy_threshold),
     .min = 1, .max = 100, .unit = "probes", .fallback = "3",
     .text = "Failed probes in a row after which a backend is down."},
};
static const struct settings_table health_check_table =
    TABLE(struct config_health_check, health_check_rows);

static const struct setting backend_rows[] = {
    {.key = "id", .type = SETTING_STRING, MEMBER(struct settings_backend, id), .form = &form_id,
     .inherits = "\"backend-1\", \"backend-2\", ... by its place in the list",
     .text = "Name of the backend in logs, in `routes[].backends` and everywhere else; unique."},
    {.key = "url", .type = SETTING_STRING, MEMBER(struct settings_backend, url),
     .form = &form_url, .required = true,
     .text = "Where the backend is: `http://host:port` (port 80 when left out), an IPv6 address in "
             "brackets, or `unix:/path`. A name is resolved when the configuration is loaded; an "
             "IPv4 address is preferred when it has both."},
    {.key = "weight", .type = SETTING_INTEGER, MEMBER(struct settings_backend, weight),
     .min = 0, .max = 1000, .fallback = "1",
     .text = "Share of the requests relative to the other backends. 0 = never chosen; a pool needs "
             "at least one backend with more."},
    {.key = "healthCheck", .type = SETTING_OBJECT, MEMBER(struct settings_backend, health_check),
     .table = &health_check_table,
     .text = "Active probes of this backend: whether it is there and well."},
};
static const struct settings_table backend_table = TABLE(struct settings_backend, backend_rows);

static const struct setting listener_rows[] = {
    {.key = "address", .type = SETTING_STRING, MEMBER(struct settings_listener, address),
     .form = &form_listen_address, .inherits = "`*`, or none with `unixSocket`", .restart = true,
     .text = "Address to listen on: `*` = all, IPv4 and IPv6; `0.0.0.0` = all IPv4; `::` = all "
             "IPv6."},
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct settings_listener, port),
     .min = 0, .max = UINT16_MAX, .absent = SETTINGS_PORT_ABSENT, .inherits = "`proxy.port`",
     .restart = true,
     .text = "TCP port. 0 lets the system choose a free port."},
    {.key = "unixSocket", .type = SETTING_STRING, MEMBER(struct settings_listener, unix_socket),
     .form = &form_socket_path, .restart = true,
     .text = "Path of a unix socket to listen on, instead of address and port."},
    {.key = "unixMode", .type = SETTING_STRING, MEMBER(struct settings_listener, unix_mode),
     .form = &form_socket_mode, .fallback = "\"0660\"", .restart = true,
     .text = "Permission bits of the unix socket."},
    {.key = "proxyProtocolFrom", .type = SETTING_STRINGS,
     MEMBER(struct settings_listener, proxy_protocol_from), .form = &form_network,
     .max = SETTINGS_NETWORKS_MAX, .restart = true,
     .text = "Networks whose connections must begin with a PROXY protocol header (version 1 or 2), "
             "which says who the client is. `unix:` stands for all peers at unix sockets. From all "
             "others it is not accepted."},
};
static const struct settings_table listener_table = TABLE(struct settings_listener, listener_rows);

/* Timeouts stand at the top and, some of them, in each route; only the defaults differ. */
#define TIMEOUT(name, member, longest, value, from, description)                                   \
    {.key = name, .type = SETTING_INTEGER, MEMBER(struct config_timeouts, member), .min = 1,       \
     .max = longest, .unit = MS, .fallback = value, .inherits = from, .text = description}

#define TEXT_CONNECT "To connect to a backend."
#define TEXT_REQUEST_BODY_IDLE "Without a byte of a request's body while one is awaited."
#define TEXT_RESPONSE_HEAD "From the end of the request to the head of the final response."
#define TEXT_RESPONSE_IDLE "Without progress in a response's body."
#define TEXT_TUNNEL_IDLE "A tunnel (WebSocket, say) without a byte in either direction."

static const struct setting timeouts_rows[] = {
    TIMEOUT("connect", connect_ms, MS_MAX, "5000", NULL, TEXT_CONNECT),
    TIMEOUT("requestHead", request_head_ms, MS_MAX, "10000", NULL,
            "From the first byte of a request to the end of its head."),
    TIMEOUT("requestBodyIdle", request_body_idle_ms, MS_MAX, "30000", NULL, TEXT_REQUEST_BODY_IDLE),
    TIMEOUT("responseHead", response_head_ms, MS_MAX, NULL, "`proxy.timeout`", TEXT_RESPONSE_HEAD),
    TIMEOUT("responseIdle", response_idle_ms, MS_MAX, NULL, "`proxy.timeout`", TEXT_RESPONSE_IDLE),
    TIMEOUT("keepAlive", keep_alive_ms, MS_MAX, "60000", NULL,
            "A client connection without a request."),
    TIMEOUT("halfClose", half_close_ms, MS_MAX, "1000", NULL,
            "How long at a time the backend may keep a client waiting that has sent its request "
            "and its FIN. It wants the response, or it is gone: only bytes for it would show. "
            "Then it counts as gone."),
    TIMEOUT("tunnelIdle", tunnel_idle_ms, MS_LONG_MAX, "3600000", NULL, TEXT_TUNNEL_IDLE),
    TIMEOUT("drain", drain_ms, MS_MAX, "30000", NULL,
            "At a graceful stop, for exchanges and tunnels that still run."),
};
static const struct settings_table timeouts_table = TABLE(struct config_timeouts, timeouts_rows);

/* The others act before the route of a request is known, or when there is no request. */
static const struct setting route_timeouts_rows[] = {
    TIMEOUT("connect", connect_ms, MS_MAX, NULL, "`timeouts.connect`", TEXT_CONNECT),
    TIMEOUT("requestBodyIdle", request_body_idle_ms, MS_MAX, NULL, "`timeouts.requestBodyIdle`",
            TEXT_REQUEST_BODY_IDLE),
    TIMEOUT("responseHead", response_head_ms, MS_MAX, NULL, "`timeouts.responseHead`",
            TEXT_RESPONSE_HEAD),
    TIMEOUT("responseIdle", response_idle_ms, MS_MAX, NULL, "`timeouts.responseIdle`",
            TEXT_RESPONSE_IDLE),
    TIMEOUT("tunnelIdle", tunnel_idle_ms, MS_LONG_MAX, NULL, "`timeouts.tunnelIdle`",
            TEXT_TUNNEL_IDLE),
};
static const struct settings_table route_timeouts_table =
    TABLE(struct config_timeouts, route_timeouts_rows);

static const struct setting request_headers_rows[] = {
    {.key = "set", .type = SETTING_FIELDS, MEMBER(struct settings_header_edits, set),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field,
     .text = "Fields by name: replace what the client sent, or are added."},
    {.key = "add", .type = SETTING_FIELDS, MEMBER(struct settings_header_edits, add),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field,
     .text = "Fields by name: added to what the client sent."},
    {.key = "remove", .type = SETTING_STRINGS, MEMBER(struct settings_header_edits, remove),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field_removed,
     .text = "Names of fields that are not forwarded."},
};
static const struct settings_table request_headers_table =
    TABLE(struct settings_header_edits, request_headers_rows);

static const struct setting response_headers_rows[] = {
    {.key = "set", .type = SETTING_FIELDS, MEMBER(struct settings_header_edits, set),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field,
     .text = "Fields by name: replace what the backend sent, or are added."},
    {.key = "add", .type = SETTING_FIELDS, MEMBER(struct settings_header_edits, add),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field,
     .text = "Fields by name: added to what the backend sent."},
    {.key = "remove", .type = SETTING_STRINGS, MEMBER(struct settings_header_edits, remove),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field,
     .text = "Names of fields that are not forwarded."},
};
static const struct settings_table response_headers_table =
    TABLE(struct settings_header_edits, response_headers_rows);

static const struct setting route_rows[] = {
    {.key = "id", .type = SETTING_STRING, MEMBER(struct settings_route, id), .form = &form_id,
     .inherits = "\"route-1\", \"route-2\", ... by its place in the list",
     .text = "Name of the route in logs; unique. `default` is the route of all other requests, "
             "which needs no entry: it has the top-level settings and backends."},
    {.key = "vHost", .type = SETTING_STRING, MEMBER(struct settings_route, host),
     .fallback = "\"*\"", .form = &form_host,
     .text = "Host that requests must name: exact, `*.example.com` for all below example.com, or "
             "`*` for any. An exact host goes before a wildcard, a longer wildcard before a "
             "shorter, any host comes last."},
    {.key = "path", .type = SETTING_STRING, MEMBER(struct settings_route, path),
     .fallback = "\"/\"", .form = &form_route_path,
     .text = "Prefix of the path in whole segments: `/api` matches `/api` and `/api/users`, not "
             "`/apis`. The longest wins within a host. A request's path is compared with its "
             "escapes decoded, several slashes as one, and without what follows `;` in a segment."},
    {.key = "strategy", .type = SETTING_CHOICE, MEMBER(struct settings_route, strategy),
     .choice = &choice_strategy, .absent = BALANCE_STRATEGY_COUNT,
     .inherits = "`loadBalancing.strategy`",
     .text = "How a backend is chosen."},
    {.key = "backends", .type = SETTING_STRINGS, MEMBER(struct settings_route, backends),
     .min = 1, .max = SETTINGS_BACKENDS_MAX, .form = &form_id, .inherits = "all of `backends`",
     .text = "Ids of the backends that serve this route."},
    {.key = "requestHeaders", .type = SETTING_OBJECT,
     MEMBER(struct settings_route, request_headers), .table = &request_headers_table,
     .text = "Edits of request fields on their way to the backend: first `remove`, then `set`, "
             "then `add`. A name may stand in one of them only."},
    {.key = "responseHeaders", .type = SETTING_OBJECT,
     MEMBER(struct settings_route, response_headers), .table = &response_headers_table,
     .text = "The same for responses on their way to the client."},
    {.key = "timeouts", .type = SETTING_OBJECT, MEMBER(struct settings_route, timeouts),
     .table = &route_timeouts_table, .text = "Timeouts that differ from the top-level `timeouts`."},
    {.key = "reqActiveLength", .type = SETTING_INTEGER, MEMBER(struct settings_route, active_max),
     .min = 0, .max = COUNT_MAX, .unit = "requests", .fallback = "0",
     .text = "Requests in progress at once over all workers; more are answered 503. 0 = no limit."},
    {.key = "reqQueueLength", .type = SETTING_INTEGER, MEMBER(struct settings_route, queue_max),
     .min = 0, .max = COUNT_MAX, .unit = "requests", .fallback = "0", .later = true,
     .text = "Requests that wait when `reqActiveLength` is reached."},
};
static const struct settings_table route_table = TABLE(struct settings_route, route_rows);

static const struct setting limits_rows[] = {
    {.key = "headBytes", .type = SETTING_INTEGER,
     MEMBER(struct config_limits, http.head_bytes_max),
     .min = 1024, .max = HTTP_HEAD_BYTES_MAX, .unit = BYTES, .fallback = "16384", .restart = true,
     .text = "The head of a request (431 beyond) or of a response (502 beyond)."},
    {.key = "fields", .type = SETTING_INTEGER, MEMBER(struct config_limits, http.fields_max),
     .min = 8, .max = HTTP_FIELDS_MAX, .unit = "fields", .fallback = "100",
     .text = "Field lines in a head (431 beyond)."},
    {.key = "targetBytes", .type = SETTING_INTEGER,
     MEMBER(struct config_limits, http.target_bytes_max),
     .min = 64, .max = HTTP_HEAD_BYTES_MAX, .unit = BYTES, .fallback = "8192",
     .text = "Path and query of a request (414 beyond)."},
    {.key = "bodyBytes", .type = SETTING_INTEGER, MEMBER(struct config_limits, body_bytes_max),
     .min = 0, .max = BODY_BYTES_MAX, .unit = BYTES, .fallback = "0",
     .text = "The body of a request (413 beyond). 0 = no limit."},
    {.key = "clients", .type = SETTING_INTEGER, MEMBER(struct config_limits, clients_max),
     .min = 1, .max = COUNT_MAX, .unit = "connections", .fallback = "16384", .restart = true,
     .text = "Client connections per worker."},
    {.key = "exchanges", .type = SETTING_INTEGER, MEMBER(struct config_limits, exchanges_max),
     .min = 1, .max = COUNT_MAX, .unit = "requests", .fallback = "4096", .restart = true,
     .text = "Requests in progress at once per worker; more are answered 503."},
};
static const struct settings_table limits_table = TABLE(struct config_limits, limits_rows);

static const struct setting upstream_rows[] = {
    {.key = "idleConnections", .type = SETTING_INTEGER, MEMBER(struct config_upstream, idle_max),
     .min = 0, .max = UINT16_MAX, .unit = "connections", .fallback = "1024",
     .text = "Idle connections kept per backend and worker. 0 = a connection per request."},
    {.key = "maxConnections", .type = SETTING_INTEGER,
     MEMBER(struct config_upstream, connections_max),
     .min = 1, .max = COUNT_MAX, .unit = "connections", .fallback = "8192", .restart = true,
     .text = "Connections to all backends together, per worker."},
    {.key = "idleTimeout", .type = SETTING_INTEGER,
     MEMBER(struct config_upstream, idle_timeout_ms),
     .min = 1, .max = MS_MAX, .unit = MS, .fallback = "60000",
     .text = "An idle connection to a backend is closed after this."},
    {.key = "maxRequests", .type = SETTING_INTEGER, MEMBER(struct config_upstream, requests_max),
     .min = 0, .max = UINT32_MAX, .unit = "requests", .fallback = "0",
     .text = "A connection to a backend is closed after as many. 0 = no limit."},
};
static const struct settings_table upstream_table = TABLE(struct config_upstream, upstream_rows);

static const struct setting rate_limit_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_rate_limit, enabled),
     .fallback = "false", .later = true,
     .text = "Whether a client that asks more often is answered 429."},
    {.key = "windowMs", .type = SETTING_INTEGER, MEMBER(struct config_rate_limit, window_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "60000",
     .text = "Length of the window in which requests are counted."},
    {.key = "maxRequests", .type = SETTING_INTEGER,
     MEMBER(struct config_rate_limit, requests_max),
     .min = 1, .max = 1000000000, .unit = "requests", .fallback = "1000",
     .text = "Requests of one client address within the window."},
};
static const struct setting reload_rows[] = {
    {.key = "watch", .type = SETTING_BOOL, MEMBER(struct settings_reload, watch),
     .fallback = "true",
     .text = "Whether the configuration is read again when its file changes. SIGHUP does so in any "
             "case."},
};
static const struct settings_table reload_table = TABLE(struct settings_reload, reload_rows);

static const struct settings_table rate_limit_table =
    TABLE(struct config_rate_limit, rate_limit_rows);

/* Both logs have these; their tables describe struct config_logging as a whole, because the level
 * and the sample belong to one of them only. */
#define LOG_FILE_ROWS(log, prefix)                                                                 \
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_logging, log.enabled),           \
     .fallback = "true", .restart = true, .text = "Whether this log is written."},                 \
    {.key = "directory", .type = SETTING_STRING, MEMBER(struct config_logging, log.directory),     \
     .fallback = "\"./logs\"", .form = &form_file, .restart = true,                                \
     .text = "Directory of the files, made when it is not there. A relative path counts from the " \
             "working directory."},                                                                \
    {.key = "filePattern", .type = SETTING_STRING, MEMBER(struct config_logging, log.pattern),     \
     .fallback = "\"" prefix "_yyyy_mm_dd_HH.log\"", .form = &form_file_pattern,                  \
     .restart = true,                                                                              \
     .text = "Name of a file; `yyyy`, `mm`, `dd` and `HH` stand for year, month, day and hour. A " \
             "new file begins when the name changes."},                                            \
    {.key = "maxFiles", .type = SETTING_INTEGER, MEMBER(struct config_logging, log.files_max),     \
     .min = 0, .max = 100000, .unit = "files", .fallback = "0", .restart = true,                   \
     .text = "As many of the newest files are kept. 0 = all."},                                    \
    {.key = "maxAgeDays", .type = SETTING_INTEGER,                                                 \
     MEMBER(struct config_logging, log.age_days_max),                                              \
     .min = 0, .max = 36500, .unit = "days", .fallback = "0", .restart = true,                     \
     .text = "Older files are deleted. 0 = files of any age are kept."}

static const struct setting error_log_rows[] = {
    LOG_FILE_ROWS(error, "log"),
    {.key = "level", .type = SETTING_CHOICE, MEMBER(struct config_logging, severity_min),
     .fallback = "\"info\"", .choice = &choice_log_severity,
     .text = "Entries below this level are left out."},
};
static const struct settings_table error_log_table = TABLE(struct config_logging, error_log_rows);

static const struct setting access_log_rows[] = {
    LOG_FILE_ROWS(access, "access"),
    {.key = "sample", .type = SETTING_RATIO, MEMBER(struct config_logging, access_sample),
     .min = 0, .max = 1, .fallback = "1",
     .text = "Share of the successful requests that is logged; failed ones always are."},
};
static const struct settings_table access_log_table = TABLE(struct config_logging, access_log_rows);

static const struct setting logging_rows[] = {
    {.key = "errorLog", .type = SETTING_OBJECT, .size = sizeof(struct config_logging),
     .table = &error_log_table, .text = "Failures and changes of state, one JSON object a line."},
    {.key = "accessLog", .type = SETTING_OBJECT, .size = sizeof(struct config_logging),
     .table = &access_log_table, .text = "Requests, one JSON object a line."},
};
static const struct settings_table logging_table = TABLE(struct config_logging, logging_rows);

static const struct setting admin_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct settings_admin, enabled),
     .fallback = "true", .restart = true, .text = "Whether the management API is there."},
    {.key = "address", .type = SETTING_STRING, MEMBER(struct settings_admin, address),
     .fallback = "\"127.0.0.1\"", .form = &form_listen_address, .restart = true,
     .text = "Address to listen on; `*` = all. What is not on the loopback needs a token."},
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct settings_admin, port),
     .min = 0, .max = UINT16_MAX, .fallback = "8081", .restart = true,
     .text = "TCP port. 0 lets the system choose a free port, which the log names."},
    {.key = "token", .type = SETTING_STRING, MEMBER(struct settings_admin, token),
     .form = &form_token, .restart = true,
     .text = "What requests must bear (`Authorization: Bearer TOKEN`). Better kept in "
             "`tokenFile`, or in the environment as `NEXTPROXY_ADMIN_TOKEN`."},
    {.key = "tokenFile", .type = SETTING_STRING, MEMBER(struct settings_admin, token_file),
     .form = &form_file, .restart = true,
     .text = "A file that holds the token, read at the start; a line end behind it does not "
             "count."},
};
static const struct settings_table admin_table = TABLE(struct settings_admin, admin_rows);

static const struct setting error_templates_rows[] = {
    {.key = "html", .type = SETTING_STRING, MEMBER(struct config_error_templates, html),
     .form = &form_file, .inherits = "a small page that is built in",
     .text = "File with the page for clients that prefer HTML, at most 64 KB. `{status}`, "
             "`{reason}`, `{message}` and `{request_id}` are replaced."},
    {.key = "json", .type = SETTING_STRING, MEMBER(struct config_error_templates, json),
     .form = &form_file, .inherits = "a small object that is built in",
     .text = "The same for all other clients."},
};
static const struct settings_table error_templates_table =
    TABLE(struct config_error_templates, error_templates_rows);

static const struct setting root_rows[] = {
    {.key = "$schema", .type = SETTING_STRING, MEMBER(struct settings, schema),
     .form = &form_file,
     .text = "For editors: where the schema of this file is, `./config.schema.json` say. The proxy "
             "does not read it."},
    {.key = "proxy", .type = SETTING_OBJECT, MEMBER(struct settings, proxy),
     .table = &proxy_table, .text = "The basics."},
    {.key = "loadBalancing", .type = SETTING_OBJECT, MEMBER(struct settings, load_balancing),
     .table = &load_balancing_table, .text = "How requests are spread over backends."},
    {.key = "backends", .type = SETTING_LIST, MEMBER(struct settings, backends),
     .min = 1, .max = SETTINGS_BACKENDS_MAX, .table = &backend_table, .required = true,
     .text = "The servers that requests are forwarded to. All of them serve the default route and "
             "every route that does not name its own."},
    {.key = "rateLimit", .type = SETTING_OBJECT, MEMBER(struct settings, rate_limit),
     .table = &rate_limit_table, .text = "A limit per client address."},
    {.key = "reload", .type = SETTING_OBJECT, MEMBER(struct settings, reload),
     .table = &reload_table, .text = "How a changed configuration is taken up while running."},
    {.key = "logging", .type = SETTING_OBJECT, MEMBER(struct settings, logging),
     .table = &logging_table, .text = "Log files."},
    {.key = "admin", .type = SETTING_OBJECT, MEMBER(struct settings, admin),
     .table = &admin_table, .restart = true, .text = "The management API."},
    {.key = "listeners", .type = SETTING_LIST, MEMBER(struct settings, listeners),
     .max = SETTINGS_LISTENERS_MAX, .table = &listener_table, .restart = true,
     .inherits = "one on all addresses with `proxy.port`",
     .text = "Where clients are accepted. Replaces the listener of `proxy.port`."},
    {.key = "workers", .type = SETTING_AUTO, MEMBER(struct settings, workers),
     .min = 1, .max = WORKERS_MAX, .unit = "threads", .fallback = "\"auto\"", .restart = true,
     .text = "Threads that serve clients. `auto` = one for each CPU that the process may use."},
    {.key = "routes", .type = SETTING_LIST, MEMBER(struct settings, routes),
     .max = SETTINGS_ROUTES_MAX, .table = &route_table,
     .text = "Requests that are treated apart, by host and path. Their order does not matter: the "
             "most specific wins."},
    {.key = "timeouts", .type = SETTING_OBJECT, MEMBER(struct settings, timeouts),
     .table = &timeouts_table, .text = "How long things may take."},
    {.key = "limits", .type = SETTING_OBJECT, MEMBER(struct settings, limits),
     .table = &limits_table, .text = "How large and how many things may be."},
    {.key = "upstream", .type = SETTING_OBJECT, MEMBER(struct settings, upstream),
     .table = &upstream_table, .text = "Connections to backends."},
    {.key = "trustedProxies", .type = SETTING_STRINGS, MEMBER(struct settings, trusted_proxies),
     .max = SETTINGS_NETWORKS_MAX, .form = &form_network,
     .text = "Networks of proxies in front of this one: `X-Forwarded-*` fields from them are "
             "believed and continued, those of all others are replaced. `unix:` stands for all "
             "clients at unix sockets."},
    {.key = "errorTemplates", .type = SETTING_OBJECT, MEMBER(struct settings, error_templates),
     .table = &error_templates_table, .text = "Own bodies for error responses."},
};
const struct settings_table settings_root = TABLE(struct settings, root_rows);

/* clang-format on */

const struct setting *settings_find(const struct settings_table *table, struct slice key)
{
    for (u32 i = 0; i < table->count; i++)
        if (slice_equal(key, slice_of_string(table->rows[i].key)))
            return &table->rows[i];
    return NULL;
}

u64 setting_integer(const struct setting *row, const char *source)
{
    u32 narrow;
    u64 wide;
    if (row->size == sizeof(narrow)) {
        memcpy(&narrow, source, sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, source, sizeof(wide));
    return wide;
}
