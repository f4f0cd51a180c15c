/* See guard_page.h. */
#include "guard_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"

struct guard_page guard_page_create(usize bytes_max)
{
    usize page_bytes = (usize)sysconf(_SC_PAGESIZE);
    usize room = (bytes_max + page_bytes - 1) / page_bytes * page_bytes;
    usize map_bytes = room + page_bytes;
    char *map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + room, page_bytes, PROT_NONE) != 0) {
        perror("guard page");
        exit(1);
    }
    return (struct guard_page){.map = map, .map_bytes = map_bytes, .end = map + room};
}

void guard_page_destroy(struct guard_page *page)
{
    munmap(page->map, page->map_bytes);
    *page = (struct guard_page){0};
}

char *guard_page_copy(const struct guard_page *page, const char *bytes, usize len)
{
    ASSERT(len <= (usize)(page->end - page->map));
    char *at = page->end - len;
    if (len > 0)
        memcpy(at, bytes, len);
    return at;
}
