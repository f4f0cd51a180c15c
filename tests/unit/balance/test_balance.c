/* Names of strategies. */
#include "fixture.h"

static void test_names_lead_back_in_both_spellings(void **state)
{
    static const char *const spellings[][2] = {
        [BALANCE_ROUND_ROBIN] = {"round-robin", "ROUND_ROBIN"},
        [BALANCE_RANDOM] = {"random", "RANDOM"},
        [BALANCE_POWER_OF_TWO] = {"power-of-two-choices", "POWER_OF_TWO_CHOICES"},
        [BALANCE_IP_HASH] = {"ip-hash", "IP_HASH"},
        [BALANCE_LEAST_CONNECTIONS] = {"least-connections", "LEAST_CONNECTIONS"},
        [BALANCE_LEAST_LATENCY] = {"least-latency", "LEAST_LATENCY"},
    };
    assert_int_equal(ARRAY_COUNT(spellings), BALANCE_STRATEGY_COUNT);
    for (u32 i = 0; i < BALANCE_STRATEGY_COUNT; i++) {
        assert_string_equal(balance_strategy_name((enum balance_strategy)i), spellings[i][0]);
        for (int k = 0; k < 2; k++) {
            enum balance_strategy found = BALANCE_STRATEGY_COUNT;
            assert_true(balance_strategy_find(slice_of_string(spellings[i][k]), &found));
            assert_int_equal(found, i);
        }
    }
}

static void test_unknown_names_are_refused(void **state)
{
    static const char *const names[] = {"",           "round",  "round-robin ", "round--robin",
                                        "roundrobin", "ip hash"};
    enum balance_strategy found = BALANCE_RANDOM;
    for (usize i = 0; i < ARRAY_COUNT(names); i++)
        assert_false(balance_strategy_find(slice_of_string(names[i]), &found));
    assert_int_equal(found, BALANCE_RANDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_lead_back_in_both_spellings),
        cmocka_unit_test(test_unknown_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
