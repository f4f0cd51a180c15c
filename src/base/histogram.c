/* See include/base/histogram.h. */
#include "base/histogram.h"

u64 histogram_count(const struct histogram *histogram)
{
    u64 count = 0;
    for (u32 i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += histogram->counts[i];
    return count;
}

u64 histogram_count_below(const struct histogram *histogram, u64 limit)
{
    u64 count = 0;
    for (u32 i = 0; i < HISTOGRAM_BUCKETS && histogram_bucket_end(i) <= limit; i++)
        count += histogram->counts[i];
    return count;
}

u64 histogram_quantile(const struct histogram *histogram, double share)
{
    u64 count = histogram_count(histogram);
    double wanted = share * (double)count;
    u64 passed = 0;
    for (u32 i = 0; i < HISTOGRAM_BUCKETS && count > 0; i++) {
        passed += histogram->counts[i];
        if (passed > 0 && (double)passed >= wanted)
            return histogram_bucket_end(i) - 1;
    }
    return 0;
}
