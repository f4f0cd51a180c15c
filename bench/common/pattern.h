/* The body the origin sends and the generator expects: byte i of every body is the same function of
 * i, so a generator can check any part of a body that it sees. */
#ifndef NEXTPROXY_BENCH_PATTERN_H
#define NEXTPROXY_BENCH_PATTERN_H

#include <string.h>

#include "base/types.h"

/* Bodies repeat a block of this many bytes; it stays in the second-level cache of one core. */
enum { PATTERN_BLOCK_BYTES = 131072, PATTERN_PERIOD = 64 };

static inline void pattern_fill(u8 *block)
{
    for (usize i = 0; i < PATTERN_BLOCK_BYTES; i++)
        block[i] = (u8)('0' + i % PATTERN_PERIOD);
}

/* Whether `data` is what stands at `offset` of a body. `block` was filled by pattern_fill; `len` is
 * at most PATTERN_BLOCK_BYTES - PATTERN_PERIOD. */
static inline bool pattern_matches(const u8 *block, u64 offset, const u8 *data, usize len)
{
    return memcmp(block + offset % PATTERN_PERIOD, data, len) == 0;
}

#endif
