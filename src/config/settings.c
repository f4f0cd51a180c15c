/* The rows: every setting of the configuration file but those of backends and routes, which have
 * files of their own. See settings.h for what the columns mean. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

static const struct setting proxy_rows[] = {
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct settings_proxy, port),
     .min = 0, .max = UINT16_MAX, .fallback = "3000",
     .text = "TCP port of the one listener on all addresses, IPv4 and IPv6. With `listeners` it is "
             "only their default port. 0 lets the system choose a free port, which the log names."},
    {.key = "timeout", .type = SETTING_INTEGER, MEMBER(struct settings_proxy, timeout_ms),
     .min = 1, .max = MS_MAX, .unit = MS, .fallback = "30000",
     .text = "How long a backend may take: the default of `timeouts.responseHead` and "
             "`timeouts.responseIdle`."},
    {.key = "retries", .type = SETTING_INTEGER, MEMBER(struct settings_proxy, retries),
     .min = 0, .max = 10, .unit = "backends", .fallback = "3",
     .text = "How many further backends are tried when one fails: when it cannot be connected to "
             "(refused, not reachable, or no connection within `timeouts.connect`), and, when the "
             "request may be sent again, when it closes the connection, does not answer in time, "
             "or answers with one of `retry.statuses`."},
};
static const struct settings_table proxy_table = TABLE(struct settings_proxy, proxy_rows);

static const struct setting load_balancing_rows[] = {
    {.key = "strategy", .type = SETTING_CHOICE, MEMBER(struct settings_load_balancing, strategy),
     .fallback = "\"round-robin\"", .choice = &choice_strategy,
     .text = "How a backend is chosen. Both spellings are accepted: `round-robin` and "
             "`ROUND_ROBIN`."},
    {.key = "stickySession", .type = SETTING_OBJECT,
     MEMBER(struct settings_load_balancing, sticky), .table = &settings_sticky,
     .text = "Keeps a client with one backend."},
    {.key = "maxEjectionPercent", .type = SETTING_INTEGER,
     MEMBER(struct settings_load_balancing, limits.ejected_max_percent),
     .min = 0, .max = 100, .unit = "percent", .fallback = "80",
     .text = "Of a pool's backends no more are ejected by `passiveCheck` at once, rounded down: of "
             "one none, of two one, of ten eight. The others go on, whatever they do."},
    {.key = "panicThreshold", .type = SETTING_INTEGER,
     MEMBER(struct settings_load_balancing, limits.panic_percent),
     .min = 0, .max = 100, .unit = "percent", .fallback = "1",
     .text = "When a smaller share of a pool's backends is usable, all of them are used, but for "
             "those that the operator has taken out: then the checks are more likely to be wrong "
             "than all backends, and the few that are left would be overrun. With 1, that is when "
             "none is left. 0 = never: without a usable backend the answer is 503."},
    {.key = "slowStart", .type = SETTING_INTEGER,
     MEMBER(struct settings_load_balancing, slow_start_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .fallback = "0",
     .text = "How long a backend that was away for whatever reason takes to get its full share "
             "again; it begins with a tenth. 0 = it has it at once."},
};
static const struct settings_table load_balancing_table =
    TABLE(struct settings_load_balancing, load_balancing_rows);

static const struct setting listener_rows[] = {
    {.key = "address", .type = SETTING_STRING, MEMBER(struct settings_listener, address),
     .form = &form_listen_address, .inherits = "`*`, or none with `unixSocket`",
     .text = "Address to listen on: `*` = all, IPv4 and IPv6; `0.0.0.0` = all IPv4; `::` = all "
             "IPv6."},
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct settings_listener, port),
     .min = 0, .max = UINT16_MAX, .absent = SETTINGS_PORT_ABSENT, .inherits = "`proxy.port`",
     .text = "TCP port. 0 lets the system choose a free port, which the log names."},
    {.key = "unixSocket", .type = SETTING_STRING, MEMBER(struct settings_listener, unix_socket),
     .form = &form_socket_path,
     .text = "Path of a unix socket to listen on, instead of address and port."},
    {.key = "unixMode", .type = SETTING_STRING, MEMBER(struct settings_listener, unix_mode),
     .form = &form_socket_mode, .fallback = "\"0660\"",
     .text = "Permission bits of the unix socket."},
    {.key = "proxyProtocolFrom", .type = SETTING_STRINGS,
     MEMBER(struct settings_listener, proxy_protocol_from), .form = &form_network,
     .max = SETTINGS_NETWORKS_MAX,
     .text = "Networks whose connections must begin with a PROXY protocol header (version 1 or 2), "
             "which says who the client is. `unix:` stands for all peers at unix sockets. From all "
             "others it is not accepted."},
};
static const struct settings_table listener_table = TABLE(struct settings_listener, listener_rows);

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
    TIMEOUT("drainIdle", drain_idle_ms, MS_MAX, "1000", NULL,
            "At a graceful stop, for an idle client to ask once more: its request may be on its "
            "way already, and a connection that is closed at that moment loses it. The answer "
            "says that it is the last."),
    TIMEOUT("queue", queue_ms, MS_MAX, "10000", NULL, TEXT_QUEUE),
    {.key = "perTry", .type = SETTING_INTEGER, MEMBER(struct config_timeouts, per_try_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .fallback = "0", .text = TEXT_PER_TRY},
    {.key = "removedDrain", .type = SETTING_INTEGER,
     MEMBER(struct config_timeouts, removed_drain_ms),
     .min = 0, .max = MS_LONG_MAX, .unit = MS, .fallback = "600000",
     .text = "For exchanges and tunnels that still run on a backend or a route which a reload or "
             "the management API has removed; not when it is back before. 0 = no limit: they may "
             "run as long as the other timeouts let them."},
};
static const struct settings_table timeouts_table = TABLE(struct config_timeouts, timeouts_rows);

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
    {.key = "replayBytes", .type = SETTING_INTEGER, MEMBER(struct config_limits, replay_bytes_max),
     .min = 0, .max = 16 << 20, .unit = BYTES, .fallback = "65536", .restart = true,
     .text = "A request's body, as it is sent, is kept up to this so that the request can be sent "
             "again; up to 4 KB that came with the head are in any case."},
    {.key = "replays", .type = SETTING_INTEGER, MEMBER(struct config_limits, replays_max),
     .min = 1, .max = COUNT_MAX, .unit = "bodies", .fallback = "256", .restart = true,
     .text = "Bodies kept at once per worker. Beyond, requests are sent once only."},
    {.key = "memoryBytes", .type = SETTING_INTEGER, MEMBER(struct config_limits, memory_bytes_max),
     .min = 0, .max = BODY_BYTES_MAX, .unit = BYTES, .fallback = "0",
     .text = "Memory that the process may have resident, for `overload`. 0 = any."},
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
     .form = &form_listen_address, .restart = true,
     .inherits = "`127.0.0.1`, or none with `unixSocket` and no `port`",
     .text = "Address to listen on; `*` = all. What is not on the loopback needs a token."},
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct settings_admin, port),
     .min = 0, .max = UINT16_MAX, .absent = SETTINGS_PORT_ABSENT, .restart = true,
     .inherits = "`8081`, or none with `unixSocket` and no `address`",
     .text = "TCP port. 0 lets the system choose a free port, which the log names."},
    {.key = "token", .type = SETTING_STRING, MEMBER(struct settings_admin, token),
     .form = &form_token, .secret = true,
     .text = "What requests must bear (`Authorization: Bearer TOKEN`). Better kept in "
             "`tokenFile`, or in the environment as `NEXTPROXY_ADMIN_TOKEN`."},
    {.key = "tokenFile", .type = SETTING_STRING, MEMBER(struct settings_admin, token_file),
     .form = &form_file,
     .text = "A file that holds the token, read again with each reload; a line end behind it does "
             "not count."},
    {.key = "unixSocket", .type = SETTING_STRING, MEMBER(struct settings_admin, unix_socket),
     .form = &form_socket_path, .restart = true,
     .text = "Path of a unix socket to listen on, besides `address` and `port` when one of them is "
             "given, else instead. Who may connect may ask, unless there is a token."},
    {.key = "unixSocketMode", .type = SETTING_STRING, MEMBER(struct settings_admin, unix_mode),
     .form = &form_socket_mode, .fallback = "\"0600\"", .restart = true,
     .text = "Permission bits of the unix socket: who may write to it may connect."},
};
static const struct settings_table admin_table = TABLE(struct settings_admin, admin_rows);

static const struct setting state_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_state, enabled),
     .fallback = "true", .restart = true,
     .text = "Whether what is known at run time is kept over a restart, if there is a file for it: "
             "backends that were added or removed, the operator's marks, health, and keys."},
    {.key = "file", .type = SETTING_STRING, MEMBER(struct config_state, file), .form = &form_file,
     .inherits = "`state.json` in the directory that systemd names (`StateDirectory=`); without "
                 "one nothing is kept",
     .restart = true,
     .text = "The state file. It is replaced as a whole, a moment after something has changed, "
             "and now and then, for what is known of backends ages."},
    {.key = "maxHealthAge", .type = SETTING_INTEGER,
     MEMBER(struct config_state, health_age_ms_max), .max = MS_LONG_MAX, .unit = MS,
     .fallback = "300000", .restart = true,
     .text = "What checks knew of a backend is forgotten when the last one is longer ago at the "
             "start. Backends that were added or removed, and marks, have no age."},
};
static const struct settings_table state_table = TABLE(struct config_state, state_rows);

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
     .min = 1, .max = SETTINGS_BACKENDS_MAX, .table = &settings_backends, .required = true,
     .text = "The servers that requests are forwarded to. All of them, but for those with "
             "`routesOnly`, serve the default route and every route that does not name its own."},
    {.key = "rateLimit", .type = SETTING_OBJECT, MEMBER(struct settings, rate_limit),
     .table = &rate_limit_table, .text = "A limit per client address."},
    {.key = "passiveCheck", .type = SETTING_OBJECT, MEMBER(struct settings, passive_check),
     .table = &settings_passive_check,
     .text = "Judging backends by how requests to them end: refused connections, timeouts, resets, "
             "broken responses and the statuses below. A backend that fails is left out for a "
             "while, then tried with single requests."},
    {.key = "reload", .type = SETTING_OBJECT, MEMBER(struct settings, reload),
     .table = &reload_table, .text = "How a changed configuration is taken up while running."},
    {.key = "logging", .type = SETTING_OBJECT, MEMBER(struct settings, logging),
     .table = &logging_table, .text = "Log files."},
    {.key = "admin", .type = SETTING_OBJECT, MEMBER(struct settings, admin),
     .table = &admin_table, .text = "The management API."},
    {.key = "state", .type = SETTING_OBJECT, MEMBER(struct settings, state),
     .table = &state_table, .restart = true, .text = "What is kept over a restart."},
    {.key = "listeners", .type = SETTING_LIST, MEMBER(struct settings, listeners),
     .max = SETTINGS_LISTENERS_MAX, .table = &listener_table,
     .inherits = "one on all addresses with `proxy.port`",
     .text = "Where clients are accepted. Replaces the listener of `proxy.port`."},
    {.key = "workers", .type = SETTING_AUTO, MEMBER(struct settings, workers),
     .min = 1, .max = WORKERS_MAX, .unit = "threads", .fallback = "\"auto\"",
     .text = "Threads that serve clients. `auto` = one for each CPU that the process may use."},
    {.key = "routes", .type = SETTING_LIST, MEMBER(struct settings, routes),
     .max = SETTINGS_ROUTES_MAX, .table = &settings_routes,
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
    {.key = "overload", .type = SETTING_OBJECT, MEMBER(struct settings, overload),
     .table = &settings_overload,
     .text = "What is done when clients (`limits.clients`), file descriptors (the process' limit) "
             "or memory (`limits.memoryBytes`) run out: in stages, each of which begins at a "
             "percentage of any of them and includes those before it."},
    ROUTE_LIMITS(struct settings),
    ROUTE_ADMISSION(struct settings, admission),
    {.key = "retry", .type = SETTING_OBJECT, MEMBER(struct settings, retry),
     .table = &settings_retry,
     .text = "What is tried again on another backend, up to `proxy.retries` times."},
    {.key = "dns", .type = SETTING_OBJECT, MEMBER(struct settings, dns),
     .table = &settings_dns_table, .text = "How names in the URLs of backends are resolved."},
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
