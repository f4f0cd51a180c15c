/* The origin's line. */
#include "tests/tests.h"

#include "origin/pace.h"

enum { SERVICE_NS = 100, SLOTS = 2 };

static void test_places_and_line(void **state)
{
    static struct pace pace = {.slots = SLOTS, .service_ns = SERVICE_NS};
    int who[3];
    (void)state;
    assert_int_equal(pace_wait_ns(&pace, 1000), -1);
    for (u32 i = 0; i < 3; i++)
        assert_true(pace_add(&pace, &who[i], 1000 + i));
    assert_int_equal(pace_wait_ns(&pace, 1010), 90);
    assert_null(pace_take(&pace, 1099));
    assert_ptr_equal(pace_take(&pace, 1101), &who[0]);
    assert_ptr_equal(pace_take(&pace, 1101), &who[1]);
    assert_null(pace_take(&pace, 1199)); /* it began when the first place was free */
    assert_int_equal(pace_wait_ns(&pace, 1500), 0);
    assert_ptr_equal(pace_take(&pace, 1500), &who[2]);
    assert_null(pace_take(&pace, 5000));
}

static void test_full(void **state)
{
    static struct pace pace = {.slots = SLOTS, .service_ns = SERVICE_NS};
    (void)state;
    for (u32 i = 0; i < PACE_WAITING_MAX; i++)
        assert_true(pace_add(&pace, &pace, 1));
    assert_false(pace_add(&pace, &pace, 1));
    u64 end_ns = 1 + (u64)PACE_WAITING_MAX / SLOTS * SERVICE_NS;
    for (u32 i = 0; i < PACE_WAITING_MAX - SLOTS; i++)
        assert_non_null(pace_take(&pace, end_ns - 1));
    assert_null(pace_take(&pace, end_ns - 1));
    assert_non_null(pace_take(&pace, end_ns));
    assert_true(pace_add(&pace, &pace, end_ns));
}

const struct CMUnitTest pace_tests[PACE_TESTS] = {
    cmocka_unit_test(test_places_and_line),
    cmocka_unit_test(test_full),
};
