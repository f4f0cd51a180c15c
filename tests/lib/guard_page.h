/* Bytes that end exactly where an inaccessible page begins, so that reading one byte too many is a
 * fault and not luck. */
#ifndef NEXTPROXY_TEST_GUARD_PAGE_H
#define NEXTPROXY_TEST_GUARD_PAGE_H

#include "base/slice.h"

struct guard_page {
    char *map;
    usize map_bytes;
    char *end; /* the inaccessible page begins here */
};

/* Room for `bytes_max` bytes in front of the page. Ends the process when the system refuses. */
struct guard_page guard_page_create(usize bytes_max);
void guard_page_destroy(struct guard_page *page);
/* Copies the bytes to just in front of the page; valid until the next copy. */
char *guard_page_copy(const struct guard_page *page, const char *bytes, usize len);

#endif
