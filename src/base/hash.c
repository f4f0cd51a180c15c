/* Hashing by multiply and fold: a 64 by 64 bit product has every input bit in its middle, and the
 * exclusive or of its halves brings that to both ends (the idea of Yi Wang's wyhash). */
#include "base/hash.h"

#include <string.h>

#include "base/assert.h"

__extension__ typedef unsigned __int128 u128;

/* Odd numbers with about half of their bits set, taken from the fractions of square roots. */
static const u64 SECRET_A = 0x6a09e667f3bcc909ull;
static const u64 SECRET_B = 0xbb67ae8584caa73bull;
static const u64 SECRET_C = 0x3c6ef372fe94f82bull;

static u64 multiply_fold(u64 a, u64 b)
{
    u128 product = (u128)a * b;
    return (u64)product ^ (u64)(product >> 64);
}

/* Little-endian on every machine, so that equal input hashes equally everywhere. */
static u64 load_u64(const u8 *at)
{
    u64 value;
    memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/* The last 0 to 8 bytes. Bytes beyond the end count as zero; the length tells them from real ones.
 */
static u64 load_tail(const u8 *at, usize len)
{
    u64 value = 0;
    for (usize i = 0; i < len; i++)
        value |= (u64)at[i] << (8 * i);
    return value;
}

u64 hash_bytes(const void *data, usize len, u64 seed)
{
    const u8 *at = data;
    u64 hash = seed ^ multiply_fold(seed ^ SECRET_A, len ^ SECRET_B);
    usize left = len;
    for (; left > 16; left -= 16, at += 16)
        hash = multiply_fold(load_u64(at) ^ SECRET_B, load_u64(at + 8) ^ hash);
    u64 first;
    u64 second = 0;
    if (left >= 8) {
        first = load_u64(at);
        second = load_tail(at + 8, left - 8);
    } else {
        first = load_tail(at, left);
    }
    hash = multiply_fold(first ^ SECRET_C, second ^ hash);
    /* A product of zero would forget the other factor; the length and a last mix cover for it. */
    return hash_mix64(hash ^ len);
}

static u64 rotate_left(u64 x, u32 bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void rng_seed(struct rng *rng, u64 seed)
{
    /* SplitMix64, as the authors of xoshiro advise: its outputs are never all zero. */
    for (usize i = 0; i < ARRAY_COUNT(rng->state); i++) {
        seed += 0x9e3779b97f4a7c15ull;
        rng->state[i] = hash_mix64(seed);
    }
}

u64 rng_next(struct rng *rng)
{
    u64 *state = rng->state;
    u64 result = rotate_left(state[1] * 5, 7) * 9;
    u64 shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

u32 rng_below(struct rng *rng, u32 bound)
{
    ASSERT(bound > 0);
    u64 product = (rng_next(rng) >> 32) * bound;
    if ((u32)product < bound) {
        u32 biased_below = -bound % bound;
        while ((u32)product < biased_below)
            product = (rng_next(rng) >> 32) * bound;
    }
    return (u32)(product >> 32);
}
