/*
 * The rows that describe every setting, and the plain structures that they fill.
 *
 * A row says how a key is called, what may stand there, what holds when it is absent and what it
 * means. Reading, environment overrides, printing, comparing, config.schema.json and
 * docs/configuration.md are all walks over these rows: adding a setting is adding a row (and using
 * it).
 */
#ifndef NEXTPROXY_CONFIG_SETTINGS_H
#define NEXTPROXY_CONFIG_SETTINGS_H

#include "config.h"

enum {
    SETTINGS_BACKENDS_MAX = 4096,
    SETTINGS_ROUTES_MAX = 4096,
    SETTINGS_LISTENERS_MAX = 64,
    SETTINGS_NETWORKS_MAX = 1024,
    SETTINGS_FIELDS_MAX = 64,
    SETTINGS_WORDS_MAX = 64,
    SETTINGS_PRIORITY_VALUES_MAX = 16,
    SETTINGS_NAMESERVERS_MAX = 8,
    SETTINGS_KEY_BYTES_MAX = 32,
    SETTINGS_DEPTH_MAX = 8, /* no setting lies deeper: routes[0].requestHeaders.set["X-A"] is 5 */
};

enum setting_type {
    SETTING_BOOL,
    SETTING_INTEGER, /* u32 or u64, by the size of the member */
    SETTING_AUTO,    /* "auto", kept as 0, or an integer */
    SETTING_RATIO,   /* double */
    SETTING_STRING,  /* struct slice */
    SETTING_CHOICE,  /* an enum of u32 size */
    SETTING_STRINGS, /* struct settings_strings */
    SETTING_FIELDS,  /* struct settings_fields: an object of field name to value */
    SETTING_OBJECT,
    SETTING_LIST, /* struct settings_list of objects */
};

/* What a string must look like. */
struct setting_form {
    /* NULL when the string is good, else what is allowed, as one phrase. */
    const char *(*complaint)(struct slice value);
    const char *allowed; /* the phrase for the reference: "a path that begins with /" */
    const char *pattern; /* the same as a regular expression for the schema */
    /* True when a wrong value may hold a secret and is not repeated; NULL = never. */
    bool (*secret)(struct slice value);
};

/* The names of an enum. */
struct setting_choice {
    u32 count;
    const char *(*name)(u32 value);
    bool (*find)(struct slice name, u32 *value);
};

struct setting {
    const char *key;
    enum setting_type type;
    usize offset; /* of the member in the structure that its table describes */
    usize size;
    u64 min; /* of a number, or of the entries of a list or of fields */
    u64 max;
    const char *unit;     /* "milliseconds", "bytes"; NULL = none */
    const char *fallback; /* the value of an absent setting, as JSON; NULL = left empty */
    u64 absent;           /* stored for an absent number or choice without fallback */
    const char *inherits; /* for people: where the value of an absent setting comes from */
    const struct setting_form *form;     /* of a string, or of each entry of strings */
    const struct setting_choice *choice; /* of a choice */
    const struct settings_table *table;  /* of an object, or of each entry of a list */
    const char *text;                    /* one or two sentences for the reference */
    bool required;
    bool restart; /* a changed value needs a restart */
    bool secret;  /* never printed */
    bool later;   /* accepted, checked and without effect until a later release */
};

struct settings_table {
    const struct setting *rows;
    u32 count;
    u32 item_bytes; /* of the structure the rows describe */
};

extern const struct settings_table settings_root;

/* The table's row with this key, or NULL. */
const struct setting *settings_find(const struct settings_table *table, struct slice key);
/* The value of a row of type INTEGER, AUTO or CHOICE, from its member. */
u64 setting_integer(const struct setting *row, const char *source);

/* ---- What the rows fill ---- */

struct settings_strings {
    struct slice *at;
    u32 count;
};

struct settings_field {
    struct slice name;
    struct slice value;
};

struct settings_fields {
    struct settings_field *at;
    u32 count;
};

struct settings_list {
    void *at;
    u32 count;
};

struct settings_proxy {
    u32 port;
    u32 timeout_ms;
    u32 retries;
};

struct settings_reload {
    bool watch;
};

struct settings_retry {
    struct slice statuses;
    u32 methods; /* enum config_retry_methods */
    u32 backoff_ms;
    u32 backoff_max_ms;
    u32 budget_percent;
    u32 budget_min;
    struct config_hedge hedge;
};

struct settings_sticky {
    struct config_sticky sticky;
    struct slice key;
    struct slice key_file;
};

struct settings_load_balancing {
    u32 strategy; /* enum balance_strategy */
    struct settings_sticky sticky;
    struct config_pool_limits limits;
    u32 slow_start_ms;
};

struct settings_health_check {
    struct config_health_check values; /* without `fields` and `command` */
    struct settings_fields headers;
    struct settings_strings command;
};

struct settings_backend {
    struct slice id;
    struct slice url;
    struct settings_health_check health_check;
    struct config_passive_check passive_check; /* SETTINGS_INHERITED until filled in */
    u32 weight;
    bool routes_only;
    u32 slow_start_ms; /* the same */
    u32 connections_max;
};

/* Stands for a number that is inherited, where 0 is a value. */
#define SETTINGS_INHERITED UINT32_MAX
enum { SETTINGS_BOOL_INHERITED = 2 }; /* the same for a truth value, which is an u8 then */

struct settings_listener {
    struct slice address; /* "*", an IPv4 or an IPv6 literal; empty for a unix socket */
    struct slice unix_socket;
    struct slice unix_mode; /* octal digits */
    struct settings_strings proxy_protocol_from;
    u32 port; /* SETTINGS_PORT_ABSENT until proxy.port is filled in */
};

enum { SETTINGS_PORT_ABSENT = UINT16_MAX + 1 };

struct settings_header_edits {
    struct settings_fields set;
    struct settings_fields add;
    struct settings_strings remove;
};

struct settings_priority {
    struct slice header;
    struct settings_strings high;
    struct settings_strings low;
    u32 level; /* enum config_priority_level */
    u32 head_start_ms;
    bool from_anyone;
};

struct settings_admission {
    struct config_adaptive adaptive;
    struct config_shedding shedding;
    struct settings_priority priority;
};

struct settings_route {
    struct slice id;
    struct slice host; /* as written: "*", "example.com", "*.example.com" */
    struct slice path;
    struct settings_strings backends;
    struct settings_header_edits request_headers;
    struct settings_header_edits response_headers;
    struct config_timeouts timeouts; /* 0 = inherited, until filled in */
    u32 strategy;                    /* BALANCE_STRATEGY_COUNT = inherited, until filled in */
    u32 active_max;
    u32 queue_max;
    u32 body_rate_min;
    struct settings_admission admission;
    struct config_pool_limits limits; /* SETTINGS_INHERITED until filled in */
    u32 retries;                      /* the same, here and there */
    struct settings_retry retry;
    struct config_sticky sticky;
};

struct settings_admin {
    struct slice address;
    struct slice token;
    struct slice token_file;
    struct slice unix_socket;
    struct slice unix_mode; /* octal digits */
    u32 port;               /* SETTINGS_PORT_ABSENT with a unix socket alone */
    bool enabled;
};

struct settings_dns {
    struct settings_strings servers;
    struct config_dns values; /* without the servers */
};

struct settings {
    struct slice schema; /* "$schema": for editors only */
    struct settings_proxy proxy;
    struct settings_load_balancing load_balancing;
    struct settings_list backends;  /* of struct settings_backend */
    struct settings_list listeners; /* of struct settings_listener */
    struct settings_list routes;    /* of struct settings_route */
    struct config_timeouts timeouts;
    struct config_limits limits;
    struct config_overload overload;
    struct config_upstream upstream;
    struct config_rate_limit rate_limit;
    struct config_passive_check passive_check;
    struct settings_reload reload;
    struct config_logging logging;
    struct settings_admin admin;
    struct config_state state;
    struct settings_strings trusted_proxies;
    struct config_error_templates error_templates; /* here the names of the files */
    struct settings_dns dns;
    u32 workers;    /* 0 = "auto" */
    u32 active_max; /* these are of the default route */
    u32 queue_max;
    u32 body_rate_min;
    struct settings_admission admission;
    struct settings_retry retry;
};

static inline struct settings_backend *settings_backend_at(const struct settings *settings, u32 i)
{
    return &((struct settings_backend *)settings->backends.at)[i];
}

static inline struct settings_listener *settings_listener_at(const struct settings *settings, u32 i)
{
    return &((struct settings_listener *)settings->listeners.at)[i];
}

static inline struct settings_route *settings_route_at(const struct settings *settings, u32 i)
{
    return &((struct settings_route *)settings->routes.at)[i];
}

#endif
