/* The rows of `backends[]`. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

static const struct setting health_check_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct settings_health_check, values.enabled),
     .fallback = "false",
     .text = "Whether the backend is probed, and left out while it is down. Without, it always "
             "counts as usable."},
    {.key = "type", .type = SETTING_CHOICE, MEMBER(struct settings_health_check, values.type),
     .fallback = "\"http\"", .choice = &choice_probe,
     .text = "`http`: a request is sent, and its response's status judged. `tcp`: a connection is "
             "enough; what a request is made of does not matter then. `script`: `command` is "
             "executed, and good when it ends with exit status 0."},
    {.key = "path", .type = SETTING_STRING, MEMBER(struct settings_health_check, values.path),
     .fallback = "\"/\"", .form = &form_target,
     .text = "What a probe asks for."},
    {.key = "method", .type = SETTING_CHOICE, MEMBER(struct settings_health_check, values.method),
     .fallback = "\"GET\"", .choice = &choice_probe_method, .text = "How it asks."},
    {.key = "host", .type = SETTING_STRING, MEMBER(struct settings_health_check, values.host),
     .form = &form_probe_host, .inherits = "the host and port of `url`; `localhost` for `unix:`",
     .text = "The Host field of a probe."},
    {.key = "expectedStatus", .type = SETTING_STRING,
     MEMBER(struct settings_health_check, values.expected_status), .fallback = "\"200-399\"",
     .form = &form_status_ranges, .text = "The statuses of a healthy backend."},
    {.key = "interval", .type = SETTING_INTEGER,
     MEMBER(struct settings_health_check, values.interval_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "10000",
     .text = "Time from the beginning of one probe to that of the next; up to an eighth shorter by "
             "chance, so that backends are not probed in step."},
    {.key = "fastInterval", .type = SETTING_INTEGER,
     MEMBER(struct settings_health_check, values.fast_interval_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .inherits = "`interval`",
     .text = "The same while a change is being confirmed: after a failed probe of a backend that "
             "is up, or a good one of a backend that is down. Also for the first probes of one "
             "that is down. No more than `interval`."},
    {.key = "maxInterval", .type = SETTING_INTEGER,
     MEMBER(struct settings_health_check, values.interval_max_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "60000",
     .text = "A backend that stays down is probed less and less often: from the fourth failed "
             "probe since it went down, the time to the next one doubles, up to this. No more "
             "than `interval` means that it does not."},
    {.key = "timeout", .type = SETTING_INTEGER,
     MEMBER(struct settings_health_check, values.timeout_ms),
     .min = 10, .max = MS_MAX, .unit = MS, .fallback = "5000",
     .text = "A probe that takes longer has failed."},
    {.key = "healthyThreshold", .type = SETTING_INTEGER,
     MEMBER(struct settings_health_check, values.healthy_threshold),
     .min = 1, .max = 100, .unit = "probes", .fallback = "2",
     .text = "Good probes in a row after which a backend that is down is up again."},
    {.key = "unhealthyThreshold", .type = SETTING_INTEGER,
     MEMBER(struct settings_health_check, values.unhealthy_threshold),
     .min = 1, .max = 100, .unit = "probes", .fallback = "3",
     .text = "Failed probes in a row after which a backend is down."},
    {.key = "headers", .type = SETTING_FIELDS, MEMBER(struct settings_health_check, headers),
     .max = SETTINGS_FIELDS_MAX, .form = &form_field,
     .text = "Further fields of a probe by name, at most 4096 bytes of them. `Host` can be set "
             "here instead of `host`; `User-Agent` and `Accept` replace those that are sent "
             "otherwise."},
    {.key = "body", .type = SETTING_STRING, MEMBER(struct settings_health_check, values.body),
     .form = &form_probe_body,
     .text = "What has to stand in the first 65536 bytes of the response's body. Without, the "
             "body is not read."},
    {.key = "command", .type = SETTING_STRINGS, MEMBER(struct settings_health_check, command),
     .min = 1, .max = SETTINGS_WORDS_MAX, .form = &form_word,
     .text = "Of a `script`: the absolute path of a program, and its arguments. No shell reads it. "
             "Backends that are added at run time cannot have one."},
};
static const struct settings_table health_check_table =
    TABLE(struct settings_health_check, health_check_rows);

static const struct setting backend_rows[] = {
    {.key = "id", .type = SETTING_STRING, MEMBER(struct settings_backend, id), .form = &form_id,
     .inherits = "\"backend-1\", \"backend-2\", ... by its place in the list",
     .text = "Name of the backend in logs, in `routes[].backends` and everywhere else; unique."},
    {.key = "url", .type = SETTING_STRING, MEMBER(struct settings_backend, url),
     .form = &form_url, .required = true,
     .text = "Where the backend is: `http://host:port` (port 80 when left out), an IPv6 address in "
             "brackets, or `unix:/path`. A name is resolved while the proxy runs, as often as its "
             "answers ask for, and each of its addresses takes part as a backend. "
             "`http+srv://_http._tcp.example.com` takes hosts, ports and weights from the SRV "
             "records of that name. See `dns`."},
    {.key = "weight", .type = SETTING_INTEGER, MEMBER(struct settings_backend, weight),
     .min = 0, .max = 1000, .fallback = "1",
     .text = "Share of the requests relative to the other backends. 0 = never chosen; a pool needs "
             "at least one backend with more."},
    {.key = "healthCheck", .type = SETTING_OBJECT, MEMBER(struct settings_backend, health_check),
     .table = &health_check_table,
     .text = "Active probes of this backend: whether it is there and well."},
    {.key = "routesOnly", .type = SETTING_BOOL, MEMBER(struct settings_backend, routes_only),
     .fallback = "false",
     .text = "Whether only routes that name the backend send it requests: the default route and "
             "routes without `backends` of their own then do not."},
    {.key = "passiveCheck", .type = SETTING_OBJECT, MEMBER(struct settings_backend, passive_check),
     .table = &settings_backend_passive_check,
     .text = "What differs for this backend from the top-level `passiveCheck`."},
    {.key = "slowStart", .type = SETTING_INTEGER, MEMBER(struct settings_backend, slow_start_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .absent = SETTINGS_INHERITED,
     .inherits = "`loadBalancing.slowStart`",
     .text = "As `loadBalancing.slowStart`, for this backend."},
    {.key = "maxConnections", .type = SETTING_INTEGER,
     MEMBER(struct settings_backend, connections_max),
     .min = 0, .max = COUNT_MAX, .unit = "requests", .fallback = "0",
     .text = "Requests in progress at this backend over all workers, each of which has a "
             "connection; idle ones give way to them. When all usable backends of a route have as "
             "many, its requests wait in the route's queue (`reqQueueLength`). 0 = no limit."},
};
const struct settings_table settings_backends = TABLE(struct settings_backend, backend_rows);

/* clang-format on */
