/* The enums that settings choose from, by name. */
#include "config/choices.h"

/* "PREFER_IPV4" is "prefer-ipv4". */
static bool name_is(struct slice name, const char *wanted)
{
    if (name.len != strlen(wanted))
        return false;
    for (u32 i = 0; i < name.len; i++)
        if ((name.data[i] == '_' ? '-' : ascii_lower(name.data[i])) != ascii_lower(wanted[i]))
            return false;
    return true;
}

static bool name_find(struct slice name, u32 *value, u32 count, const char *(*name_of)(u32 value))
{
    for (u32 i = 0; i < count; i++)
        if (name_is(name, name_of(i))) {
            *value = i;
            return true;
        }
    return false;
}

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
    return name_find(name, value, LOG_SEVERITY_COUNT, severity_name);
}

const struct setting_choice choice_log_severity = {
    LOG_SEVERITY_COUNT,
    severity_name,
    severity_find,
};

static const char *probe_name(u32 value)
{
    static const char *const names[CONFIG_PROBE_COUNT] = {
        [CONFIG_PROBE_HTTP] = "http",
        [CONFIG_PROBE_TCP] = "tcp",
        [CONFIG_PROBE_SCRIPT] = "script",
    };
    ASSERT(value < CONFIG_PROBE_COUNT);
    return names[value];
}

static bool probe_find(struct slice name, u32 *value)
{
    return name_find(name, value, CONFIG_PROBE_COUNT, probe_name);
}

const struct setting_choice choice_probe = {CONFIG_PROBE_COUNT, probe_name, probe_find};

static const char *priority_name(u32 value)
{
    static const char *const names[CONFIG_PRIORITY_COUNT] = {
        [CONFIG_PRIORITY_HIGH] = "high",
        [CONFIG_PRIORITY_NORMAL] = "normal",
        [CONFIG_PRIORITY_LOW] = "low",
    };
    ASSERT(value < CONFIG_PRIORITY_COUNT);
    return names[value];
}

static bool priority_find(struct slice name, u32 *value)
{
    return name_find(name, value, CONFIG_PRIORITY_COUNT, priority_name);
}

const struct setting_choice choice_priority = {CONFIG_PRIORITY_COUNT, priority_name, priority_find};

const char *config_probe_method_name(enum config_probe_method method)
{
    static const char *const names[CONFIG_PROBE_METHOD_COUNT] = {
        [CONFIG_PROBE_GET] = "GET",
        [CONFIG_PROBE_HEAD] = "HEAD",
        [CONFIG_PROBE_OPTIONS] = "OPTIONS",
    };
    ASSERT(method < CONFIG_PROBE_METHOD_COUNT);
    return names[method];
}

static const char *probe_method_name(u32 value)
{
    return config_probe_method_name((enum config_probe_method)value);
}

static bool probe_method_find(struct slice name, u32 *value)
{
    return name_find(name, value, CONFIG_PROBE_METHOD_COUNT, probe_method_name);
}

const struct setting_choice choice_probe_method = {
    CONFIG_PROBE_METHOD_COUNT,
    probe_method_name,
    probe_method_find,
};

static const char *retry_methods_name(u32 value)
{
    static const char *const names[CONFIG_RETRY_METHODS_COUNT] = {
        [CONFIG_RETRY_IDEMPOTENT] = "idempotent",
        [CONFIG_RETRY_ALL] = "all",
    };
    ASSERT(value < CONFIG_RETRY_METHODS_COUNT);
    return names[value];
}

static bool retry_methods_find(struct slice name, u32 *value)
{
    return name_find(name, value, CONFIG_RETRY_METHODS_COUNT, retry_methods_name);
}

const struct setting_choice choice_retry_methods = {
    CONFIG_RETRY_METHODS_COUNT,
    retry_methods_name,
    retry_methods_find,
};

static const char *family_name(u32 value)
{
    static const char *const names[CONFIG_FAMILY_COUNT] = {
        [CONFIG_FAMILY_PREFER_IPV4] = "prefer-ipv4",
        [CONFIG_FAMILY_PREFER_IPV6] = "prefer-ipv6",
        [CONFIG_FAMILY_IPV4] = "ipv4",
        [CONFIG_FAMILY_IPV6] = "ipv6",
        [CONFIG_FAMILY_ALL] = "all",
    };
    ASSERT(value < CONFIG_FAMILY_COUNT);
    return names[value];
}

static bool family_find(struct slice name, u32 *value)
{
    return name_find(name, value, CONFIG_FAMILY_COUNT, family_name);
}

const struct setting_choice choice_family = {CONFIG_FAMILY_COUNT, family_name, family_find};

static const char *sticky_source_name(u32 value)
{
    static const char *const names[CONFIG_STICKY_SOURCE_COUNT] = {
        [CONFIG_STICKY_COOKIE] = "cookie",
        [CONFIG_STICKY_CLIENT_IP] = "client-ip",
    };
    ASSERT(value < CONFIG_STICKY_SOURCE_COUNT);
    return names[value];
}

static bool sticky_source_find(struct slice name, u32 *value)
{
    return name_find(name, value, CONFIG_STICKY_SOURCE_COUNT, sticky_source_name);
}

const struct setting_choice choice_sticky_source = {
    CONFIG_STICKY_SOURCE_COUNT,
    sticky_source_name,
    sticky_source_find,
};
