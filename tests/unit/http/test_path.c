/* How paths may be read, and what is below a prefix then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "guard_page.h"
#include "http.h"

enum { PATH_BYTES_MAX = 128 };

struct judged {
    const char *path;
    enum http_path kind;
};

static const struct judged judged[] = {
    {"/", HTTP_PATH_PLAIN},
    {"*", HTTP_PATH_PLAIN},
    {"/a", HTTP_PATH_PLAIN},
    {"/a/", HTTP_PATH_PLAIN},
    {"/app.js", HTTP_PATH_PLAIN},
    {"/a../b..c/d.", HTTP_PATH_PLAIN},
    {"/0123456789/0123456789/0123456789", HTTP_PATH_PLAIN},
    {"/0123456789abcd/", HTTP_PATH_PLAIN},
    {"/0123456789abcde/", HTTP_PATH_PLAIN},
    /* several readings, the same segments up to spelling */
    {"//", HTTP_PATH_ODD},
    {"/a//b", HTTP_PATH_ODD},
    {"/0123456789/0123456789//", HTTP_PATH_ODD},
    {"/0123456789abcd//", HTTP_PATH_ODD},
    {"/0123456789abcde//", HTTP_PATH_ODD},
    {"/%61", HTTP_PATH_ODD},
    {"/0123456789/0123456789%41", HTTP_PATH_ODD},
    {"/a;b", HTTP_PATH_ODD},
    {"/0123456789/0123456789;", HTTP_PATH_ODD},
    {"/.well-known/x", HTTP_PATH_ODD},
    {"/...", HTTP_PATH_ODD},
    {"/.../a", HTTP_PATH_ODD},
    {"/..a", HTTP_PATH_ODD},
    {"/%2e%2e%2e", HTTP_PATH_ODD},
    {"/%252e%252e/", HTTP_PATH_ODD}, /* decoded once: "%2e%2e" */
    {"/a%3b/..b", HTTP_PATH_ODD},
    {"/a;..", HTTP_PATH_ODD},
    /* dot segments, in one reading or another */
    {"/.", HTTP_PATH_DOTS},
    {"/..", HTTP_PATH_DOTS},
    {"/./", HTTP_PATH_DOTS},
    {"/a/..", HTTP_PATH_DOTS},
    {"/a/../b", HTTP_PATH_DOTS},
    {"/0123456789abcdef/../b", HTTP_PATH_DOTS},
    {"/0123456789abcde/../b", HTTP_PATH_DOTS},
    {"/0123456789abcd/../b", HTTP_PATH_DOTS},
    {"//../a", HTTP_PATH_DOTS},
    {"/a/%2e%2e/b", HTTP_PATH_DOTS},
    {"/a/.%2E/b", HTTP_PATH_DOTS},
    {"/a/%2e", HTTP_PATH_DOTS},
    {"/a%2f..%2fb", HTTP_PATH_DOTS},
    {"/a%2F%2e%2e", HTTP_PATH_DOTS},
    {"/a%5c..%5Cb", HTTP_PATH_DOTS},
    {"/a/..;/b", HTTP_PATH_DOTS},
    {"/a/..;x=1/b", HTTP_PATH_DOTS},
    {"/a/.;", HTTP_PATH_DOTS},
    {"/a/%2e%2e;x/b", HTTP_PATH_DOTS},
    {"/a;..%2f..%2fb", HTTP_PATH_DOTS}, /* only with the parameters */
    {"/a;/../b", HTTP_PATH_DOTS},
};

static struct slice guarded(struct guard_page *page, const char *path)
{
    struct slice slice = slice_of_string(path);
    return slice_of(guard_page_copy(page, slice.data, slice.len), slice.len);
}

static void paths_are_judged(void **state)
{
    struct guard_page page = guard_page_create(PATH_BYTES_MAX);
    for (usize i = 0; i < ARRAY_COUNT(judged); i++) {
        enum http_path kind = http_path_judge(guarded(&page, judged[i].path));
        if (kind != judged[i].kind)
            fail_msg("%s: %d, expected %d", judged[i].path, kind, judged[i].kind);
    }
    guard_page_destroy(&page);
}

struct below {
    const char *path;
    const char *prefix;
    bool below;
};

static const struct below belows[] = {
    {"/admin", "/admin", true},
    {"/admin/", "/admin", true},
    {"/admin/x", "/admin", true},
    {"/admi", "/admin", false},
    {"/administrator", "/admin", false},
    {"/", "/admin", false},
    {"", "/admin", false},
    {"*", "/admin", false},
    {"/%61dmin", "/admin", true},
    {"/%61%64%6D%69%6e/x", "/admin", true},
    {"/adm%69", "/admin", false},
    {"/admin%2fx", "/admin", true},
    {"/admin%5Cx", "/admin", true},
    {"/admin%2ex", "/admin", false},
    {"//admin", "/admin", true},
    {"///admin//x", "/admin/x", true},
    {"/%2fadmin", "/admin", true},
    {"/admin;v=1", "/admin", true},
    {"/admin;v=1/x", "/admin/x", true},
    {"/admin;v=1/y", "/admin/x", false},
    {"/;v/admin", "/admin", true},
    {"/admin%3bv=1", "/admin", false},
    {"/adminx;", "/admin", false},
    {"/%2561dmin", "/admin", false},
    {"/caf%C3%A9/x", "/caf\303\251", true},
    {"/caf%c3", "/caf\303\251", false},
    {"/a%", "/a%", true},
    {"/a%4", "/a%4", true},
    {"/a%4g", "/a%4g", true},
    {"/a;", "/a", true},
};

static void prefixes_are_found(void **state)
{
    struct guard_page page = guard_page_create(PATH_BYTES_MAX);
    for (usize i = 0; i < ARRAY_COUNT(belows); i++) {
        struct slice prefix = slice_of_string(belows[i].prefix);
        if (http_path_below(guarded(&page, belows[i].path), prefix) != belows[i].below)
            fail_msg("%s below %s", belows[i].path, belows[i].prefix);
    }
    guard_page_destroy(&page);
}

static void escapes_are_decoded(void **state)
{
    static const char *const rows[][2] = {
        {"/", "/"},
        {"/a%41%2Fb", "/aA/b"},
        {"/%25%34%31", "/%41"},
        {"/a;b%3B", "/a;b;"},
        {"/a%5cb", "/a/b"},
        {"/%C3%A9", "/\303\251"},
        {"", ""},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        char out[PATH_BYTES_MAX];
        struct slice decoded = slice_of(out, http_path_decode(slice_of_string(rows[i][0]), out));
        assert_true(slice_equal(decoded, slice_of_string(rows[i][1])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_judged),
        cmocka_unit_test(prefixes_are_found),
        cmocka_unit_test(escapes_are_decoded),
    };
    return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
