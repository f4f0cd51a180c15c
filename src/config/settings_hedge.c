/* The rows of `retry.hedge`, at the top and in each route, which can inherit. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

#define TEXT_ENABLED                                                                               \
    "Whether a GET or HEAD that waits unusually long is sent to a second backend as well. The "    \
    "first response counts, the other attempt is ended. It is one of the request's retries, "      \
    "counts in `retry.budget`, and is not done where sessions are sticky."
#define TEXT_PERCENTILE                                                                            \
    "What is unusually long: longer than so many percent of the route's latest responses took to " \
    "their heads. Until enough of them are known nothing is sent twice."
#define TEXT_DELAY_MIN "It is no earlier than this."

static const struct setting rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_hedge, enabled),
     .fallback = "false", .text = TEXT_ENABLED},
    {.key = "percentile", .type = SETTING_INTEGER, MEMBER(struct config_hedge, percentile),
     .min = 1, .max = 99, .unit = "percent", .fallback = "95", .text = TEXT_PERCENTILE},
    {.key = "delayMin", .type = SETTING_INTEGER, MEMBER(struct config_hedge, delay_min_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .fallback = "10", .text = TEXT_DELAY_MIN},
};
const struct settings_table settings_hedge = TABLE(struct config_hedge, rows);

static const struct setting route_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_hedge, enabled),
     .absent = SETTINGS_BOOL_INHERITED, .inherits = "`retry.hedge.enabled`",
     .text = TEXT_ENABLED},
    {.key = "percentile", .type = SETTING_INTEGER, MEMBER(struct config_hedge, percentile),
     .min = 1, .max = 99, .unit = "percent", .absent = SETTINGS_INHERITED,
     .inherits = "`retry.hedge.percentile`", .text = TEXT_PERCENTILE},
    {.key = "delayMin", .type = SETTING_INTEGER, MEMBER(struct config_hedge, delay_min_ms),
     .min = 0, .max = MS_MAX, .unit = MS, .absent = SETTINGS_INHERITED,
     .inherits = "`retry.hedge.delayMin`", .text = TEXT_DELAY_MIN},
};
const struct settings_table settings_route_hedge = TABLE(struct config_hedge, route_rows);

/* clang-format on */
