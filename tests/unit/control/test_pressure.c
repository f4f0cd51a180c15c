/* How much memory counts as in use: what is free for use again does not, as far as it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "control/pressure.h"

#define MB(n) ((u64)(n) << 20)

static void test_memory_in_use(void **state)
{
    (void)state;
    static const struct {
        struct pressure_memory memory;
        u64 in_use;
    } rows[] = {
        /* nothing was ever touched */
        {{MB(8), MB(8), 0, 0}, MB(8)},
        /* all that was touched is in use, whether all of it is resident or a part */
        {{MB(18), MB(8), MB(10), 0}, MB(18)},
        {{MB(18), MB(8), MB(40), 0}, MB(18)},
        /* ... is free again: what there was before is in use */
        {{MB(18), MB(8), MB(10), MB(10)}, MB(8)},
        {{MB(18), MB(8), MB(40), MB(40)}, MB(8)},
        /* ... is free again by half */
        {{MB(18), MB(8), MB(10), MB(5)}, MB(13)},
        {{MB(18), MB(8), MB(40), MB(20)}, MB(13)},
        /* other things have grown, and are in use */
        {{MB(18), MB(8), MB(4), MB(4)}, MB(14)},
        {{MB(18), MB(8), MB(4), 0}, MB(18)},
        /* figures of different moments */
        {{MB(8), MB(8), MB(4), MB(4)}, MB(8)},
        {{MB(18), MB(8), MB(10), MB(12)}, MB(6)},
        {{MB(18), 0, MB(10), MB(30)}, 0},
        {{0, 0, 0, 0}, 0},
        /* a terabyte */
        {{MB(1 << 20), 0, MB(1 << 21), MB(1 << 20)}, MB(1 << 19)},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++)
        assert_int_equal(pressure_memory_in_use(&rows[i].memory), rows[i].in_use);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
