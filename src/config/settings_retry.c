/* The rows of `retry`, at the top and in each route; only where an absent value comes from
 * differs. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

#define TEXT_STATUSES                                                                              \
    "A response with one of these is dropped, and another backend asked, when the request may be " \
    "sent again. `none`: all are passed on."
#define TEXT_METHODS                                                                               \
    "Which requests may be sent again when a backend may have begun to work on them: "             \
    "`idempotent` ones (GET, HEAD, OPTIONS, TRACE, PUT, DELETE), or `all`, when doing anything "   \
    "twice does no harm. What a backend never got goes to another one in any case."
#define TEXT_BACKOFF                                                                               \
    "The first retry follows at once. Before the second is a pause of chance length up to this, "  \
    "then up to twice as long, and so on. 0 = none."
#define TEXT_MAX_BACKOFF "The longest such pause."
#define TEXT_BUDGET                                                                                \
    "Share of the requests in progress at a pool, over all workers, that may be retries: so that " \
    "retries do not finish off a pool that is failing. Where no connection was made they are "     \
    "free, and so is the second try of a connection that had died while it was idle."
#define TEXT_HEDGE "A second attempt while the first one still waits."
#define TEXT_MIN_BUDGET "As many retries at once are allowed in any case."

#define INTEGER(name, member, least, most, measure, value, nothing, from, description)             \
    {.key = name, .type = SETTING_INTEGER, MEMBER(struct settings_retry, member), .min = least,    \
     .max = most, .unit = measure, .fallback = value, .absent = nothing, .inherits = from,         \
     .text = description}

static const struct setting rows[] = {
    {.key = "statuses", .type = SETTING_STRING, MEMBER(struct settings_retry, statuses),
     .form = &form_retry_statuses, .fallback = "\"502,503,504\"", .text = TEXT_STATUSES},
    {.key = "methods", .type = SETTING_CHOICE, MEMBER(struct settings_retry, methods),
     .choice = &choice_retry_methods, .fallback = "\"idempotent\"", .text = TEXT_METHODS},
    INTEGER("backoff", backoff_ms, 0, MS_MAX, MS, "25", 0, NULL, TEXT_BACKOFF),
    INTEGER("maxBackoff", backoff_max_ms, 0, MS_MAX, MS, "250", 0, NULL, TEXT_MAX_BACKOFF),
    INTEGER("budget", budget_percent, 0, 100, "percent", "20", 0, NULL, TEXT_BUDGET),
    INTEGER("minBudget", budget_min, 0, COUNT_MAX, "retries", "10", 0, NULL, TEXT_MIN_BUDGET),
    {.key = "hedge", .type = SETTING_OBJECT, MEMBER(struct settings_retry, hedge),
     .table = &settings_hedge, .text = TEXT_HEDGE},
};
const struct settings_table settings_retry = TABLE(struct settings_retry, rows);

static const struct setting route_rows[] = {
    {.key = "statuses", .type = SETTING_STRING, MEMBER(struct settings_retry, statuses),
     .form = &form_retry_statuses, .inherits = "`retry.statuses`", .text = TEXT_STATUSES},
    {.key = "methods", .type = SETTING_CHOICE, MEMBER(struct settings_retry, methods),
     .choice = &choice_retry_methods, .absent = SETTINGS_INHERITED, .inherits = "`retry.methods`",
     .text = TEXT_METHODS},
    INTEGER("backoff", backoff_ms, 0, MS_MAX, MS, NULL, SETTINGS_INHERITED, "`retry.backoff`",
            TEXT_BACKOFF),
    INTEGER("maxBackoff", backoff_max_ms, 0, MS_MAX, MS, NULL, SETTINGS_INHERITED,
            "`retry.maxBackoff`", TEXT_MAX_BACKOFF),
    INTEGER("budget", budget_percent, 0, 100, "percent", NULL, SETTINGS_INHERITED, "`retry.budget`",
            TEXT_BUDGET),
    INTEGER("minBudget", budget_min, 0, COUNT_MAX, "retries", NULL, SETTINGS_INHERITED,
            "`retry.minBudget`", TEXT_MIN_BUDGET),
    {.key = "hedge", .type = SETTING_OBJECT, MEMBER(struct settings_retry, hedge),
     .table = &settings_route_hedge, .text = TEXT_HEDGE},
};
const struct settings_table settings_route_retry = TABLE(struct settings_retry, route_rows);

/* clang-format on */
