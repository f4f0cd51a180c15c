/*
 * config: one immutable, validated configuration (a snapshot) from JSON and the environment.
 *
 * Every setting is a row in src/config/settings*.c: path, type, unit, range, default, description.
 * From the rows come parsing, range checks, "did you mean", --print-config, config.schema.json and
 * docs/configuration.md. All strings and arrays of a snapshot live in its arena, until
 * config_destroy().
 */
#ifndef NEXTPROXY_CONFIG_H
#define NEXTPROXY_CONFIG_H

#include <stdio.h>

#include "balance.h"
#include "base/arena.h"
#include "base/slice.h"
#include "config/admission.h"
#include "config/changes.h"
#include "config/dns.h"
#include "config/health_check.h"
#include "config/kept.h"
#include "config/overlay.h"
#include "config/overload.h"
#include "config/passive_check.h"
#include "config/retry.h"
#include "config/socket_address.h"
#include "config/sources.h"
#include "config/sticky.h"
#include "config/timeouts.h"
#include "http.h"
#include "log.h"

/* ---- What the operator wrote ---- */

struct config_listener {
    struct address address;
    struct slice name;                       /* "*:3000" (dual stack), "0.0.0.0:3000", "[::]:3000",
                                                "unix:/run/x.sock" */
    struct network_list proxy_protocol_from; /* PROXY v1/v2 is required from these; count 0 = off */
    u32 unix_mode;                           /* permission bits of a unix socket */
    bool dual_stack;                         /* an IPv6 wildcard that also takes IPv4 */
    bool exclusive; /* nobody else may listen there, not even another nextproxy */
};

struct config_backend {
    struct slice id;
    struct slice url;       /* as written, for logs */
    struct slice authority; /* host[:port] as in the URL; "localhost" for a unix socket */
    struct address address; /* len 0: not known yet, see config_expand() */
    struct config_health_check health_check;
    struct config_passive_check passive_check;
    u32 weight;
    u32 slow_start_ms;   /* until it has its full share again after it was away; 0 = at once */
    u32 connections_max; /* requests and connections, over all workers; 0 = no limit */
    struct slice name;   /* to be resolved; "" = the URL has an address */
    u16 port;            /* of the name's addresses */
    bool service;        /* the name has SRV records, which tell hosts and ports */
};

enum config_header_action { CONFIG_HEADER_SET, CONFIG_HEADER_ADD, CONFIG_HEADER_REMOVE };

struct config_header_edit {
    enum config_header_action action;
    struct slice name;
    struct slice value; /* empty for CONFIG_HEADER_REMOVE */
};

struct config_header_edits {
    const struct config_header_edit *at;
    u32 count;
};

/* A named set of backends with a strategy. */
struct config_pool {
    const u32 *backends; /* indexes into config.backends */
    u32 backend_count;
    enum balance_strategy strategy;
    struct config_pool_limits limits;
    bool limited; /* some of its backends have connections_max */
};

struct config_route {
    struct slice id;
    struct slice host; /* lower case; "" = any; of a wildcard what follows '*': ".example.com" */
    struct slice path; /* prefix, escapes decoded, without a slash at its end but for "/" alone;
                          matches whole segments: "/a" matches /a and /a/b, not /ab */
    struct config_header_edits request_headers;
    struct config_header_edits response_headers;
    struct config_timeouts timeouts;
    u32 pool;          /* index into config.pools */
    u32 active_max;    /* reqActiveLength: exchanges at once over all workers; 0 = no limit */
    u32 queue_max;     /* reqQueueLength: exchanges that wait for a place, over all workers */
    u32 body_rate_min; /* reqBodyRate: bytes per second of a request; 0 = any. Where limited */
    struct config_admission admission;
    bool wildcard;
    bool limited;       /* not every exchange may go at once: see src/proxy/queue.h */
    bool hedged;        /* retry.hedge.enabled, and it is possible: see src/proxy/hedge.c */
    bool impatient;     /* hedged, or timeouts.perTry: something may be done before a timeout */
    bool sampled;       /* hedged or limited: times to the heads of responses are wanted */
    bool sticky_cookie; /* sticky.enabled, by cookie */
    struct config_sticky sticky;
    struct config_retry retry;
};

struct config_limits {
    struct http_limits http;
    u64 body_bytes_max;   /* 0 = no limit */
    u32 clients_max;      /* per worker */
    u32 exchanges_max;    /* per worker: requests in flight */
    u32 replay_bytes_max; /* of a request body that is kept, to be sent again */
    u32 replays_max;      /* per worker: such bodies */
    u64 memory_bytes_max; /* resident, of the process; 0 = any */
};

struct config_upstream {
    u32 idle_max;        /* idle connections kept per backend and worker */
    u32 connections_max; /* per worker over all backends */
    u32 idle_timeout_ms;
    u32 requests_max; /* a connection is retired after as many; 0 = no limit */
};

struct config_log_file {
    struct slice directory;
    struct slice pattern; /* e.g. "access_yyyy_mm_dd_HH.log" */
    u32 files_max;        /* newest kept; 0 = all */
    u32 age_days_max;     /* 0 = any age */
    bool enabled;
};

struct config_logging {
    struct config_log_file error;
    struct config_log_file access;
    enum log_severity severity_min; /* "level" */
    double access_sample;           /* 0..1: the share of successful requests that is logged */
};

/* A page for an error status; placeholders {status} {reason} {request_id} {message}. */
struct config_error_templates {
    struct slice html; /* content, loaded from the file that the setting names; "" = built in */
    struct slice json;
};

struct config_rate_limit { /* active from a later release on */
    u32 window_ms;
    u32 requests_max;
    bool enabled;
};

enum { CONFIG_ADMIN_LISTENERS_MAX = 2 };
struct config_admin {
    struct config_listener listeners[CONFIG_ADMIN_LISTENERS_MAX]; /* TCP first, if there is one */
    u32 listener_count;                                           /* at least one when enabled */
    struct slice token; /* what requests must bear; "" = none is needed */
    bool enabled;
};

/* True when the management API is what answers there. */
bool config_admin_is_at(const struct config_admin *admin, const struct address *address);

struct config_state {  /* what is kept over a restart */
    struct slice file; /* "" = state.json in $STATE_DIRECTORY, if there is one */
    u32 health_age_ms_max;
    bool enabled;
};

struct settings; /* what was written, completed: src/config/settings.h */

struct config {
    struct arena arena;
    struct slice file;                   /* where it came from */
    const struct settings *settings;     /* for config_print */
    const struct config_source *sources; /* the file first; NULL = it was made from no file */

    const struct config_listener *listeners;
    const struct config_backend *backends;
    const struct config_pool *pools;
    const struct config_route *routes; /* most specific first: exact host, wildcard by length, any;
                                          within a host by path length; the default route is last */
    u32 listener_count;
    u32 backend_count;
    u32 pool_count;
    u32 route_count;
    bool routes_by_path; /* some route has another path than "/" */
    bool hedged;         /* some route is */

    u32 workers;                     /* "auto" resolved to the number of allowed CPUs */
    struct config_timeouts timeouts; /* of the default route */
    struct config_limits limits;
    struct config_overload overload;
    struct config_upstream upstream;
    struct config_logging logging;
    struct slice sticky_key; /* of the cookies; "" = the state's */
    struct config_rate_limit rate_limit;
    bool reload_watch; /* the file is read again when it changes */
    struct config_admin admin;
    struct config_state state;
    struct network_list trusted_proxies; /* whose forwarding fields are believed and appended to */
    struct config_error_templates error_templates;
    struct config_dns dns;
};

/* ---- Loading ---- */

/* A problem with a configuration: every one is collected, not only the first. */
struct config_problem {
    const char *place; /* "config.json:5:36", or "environment BACKENDS" */
    const char *path;  /* "backends[1].healthCheck.interval" */
    const char *text;  /* the value, what is allowed, and perhaps "did you mean" */
};

struct config_problems {
    struct arena arena;
    struct config_problem *at;
    u32 count;
    u32 capacity;
};

void config_problems_deinit(struct config_problems *problems);
/* This one instead of what there is: of whoever cannot use a configuration that is good. */
void config_problems_replace(struct config_problems *problems, const char *text);
void config_problems_print(const struct config_problems *problems, FILE *out);

/* Reads and validates a file, with overrides from the environment (`environment` is environ-style,
 * NULL = none). Returns NULL and fills `problems` when anything is wrong; on success `problems`
 * holds notes such as "rateLimit: not active yet". The caller deinits problems in either case. */
MUST_CHECK struct config *config_load(const char *file, char **environment,
                                      struct config_problems *problems);
/* The same from memory; `name` stands for the file in messages. For tests and fuzzing. */
MUST_CHECK struct config *config_parse(struct slice json, const char *name, char **environment,
                                       struct config_problems *problems);
void config_destroy(struct config *config);

/* The effective configuration as JSON with all defaults filled in; loading it again gives the same
 * configuration, but for secrets: keys and tokens are left out, and in place of the values of
 * header fields whose names tell of secrets there is "(not shown)". Returns how many of these there
 * are. */
u32 config_print(const struct config *config, FILE *out);
/* config.schema.json and docs/configuration.md, generated from the settings' rows. */
void config_print_schema(FILE *out);
void config_print_reference(FILE *out);
/* For clients of the management API: the address of a backend's URL, whose name is looked up, which
 * may take a while; the token that a file holds, in the arena. NULL, or why not. */
const char *config_url_resolve(struct arena *arena, struct slice url, struct address *address);
const char *config_token_read(struct arena *arena, const char *file, struct slice *token);
/* CPUs that this process may run on, by cgroup cpusets and taskset, too. */
u32 config_cpus_allowed(void);
/* "jansson 2.14": the library in use, for --version. */
const char *config_library(void);

#endif
