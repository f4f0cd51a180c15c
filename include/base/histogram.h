/*
 * A histogram of values over a wide range: eight buckets for every power of two, so that each is no
 * wider than an eighth of its values. Fixed size, nothing to allocate, a few instructions to add a
 * value. Written by one thread. (After Tene's HdrHistogram.)
 */
#ifndef NEXTPROXY_BASE_HISTOGRAM_H
#define NEXTPROXY_BASE_HISTOGRAM_H

#include "base/types.h"

enum {
    HISTOGRAM_SUB_BITS = 3,
    HISTOGRAM_VALUE_BITS = 36, /* in microseconds: 19 hours; what is larger counts as the largest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

/* All zero is empty. */
struct histogram {
    u64 sum;
    u64 counts[HISTOGRAM_BUCKETS];
};

/* The bucket of a value. Values below 2^(HISTOGRAM_SUB_BITS + 1) have one each. */
static inline u32 histogram_bucket(u64 value)
{
    u64 largest = (1ull << HISTOGRAM_VALUE_BITS) - 1;
    value = value < largest ? value : largest;
    u64 at_least = value | 1u << HISTOGRAM_SUB_BITS;
    u32 shift = 63u - (u32)__builtin_clzll(at_least) - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (u32)(value >> shift);
}

/* The first value above a bucket. */
static inline u64 histogram_bucket_end(u32 bucket)
{
    u32 octave = bucket >> HISTOGRAM_SUB_BITS;
    u32 shift = octave > 0 ? octave - 1 : 0;
    return ((u64)(bucket - (shift << HISTOGRAM_SUB_BITS)) + 1) << shift;
}

static inline void histogram_add(struct histogram *histogram, u64 value)
{
    histogram->sum += value;
    histogram->counts[histogram_bucket(value)]++;
}

u64 histogram_count(const struct histogram *histogram);
/* How many values were below `limit`: exact where a bucket ends there, else without the bucket that
 * it lies in. */
u64 histogram_count_below(const struct histogram *histogram, u64 limit);
/* A value that this share (0..1) of all values does not exceed, and at most an eighth above the
 * smallest such value; 0 when it is empty. */
u64 histogram_quantile(const struct histogram *histogram, double share);

#endif
