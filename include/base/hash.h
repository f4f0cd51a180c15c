/* Hashing and randomness. None of it is for secrets. */
#ifndef NEXTPROXY_BASE_HASH_H
#define NEXTPROXY_BASE_HASH_H

#include "base/slice.h"

/* A 64-bit mix with full avalanche (the finaliser of SplitMix64, Steele et al. 2014). */
static inline u64 hash_mix64(u64 x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* Hashes bytes with a seed; equal input and seed give equal output on every machine. */
u64 hash_bytes(const void *data, usize len, u64 seed);

/* xoshiro256** (Blackman and Vigna 2018): fast, seedable, one per worker. */
struct rng {
    u64 state[4];
};

void rng_seed(struct rng *rng, u64 seed);
u64 rng_next(struct rng *rng);
/* Uniform in [0, bound), bound > 0, without modulo bias worth speaking of (Lemire 2019). */
u32 rng_below(struct rng *rng, u32 bound);

#endif
