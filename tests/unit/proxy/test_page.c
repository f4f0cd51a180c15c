/* Error pages: valid whatever is put into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>

#include "proxy/proxy_internal.h"

static const struct config_error_templates built_in;
static char text[65536];

static struct slice write_page(const struct config_error_templates *templates,
                               const struct page *page)
{
    struct http_writer writer = {text, text + sizeof(text), false};
    page_write(templates, page, &writer);
    assert_false(writer.full);
    return slice_of(text, (usize)(writer.at - text));
}

static void assert_page(const char *template, const char *expected)
{
    struct config_error_templates templates = {.json = slice_of_string(template)};
    struct page page = {503, SLICE("Nobody is there."), SLICE("id-1"), false};
    struct slice got = write_page(&templates, &page);
    if (!slice_equal(got, slice_of_string(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, got.data, expected);
    templates = (struct config_error_templates){.html = slice_of_string(template)};
    page.html = true;
    got = write_page(&templates, &page);
    assert_true(slice_equal(got, slice_of_string(expected)));
}

static void placeholders_are_filled_in(void **state)
{
    assert_page("{status}", "503");
    assert_page("<{status}> {reason}: {message} [{request_id}]",
                "<503> Service Unavailable: Nobody is there. [id-1]");
    assert_page("{status}{status}", "503503");
}

static void other_braces_are_text(void **state)
{
    assert_page("{", "{");
    assert_page("}", "}");
    assert_page("{}", "{}");
    assert_page("{{status}}", "{503}");
    assert_page("{{{status", "{{{status");
    assert_page("{Status} {unknown} {status }", "{Status} {unknown} {status }");
    assert_page("body { color: red }", "body { color: red }");
    assert_page("{request_id", "{request_id");
}

static json_t *parse(struct slice page)
{
    json_error_t error;
    json_t *object = json_loadb(page.data, page.len, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s: %.*s", error.text, (int)page.len, page.data);
    return object;
}

static void the_built_in_json_says_what_it_should(void **state)
{
    struct page page = {404, SLICE("Nothing here."), SLICE("abc"), false};
    json_t *object = parse(write_page(&built_in, &page));
    assert_int_equal(json_object_size(object), 4);
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 404);
    assert_string_equal(json_string_value(json_object_get(object, "error")), "Not Found");
    assert_string_equal(json_string_value(json_object_get(object, "message")), "Nothing here.");
    assert_string_equal(json_string_value(json_object_get(object, "requestId")), "abc");
    json_decref(object);
}

/* A request id comes from the client. */
static void hostile_values_break_neither_json_nor_html(void **state)
{
    char id[3];
    for (u32 first = 0; first < 256; first++) {
        for (u32 second = 0; second < 256; second++) {
            id[0] = (char)first;
            id[1] = (char)second;
            struct page page = {400, slice_of(id, 2), slice_of(id, 2), false};
            json_t *object = parse(write_page(&built_in, &page));
            assert_int_equal(json_object_size(object), 4);
            assert_int_equal(json_string_length(json_object_get(object, "requestId")), 2);
            json_decref(object);
        }
    }
    struct page page = {400, SLICE("</p><script>"), SLICE("\"><img src='x'>&lt;"), true};
    struct slice html = write_page(&built_in, &page);
    assert_non_null(memmem(html.data, html.len, "script", 6));
    assert_null(memmem(html.data, html.len, "<script", 7));
    assert_null(memmem(html.data, html.len, "<img", 4));
    assert_null(memmem(html.data, html.len, "'x'", 3));
    assert_null(memmem(html.data, html.len, "&lt", 3));
    assert_non_null(memmem(html.data, html.len, "400 Bad Request", 15));
}

static void values_are_not_read_as_templates(void **state)
{
    struct config_error_templates templates = {.json = SLICE("{message}")};
    struct page page = {500, SLICE("{status}"), SLICE("{message}"), false};
    assert_true(slice_equal(write_page(&templates, &page), SLICE("{status}")));
}

static void a_page_that_does_not_fit_says_so(void **state)
{
    struct page page = {500, SLICE("x"), SLICE("y"), true};
    u32 whole = write_page(&built_in, &page).len;
    for (u32 room = 0; room < whole; room++) {
        struct http_writer writer = {text, text + room, false};
        text[room] = '#';
        page_write(&built_in, &page, &writer);
        assert_true(writer.full);
        assert_int_equal(text[room], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_are_filled_in),
        cmocka_unit_test(other_braces_are_text),
        cmocka_unit_test(the_built_in_json_says_what_it_should),
        cmocka_unit_test(hostile_values_break_neither_json_nor_html),
        cmocka_unit_test(values_are_not_read_as_templates),
        cmocka_unit_test(a_page_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests_name("error pages", tests, NULL, NULL);
}
