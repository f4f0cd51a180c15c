/* The chunked coding (RFC 9112 §7.1): each vector is scanned and decoded, at once and in two pieces
 * cut at every place, against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guard_page.h"
#include "vectors.h"

enum end {
    DONE = HTTP_CHUNKED_END,
    BAD = HTTP_CHUNKED_BAD,
    OPEN = -1, /* more is needed */
};

struct body {
    const char *name;
    const char *bytes;
    u32 len;
    enum end end;
    u32 taken; /* with DONE: up to the trailer section; with BAD: up to and with the bad byte */
    const char *payload;
};

#define BODY(body_name, good, rest, body_payload)                                                  \
    {                                                                                              \
        .name = (body_name), .bytes = good rest, .len = sizeof(good rest) - 1, .end = DONE,        \
        .taken = sizeof(good) - 1, .payload = (body_payload)                                       \
    }
/* The last byte of `bad` is the one that cannot be. */
#define BAD_BODY(body_name, bad, rest)                                                             \
    {                                                                                              \
        .name = (body_name), .bytes = bad rest, .len = sizeof(bad rest) - 1, .end = BAD,           \
        .taken = sizeof(bad) - 1                                                                   \
    }
#define OPEN_BODY(body_name, open, body_payload)                                                   \
    {                                                                                              \
        .name = (body_name), .bytes = open, .len = sizeof(open) - 1, .end = OPEN,                  \
        .taken = sizeof(open) - 1, .payload = (body_payload)                                       \
    }

#define X16 "xxxxxxxxxxxxxxxx"

static const struct body bodies[] = {
    BODY("empty", "0\r\n", "\r\n", ""),
    BODY("one chunk", "5\r\nhello\r\n0\r\n", "\r\n", "hello"),
    BODY("two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n", "\r\nGET /", "abc"),
    BODY("lower case size", "a\r\n0123456789\r\n0\r\n", "", "0123456789"),
    BODY("upper case size", "A\r\n0123456789\r\n0\r\n", "", "0123456789"),
    BODY("size of two digits", "1F\r\n" X16 "0123456789abcde\r\n0\r\n", "", X16 "0123456789abcde"),
    BODY("leading zeros", "0000000000000001\r\na\r\n0\r\n", "", "a"),
    BODY("last chunk of many zeros", "1\r\na\r\n0000000000000000\r\n", "", "a"),
    BODY("payload that looks like framing", "7\r\n0\r\n\r\n0\r\r\n0\r\n", "", "0\r\n\r\n0\r"),
    BODY("trailers are not of the body", "1\r\na\r\n0\r\n", "A: b\r\n\r\n", "a"),
    BODY("extension", "1;a\r\nb\r\n0;c\r\n", "", "b"),
    BODY("extension with a token", "1;a=b\r\nb\r\n0\r\n", "", "b"),
    BODY("extension with a string", "1;a=\"b c\t\\\"\\\\;=\"\r\nb\r\n0\r\n", "", "b"),
    BODY("several extensions", "1;a;b=c; d=\"e\";\tf\r\nb\r\n0\r\n", "", "b"),
    BODY("obs-text in an extension string", "1;a=\"\377\"\r\nb\r\n0\r\n", "", "b"),
    BODY("empty string as an extension", "1;a=\"\"\r\nb\r\n0\r\n", "", "b"),

    BAD_BODY("no size", "\r", "\n"),
    BAD_BODY("empty line between chunks", "1\r\na\r\n\r", "\n0\r\n\r\n"),
    BAD_BODY("size in hexadecimal notation", "0x", "5\r\nhello\r\n"),
    BAD_BODY("size with a plus", "+", "5\r\nhello\r\n"),
    BAD_BODY("size with a minus", "-", "1\r\n"),
    BAD_BODY("space in front of a size", " ", "5\r\nhello\r\n"),
    BAD_BODY("space behind a size", "5 ", "\r\nhello\r\n"),
    BAD_BODY("tab behind a size", "5\t", "\r\nhello\r\n"),
    BAD_BODY("space in front of an extension", "5 ", ";a\r\nhello\r\n"),
    BAD_BODY("size with another letter", "5g", "\r\n"),
    BAD_BODY("size with an underscore", "1_", "0\r\n"),
    BAD_BODY("size with a comma", "5,", "5\r\n"),
    BAD_BODY("size with a dot", "5.", "0\r\n"),
    BAD_BODY("size with a NUL", "5\000", "\r\n"),
    BAD_BODY("size of seventeen digits", "00000000000000005", "\r\nhello\r\n"),
    BAD_BODY("size 2^63", "8000000000000000", "\r\n"),
    BAD_BODY("size 2^64 - 1", "ffffffffffffffff", "\r\n"),
    BAD_BODY("size 2^64 + 5", "10000000000000005", "\r\nhello\r\n"),
    BAD_BODY("bare LF behind a size", "5\n", "hello\r\n0\r\n\r\n"),
    BAD_BODY("bare CR behind a size", "5\rh", "ello\r\n0\r\n\r\n"),
    BAD_BODY("two CRs behind a size", "5\r\r", "\nhello\r\n"),
    BAD_BODY("bare LF behind the payload", "5\r\nhello\n", "0\r\n\r\n"),
    BAD_BODY("bare CR behind the payload", "5\r\nhello\r0", "\r\n\r\n"),
    BAD_BODY("payload longer than its size", "5\r\nhello!", "\r\n0\r\n\r\n"),
    BAD_BODY("payload shorter than its size", "6\r\nhello\r\n", "0\r\n\r\n"),
    BAD_BODY("text behind the last size", "0x", "\r\n\r\n"),
    BAD_BODY("bare LF behind the last size", "0\n", "\n"),
    BAD_BODY("extension without a name", "5;\r", "\nhello\r\n"),
    BAD_BODY("extension with white space only", "5; \r", "\nhello\r\n"),
    BAD_BODY("extension with two semicolons", "5;;", "a\r\nhello\r\n"),
    BAD_BODY("extension with a bare LF", "5;a\n", "hello\r\n"),
    BAD_BODY("extension with a bare CR", "5;a\rx", "\nhello\r\n"),
    BAD_BODY("extension value with a bare LF", "5;a=b\n", "hello\r\n"),
    BAD_BODY("extension string with a LF", "5;a=\"\n", "\"\r\nhello\r\n"),
    BAD_BODY("extension string with a CR", "5;a=\"\r", "\n\"\r\nhello\r\n"),
    BAD_BODY("extension string with an escaped LF", "5;a=\"\\\n", "\"\r\nhello\r\n"),
    BAD_BODY("extension string with an escaped NUL", "5;a=\"\\\000", "\"\r\nhello\r\n"),
    BAD_BODY("extension string with a NUL", "5;a=\"\000", "\"\r\nhello\r\n"),
    BAD_BODY("extension string with text behind", "5;a=\"b\"c", "\r\nhello\r\n"),
    BAD_BODY("extension without a value", "5;a=\r", "\nhello\r\n"),
    BAD_BODY("extension with two equals signs", "5;a==", "b\r\nhello\r\n"),
    BAD_BODY("extension with a control byte", "5;a\001", "\r\nhello\r\n"),
    BAD_BODY("extension with a NUL", "5;\000", "\r\nhello\r\n"),
    BAD_BODY("extension name outside ASCII", "5;\303", "\244\r\nhello\r\n"),
    BAD_BODY("space behind an extension's name", "5;a ", "=b\r\nhello\r\n"),
    BAD_BODY("space behind the equals sign", "5;a= ", "b\r\nhello\r\n"),
    BAD_BODY("space behind an extension", "5;a=b ", "\r\nhello\r\n"),

    OPEN_BODY("nothing", "", ""),
    OPEN_BODY("inside a size", "5", ""),
    OPEN_BODY("inside the payload", "5\r\nhel", "hel"),
    OPEN_BODY("behind the payload", "5\r\nhello", "hello"),
    OPEN_BODY("behind a chunk", "5\r\nhello\r\n", "hello"),
    OPEN_BODY("behind the last size", "5\r\nhello\r\n0\r", "hello"),
    OPEN_BODY("greatest size", "7fffffffffffffff\r\nabc", "abc"),
};

/* What was seen of a body so far, by scan or by decode. */
struct reading {
    struct http_chunked chunked;
    char payload[64];
    u32 payload_len;
    u32 taken;
};

static void read_piece(struct reading *reading, const struct guard_page *page, const char *bytes,
                       u32 len, bool decode)
{
    char *data = guard_page_copy(page, bytes, len);
    if (!decode) {
        reading->taken += http_chunked_scan(&reading->chunked, data, len);
        if (len > 0)
            assert_memory_equal(data, bytes, len);
        return;
    }
    u32 payload_len;
    reading->taken += http_chunked_decode(&reading->chunked, data, len, &payload_len);
    assert_true(reading->payload_len + payload_len <= sizeof(reading->payload));
    memcpy(reading->payload + reading->payload_len, data, payload_len);
    reading->payload_len += payload_len;
}

static void check_reading(const struct body *body, const struct reading *reading, bool decode)
{
    u8 state = reading->chunked.state;
    bool ended = state == HTTP_CHUNKED_END || state == HTTP_CHUNKED_BAD;
    if (body->end == OPEN ? ended : state != (u8)body->end)
        fail_msg("%s: state %u", body->name, state);
    if (reading->taken != body->taken)
        fail_msg("%s: took %u bytes, expected %u", body->name, reading->taken, body->taken);
    if (body->payload == NULL)
        return;
    assert_int_equal(reading->chunked.payload_bytes, strlen(body->payload));
    if (decode) {
        assert_int_equal(reading->payload_len, strlen(body->payload));
        assert_memory_equal(reading->payload, body->payload, reading->payload_len);
    }
}

static void test_vectors(void **state)
{
    struct guard_page page = guard_page_create(4096);
    for (usize i = 0; i < ARRAY_COUNT(bodies); i++) {
        const struct body *body = &bodies[i];
        for (u32 cut = 0; cut <= body->len; cut++) {
            for (int decode = 0; decode <= 1; decode++) {
                struct reading reading = {0};
                read_piece(&reading, &page, body->bytes, cut, decode);
                read_piece(&reading, &page, body->bytes + cut, body->len - cut, decode);
                check_reading(body, &reading, decode);
            }
        }
    }
    guard_page_destroy(&page);
}

static void test_vectors_byte_by_byte(void **state)
{
    struct guard_page page = guard_page_create(4096);
    for (usize i = 0; i < ARRAY_COUNT(bodies); i++) {
        for (int decode = 0; decode <= 1; decode++) {
            struct reading reading = {0};
            for (u32 at = 0; at < bodies[i].len; at++)
                read_piece(&reading, &page, bodies[i].bytes + at, 1, decode);
            check_reading(&bodies[i], &reading, decode);
        }
    }
    guard_page_destroy(&page);
}

static void test_nothing_is_taken_after_the_end(void **state)
{
    static const char *const ends[] = {"0\r\n", "x"};
    for (usize i = 0; i < ARRAY_COUNT(ends); i++) {
        struct http_chunked chunked = {0};
        http_chunked_scan(&chunked, ends[i], (u32)strlen(ends[i]));
        u8 end = chunked.state;
        assert_int_equal(http_chunked_scan(&chunked, "1\r\na", 4), 0);
        assert_int_equal(chunked.state, end);
    }
}

static void test_extension_is_bounded(void **state)
{
    char line[HTTP_CHUNK_EXTENSION_BYTES_MAX + 8];
    for (u32 over = 0; over <= 1; over++) {
        u32 len = 2;
        memcpy(line, "1;", 2);
        /* The CR that ends it counts too. */
        for (u32 i = 0; i < HTTP_CHUNK_EXTENSION_BYTES_MAX - 1 + over; i++)
            line[len++] = 'a';
        memcpy(line + len, "\r\n", 2);
        struct http_chunked chunked = {0};
        http_chunked_scan(&chunked, line, len + 2);
        assert_int_equal(chunked.state, over ? HTTP_CHUNKED_BAD : HTTP_CHUNKED_DATA);
    }
}

/* The smallest chunks without anything needless may go on for ever. */
static void test_small_chunks_are_welcome(void **state)
{
    struct http_chunked chunked = {0};
    for (u32 i = 0; i < 200000; i++)
        assert_int_equal(http_chunked_scan(&chunked, "1\r\na\r\n", 6), 6);
    assert_int_equal(chunked.state, HTTP_CHUNKED_SIZE);
    assert_int_equal(chunked.payload_bytes, 200000);
    assert_int_equal(chunked.overhead_bytes, 0);
}

static void test_needless_framing_ends(void **state)
{
    char chunk[512] = "1;";
    u32 len = 2;
    while (len < 500)
        chunk[len++] = 'a';
    memcpy(chunk + len, "\r\nb\r\n", 5);
    len += 5;
    struct http_chunked chunked = {0};
    u64 total = 0;
    while (chunked.state != HTTP_CHUNKED_BAD) {
        total += http_chunked_scan(&chunked, chunk, len);
        assert_true(total < 2 * HTTP_CHUNK_OVERHEAD_BYTES_FREE);
    }
    assert_true(total > HTTP_CHUNK_OVERHEAD_BYTES_FREE);
}

/* Extensions on chunks that carry something are no abuse. */
static void test_extensions_on_large_chunks_are_welcome(void **state)
{
    static char payload[4096];
    struct http_chunked chunked = {0};
    for (u32 i = 0; i < 5000; i++) {
        http_chunked_scan(&chunked, "1000;signature=0123456789abcdef0123456789abcdef\r\n", 49);
        http_chunked_scan(&chunked, payload, sizeof(payload));
        http_chunked_scan(&chunked, "\r\n", 2);
        assert_int_equal(chunked.state, HTTP_CHUNKED_SIZE);
    }
}

/* --- Trailer sections --- */

static void test_trailers(void **state)
{
    static const struct {
        const char *bytes;
        enum http_parse parse;
        u32 section_bytes;
        u32 count;
    } rows[] = {
        {"\r\n", HTTP_PARSE_DONE, 2, 0},
        {"\r\nGET", HTTP_PARSE_DONE, 2, 0},
        {"A: b\r\n\r\n", HTTP_PARSE_DONE, 8, 1},
        {"A: b\r\nC:\r\n\r\nx", HTTP_PARSE_DONE, 12, 2},
        {"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HTTP_PARSE_DONE, 40, 2},
        {"", HTTP_PARSE_PARTIAL, 0, 0},
        {"\r", HTTP_PARSE_PARTIAL, 0, 0},
        {"A: b\r\n", HTTP_PARSE_PARTIAL, 0, 1},
        {"\n", HTTP_PARSE_REJECTED, 0, 0},
        {"\rx", HTTP_PARSE_REJECTED, 0, 0},
        {"A : b\r\n\r\n", HTTP_PARSE_REJECTED, 0, 0},
        {"A: b\n\n", HTTP_PARSE_REJECTED, 0, 0},
        {" A: b\r\n\r\n", HTTP_PARSE_REJECTED, 0, 0},
        {"A: b\r\n c\r\n\r\n", HTTP_PARSE_REJECTED, 0, 1},
        {"A: \001\r\n\r\n", HTTP_PARSE_REJECTED, 0, 0},
        {"GET / HTTP/1.1\r\n\r\n", HTTP_PARSE_REJECTED, 0, 0},
    };
    static struct http_fields fields;
    struct guard_page page = guard_page_create(4096);
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        usize len = strlen(rows[i].bytes);
        char *data = guard_page_copy(&page, rows[i].bytes, len);
        u32 section_bytes = 0;
        assert_int_equal(
            http_trailers_parse(slice_of(data, len), &vector_limits, &fields, &section_bytes),
            rows[i].parse);
        assert_int_equal(section_bytes, rows[i].section_bytes);
        assert_int_equal(fields.count, rows[i].count);
    }
    guard_page_destroy(&page);
}

static void test_trailer_limits(void **state)
{
    static struct http_fields fields;
    struct http_limits limits = {.head_bytes_max = 16, .fields_max = 2};
    u32 section_bytes;
    assert_int_equal(
        http_trailers_parse(SLICE("A: b\r\nC: d\r\n\r\n"), &limits, &fields, &section_bytes),
        HTTP_PARSE_DONE);
    assert_int_equal(
        http_trailers_parse(SLICE("A: 0123456789abcdef"), &limits, &fields, &section_bytes),
        HTTP_PARSE_REJECTED);
    assert_int_equal(
        http_trailers_parse(SLICE("A:\r\nB:\r\nC:\r\n\r\n"), &limits, &fields, &section_bytes),
        HTTP_PARSE_REJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vectors_byte_by_byte),
        cmocka_unit_test(test_nothing_is_taken_after_the_end),
        cmocka_unit_test(test_extension_is_bounded),
        cmocka_unit_test(test_small_chunks_are_welcome),
        cmocka_unit_test(test_needless_framing_ends),
        cmocka_unit_test(test_extensions_on_large_chunks_are_welcome),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_trailer_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
