/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012): a keyed hash of short messages
 * that nobody can make without the key. */
#ifndef NEXTPROXY_BASE_SIPHASH_H
#define NEXTPROXY_BASE_SIPHASH_H

#include "base/types.h"

enum { SIPHASH_KEY_BYTES = 16, SIPHASH_BYTES = 16 };

struct siphash_key {
    u8 bytes[SIPHASH_KEY_BYTES];
};

void siphash_128(const struct siphash_key *key, const void *data, usize len, u8 out[SIPHASH_BYTES]);
/* True when both are the same; the time it takes does not depend on where they differ. */
bool siphash_equal(const u8 a[SIPHASH_BYTES], const u8 b[SIPHASH_BYTES]);

#endif
