/* A failing ASSERT must say what, where and what came before, and end the process by SIGABRT. */
#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct outcome {
    char text[32768];
    size_t len;
    int status;
};

/* Runs `body` in a child whose stderr is captured. */
static void run_child(void (*body)(void), struct outcome *outcome)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    outcome->len = 0;
    ssize_t got;
    while ((got = read(ends[0], outcome->text + outcome->len,
                       sizeof(outcome->text) - 1 - outcome->len)) > 0)
        outcome->len += (size_t)got;
    outcome->text[outcome->len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &outcome->status, 0), child);
}

static void break_promise(void)
{
    int one = 1;
    trace_event("accept", 7, UINT64_MAX);
    trace_event("close", 0, 12345);
    ASSERT(one == 2);
}

static void test_assert_prints_place_and_trace(void **state)
{
    static struct outcome outcome;
    run_child(break_promise, &outcome);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGABRT);
    assert_non_null(strstr(outcome.text, "one == 2 does not hold at "));
    assert_non_null(strstr(outcome.text, "test_panic.c:"));
    const char *older = strstr(outcome.text, "  accept 7 18446744073709551615\n");
    const char *newer = strstr(outcome.text, "  close 0 12345\n");
    assert_non_null(older);
    assert_non_null(newer);
    assert_true(older < newer);
}

static void panic_without_events(void)
{
    panic("nowhere.c", 0, "nothing");
}

static void test_no_events_no_trace(void **state)
{
    static struct outcome outcome;
    run_child(panic_without_events, &outcome);
    assert_int_equal(WTERMSIG(outcome.status), SIGABRT);
    assert_non_null(strstr(outcome.text, "nothing does not hold at nowhere.c:0"));
    assert_null(strstr(outcome.text, "events"));
}

static void panic_after_many_events(void)
{
    for (u64 i = 0; i < 1000; i++)
        trace_event("an event with a name long enough to need more than one write", i, i * i);
    panic("many.c", 1, "many");
}

static void test_trace_keeps_the_last_256(void **state)
{
    static struct outcome outcome;
    run_child(panic_after_many_events, &outcome);
    assert_int_equal(WTERMSIG(outcome.status), SIGABRT);
    u64 expected = 1000 - 256;
    for (const char *at = outcome.text; (at = strstr(at, "one write ")) != NULL; expected++) {
        at += strlen("one write ");
        char *end;
        assert_int_equal(strtoull(at, &end, 10), expected);
        assert_int_equal(strtoull(end, NULL, 10), expected * expected);
    }
    assert_int_equal(expected, 1000);
}

static void hold_promise(void)
{
    ASSERT(true);
}

static void test_holding_assert_is_silent(void **state)
{
    static struct outcome outcome;
    run_child(hold_promise, &outcome);
    assert_true(WIFEXITED(outcome.status));
    assert_int_equal(WEXITSTATUS(outcome.status), 0);
    assert_int_equal(outcome.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assert_prints_place_and_trace),
        cmocka_unit_test(test_no_events_no_trace),
        cmocka_unit_test(test_trace_keeps_the_last_256),
        cmocka_unit_test(test_holding_assert_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
