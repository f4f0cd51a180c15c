/* See include/base/random.h. */
#include "base/random.h"

#include <sys/random.h>

#include "base/assert.h"

void random_bytes(void *out, usize bytes)
{
    ASSERT(bytes <= RANDOM_BYTES_MAX); /* so many come whole, and no signal gets in between */
    ssize_t got = getrandom(out, bytes, 0);
    ASSERT(got == (ssize_t)bytes);
}
