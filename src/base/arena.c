/* Regions, arenas and slabs. Under AddressSanitizer an arena takes one malloc for each allocation
 * and free slab items are poisoned, so that an overrun or a use after release is caught here too.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EMULATED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_EMULATED 1
#endif
#endif

#ifdef ARENA_EMULATED
#include <sanitizer/asan_interface.h>
#else
#define ARENA_EMULATED 0
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

enum {
    ALIGNMENT_BYTES = _Alignof(max_align_t),
    BLOCK_BYTES = 64 << 10,
    SLAB_CROWDING_BYTES = 1024,
};

static usize round_up(usize bytes, usize multiple)
{
    return (bytes + multiple - 1) / multiple * multiple;
}

/* --- Regions ---------------------------------------------------------------------------------- */

void *region_reserve(usize bytes)
{
    ASSERT(bytes > 0);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* Advice: a kernel built without huge pages answers EINVAL, and nothing is lost. */
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

void region_release(void *region, usize bytes)
{
    ASSERT(region != NULL);
    int failed = munmap(region, bytes);
    ASSERT(failed == 0);
}

/* --- Arenas ----------------------------------------------------------------------------------- */

struct arena_block {
    struct arena_block *next;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena_init(arena);
}

static struct arena_block *arena_block_add(struct arena *arena, usize bytes)
{
    usize block_bytes = sizeof(struct arena_block) + bytes;
    struct arena_block *block = block_bytes > bytes ? calloc(1, block_bytes) : NULL;
    if (block == NULL) {
        (void)fprintf(stderr,
                      "nextproxy: out of memory: %zu bytes were refused after %zu had been taken; "
                      "raise the memory limit of the process or container\n",
                      bytes, arena->bytes_total);
        exit(EXIT_FAILURE);
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->bytes_total += block_bytes;
    return block;
}

void *arena_alloc(struct arena *arena, usize bytes)
{
    if (ARENA_EMULATED)
        return arena_block_add(arena, bytes)->bytes;
    /* A big one gets a block of its own and leaves the rest of the current block in use. */
    if (bytes > BLOCK_BYTES / 4)
        return arena_block_add(arena, bytes)->bytes;
    usize taken = round_up(max_u64(bytes, 1), ALIGNMENT_BYTES);
    if (arena->at == NULL || (usize)(arena->end - arena->at) < taken) {
        arena->at = arena_block_add(arena, BLOCK_BYTES)->bytes;
        arena->end = arena->at + BLOCK_BYTES;
    }
    void *allocated = arena->at;
    arena->at += taken;
    return allocated;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    char *copy = arena_alloc(arena, (usize)bytes.len + 1);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    return (struct slice){copy, bytes.len};
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    ASSERT(len >= 0);
    char *text = arena_alloc(arena, (usize)len + 1);
    (void)vsnprintf(text, (usize)len + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

/* --- Slabs ------------------------------------------------------------------------------------ */

/* What a free item holds. The mark finds an item that is released twice. */
struct slab_free {
    struct slab_free *next;
    u64 mark;
};

static u64 slab_mark(const void *item)
{
    return (uintptr_t)item ^ 0x9e3779b97f4a7c15ull;
}

static usize slab_stride(usize item_bytes)
{
    usize stride = round_up(item_bytes, CACHE_LINE_BYTES);
    return stride % SLAB_CROWDING_BYTES == 0 ? stride + CACHE_LINE_BYTES : stride;
}

usize slab_region_bytes(usize item_bytes, u32 item_count)
{
    return slab_stride(item_bytes) * item_count;
}

bool slab_init(struct slab *slab, usize item_bytes, u32 item_count)
{
    ASSERT(item_bytes > 0);
    ASSERT(item_bytes <= UINT32_MAX / 2);
    ASSERT(item_count > 0);
    *slab = (struct slab){
        .region = region_reserve(slab_region_bytes(item_bytes, item_count)),
        .item_bytes = (u32)slab_stride(item_bytes),
        .item_count = item_count,
    };
    if (slab->region == NULL)
        return false;
    ASAN_POISON_MEMORY_REGION(slab->region, (usize)slab->item_bytes * item_count);
    return true;
}

void slab_deinit(struct slab *slab)
{
    usize bytes = (usize)slab->item_bytes * slab->item_count;
    ASAN_UNPOISON_MEMORY_REGION(slab->region, bytes);
    region_release(slab->region, bytes);
    *slab = (struct slab){0};
}

void *slab_acquire(struct slab *slab)
{
    void *item;
    if (slab->free != NULL) {
        struct slab_free *first = slab->free;
        ASAN_UNPOISON_MEMORY_REGION(first, slab->item_bytes);
        DEBUG_ASSERT(first->mark == slab_mark(first));
        slab->free = first->next;
        first->mark = 0;
        item = first;
    } else if (slab->fresh < slab->item_count) {
        item = slab->region + (usize)slab->fresh++ * slab->item_bytes;
        ASAN_UNPOISON_MEMORY_REGION(item, slab->item_bytes);
    } else {
        return NULL;
    }
    slab->in_use++;
    return item;
}

void slab_release(struct slab *slab, void *item)
{
    struct slab_free *freed = item;
    usize offset = (usize)((char *)item - slab->region);
    ASSERT(slab->in_use > 0);
    ASSERT(offset < (usize)slab->fresh * slab->item_bytes);
    DEBUG_ASSERT(offset % slab->item_bytes == 0);
#if ARENA_EMULATED
    ASSERT(!__asan_address_is_poisoned(item));
#else
    DEBUG_ASSERT(freed->mark != slab_mark(item));
#endif
    *freed = (struct slab_free){slab->free, slab_mark(item)};
    slab->free = freed;
    slab->in_use--;
    ASAN_POISON_MEMORY_REGION(item, slab->item_bytes);
}
