/* The rows of `routes[]`. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

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
    TIMEOUT("queue", queue_ms, MS_MAX, NULL, "`timeouts.queue`", TEXT_QUEUE),
    {.key = "perTry", .type = SETTING_INTEGER, MEMBER(struct config_timeouts, per_try_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .absent = SETTINGS_INHERITED,
     .inherits = "`timeouts.perTry`", .text = TEXT_PER_TRY},
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
    ROUTE_LIMITS(struct settings_route),
    ROUTE_ADMISSION(struct settings_route, admission),
    {.key = "maxEjectionPercent", .type = SETTING_INTEGER,
     MEMBER(struct settings_route, limits.ejected_max_percent),
     .min = 0, .max = 100, .unit = "percent", .absent = SETTINGS_INHERITED,
     .inherits = "`loadBalancing.maxEjectionPercent`",
     .text = "As `loadBalancing.maxEjectionPercent`, for this route's backends."},
    {.key = "panicThreshold", .type = SETTING_INTEGER,
     MEMBER(struct settings_route, limits.panic_percent),
     .min = 0, .max = 100, .unit = "percent", .absent = SETTINGS_INHERITED,
     .inherits = "`loadBalancing.panicThreshold`",
     .text = "As `loadBalancing.panicThreshold`, for this route's backends."},
    {.key = "retries", .type = SETTING_INTEGER, MEMBER(struct settings_route, retries),
     .min = 0, .max = 10, .unit = "backends", .absent = SETTINGS_INHERITED,
     .inherits = "`proxy.retries`", .text = "How many further backends are tried."},
    {.key = "retry", .type = SETTING_OBJECT, MEMBER(struct settings_route, retry),
     .table = &settings_route_retry, .text = "What differs from the top-level `retry`."},
    {.key = "stickySession", .type = SETTING_OBJECT, MEMBER(struct settings_route, sticky),
     .table = &settings_route_sticky,
     .text = "What differs from `loadBalancing.stickySession`."},
};
const struct settings_table settings_routes = TABLE(struct settings_route, route_rows);

/* clang-format on */
