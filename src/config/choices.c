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

static const char *severity_name(u32 value)
{
    return log_severity_name((enum log_severity)value);
}

static bool severity_find(struct slice name, u32 *value)
{
    for (u32 i = 0; i < LOG_SEVERITY_COUNT; i++)
        if (slice_equal_nocase(name, slice_of_string(severity_name(i)))) {
            *value = i;
            return true;
        }
    return false;
}

const struct setting_choice choice_log_severity = {
    LOG_SEVERITY_COUNT,
    severity_name,
    severity_find,
};
