/* What the generator accepts as a response: in one piece, byte by byte, and what it refuses. */
#include "tests/tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pattern.h"
#include "load/response.h"

enum { BODY_BYTES = 300, TEXT_MAX = 8192 };

static u8 block[PATTERN_BLOCK_BYTES];

static usize make(char *text, const char *head, usize body_bytes)
{
    pattern_fill(block);
    usize len = strlen(head);
    memcpy(text, head, len);
    memcpy(text + len, block, body_bytes);
    return len + body_bytes;
}

/* Feeds `text` in pieces of `step` bytes; returns the first verdict that is not RESPONSE_MORE. */
static enum response_verdict feed(const char *text, usize len, usize step)
{
    struct response response = {.head = NULL};
    enum response_verdict verdict = RESPONSE_MORE;
    response_start(&response, BODY_BYTES);
    for (usize at = 0; at < len && verdict == RESPONSE_MORE; at += step) {
        usize part = step < len - at ? step : len - at;
        verdict = response_feed(&response, block, (const u8 *)text + at, part);
    }
    free(response.head);
    return verdict;
}

static void test_good_response_in_pieces_of_any_size(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    const char *head = "HTTP/1.1 200 OK\r\nVia: 1.1 x\r\ncontent-length: 300\r\n\r\n";
    usize len = make(text, head, BODY_BYTES);
    for (usize step = 1; step <= len; step++)
        assert_int_equal(feed(text, len, step), RESPONSE_COMPLETE);
    assert_int_equal(feed(text, len - 1, len), RESPONSE_MORE);
}

static void test_wrong_heads(void **state)
{
    static const struct {
        const char *head;
        enum response_verdict verdict;
    } rows[] = {
        {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 300\r\n\r\n", RESPONSE_BAD_STATUS},
        {"HTTP/1.1 200 OK\r\nContent-Length: 301\r\n\r\n", RESPONSE_BAD_LENGTH},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", RESPONSE_BAD_HEAD},
        {"HTTP/1.1 200 OK\r\nContent-Length: 300\r\nContent-Length: 300\r\n\r\n",
         RESPONSE_BAD_HEAD},
        {"HTTP/1.1 200 OK\r\nContent-Length: 30 0\r\n\r\n", RESPONSE_BAD_HEAD},
        {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", RESPONSE_BAD_HEAD},
        {"ICY 200 OK, more than thirteen\r\n\r\n", RESPONSE_BAD_HEAD},
    };
    char text[TEXT_MAX];
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        usize len = make(text, rows[i].head, BODY_BYTES);
        assert_int_equal(feed(text, len, len), rows[i].verdict);
        assert_int_equal(feed(text, len, 1), rows[i].verdict);
    }
}

static void test_wrong_bodies(void **state)
{
    char text[TEXT_MAX];
    (void)state;
    usize len = make(text, "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", BODY_BYTES + 1);
    assert_int_equal(feed(text, len, len), RESPONSE_EXTRA);
    text[len - 10] = '!';
    assert_int_equal(feed(text, len - 1, len), RESPONSE_BAD_BODY);
    assert_int_equal(feed(text, len - 1, 7), RESPONSE_BAD_BODY);
}

static void test_refusals(void **state)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater";
    usize len = sizeof(text) - 1;
    (void)state;
    pattern_fill(block);
    assert_int_equal(feed(text, len, len), RESPONSE_BAD_STATUS);
    struct response response = {.may_refuse = true};
    for (usize step = 1; step <= len; step++) {
        enum response_verdict verdict = RESPONSE_MORE;
        response_start(&response, BODY_BYTES);
        for (usize at = 0; at < len; at += step) {
            assert_int_equal(verdict, RESPONSE_MORE);
            verdict = response_feed(&response, block, (const u8 *)text + at,
                                    step < len - at ? step : len - at);
        }
        assert_int_equal(verdict, RESPONSE_COMPLETE);
        assert_true(response.refused);
    }
    free(response.head);
}

static void test_endless_head_and_skipped_body(void **state)
{
    static char text[2 * RESPONSE_HEAD_BYTES_MAX];
    struct response response = {.head = NULL};
    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(feed(text, sizeof(text), 1000), RESPONSE_BAD_HEAD);
    response_start(&response, 1000);
    response.head_done = true;
    assert_int_equal(response_skip(&response, 999), RESPONSE_MORE);
    assert_int_equal(response_skip(&response, 1), RESPONSE_COMPLETE);
    assert_int_equal(response_skip(&response, 1), RESPONSE_EXTRA);
}

const struct CMUnitTest response_tests[RESPONSE_TESTS] = {
    cmocka_unit_test(test_good_response_in_pieces_of_any_size),
    cmocka_unit_test(test_wrong_heads),
    cmocka_unit_test(test_wrong_bodies),
    cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_endless_head_and_skipped_body),
};
