/* The enums that settings choose from, by name. */
#include "config/choices.h"

static const char *strategy_name(u32 value)
{
    return balance_strategy_name((enum balance_strategy)value);
}

static bool strategy_find(struct slice name, u32 *value)
{
    enum balance_strategy strategy;
    if (!balance_strategy_find(name, &strategy))
        return false;
    *value = (u32)strategy;
    return true;
}

const struct setting_choice choice_strategy = {
    BALANCE_STRATEGY_COUNT,
    strategy_name,
    strategy_find,
};

static const char *const log_severity_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static const char *log_severity_name(u32 value)
{
    ASSERT(value < ARRAY_COUNT(log_severity_names));
    return log_severity_names[value];
}

static bool log_severity_find(struct slice name, u32 *value)
{
    for (u32 i = 0; i < ARRAY_COUNT(log_severity_names); i++)
        if (slice_equal_nocase(name, slice_of_string(log_severity_names[i]))) {
            *value = i;
            return true;
        }
    return false;
}

const struct setting_choice choice_log_severity = {
    ARRAY_COUNT(log_severity_names),
    log_severity_name,
    log_severity_find,
};
