/* The limit of file descriptors, which is one of connections. */
#ifndef NEXTPROXY_CONTROL_FILE_LIMIT_H
#define NEXTPROXY_CONTROL_FILE_LIMIT_H

#include "config.h"

/* Takes as many as the hard limit gives. False, with the cure in `why`, when that is not enough for
 * a first client; `nextproxy doctor` says what more would be good for. */
MUST_CHECK bool file_limit_raise(const struct config *config, char *why, usize why_bytes);

/* How many descriptors the process may have. */
u64 file_limit(void);
/* How many of them each worker may spend on connections; a figure of 32 bits is enough. */
u32 file_limit_share(const struct config *config);

#endif
