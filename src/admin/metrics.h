/* What the files that write /metrics share. */
#ifndef NEXTPROXY_ADMIN_METRICS_H
#define NEXTPROXY_ADMIN_METRICS_H

#include <stddef.h>

#include "admin/admin_internal.h"

#define PREFIX "nextproxy_"

enum {
    METRICS_BACKENDS_MAX = 1024, /* with samples of their own: the first of the configuration */
    METRICS_ROUTES_MAX = 1024,
    METRICS_LABELS_BYTES = 256, /* an id and an address */
};

/* What all families are written from. */
struct scrape {
    const struct admin *admin;
    struct http_writer *out;
    struct admin_view view;
    struct proxy_figures sum;
    u64 version; /* of the snapshot */
    u64 start_s;
    u64 health_probes;
    struct health_programs programs;
    u64 admin_requests;
    u64 admin_crowded_out;
    u32 backends; /* that have samples */
    u32 routes;
};

/* A family with one figure, or one for each backend or route: a member of a structure. */
struct metric {
    const char *name, *type, *help;
    usize offset;
    usize bytes; /* of the member */
    bool micros; /* microseconds, written as seconds */
};
#define METRIC_MEMBER(type, member)                                                                \
    offsetof(struct type, member), sizeof(((const struct type *)NULL)->member)
#define METRIC(type, member) METRIC_MEMBER(type, member), false
#define METRIC_MICROS(type, member) METRIC_MEMBER(type, member), true

static inline unsigned long long number(u64 value)
{
    return value;
}

/* The HELP and TYPE lines of a family. */
void metrics_family(struct http_writer *out, const char *name, const char *type, const char *help);
/* A sample's name and its first label. Ids are letters, digits and "-_.": nothing to escape. */
void metrics_id(struct http_writer *out, const char *name, const char *label, struct slice id);
/* The value in `*from`, which is of the metric's structure, and the end of the line. */
void metrics_value(struct http_writer *out, const struct metric *metric, const void *from);
/* A histogram's samples, with these labels, without a comma behind them. */
struct metrics_histogram {
    const char *name;
    const char *labels;
    const struct state_latency_sums *times;
    u64 us_sum;
};
void metrics_histogram(struct http_writer *out, const struct metrics_histogram *histogram);
void metrics_backends(struct scrape *scrape);
void metrics_routes(struct scrape *scrape);
void metrics_pools(struct scrape *scrape);
void metrics_hedges(const struct scrape *scrape);

#endif
