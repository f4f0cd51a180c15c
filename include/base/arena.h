/*
 * Memory. Everything a worker uses while serving is taken from regions reserved at start:
 *  - region: one anonymous mapping, address space only; pages become resident when first touched;
 *  - arena:  a bump allocator over a region or over malloc'ed blocks, freed as a whole;
 *  - slab:   equal items over a region with a LIFO free list, so that the hottest item is reused.
 */
#ifndef NEXTPROXY_BASE_ARENA_H
#define NEXTPROXY_BASE_ARENA_H

#include <stdarg.h>

#include "base/assert.h"
#include "base/slice.h"

/* Reserves `bytes` of zeroed address space. NULL when the system refuses. Huge pages are declined,
 * so that sparse use stays sparse. */
MUST_CHECK void *region_reserve(usize bytes);
void region_release(void *region, usize bytes);

/* A growing arena for configuration and start-up: blocks from malloc, freed together.
 * Allocation never returns NULL: out of memory at start is fatal and says so. */
struct arena {
    struct arena_block *blocks;
    char *at;
    char *end;
    usize bytes_total;
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);
/* Zeroed memory, aligned for any type, living until arena_deinit. */
void *arena_alloc(struct arena *arena, usize bytes);
/* A NUL-terminated copy; the slice returned excludes the NUL. */
struct slice arena_copy(struct arena *arena, struct slice bytes);
/* printf into the arena; NUL-terminated. */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/* Equal items with a free list threaded through the free ones. Not thread-safe: one owner. */
struct slab {
    char *region;
    void *free;
    u32 item_bytes;
    u32 item_count;
    u32 fresh; /* items never handed out yet start here: untouched pages stay untouched */
    u32 in_use;
};

/* Reserves room for item_count items of item_bytes (rounded up to 64, never a multiple of 1024,
 * so that the same member of many items does not crowd into few cache sets). item_bytes and
 * item_count > 0. False when the system refuses the memory. */
MUST_CHECK bool slab_init(struct slab *slab, usize item_bytes, u32 item_count);
void slab_deinit(struct slab *slab);
/* NULL when all items are in use. The content is zeroes or whatever the last user left, but for
 * the first 16 bytes. */
MUST_CHECK void *slab_acquire(struct slab *slab);
void slab_release(struct slab *slab, void *item);
/* Address space that slab_init takes for these arguments. */
usize slab_region_bytes(usize item_bytes, u32 item_count);

#endif
