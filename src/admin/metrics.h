/* What the files that write /metrics share. */
#ifndef NEXTPROXY_ADMIN_METRICS_H
#define NEXTPROXY_ADMIN_METRICS_H

#include "admin/admin_internal.h"

#define PREFIX "nextproxy_"

enum {
    METRICS_BACKENDS_MAX = 1024, /* with samples of their own: the first of the configuration */
    METRICS_ROUTES_MAX = 1024,
};

/* What all families are written from. */
struct scrape {
    const struct admin *admin;
    struct http_writer *out;
    struct admin_view view;
    struct proxy_figures sum;
    u32 backends; /* that have samples */
    u32 routes;
};

static inline unsigned long long number(u64 value)
{
    return value;
}

/* The HELP and TYPE lines of a family. */
void metrics_family(struct http_writer *out, const char *name, const char *type, const char *help);
/* A sample's name and its first label. Ids are letters, digits and "-_.": nothing to escape. */
void metrics_id(struct http_writer *out, const char *name, const char *label, struct slice id);
void metrics_backends(struct scrape *scrape);
void metrics_pools(struct scrape *scrape);
void metrics_hedges(const struct scrape *scrape);

#endif
