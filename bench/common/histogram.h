/*
 * A log-linear histogram in the manner of HdrHistogram: values below 2048 are exact, above that
 * each doubling is cut into 1024 equal buckets, so a value is known to 0.1 %. Fixed size, no
 * allocation.
 */
#ifndef NEXTPROXY_BENCH_HISTOGRAM_H
#define NEXTPROXY_BENCH_HISTOGRAM_H

#include "base/types.h"

enum {
    HISTOGRAM_SUB_BITS = 10,
    HISTOGRAM_SUB_COUNT = 1 << HISTOGRAM_SUB_BITS, /* buckets in each doubling */
    HISTOGRAM_VALUE_BITS = 40,                     /* larger values count as the largest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB_COUNT,
};

struct histogram {
    u64 count;
    u64 sum;
    u64 max; /* exact, not rounded to a bucket */
    u64 buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);

void histogram_record(struct histogram *histogram, u64 value);

/* The value that `per_million` of a million recorded values do not exceed (500000: the median), as
 * the largest value of its bucket but never above the maximum. 0 when nothing was recorded. */
u64 histogram_percentile(const struct histogram *histogram, u32 per_million);

/* The bucket a value falls into and the largest value of a bucket; inverse within 0.1 %. */
u32 histogram_bucket_of(u64 value);
u64 histogram_bucket_max(u32 bucket);

#endif
