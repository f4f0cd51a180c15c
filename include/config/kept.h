/*
 * config: what is kept over a restart, as a JSON document: the state file. A part of config.h.
 *
 * It is read as strictly as a configuration, by rows of the same kind (src/config/kept.c), because
 * it too may be anything by the time it is read.
 */
#ifndef NEXTPROXY_CONFIG_KEPT_H
#define NEXTPROXY_CONFIG_KEPT_H

#include <stdio.h>

#include "config/overlay.h"

struct config_problems;

enum config_kept_health { CONFIG_KEPT_UNKNOWN, CONFIG_KEPT_HEALTHY, CONFIG_KEPT_UNHEALTHY };

/* What was known of a backend. */
struct config_kept_backend {
    struct slice id;
    struct slice url;     /* with another one it is another backend */
    struct slice address; /* which one of its name's; empty: it has none, or no name */
    u32 health;           /* enum config_kept_health, of this address */
    bool draining;        /* the operator's marks */
    bool maintenance;
    u64 health_age_ms; /* what a check said of it last was so old at `saved_ms` */
};

/* One address of a host that a name is, or that a service leads to. What is kept of one name stands
 * together. */
struct config_kept_address {
    struct slice name;
    struct slice address; /* without port; empty: the name leads nowhere */
    bool target;          /* it is the host of a service: another name than a backend's */
};

/* One SRV record of a service. */
struct config_kept_service {
    struct slice name;
    struct slice host; /* empty: the name leads nowhere */
    u32 priority;
    u32 weight;
    u32 port;
};

struct config_kept_secret {
    struct slice name;
    struct slice value; /* hexadecimal digits */
};

/* What was known of time, for as long as the machine is up. */
struct config_kept_clock {
    struct slice boot; /* which run of the machine; empty = not known */
    u64 saved_ms;      /* since it began (CLOCK_BOOTTIME), when this was saved; 0 = not known */
    u64 believed_ms;   /* when it began, since 1970, by the wall clock as it was believed; 0 = not
                        * known */
    u64 doubted_ms;    /* since when of it the wall clock says something else; 0 = it does not */
};

struct config_kept {
    u64 saved_ms; /* since 1970 */
    struct config_kept_clock clock;
    const struct config_kept_backend *backends;
    const struct config_removal *removed;
    const struct config_kept_secret *secrets;
    const struct config_kept_address *addresses;
    const struct config_kept_service *services;
    const struct slice *added; /* as config_overlay_add() takes them; see config_addition_json() */
    u32 backend_count;
    u32 removed_count;
    u32 secret_count;
    u32 address_count;
    u32 service_count;
    u32 added_count;
    struct arena arena; /* of one that was parsed */
};

enum {
    CONFIG_KEPT_BYTES_MAX = 32 << 20,
    CONFIG_KEPT_BACKENDS_MAX = 8192,
    CONFIG_KEPT_ADDRESSES_MAX = 1 << 15,
    CONFIG_KEPT_SERVICES_MAX = 1 << 13,
    CONFIG_KEPT_SECRETS_MAX = 16,
    CONFIG_KEPT_AGE_MS_MAX = 1 << 30, /* more than any that counts */
};

/* NULL with `problems` when anything is wrong with it; `name` stands for the file in messages. The
 * caller deinits `problems` in either case, and destroys what was returned. */
MUST_CHECK struct config_kept *config_kept_parse(struct slice json, const char *name,
                                                 struct config_problems *problems);
/* The same for a file. *missing: there is none; then there are no problems. */
MUST_CHECK struct config_kept *config_kept_load(const char *file, bool *missing,
                                                struct config_problems *problems);
void config_kept_destroy(struct config_kept *kept);

/* What config_overlay_add() was given, in the arena. */
struct slice config_addition_json(struct arena *arena, const struct config_addition *addition);
/* As a document that config_kept_parse() reads again. */
void config_kept_print(const struct config_kept *kept, FILE *out);

#endif
