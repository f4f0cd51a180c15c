/* "Did you mean": near names are offered, far ones are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "config/suggest.h"

static const char *const names[] = {
    "port", "timeout", "retries", "strategy", "stickySession", "maxRequests", "warn", "round-robin",
};

static void assert_suggests(const char *wanted, const char *expected)
{
    struct suggestion suggestion;
    suggest_begin(&suggestion, slice_of_string(wanted));
    for (usize i = 0; i < ARRAY_COUNT(names); i++)
        suggest_consider(&suggestion, slice_of_string(names[i]));
    if (!slice_equal(suggestion.best, slice_of_string(expected)))
        fail_msg("%s: \"%.*s\", not \"%s\"", wanted, (int)suggestion.best.len, suggestion.best.data,
                 expected);
}

static void test_near(void **state)
{
    (void)state;
    assert_suggests("prot", "port");  /* neighbours swapped */
    assert_suggests("pot", "port");   /* one missing */
    assert_suggests("porrt", "port"); /* one too many */
    assert_suggests("pert", "port");  /* one wrong */
    assert_suggests("PORT", "port");  /* case alone */
    assert_suggests("timeoutMs", "timeout");
    assert_suggests("max_requests", "maxRequests");
    assert_suggests("stickysesions", "stickySession");
    assert_suggests("roundRobin", "round-robin");
    assert_suggests("warning", "warn"); /* one begins with the other */
    assert_suggests("ret", "retries");
}

static void test_far(void **state)
{
    (void)state;
    assert_suggests("", "");
    assert_suggests("x", "");
    assert_suggests("pa", "");
    assert_suggests("backends", "");
    assert_suggests("po", "");
    assert_suggests("-", "");
}

/* The nearest wins, not the first. */
static void test_nearest(void **state)
{
    (void)state;
    struct suggestion suggestion;
    suggest_begin(&suggestion, SLICE("interval"));
    suggest_consider(&suggestion, SLICE("internal"));
    suggest_consider(&suggestion, SLICE("intervals"));
    suggest_consider(&suggestion, SLICE("Interval"));
    assert_true(slice_equal(suggestion.best, SLICE("Interval")));
    assert_int_equal(suggestion.distance, 0);
}

static void test_long_names(void **state)
{
    (void)state;
    char name[SUGGEST_BYTES_MAX + 1];
    memset(name, 'a', sizeof(name));
    struct suggestion suggestion;
    suggest_begin(&suggestion, slice_of(name, SUGGEST_BYTES_MAX));
    suggest_consider(&suggestion, slice_of(name, SUGGEST_BYTES_MAX + 1));
    assert_int_equal(suggestion.best.len, 0);
    suggest_consider(&suggestion, slice_of(name, SUGGEST_BYTES_MAX - 1));
    assert_int_equal(suggestion.best.len, SUGGEST_BYTES_MAX - 1);
    suggest_begin(&suggestion, slice_of(name, SUGGEST_BYTES_MAX + 1));
    suggest_consider(&suggestion, slice_of(name, SUGGEST_BYTES_MAX));
    assert_int_equal(suggestion.best.len, 0);
}

static void test_text(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct suggestion suggestion;
    suggest_begin(&suggestion, SLICE("prot"));
    assert_string_equal(suggest_text(&suggestion, &arena), "");
    suggest_consider(&suggestion, SLICE("port"));
    assert_string_equal(suggest_text(&suggestion, &arena), " (did you mean \"port\"?)");
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near),    cmocka_unit_test(test_far),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
