/* The fault table is complete and makes sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proxy/proxy_internal.h"

static void every_fault_has_a_name_of_its_own(void **state)
{
    for (u32 i = 0; i < FAULT_COUNT; i++) {
        const char *name = fault_name((enum fault)i);
        assert_non_null(name);
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (u32 j = 0; j < i; j++)
            assert_string_not_equal(name, fault_name((enum fault)j));
    }
}

static void what_the_client_is_told_is_a_page_with_a_text(void **state)
{
    for (u32 i = 0; i < FAULT_COUNT; i++) {
        const struct fault_row *row = fault_row((enum fault)i);
        assert_non_null(row->text);
        assert_non_null(row->log_text);
        assert_true(row->severity <= LOG_ERROR);
        assert_int_equal(strlen(row->log_text) > 0, i != FAULT_NONE);
        assert_int_equal(strlen(row->text) > 0, row->status != 0);
        if (row->status == 0)
            continue;
        assert_true(row->status >= 400 && row->status <= 599);
        assert_true(http_reason(row->status).len > 0);
        /* A client that is to blame gets 4xx, others get 5xx. */
        assert_int_equal(row->status < 500, row->blame == BLAME_CLIENT);
    }
}

static void nothing_of_the_inside_is_told(void **state)
{
    static const char *const inside[] = {"backend", "upstream", "nextproxy", "lease", "io_uring",
                                         "memory",  "127.0",    "errno",     "route"};
    for (u32 i = 0; i < FAULT_COUNT; i++)
        for (usize j = 0; j < ARRAY_COUNT(inside); j++)
            assert_null(strcasestr(fault_row((enum fault)i)->text, inside[j]));
}

static void only_what_a_backend_did_is_tried_again(void **state)
{
    for (u32 i = 0; i < FAULT_COUNT; i++) {
        const struct fault_row *row = fault_row((enum fault)i);
        if (row->retry != RETRY_NEVER)
            assert_int_equal(row->blame, BLAME_BACKEND);
    }
    assert_int_equal(fault_row(FAULT_CONNECT_REFUSED)->retry, RETRY_OTHER);
    assert_int_equal(fault_row(FAULT_CONNECT_TIMEOUT)->retry, RETRY_OTHER);
    assert_int_equal(fault_row(FAULT_UPSTREAM_STALE)->retry, RETRY_FRESH);
    assert_int_equal(fault_row(FAULT_RESPONSE_TIMEOUT)->retry, RETRY_REPLAY);
    assert_int_equal(fault_row(FAULT_UPSTREAM_RESET)->retry, RETRY_REPLAY);
    assert_int_equal(fault_row(FAULT_BAD_RESPONSE)->retry, RETRY_REPLAY);
}

static void a_broken_request_ends_its_connection(void **state)
{
    static const enum fault unsound[] = {FAULT_BAD_REQUEST,    FAULT_BAD_BODY,
                                         FAULT_BODY_TOO_LARGE, FAULT_HEAD_TIMEOUT,
                                         FAULT_BODY_TIMEOUT,   FAULT_RESPONSE_CUT};
    for (usize i = 0; i < ARRAY_COUNT(unsound); i++)
        assert_false(fault_row(unsound[i])->keep_client);
}

static void every_failed_connect_is_a_fault(void **state)
{
    assert_int_equal(fault_of_connect(RING_REFUSED), FAULT_CONNECT_REFUSED);
    assert_int_equal(fault_of_connect(RING_TIMED_OUT), FAULT_CONNECT_TIMEOUT);
    assert_int_equal(fault_of_connect(RING_UNREACHABLE), FAULT_CONNECT_FAILED);
    assert_int_equal(fault_of_connect(RING_EXHAUSTED), FAULT_EXHAUSTED); /* ours */
    for (u32 i = 0; i < RING_STATUS_COUNT; i++) {
        if (i == RING_EXHAUSTED)
            continue;
        const struct fault_row *row = fault_row(fault_of_connect((enum ring_status)i));
        assert_int_equal(row->blame, BLAME_BACKEND);
        assert_int_equal(row->retry, RETRY_OTHER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_has_a_name_of_its_own),
        cmocka_unit_test(what_the_client_is_told_is_a_page_with_a_text),
        cmocka_unit_test(nothing_of_the_inside_is_told),
        cmocka_unit_test(only_what_a_backend_did_is_tried_again),
        cmocka_unit_test(a_broken_request_ends_its_connection),
        cmocka_unit_test(every_failed_connect_is_a_fault),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
