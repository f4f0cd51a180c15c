/* What is no JSON: every hint, and where it points. */
#include "fixture.h"

#include "config/document.h"
#include "config/problems.h"

/* Laid out by hand: an input, then what is said about it. */
/* clang-format off */

static const struct bad bad_syntax[] = {
    {"{\n"
     " \"a\": [1,2,],\n"
     "}",
     "c.json:2:12: not valid JSON: remove the comma before this: commas stand between two "
     "entries only\n"},
    {"{\"proxy\":{\"port\":1,}}",
     "c.json:1:20: not valid JSON: remove the comma before this: commas stand between two "
     "entries only\n"},
    {"{\"a\":1 \n"
     " \"b\":2}",
     "c.json:2:2: not valid JSON: a comma is missing before this\n"},
    {"{\"a\":[1 2]}",
     "c.json:1:9: not valid JSON: a comma is missing before this\n"},
    {"{\"a\":[\"x\" \"y\"]}",
     "c.json:1:11: not valid JSON: a comma is missing before this\n"},
    {"{\n"
     "\"proxy\":{\"port\":1,\n"
     "  \"port\" : 2}}",
     "c.json:3:3: not valid JSON: the same key stands twice in one object\n"},
    {"{\"a\":1} x",
     "c.json:1:9: not valid JSON: the one object has ended before this\n"},
    {"{\"a\":1}{",
     "c.json:1:8: not valid JSON: the one object has ended before this\n"},
    {"{\"a\":1",
     "c.json:1:7: not valid JSON: the file ends in the middle of something: a }, a ] or a "
     "closing quote is missing\n"},
    {"{\"a\":[1,2",
     "c.json:1:10: not valid JSON: the file ends in the middle of something: a }, a ] or a "
     "closing quote is missing\n"},
    {"{\"a\":\"x",
     "c.json:1:8: not valid JSON: the file ends in the middle of something: a }, a ] or a "
     "closing quote is missing\n"},
    {"",
     "c.json:1:1: not valid JSON: the file is empty\n"},
    {"   ",
     "c.json:1:4: not valid JSON: the file is empty\n"},
    {"[]",
     "c.json:1:1: not valid JSON: it must be one object: { ... }\n"},
    {"[{}]",
     "c.json:1:1: not valid JSON: it must be one object: { ... }\n"},
    {"5",
     "c.json:1:1: not valid JSON: it must be one object: { ... }\n"},
    {"\"x\"",
     "c.json:1:1: not valid JSON: it must be one object: { ... }\n"},
    {"{'a':1}",
     "c.json:1:2: not valid JSON: strings stand in double quotes\n"},
    {"{a:1}",
     "c.json:1:2: not valid JSON: keys stand in double quotes\n"},
    {"{\"a\":1, b:2}",
     "c.json:1:9: not valid JSON: keys stand in double quotes\n"},
    {"{\"a\": 1, // c\n"
     "}",
     "c.json:1:10: not valid JSON: there are no comments in JSON\n"},
    {"{ # c\n"
     "}",
     "c.json:1:3: not valid JSON: there are no comments in JSON\n"},
    {"{/* c */}",
     "c.json:1:2: not valid JSON: there are no comments in JSON\n"},
    {"{\"a\":tru}",
     "c.json:1:6: not valid JSON: strings stand in double quotes\n"},
    {"{\"a\":True}",
     "c.json:1:6: not valid JSON: true and false are written in small letters\n"},
    {"{\"a\":None}",
     "c.json:1:6: not valid JSON: strings stand in double quotes\n"},
    {"{\"a\":yes}",
     "c.json:1:6: not valid JSON: strings stand in double quotes\n"},
    {"{\"a\":'x'}",
     "c.json:1:6: not valid JSON: strings stand in double quotes\n"},
    {"{\"a\":12345678901234567890}",
     "c.json:1:6: not valid JSON: the number is too large\n"},
    {"{\"a\":1e999}",
     "c.json:1:6: not valid JSON: the number is too large\n"},
    {"{\"a\":01}",
     "c.json:1:6: not valid JSON: numbers are written like 10 or 0.5\n"},
    {"{\"a\":.5}",
     "c.json:1:6: not valid JSON: numbers are written like 10 or 0.5\n"},
    {"{\"a\":+1}",
     "c.json:1:6: not valid JSON: numbers are written like 10 or 0.5\n"},
    {"{\"a\":-}",
     "c.json:1:6: not valid JSON: numbers are written like 10 or 0.5\n"},
    {"{,}",
     "c.json:1:2: not valid JSON: there is nothing before this comma\n"},
    {"{\"a\" 1}",
     "c.json:1:6: not valid JSON: a colon is missing between key and value\n"},
    {"{\"a\"=1}",
     "c.json:1:5: not valid JSON: a colon is missing between key and value\n"},
    {"{\"a\":\"\\ud800\"}",
     "c.json:1:6: not valid JSON: an invalid \\u escape\n"},
    {"{\"a\":\"\\q\"}",
     "c.json:1:6: not valid JSON: an unknown escape: a backslash itself is written \\\\\n"},
    {"{\"a\":\"x\n"
     "y\"}",
     "c.json:1:6: not valid JSON: a string must end on its line: a closing quote is missing\n"},
    {"{\"a\":\"x\ty\"}",
     "c.json:1:6: not valid JSON: a control character in a string: write it as \\u and four "
     "digits\n"},
    {"{\"a\":\"\\u0000\"}",
     "c.json:1:6: not valid JSON: \\u0000 is not allowed\n"},
    {"{\"a\\u0000\":1}",
     "c.json:1:2: not valid JSON: \\u0000 is not allowed\n"},
    {"{\"a\":\"\xff\"}",
     "c.json:1:6: not valid JSON: a byte that is no UTF-8\n"},
    {"\xef\xbb\xbf{}",
     "c.json:1:1: not valid JSON: a byte order mark at the beginning: save it as plain UTF-8\n"},
    {"{\"ä\":\"ö\", \"ü\" 1}",
     "c.json:1:15: not valid JSON: a colon is missing between key and value\n"},
    {"{\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\":1,\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
     "\":2}",
     "c.json:1:47: not valid JSON: the same key stands twice in one object\n"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "c.json:1:33: not valid JSON: nested deeper than 32 levels\n"},
    {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\""
     ":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a"
     "\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}",
     "c.json:1:161: not valid JSON: nested deeper than 32 levels\n"},
    {"{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"b\" 1}",
     "c.json:1:54: not valid JSON: a colon is missing between key and value\n"},
    {"{\"a\":\"\\\"[[[{{\",\"b\" 1}",
     "c.json:1:20: not valid JSON: a colon is missing between key and value\n"},
};

/* clang-format on */

static void test_syntax(void **state)
{
    (void)state;
    assert_bad(bad_syntax, ARRAY_COUNT(bad_syntax), true);
}

static void test_nul_bytes(void **state)
{
    (void)state;
    struct config_problems problems;
    static const char json[] = "{\"a\":\0 1}";
    assert_null(
        config_parse_in(&fake_world, slice_of(json, sizeof(json) - 1), "c.json", NULL, &problems));
    assert_int_equal(problems.count, 1);
    config_problems_deinit(&problems);
}

/* One byte too many is refused before anything looks at it. */
static void test_size(void **state)
{
    (void)state;
    usize len = DOCUMENT_BYTES_MAX + 1;
    char *json = malloc(len);
    memset(json, ' ', len);
    struct config_problems problems;
    assert_null(config_parse_in(&fake_world, slice_of(json, len), "c.json", NULL, &problems));
    assert_string_equal(problems.at[0].text, "16777217 bytes are not allowed: at most 16777216");
    config_problems_deinit(&problems);

    memcpy(json, "{\"workers\":0}", 13);
    assert_null(config_parse_in(&fake_world, slice_of(json, len - 1), "c.json", NULL, &problems));
    assert_int_equal(problems.count, 2);
    config_problems_deinit(&problems);
    free(json);
}

/* Thousands of problems do not grow without end: the last one says that there are more. */
static void test_too_many_problems(void **state)
{
    (void)state;
    char *json = NULL;
    usize len = 0;
    FILE *out = open_memstream(&json, &len);
    fputc('{', out);
    for (u32 i = 0; i < 1000; i++)
        fprintf(out, "\"unknown-%u\": 0,\n", i);
    fputs("\"backends\": [{\"url\": \"http://127.0.0.1:1\"}]}", out);
    fclose(out);
    struct loaded loaded = load_raw(json, NULL);
    assert_null(loaded.config);
    assert_int_equal(loaded.problems.count, PROBLEMS_MAX + 1);
    assert_string_equal(loaded.problems.at[PROBLEMS_MAX - 1].place, "c.json:256:1");
    assert_string_equal(loaded.problems.at[PROBLEMS_MAX].text,
                        "there are more problems behind this one");
    unload(&loaded);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_too_many_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
