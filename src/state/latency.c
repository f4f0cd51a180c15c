/* See include/state/latency.h. */
#include "state/latency.h"

u64 state_latency_bucket_end(u32 bucket)
{
    if (bucket == 0)
        return 1u << STATE_LATENCY_FIRST_BITS;
    u32 octave = (bucket - 1) >> STATE_LATENCY_SUB_BITS;
    u32 sub = (bucket - 1) & ((1u << STATE_LATENCY_SUB_BITS) - 1);
    u32 shift = octave + STATE_LATENCY_FIRST_BITS - STATE_LATENCY_SUB_BITS;
    return ((1ull << STATE_LATENCY_SUB_BITS) + sub + 1) << shift;
}

u64 state_latency_below(const struct state_latency_sums *sums, u32 bits)
{
    u64 count = 0;
    for (u32 i = 0; i < STATE_LATENCY_BUCKETS && state_latency_bucket_end(i) <= 1ull << bits; i++)
        count += sums->counts[i];
    return count;
}

u64 state_latency_count(const struct state_latency_sums *sums)
{
    u64 count = 0;
    for (u32 i = 0; i < STATE_LATENCY_BUCKETS; i++)
        count += sums->counts[i];
    return count;
}

u64 state_latency_quantile(const struct state_latency_sums *sums, double share)
{
    double wanted = share * (double)state_latency_count(sums);
    double passed = 0;
    for (u32 i = 0; i < STATE_LATENCY_BUCKETS; i++) {
        double count = (double)sums->counts[i];
        if (count > 0 && passed + count >= wanted) {
            u64 begin = i > 0 ? state_latency_bucket_end(i - 1) : 0;
            double part = wanted > passed ? (wanted - passed) / count : 0;
            return begin + (u64)(part * (double)(state_latency_bucket_end(i) - begin));
        }
        passed += count;
    }
    return 0;
}
