/* See include/base/siphash.h. Names as in the paper: "SipHash: a fast short-input PRF". */
#include "base/siphash.h"

#include <string.h>

struct lanes {
    u64 v0, v1, v2, v3;
};

static u64 rotate_left(u64 x, u32 bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static u64 load_le(const u8 *at, usize len)
{
    u64 value = 0;
    for (usize i = 0; i < len; i++)
        value |= (u64)at[i] << (8 * i);
    return value;
}

static void store_le(u8 *at, u64 value)
{
    for (u32 i = 0; i < 8; i++)
        at[i] = (u8)(value >> (8 * i));
}

static void rounds(struct lanes *v, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        v->v0 += v->v1;
        v->v2 += v->v3;
        v->v1 = rotate_left(v->v1, 13) ^ v->v0;
        v->v3 = rotate_left(v->v3, 16) ^ v->v2;
        v->v0 = rotate_left(v->v0, 32);
        v->v2 += v->v1;
        v->v0 += v->v3;
        v->v1 = rotate_left(v->v1, 17) ^ v->v2;
        v->v3 = rotate_left(v->v3, 21) ^ v->v0;
        v->v2 = rotate_left(v->v2, 32);
    }
}

static void compress(struct lanes *v, u64 message)
{
    v->v3 ^= message;
    rounds(v, 2);
    v->v0 ^= message;
}

void siphash_128(const struct siphash_key *key, const void *data, usize len, u8 out[SIPHASH_BYTES])
{
    u64 k0 = load_le(key->bytes, 8), k1 = load_le(key->bytes + 8, 8);
    struct lanes v = {
        .v0 = k0 ^ 0x736f6d6570736575ull,
        .v1 = k1 ^ 0x646f72616e646f6dull ^ 0xee, /* 0xee: the variant of 128 bits */
        .v2 = k0 ^ 0x6c7967656e657261ull,
        .v3 = k1 ^ 0x7465646279746573ull,
    };
    const u8 *at = data;
    usize left = len;
    for (; left >= 8; left -= 8, at += 8)
        compress(&v, load_le(at, 8));
    compress(&v, load_le(at, left) | (u64)len << 56);
    v.v2 ^= 0xee;
    rounds(&v, 4);
    store_le(out, v.v0 ^ v.v1 ^ v.v2 ^ v.v3);
    v.v1 ^= 0xdd;
    rounds(&v, 4);
    store_le(out + 8, v.v0 ^ v.v1 ^ v.v2 ^ v.v3);
}

bool siphash_equal(const u8 a[SIPHASH_BYTES], const u8 b[SIPHASH_BYTES])
{
    u8 differ = 0;
    for (u32 i = 0; i < SIPHASH_BYTES; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}
