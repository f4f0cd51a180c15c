/* The rows of `passiveCheck`, which stands at the top and, for one backend, in `backends[]`; only
 * the defaults differ. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

#define NUMBER(name, member_, smallest, largest, unit_, description)                               \
    .key = name, .type = SETTING_INTEGER, MEMBER(struct config_passive_check, member_),            \
    .min = smallest, .max = largest, .unit = unit_, .text = description
#define HERE(value) .fallback = value
#define ABOVE(name) .absent = SETTINGS_INHERITED, .inherits = "`passiveCheck." name "`"

/* The default at the top, then what a backend inherits it from. */
#define ROWS(of)                                                                                   \
    {.key = "statuses", .type = SETTING_STRING, MEMBER(struct config_passive_check, statuses),     \
     .form = &form_failure_statuses, STATUSES_##of,                                                \
     .text = "Statuses of a response that count as a failure of the backend."},                    \
    {NUMBER("refusedConnections", refused_max, 0, 1000, "connections",                             \
            "Refused connections in a row after which the backend is ejected: nobody listens "     \
            "there. 0 = they count like other failures."),                                         \
     NUMBER_##of("refusedConnections", "1")},                                                      \
    {NUMBER("consecutiveFailures", failures_max, 0, 100000, "requests",                            \
            "Failures in a row, none longer than `window` after the one before, after which the "  \
            "backend is ejected. 0 = never for that."),                                            \
     NUMBER_##of("consecutiveFailures", "5")},                                                     \
    {NUMBER("errorRate", error_rate_percent, 0, 100, "percent",                                    \
            "Share of failed requests within `window` from which on the backend is ejected. "      \
            "0 = never for that."),                                                                \
     NUMBER_##of("errorRate", "50")},                                                              \
    {NUMBER("minRequests", requests_min, 1, 1000000, "requests",                                   \
            "As many must have ended within `window` for `errorRate` to count."),                  \
     NUMBER_##of("minRequests", "100")},                                                           \
    {NUMBER("window", window_ms, 10, MS_MAX, MS, "What these look back to."),                      \
     NUMBER_##of("window", "10000")},                                                              \
    {NUMBER("ejectionTime", ejection_ms, 10, MS_MAX, MS,                                           \
            "How long the backend is left out then, before a request is sent to it for trial. "    \
            "It doubles with each ejection that follows a failed trial, or comes before the "      \
            "backend has served for as long as it was ejected last."),                             \
     NUMBER_##of("ejectionTime", "30000")},                                                        \
    {NUMBER("maxEjectionTime", ejection_max_ms, 10, MS_MAX, MS,                                    \
            "It does not get longer than this. No more than `ejectionTime` means that it does "    \
            "not get longer at all."),                                                             \
     NUMBER_##of("maxEjectionTime", "300000")},                                                    \
    {NUMBER("trials", trials, 1, 1000, "requests",                                                 \
            "Trial requests in a row, one at a time, that must go well for the backend to be "     \
            "back; one that fails ejects it again."),                                              \
     NUMBER_##of("trials", "1")}

#define STATUSES_TOP HERE("\"502-504\"")
#define STATUSES_BACKEND .inherits = "`passiveCheck.statuses`"
#define NUMBER_TOP(name, value) HERE(value)
#define NUMBER_BACKEND(name, value) ABOVE(name)

static const struct setting top_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_passive_check, enabled),
     .fallback = "true",
     .text = "Whether backends are judged by how requests to them end, and left out for a while "
             "when they fail."},
    ROWS(TOP),
};
const struct settings_table settings_passive_check = TABLE(struct config_passive_check, top_rows);

static const struct setting backend_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_passive_check, enabled),
     .fallback = "true",
     .text = "Whether this backend is; `passiveCheck.enabled` has to be true as well."},
    ROWS(BACKEND),
};
const struct settings_table settings_backend_passive_check =
    TABLE(struct config_passive_check, backend_rows);

/* clang-format on */
