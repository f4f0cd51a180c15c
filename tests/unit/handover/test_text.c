/* The text of a handover: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "handover.h"

static struct handover first, second;
static char text[HANDOVER_TEXT_BYTES], again[HANDOVER_TEXT_BYTES];

static void write_first(void)
{
    assert_true(handover_write(&first, text, sizeof(text)));
}

static void read_second(const char *from)
{
    const char *problem = NULL;
    if (!handover_parse(from, &second, &problem))
        fail_msg("%s: %s", problem, from);
}

static void all_that_is_written_is_read(void **state)
{
    handover_init(&first);
    first.role = HANDOVER_SUPERVISOR;
    first.channel = 3;
    first.supervisor = 4711;
    first.restarts = UINT32_MAX;
    first.watchdog_us = UINT64_MAX;
    first.state = 23;
    first.config = 24;
    first.instead = true;
    (void)snprintf(first.report, sizeof(first.report), "The engine  was: ended, =by 11");
    for (i32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        first.engines[first.engine_count++] =
            (struct handover_engine){.pid = i + 1, .channel = 100 + i, .start_ns = (u64)i << 60};
    static const int fds[] = {5, 6, 7, 9, 8, 20};
    for (u32 i = 0; i < ARRAY_COUNT(fds); i++)
        assert_true(handover_add(&first, fds[i], i < 5 ? "*:3000" : "unix:/run/a b.sock", false));
    assert_true(handover_add(&first, 21, "unix:/run/a b.sock", true));
    assert_true(handover_add(&first, 22, "", true));
    write_first();
    assert_non_null(strstr(text, "\nlisten 5-7,9,8 *:3000\n"));
    read_second(text);
    assert_int_equal(second.role, first.role);
    assert_int_equal(second.channel, 3);
    assert_int_equal(second.supervisor, 4711);
    assert_int_equal(second.restarts, UINT32_MAX);
    assert_true(second.watchdog_us == UINT64_MAX);
    assert_int_equal(second.state, 23);
    assert_int_equal(second.config, 24);
    assert_true(second.instead);
    assert_string_equal(second.report, first.report);
    assert_int_equal(second.engine_count, HANDOVER_ENGINES_MAX);
    assert_int_equal(second.socket_count, 8);
    for (u32 i = 0; i < 8; i++) {
        assert_int_equal(second.sockets[i].fd, first.sockets[i].fd);
        assert_string_equal(second.sockets[i].name, first.sockets[i].name);
        assert_int_equal(second.sockets[i].given, i >= 6);
    }
    assert_true(handover_write(&second, again, sizeof(again)));
    assert_string_equal(text, again);
}

static void as_many_sockets_as_there_may_be(void **state)
{
    handover_init(&first);
    first.role = HANDOVER_ENGINE;
    for (int i = 0; i < HANDOVER_SOCKETS_MAX; i++)
        assert_true(handover_add(&first, i, i < 4000 ? "a" : "b", false));
    assert_false(handover_add(&first, HANDOVER_SOCKETS_MAX, "c", false));
    write_first();
    read_second(text);
    assert_int_equal(second.socket_count, HANDOVER_SOCKETS_MAX);
    assert_int_equal(second.sockets[HANDOVER_SOCKETS_MAX - 1].fd, HANDOVER_SOCKETS_MAX - 1);
}

static void what_does_not_fit_is_not_written(void **state)
{
    handover_init(&first);
    first.role = HANDOVER_ENGINE;
    assert_true(handover_add(&first, 3, "name", false));
    write_first();
    usize bytes = strlen(text) + 1;
    assert_true(handover_write(&first, again, bytes));
    for (usize less = 0; less < bytes; less++)
        assert_false(handover_write(&first, again, less));
}

static void names_that_are_no_line_are_refused(void **state)
{
    char longest[HANDOVER_NAME_BYTES + 1];
    memset(longest, 'x', sizeof(longest));
    longest[HANDOVER_NAME_BYTES] = '\0';
    handover_init(&first);
    assert_false(handover_add(&first, 3, longest, false));
    assert_false(handover_add(&first, 3, "a\nrole supervisor", false));
    longest[HANDOVER_NAME_BYTES - 1] = '\0';
    assert_true(handover_add(&first, 3, longest, false));
}

static void what_a_later_version_adds_is_left_alone(void **state)
{
    read_second("nextproxy 1\nrole engine\ntickets 12 abc\nlisten 4 *:80\n");
    assert_int_equal(second.socket_count, 1);
}

static void all_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "nextproxy 1",
        "nextproxy 1\n",
        "nextproxy 2\nrole engine\n",
        " nextproxy 1\nrole engine\n",
        "role engine\nnextproxy 1\n",
        "nextproxy 1\nrole engine",
        "nextproxy 1\nrole\n",
        "nextproxy 1\nrole none\n",
        "nextproxy 1\nrole engines\n",
        "nextproxy 1\nrole engine\nconfig \n",
        "nextproxy 1\nrole engine\nchannel \n",
        "nextproxy 1\nrole engine\nchannel -1\n",
        "nextproxy 1\nrole engine\nchannel +1\n",
        "nextproxy 1\nrole engine\nchannel 01\n",
        "nextproxy 1\nrole engine\nchannel 1 \n",
        "nextproxy 1\nrole engine\nchannel 0x1\n",
        "nextproxy 1\nrole engine\nchannel 2147483647\n",
        "nextproxy 1\nrole engine\nchannel 99999999999999999999\n",
        "nextproxy 1\nrole engine\nrestarts 4294967296\n",
        "nextproxy 1\nrole engine\nwatchdog 18446744073709551616\n",
        "nextproxy 1\nrole supervisor\nengine 0 3 1\n",
        "nextproxy 1\nrole supervisor\nengine 5 3\n",
        "nextproxy 1\nrole supervisor\nengine 5 3 1 1\n",
        "nextproxy 1\nrole engine\nlisten 3\n",
        "nextproxy 1\nrole engine\nlisten  name\n",
        "nextproxy 1\nrole engine\nlisten 3, name\n",
        "nextproxy 1\nrole engine\nlisten 3-3 name\n",
        "nextproxy 1\nrole engine\nlisten 4-3 name\n",
        "nextproxy 1\nrole engine\nlisten 3-4-5 name\n",
        "nextproxy 1\nrole engine\nlisten a name\n",
        "nextproxy 1\nrole engine\nlisten 0-2147483646 name\n",
        "nextproxy 1\nrole engine\nlisten 2147483640-2147483647 name\n",
        "nextproxy 1\nrole engine\ngiven 3\n",
    };
    const char *problem;
    for (u32 i = 0; i < ARRAY_COUNT(bad); i++) {
        problem = NULL;
        if (handover_parse(bad[i], &second, &problem))
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(problem);
        assert_int_equal(second.socket_count, 0);
        assert_int_equal(second.channel, -1);
    }
    (void)snprintf(text, sizeof(text), "nextproxy 1\nrole engine\nreport %0*d\n",
                   HANDOVER_REPORT_BYTES, 0);
    assert_false(handover_parse(text, &second, &problem));
    usize len = (usize)snprintf(text, sizeof(text), "nextproxy 1\nrole supervisor\n");
    for (u32 i = 0; i <= HANDOVER_ENGINES_MAX; i++)
        len += (usize)snprintf(text + len, sizeof(text) - len, "engine %u 3 1\n", i + 1);
    assert_false(handover_parse(text, &second, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_written_is_read),
        cmocka_unit_test(as_many_sockets_as_there_may_be),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(names_that_are_no_line_are_refused),
        cmocka_unit_test(what_a_later_version_adds_is_left_alone),
        cmocka_unit_test(all_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
