/* Overload: where stages begin and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "proxy/overload_stage.h"

static const struct config_overload usual = {
    .no_keep_alive = 85, .close_idle = 90, .refuse = 95, .no_accept = 98, .recovery = 5};

static struct overload_bounds bounds_of(const struct config_overload *config, u32 limit)
{
    struct overload_bounds bounds;
    overload_bounds_set(&bounds, config, limit);
    return bounds;
}

static void test_up(void **state)
{
    static const u32 begins[OVERLOAD_STAGES] = {0, 850, 900, 950, 980};
    struct overload_bounds bounds = bounds_of(&usual, 1000);
    (void)state;
    for (u32 stage = 0; stage < OVERLOAD_STAGES; stage++)
        for (u32 before = 0; before <= stage; before++) {
            assert_int_equal(overload_bounds_stage(&bounds, before, begins[stage]), stage);
            if (before < stage)
                assert_true(overload_bounds_stage(&bounds, before, begins[stage] - 1) < stage);
        }
    assert_int_equal(overload_bounds_stage(&bounds, 0, 100000), OVERLOAD_NO_ACCEPT);
}

/* A stage is left five percent lower than it was entered, and not before. */
static void test_down(void **state)
{
    static const u32 ends[OVERLOAD_STAGES] = {0, 800, 850, 900, 930};
    struct overload_bounds bounds = bounds_of(&usual, 1000);
    (void)state;
    for (u32 stage = 1; stage < OVERLOAD_STAGES; stage++) {
        assert_int_equal(overload_bounds_stage(&bounds, stage, ends[stage]), stage);
        assert_int_equal(overload_bounds_stage(&bounds, stage, ends[stage] - 1), stage - 1);
        assert_int_equal(overload_bounds_stage(&bounds, stage, 0), OVERLOAD_NONE);
    }
}

static void test_never(void **state)
{
    struct config_overload config = usual;
    (void)state;
    config.refuse = 0;
    struct overload_bounds bounds = bounds_of(&config, 1000);
    assert_int_equal(overload_bounds_stage(&bounds, 0, 979), OVERLOAD_CLOSE_IDLE);
    assert_int_equal(overload_bounds_stage(&bounds, 0, 980), OVERLOAD_NO_ACCEPT);
    assert_int_equal(overload_bounds_stage(&bounds, OVERLOAD_NO_ACCEPT, 900), OVERLOAD_CLOSE_IDLE);
    config = (struct config_overload){.recovery = 5};
    bounds = bounds_of(&config, 1000);
    assert_int_equal(overload_bounds_stage(&bounds, 0, 1000), OVERLOAD_NONE);
    assert_int_equal(overload_bounds_stage(&bounds, OVERLOAD_NO_ACCEPT, 1000), OVERLOAD_NONE);
}

/* One of two is no overload, and neither is two of two: the limit itself is enough. */
static void test_small_limits(void **state)
{
    (void)state;
    for (u32 limit = 0; limit < 20; limit++) {
        struct overload_bounds bounds = bounds_of(&usual, limit);
        assert_int_equal(overload_bounds_stage(&bounds, 0, limit), OVERLOAD_NONE);
    }
    for (u32 limit = 20; limit < 200; limit++) {
        struct overload_bounds bounds = bounds_of(&usual, limit);
        assert_int_equal(overload_bounds_stage(&bounds, 0, limit), OVERLOAD_NO_ACCEPT);
        for (u32 stage = 0; stage < OVERLOAD_STAGES; stage++) /* it always recovers */
            assert_int_equal(overload_bounds_stage(&bounds, stage, 0), OVERLOAD_NONE);
    }
}

static void test_large_limits(void **state)
{
    struct overload_bounds bounds = bounds_of(&usual, UINT32_MAX);
    (void)state;
    assert_int_equal(overload_bounds_stage(&bounds, 0, UINT32_MAX / 2), OVERLOAD_NONE);
    assert_int_equal(overload_bounds_stage(&bounds, 0, UINT32_MAX / 100 * 91), OVERLOAD_CLOSE_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up),           cmocka_unit_test(test_down),
        cmocka_unit_test(test_never),        cmocka_unit_test(test_small_limits),
        cmocka_unit_test(test_large_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
