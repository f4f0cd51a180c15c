/* Memory: regions, arenas and slabs, and what they refuse. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"

/* --- Regions ---------------------------------------------------------------------------------- */

static void test_region_is_zeroed_and_writable(void **state)
{
    usize bytes = (3 << 20) + 100;
    char *region = region_reserve(bytes);
    assert_non_null(region);
    for (usize i = 0; i < bytes; i += 4096) {
        assert_int_equal(region[i], 0);
        region[i] = 1;
    }
    region[bytes - 1] = 1;
    region_release(region, bytes);
}

static void test_region_too_large_is_refused(void **state)
{
    assert_null(region_reserve(SIZE_MAX / 2));
    assert_null(region_reserve(SIZE_MAX - 4096));
}

/* --- Arenas ----------------------------------------------------------------------------------- */

static void test_arena_gives_zeroed_aligned_separate_memory(void **state)
{
    enum { ALLOCATIONS = 2000 };
    static struct {
        u8 *at;
        usize bytes;
    } taken[ALLOCATIONS];
    struct arena arena;
    struct rng rng;
    arena_init(&arena);
    rng_seed(&rng, 5);
    for (int i = 0; i < ALLOCATIONS; i++) {
        usize bytes = rng_below(&rng, i % 50 == 0 ? 100000 : 300);
        u8 *at = arena_alloc(&arena, bytes);
        assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
        for (usize k = 0; k < bytes; k++)
            assert_int_equal(at[k], 0);
        memset(at, (u8)i, bytes);
        taken[i].at = at;
        taken[i].bytes = bytes;
    }
    usize total = 0;
    for (int i = 0; i < ALLOCATIONS; i++) {
        total += taken[i].bytes;
        for (usize k = 0; k < taken[i].bytes; k++)
            assert_int_equal(taken[i].at[k], (u8)i);
    }
    assert_true(arena.bytes_total >= total);
    arena_deinit(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.bytes_total, 0);
}

static void test_arena_serves_again_after_deinit(void **state)
{
    struct arena arena;
    arena_init(&arena);
    assert_non_null(arena_alloc(&arena, 10));
    arena_deinit(&arena);
    assert_non_null(arena_alloc(&arena, 10));
    arena_deinit(&arena);
}

static void test_arena_copy_and_printf(void **state)
{
    struct arena arena;
    arena_init(&arena);
    const char source[] = {'a', '\0', 'b'};
    struct slice copy = arena_copy(&arena, (struct slice){source, 3});
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.data, source, 3);
    assert_ptr_not_equal(copy.data, source);
    assert_int_equal(copy.data[3], '\0');
    struct slice empty = arena_copy(&arena, (struct slice){NULL, 0});
    assert_int_equal(empty.len, 0);
    assert_int_equal(empty.data[0], '\0');
    assert_string_equal(arena_printf(&arena, "%s[%u].%s", "backends", 1u, "url"),
                        "backends[1].url");
    char *wide = arena_printf(&arena, "%0200000d", 7);
    assert_int_equal(strlen(wide), 200000);
    assert_int_equal(wide[199999], '7');
    arena_deinit(&arena);
}

static void test_arena_out_of_memory_says_so(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the sanitizer's allocator stops the process by itself */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    skip();
#endif
#endif
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        struct arena arena;
        arena_init(&arena);
        (void)arena_alloc(&arena, SIZE_MAX / 2);
        _exit(0);
    }
    close(ends[1]);
    char text[512] = {0};
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
    assert_non_null(strstr(text, "out of memory"));
}

/* --- Slabs ------------------------------------------------------------------------------------ */

static void test_slab_stride_avoids_crowded_cache_sets(void **state)
{
    for (usize bytes = 1; bytes < 10000; bytes++) {
        usize stride = slab_region_bytes(bytes, 1);
        assert_true(stride >= bytes);
        assert_true(stride <= bytes + 127);
        assert_int_equal(stride % 64, 0);
        assert_int_not_equal(stride % 1024, 0);
        assert_int_equal(slab_region_bytes(bytes, 1000), stride * 1000);
    }
}

static void test_slab_reuses_the_hottest_item(void **state)
{
    struct slab slab;
    assert_true(slab_init(&slab, 100, 3));
    char *a = slab_acquire(&slab);
    char *b = slab_acquire(&slab);
    char *c = slab_acquire(&slab);
    assert_non_null(c);
    assert_null(slab_acquire(&slab));
    assert_int_equal(slab.in_use, 3);
    slab_release(&slab, b);
    slab_release(&slab, a);
    assert_int_equal(slab.in_use, 1);
    assert_ptr_equal(slab_acquire(&slab), a);
    assert_ptr_equal(slab_acquire(&slab), b);
    assert_null(slab_acquire(&slab));
    slab_deinit(&slab);
}

/* Random acquire and release: no item is handed out twice and no content is disturbed. */
static void test_slab_items_never_overlap(void **state)
{
    enum { ITEMS = 200, BYTES = 1024, STEPS = 20000 };
    static u8 *held[ITEMS];
    struct slab slab;
    struct rng rng;
    rng_seed(&rng, 6);
    assert_true(slab_init(&slab, BYTES, ITEMS));
    u32 count = 0;
    for (int step = 0; step < STEPS; step++) {
        if (rng_below(&rng, 2) == 0) {
            u8 *item = slab_acquire(&slab);
            assert_int_equal(item == NULL, count == ITEMS);
            if (item == NULL)
                continue;
            for (usize i = 16; i < BYTES; i++) /* what the last user left, or zero when fresh */
                assert_int_equal(item[i], item[16]);
            memset(item, 1 + (int)rng_below(&rng, 255), BYTES);
            held[count++] = item;
        } else if (count > 0) {
            u32 at = rng_below(&rng, count);
            for (usize i = 0; i < BYTES; i++)
                assert_int_equal(held[at][i], held[at][0]);
            slab_release(&slab, held[at]);
            held[at] = held[--count];
        }
        assert_int_equal(slab.in_use, count);
    }
    slab_deinit(&slab);
}

static void test_slab_untouched_pages_stay_untouched(void **state)
{
    struct slab slab;
    assert_true(slab_init(&slab, 4000, 1 << 20)); /* 4 GB of address space */
    for (int i = 0; i < 10; i++) {
        void *item = slab_acquire(&slab);
        assert_non_null(item);
        slab_release(&slab, item);
    }
    assert_int_equal(slab.fresh, 1);
    slab_deinit(&slab);
}

static void test_slab_too_large_is_refused(void **state)
{
    struct slab slab;
    assert_false(slab_init(&slab, UINT32_MAX / 2, UINT32_MAX));
}

/* The process must die when `body` misuses a slab. */
static void expect_abort(void (*body)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void release_foreign_item(void)
{
    struct slab slab;
    char foreign[64] = {0};
    if (slab_init(&slab, 64, 4) && slab_acquire(&slab) != NULL)
        slab_release(&slab, foreign);
}

static void release_more_than_acquired(void)
{
    struct slab slab;
    if (!slab_init(&slab, 64, 4))
        return;
    void *item = slab_acquire(&slab);
    slab_release(&slab, item);
    slab_release(&slab, item);
}

static void test_slab_misuse_is_caught(void **state)
{
    expect_abort(release_foreign_item);
    expect_abort(release_more_than_acquired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_is_zeroed_and_writable),
        cmocka_unit_test(test_region_too_large_is_refused),
        cmocka_unit_test(test_arena_gives_zeroed_aligned_separate_memory),
        cmocka_unit_test(test_arena_serves_again_after_deinit),
        cmocka_unit_test(test_arena_copy_and_printf),
        cmocka_unit_test(test_arena_out_of_memory_says_so),
        cmocka_unit_test(test_slab_stride_avoids_crowded_cache_sets),
        cmocka_unit_test(test_slab_reuses_the_hottest_item),
        cmocka_unit_test(test_slab_items_never_overlap),
        cmocka_unit_test(test_slab_untouched_pages_stay_untouched),
        cmocka_unit_test(test_slab_too_large_is_refused),
        cmocka_unit_test(test_slab_misuse_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
