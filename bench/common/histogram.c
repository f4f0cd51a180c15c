#include "common/histogram.h"

#include <string.h>

enum { MILLION = 1000000 };

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

u32 histogram_bucket_of(u64 value)
{
    u64 largest = (1ULL << HISTOGRAM_VALUE_BITS) - 1;
    u64 clamped = value < largest ? value : largest;
    if (clamped < 2 * HISTOGRAM_SUB_COUNT)
        return (u32)clamped;
    u32 top_bit = 63U - (u32)__builtin_clzll(clamped);
    u32 shift = top_bit - HISTOGRAM_SUB_BITS;
    return shift * HISTOGRAM_SUB_COUNT + (u32)(clamped >> shift);
}

u64 histogram_bucket_max(u32 bucket)
{
    if (bucket < 2 * HISTOGRAM_SUB_COUNT)
        return bucket;
    u32 shift = bucket / HISTOGRAM_SUB_COUNT - 1;
    u64 top = bucket - shift * HISTOGRAM_SUB_COUNT;
    return ((top + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, u64 value)
{
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[histogram_bucket_of(value)]++;
}

u64 histogram_percentile(const struct histogram *histogram, u32 per_million)
{
    /* Rounded up: the 99th percentile of 10 values is the tenth, never the ninth. */
    u64 wanted = (histogram->count * per_million + MILLION - 1) / MILLION;
    u64 seen = 0;
    for (u32 bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted && seen > 0) {
            u64 value = histogram_bucket_max(bucket);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return 0;
}
