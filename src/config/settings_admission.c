/* The rows of `adaptive`, `shedding` and `priority`, at the top level and in `routes[]`. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

static const struct setting adaptive_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_adaptive, enabled),
     .fallback = "false",
     .text = "Whether the number of requests in progress is limited by what the backends can do: "
             "while latency grows with it, the limit is lowered, else raised. `reqActiveLength` is "
             "its upper bound then, when it is set."},
    {.key = "min", .type = SETTING_INTEGER, MEMBER(struct config_adaptive, least),
     .min = 1, .max = COUNT_MAX, .unit = "requests", .fallback = "1",
     .text = "The limit is never lower."},
    {.key = "max", .type = SETTING_INTEGER, MEMBER(struct config_adaptive, most),
     .min = 1, .max = COUNT_MAX, .unit = "requests", .fallback = "10000",
     .text = "The limit is never higher; with a lower value than `min`, that one holds."},
    {.key = "tolerance", .type = SETTING_INTEGER,
     MEMBER(struct config_adaptive, tolerance_percent),
     .min = 101, .max = 1000, .unit = "percent", .fallback = "150",
     .text = "Up to this share of the latency without load nothing counts as overload."},
    {.key = "probeInterval", .type = SETTING_INTEGER,
     MEMBER(struct config_adaptive, probe_interval_ms),
     .min = 1000, .max = MS_MAX, .unit = MS, .fallback = "60000",
     .text = "How often latency without load is measured, by lowering the limit for a moment; at "
             "first it is more often."},
};
const struct settings_table settings_adaptive = TABLE(struct config_adaptive, adaptive_rows);

static const struct setting shedding_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_shedding, enabled),
     .fallback = "false",
     .text = "Whether a queue that stands is shortened: when throughout an `interval` no request "
             "waited less than the `target`, the newest are answered 503 until no more wait than "
             "are served within the `target`, and so on until the queue was empty."},
    {.key = "target", .type = SETTING_INTEGER, MEMBER(struct config_shedding, target_ms),
     .min = 1, .max = MS_MAX, .unit = MS, .fallback = "50",
     .text = "How long requests may wait all the time; bursts may take longer."},
    {.key = "interval", .type = SETTING_INTEGER, MEMBER(struct config_shedding, interval_ms),
     .min = 1, .max = MS_MAX, .unit = MS, .fallback = "500",
     .text = "For how long a burst may last: some ten times the `target`."},
};
const struct settings_table settings_shedding = TABLE(struct config_shedding, shedding_rows);

static const struct setting priority_rows[] = {
    {.key = "level", .type = SETTING_CHOICE, MEMBER(struct settings_priority, level),
     .fallback = "\"normal\"", .choice = &choice_priority,
     .text = "The priority of requests that do not say theirs: high ones go first, low ones last, "
             "and are the first to be turned away."},
    {.key = "header", .type = SETTING_STRING, MEMBER(struct settings_priority, header),
     .form = &form_field,
     .inherits = "none",
     .text = "Name of a request field that says the priority, by one of the values below. It is "
             "forwarded as it is."},
    {.key = "high", .type = SETTING_STRINGS, MEMBER(struct settings_priority, high),
     .max = SETTINGS_PRIORITY_VALUES_MAX, .form = &form_id,
     .text = "Values of `header` that mean a high priority, compared without case."},
    {.key = "low", .type = SETTING_STRINGS, MEMBER(struct settings_priority, low),
     .max = SETTINGS_PRIORITY_VALUES_MAX, .form = &form_id,
     .text = "Values of `header` that mean a low priority."},
    {.key = "fromAnyone", .type = SETTING_BOOL, MEMBER(struct settings_priority, from_anyone),
     .fallback = "false",
     .text = "Whether `header` is believed of all clients. Otherwise it is of `trustedProxies` "
             "only, and others have the priority `level`."},
    {.key = "headStart", .type = SETTING_INTEGER,
     MEMBER(struct settings_priority, head_start_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .fallback = "1000",
     .text = "A request goes before those of the next lower priority that came earlier by no more "
             "than this. So nobody waits for ever."},
};
const struct settings_table settings_priority = TABLE(struct settings_priority, priority_rows);

/* clang-format on */
