/* What several modules do with descriptors. */
#ifndef NEXTPROXY_BASE_FILES_H
#define NEXTPROXY_BASE_FILES_H

#include "base/types.h"

/* Raises the soft limit of open files to the hard one, which is returned; UINT64_MAX when there is
 * none, or nobody knows. */
u64 files_raise_limit(void);

/* Whether a line can be written without waiting for whoever reads it: a reader that stalls (a
 * pager, a container engine with a full disk) must hold nobody up. */
MUST_CHECK bool file_has_room(int fd);

#endif
