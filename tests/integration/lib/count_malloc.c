/* Preloaded into the proxy (glibc): counts allocations, and writes the count to the file that the
 * variable COUNT_MALLOC_FILE names when the process ends. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);

static _Atomic unsigned long allocations;

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    allocations++;
    return __libc_realloc(memory, bytes);
}

static __attribute__((destructor)) void report(void)
{
    unsigned long seen = allocations;
    const char *name = getenv("COUNT_MALLOC_FILE");
    FILE *file = name ? fopen(name, "w") : NULL;
    if (file) {
        (void)fprintf(file, "%lu\n", seen);
        (void)fclose(file);
    }
}
