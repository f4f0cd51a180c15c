/* Randomness that nobody can guess, from the kernel. */
#ifndef NEXTPROXY_BASE_RANDOM_H
#define NEXTPROXY_BASE_RANDOM_H

#include "base/types.h"

enum { RANDOM_BYTES_MAX = 256 };

/* Fills `bytes` <= RANDOM_BYTES_MAX. May wait at the very start of a machine; not for workers. */
void random_bytes(void *out, usize bytes);

#endif
