/* Looking for a text in a body: at every place, in every division into pieces, with every framing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/assert.h"
#include "health/body.h"

static const struct http_framing chunked = {.body = HTTP_BODY_CHUNKED};
static const struct http_framing endless = {.body = HTTP_BODY_UNTIL_CLOSE};

/* What is said of a body that comes in pieces of that many bytes. */
static enum body_verdict search(struct slice body, const char *wanted, struct http_framing framing,
                                u32 piece_bytes)
{
    struct body_search found;
    enum body_verdict verdict = body_search_begin(&found, slice_of_string(wanted), framing);
    for (u32 at = 0; at < body.len && verdict == BODY_MORE; at += piece_bytes) {
        u32 len = min_u32(piece_bytes, body.len - at);
        char *piece = malloc(len); /* of just this length: the sanitizer sees a byte too far */
        assert_non_null(piece);
        memcpy(piece, body.data + at, len);
        verdict = body_search_take(&found, piece, len);
        free(piece);
    }
    return verdict;
}

static void assert_verdict(struct slice body, const char *wanted, struct http_framing framing,
                           enum body_verdict expected)
{
    for (u32 piece_bytes = 1; piece_bytes <= body.len + 1; piece_bytes++)
        if (search(body, wanted, framing, piece_bytes) != expected)
            fail_msg("\"%s\" in \"%.*s\", pieces of %u", wanted, (int)body.len, body.data,
                     piece_bytes);
}

static struct http_framing of_length(u64 length)
{
    return (struct http_framing){.body = HTTP_BODY_LENGTH, .length = length};
}

static void texts_are_found_wherever_they_stand(void **state)
{
    static const struct {
        const char *body;
        const char *wanted;
        bool there;
    } rows[] = {
        {"ok", "ok", true},
        {"o", "ok", false},
        {"all is ok", "ok", true},
        {"ok, all is well", "ok", true},
        {"aaaaaab", "aab", true},
        {"ababababac", "ababac", true},
        {"abacababacab", "ababacab", true},
        {"abcabcabd", "abcabd", true},
        {"aabaaabaaac", "aabaaac", true},
        {"aabaaabaaab", "aabaaac", false},
        {"status: OK", "status: ok", false},
        {"ookookoo", "okoko", false},
        {"\xc3\xa4\xc3\xb6", "\xc3\xb6", true},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        struct slice body = slice_of_string(rows[i].body);
        assert_verdict(body, rows[i].wanted, endless, rows[i].there ? BODY_FOUND : BODY_MORE);
        assert_verdict(body, rows[i].wanted, of_length(body.len),
                       rows[i].there ? BODY_FOUND : BODY_MISSING);
    }
}

/* Against another way of looking, over all short texts of two letters. */
static void every_short_text_is_judged_rightly(void **state)
{
    enum { BODY_LEN = 9, WANTED_LEN_MAX = 5 };
    char body[BODY_LEN + 1] = "", wanted[WANTED_LEN_MAX + 1] = "";
    for (u32 bits = 0; bits < 1u << BODY_LEN; bits++) {
        for (u32 i = 0; i < BODY_LEN; i++)
            body[i] = (char)('a' + (bits >> i & 1));
        for (u32 other = 2; other < 1u << (WANTED_LEN_MAX + 1); other++) {
            u32 len = 0; /* the highest bit that is set says how many letters there are */
            for (; other >> (len + 1); len++)
                wanted[len] = (char)('a' + (other >> len & 1));
            wanted[len] = '\0';
            bool there = strstr(body, wanted) != NULL;
            struct slice whole = slice_of(body, BODY_LEN);
            assert_int_equal(search(whole, wanted, endless, 4), there ? BODY_FOUND : BODY_MORE);
        }
    }
}

static void chunks_are_taken_apart(void **state)
{
    struct slice body = SLICE("2\r\nab\r\n3;x=y\r\ncde\r\n1\r\nf\r\n0\r\n\r\n");
    assert_verdict(body, "abcdef", chunked, BODY_FOUND);
    assert_verdict(body, "bcde", chunked, BODY_FOUND);
    assert_verdict(body, "abcdeg", chunked, BODY_MISSING);
    assert_verdict(body, "x=y", chunked, BODY_MISSING);
    assert_verdict(body, "\r\n", chunked, BODY_MISSING);
    assert_verdict(SLICE("2\r\nab\r\n"), "abc", chunked, BODY_MORE);
    assert_verdict(SLICE("0\r\n\r\n"), "a", chunked, BODY_MISSING);
    assert_verdict(SLICE("2\r\nabXX"), "abc", chunked, BODY_BAD);
    assert_verdict(SLICE("zz\r\n"), "abc", chunked, BODY_BAD);
}

/* What was found before the fault is found: nobody waits for the rest. */
static void what_stands_before_a_fault_counts(void **state)
{
    assert_verdict(SLICE("2\r\nab\r\nzz\r\n"), "ab", chunked, BODY_FOUND);
}

static void nothing_contains_nothing(void **state)
{
    struct body_search found;
    struct http_framing none = {.body = HTTP_BODY_NONE};
    assert_int_equal(body_search_begin(&found, SLICE("a"), none), BODY_MISSING);
}

static void the_length_is_the_end(void **state)
{
    assert_verdict(SLICE("abc"), "bc", of_length(2), BODY_MISSING);
    assert_verdict(SLICE("abc"), "ab", of_length(2), BODY_FOUND);
}

static void only_the_beginning_is_looked_at(void **state)
{
    static char body[BODY_BYTES_MAX + 8];
    struct slice whole = slice_of(body, sizeof(body));
    for (u32 i = 0; i < 3; i++) {
        memset(body, '.', sizeof(body));
        memcpy(body + BODY_BYTES_MAX - 4 + i, "here", 4);
        enum body_verdict expected = i == 0 ? BODY_FOUND : BODY_MISSING;
        assert_int_equal(search(whole, "here", endless, 4096), expected);
        assert_int_equal(search(whole, "here", endless, BODY_BYTES_MAX - 1), expected);
        assert_int_equal(search(whole, "here", of_length(UINT64_MAX), 7), expected);
    }
}

static void the_longest_text_has_room(void **state)
{
    char wanted[CONFIG_PROBE_BODY_BYTES_MAX + 1], body[2 * CONFIG_PROBE_BODY_BYTES_MAX];
    memset(wanted, 'a', sizeof(wanted) - 1);
    memset(body, 'a', sizeof(body));
    wanted[sizeof(wanted) - 1] = '\0';
    wanted[sizeof(wanted) - 2] = 'b';
    body[sizeof(body) - 1] = 'b';
    assert_int_equal(search(slice_of(body, sizeof(body)), wanted, endless, 3), BODY_FOUND);
    assert_int_equal(search(slice_of(body, sizeof(body) - 1), wanted, endless, 3), BODY_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_found_wherever_they_stand),
        cmocka_unit_test(every_short_text_is_judged_rightly),
        cmocka_unit_test(chunks_are_taken_apart),
        cmocka_unit_test(what_stands_before_a_fault_counts),
        cmocka_unit_test(nothing_contains_nothing),
        cmocka_unit_test(the_length_is_the_end),
        cmocka_unit_test(only_the_beginning_is_looked_at),
        cmocka_unit_test(the_longest_text_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
