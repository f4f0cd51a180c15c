/* JSON escaping: each class of byte, at every place in a word, against a guard page; and what comes
 * out is read back by an independent JSON reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "log/line.h"

enum { PAGE = 4096, OUT_MAX = 4096 };

/* SLICE() is no constant. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

struct vector {
    struct slice in;
    const char *out;
};

static const struct vector VECTORS[] = {
    {BYTES(""), ""},
    {BYTES("a"), "a"},
    {BYTES("/api/users?id=1&x=%20"), "/api/users?id=1&x=%20"},
    {BYTES("\""), "\\\""},
    {BYTES("\\"), "\\\\"},
    {BYTES("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
    {BYTES("\0"), "\\u0000"},
    {BYTES("\x01\x1b[31m\x1f"), "\\u0001\\u001b[31m\\u001f"},
    {BYTES(" ~"), " ~"},
    {BYTES("\x7f"), "\\u007f"},
    {BYTES("x\",\"statusCode\":200,\"y\":\""), "x\\\",\\\"statusCode\\\":200,\\\"y\\\":\\\""},
    {BYTES("line\r\n{\"forged\":1}\n"), "line\\r\\n{\\\"forged\\\":1}\\n"},
    /* valid UTF-8 of two, three and four bytes, first and last of each kind */
    {BYTES("\xc2\xa0\xdf\xbf"), "\xc2\xa0\xdf\xbf"},
    {BYTES("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"),
     "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"},
    {BYTES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
    /* C1 controls */
    {BYTES("\xc2\x80\xc2\x9b\xc2\x9f"), "\\u0080\\u009b\\u009f"},
    /* not UTF-8: stray continuation, overlong, surrogate, too large, never valid, cut short */
    {BYTES("\x80\xbf"), "\\u0080\\u00bf"},
    {BYTES("\xc0\xaf\xc1\xbf"), "\\u00c0\\u00af\\u00c1\\u00bf"},
    {BYTES("\xe0\x9f\xbf"), "\\u00e0\\u009f\\u00bf"},
    {BYTES("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080"},
    {BYTES("\xf0\x8f\xbf\xbf"), "\\u00f0\\u008f\\u00bf\\u00bf"},
    {BYTES("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080"},
    {BYTES("\xf5\xff\xfe"), "\\u00f5\\u00ff\\u00fe"},
    {BYTES("\xe2\x82"), "\\u00e2\\u0082"},
    {BYTES("\xf0\x9f\x98"), "\\u00f0\\u009f\\u0098"},
    {BYTES("\xe2\x82\"\xac"), "\\u00e2\\u0082\\\"\\u00ac"},
    {BYTES("caf\xe9!"), "caf\\u00e9!"},
    {BYTES("\xc3"), "\\u00c3"},
};

/* A page whose last byte is followed by one that may not be touched. */
static char *guard_page;

static int setup(void **state)
{
    guard_page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(guard_page != MAP_FAILED);
    return mprotect(guard_page + PAGE, PAGE, PROT_NONE);
}

static int teardown(void **state)
{
    return munmap(guard_page, 2 * PAGE);
}

/* A copy that ends at the guard. */
static struct slice guarded(struct slice value)
{
    char *at = guard_page + PAGE - value.len;
    if (value.len > 0)
        memcpy(at, value.data, value.len);
    return (struct slice){at, value.len};
}

static struct slice escaped(struct slice value, usize out_max, bool *cut)
{
    static char out[OUT_MAX + 8];
    memset(out, '#', sizeof out);
    *cut = false;
    usize length = log_escape(out, out_max, guarded(value), cut);
    assert_true(length <= out_max);
    for (usize i = out_max + 8; i < sizeof out; i++)
        assert_int_equal(out[i], '#');
    return slice_of(out, length);
}

static void test_vectors(void **state)
{
    for (usize i = 0; i < ARRAY_COUNT(VECTORS); i++) {
        bool cut;
        struct slice out = escaped(VECTORS[i].in, OUT_MAX, &cut);
        assert_false(cut);
        assert_true(slice_equal(out, slice_of_string(VECTORS[i].out)));
    }
}

/* The look at whole words must see a special byte wherever it is, and nothing else. */
static void test_every_byte_everywhere(void **state)
{
    char text[40];
    for (u32 len = 1; len <= sizeof text; len++) {
        for (u32 at = 0; at < len; at++) {
            for (u32 byte = 0; byte < 256; byte++) {
                memset(text, 'a', len);
                text[at] = (char)byte;
                bool special = byte < 0x20 || byte == '"' || byte == '\\' || byte >= 0x7f;
                bool cut;
                struct slice out = escaped(slice_of(text, len), OUT_MAX, &cut);
                assert_int_equal(out.len > len, special);
                if (!special)
                    assert_memory_equal(out.data, text, len);
            }
        }
    }
}

/* Neighbours of the special bytes side by side: a carry between bytes must not hide or invent. */
static void test_pairs(void **state)
{
    char text[16];
    for (u32 pair = 0; pair < 65536; pair++) {
        u32 first = pair >> 8, second = pair & 255;
        if (first >= 0x80 || second >= 0x80)
            continue;
        memset(text, '~', sizeof text);
        text[3] = (char)first;
        text[4] = (char)second;
        bool special = false;
        for (u32 i = 3; i < 5; i++)
            special |= text[i] < 0x20 || text[i] == '"' || text[i] == '\\' || text[i] == 0x7f;
        bool cut;
        struct slice out = escaped(slice_of(text, sizeof text), OUT_MAX, &cut);
        assert_int_equal(out.len > sizeof text, special);
    }
}

/* Whatever the bytes, a JSON reader accepts the string; ASCII comes back unchanged. */
static void test_random_bytes_are_json(void **state)
{
    u64 seed = 0x9e3779b97f4a7c15ull;
    char text[64];
    for (u32 round = 0; round < 20000; round++) {
        u32 len = (u32)(seed >> 40) % (u32)sizeof text;
        u8 mask = round % 2 ? 0xff : 0x7f;
        for (u32 i = 0; i < len; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            text[i] = (char)((u8)(seed >> 56) & mask);
        }
        bool cut;
        struct slice out = escaped(slice_of(text, len), OUT_MAX, &cut);
        char json[OUT_MAX + 2];
        int bytes = snprintf(json, sizeof json, "\"%.*s\"", (int)out.len, out.data);
        json_t *value = json_loadb(json, (usize)bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        if (mask == 0x7f) {
            assert_int_equal(json_string_length(value), len);
            assert_memory_equal(json_string_value(value), text, len);
        }
        json_decref(value);
    }
}

/* A cut never leaves half an escape or half a character. */
static void test_cut(void **state)
{
    static const struct {
        struct slice in;
        usize max;
        const char *out;
        bool cut;
    } rows[] = {
        {BYTES("abcdef"), 6, "abcdef", false},
        {BYTES("abcdefg"), 6, "abcdef", true},
        {BYTES("abcde\n"), 6, "abcde", true},
        {BYTES("abcd\n"), 6, "abcd\\n", false},
        {BYTES("\x01\x02"), 6, "\\u0001", true},
        {BYTES("\x01\x02"), 11, "\\u0001", true},
        {BYTES("ab\xe2\x82\xac"), 4, "ab", true},
        {BYTES("ab\xe2\x82\xac"), 5, "ab\xe2\x82\xac", false},
        {BYTES("a"), 0, "", true},
        {BYTES(""), 0, "", false},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        bool cut;
        struct slice out = escaped(rows[i].in, rows[i].max, &cut);
        assert_true(slice_equal(out, slice_of_string(rows[i].out)));
        assert_int_equal(cut, rows[i].cut);
    }
}

static void test_decimal(void **state)
{
    u64 value = 0;
    for (u32 step = 0; step < 4000; step++) {
        char out[24], expected[24];
        *log_decimal(out, value) = '\0';
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
        assert_string_equal(out, expected);
        value = step < 2000 ? value + 1 : value + value / 61 + step;
    }
    static const u64 edges[] = {9,         10,        99,         100,
                                999,       1000,      9999,       10000,
                                99999999,  100000000, UINT32_MAX, 9999999999999999999ull,
                                UINT64_MAX};
    for (usize i = 0; i < ARRAY_COUNT(edges); i++) {
        char out[24], expected[24];
        *log_decimal(out, edges[i]) = '\0';
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)edges[i]);
        assert_string_equal(out, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_every_byte_everywhere),
        cmocka_unit_test(test_pairs),   cmocka_unit_test(test_random_bytes_are_json),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_decimal),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
