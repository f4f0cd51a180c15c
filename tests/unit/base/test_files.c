/* The limit of descriptors, and writers that nobody reads from. */
#include "base/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void test_the_limit_is_raised(void **state)
{
    struct rlimit before, after;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit low = {before.rlim_max / 2, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_true(files_raise_limit() == before.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur == before.rlim_max && after.rlim_max == before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_room_in_a_pipe(void **state)
{
    static const char bytes[4096];
    static char taken[1 << 20];
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    while (file_has_room(fds[1]))
        assert_true(write(fds[1], bytes, sizeof(bytes)) > 0);
    assert_true(read(fds[0], taken, sizeof(taken)) > 0);
    assert_true(file_has_room(fds[1]));
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_true(!file_has_room(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_limit_is_raised),
        cmocka_unit_test(test_room_in_a_pipe),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
