/* Which route a request takes. */
#include "config_fixture.h"

#include "proxy/proxy_internal.h"

static const char json[] = "{\"backends\":[{\"url\":\"http://127.0.0.1:1\"}],\"routes\":["
                           "{\"id\":\"any\",\"path\":\"/static\"},"
                           "{\"id\":\"star\",\"vHost\":\"*.example.com\"},"
                           "{\"id\":\"star-api\",\"vHost\":\"*.example.com\",\"path\":\"/api\"},"
                           "{\"id\":\"deep\",\"vHost\":\"*.deep.example.com\"},"
                           "{\"id\":\"www\",\"vHost\":\"www.example.com\"},"
                           "{\"id\":\"www-a\",\"vHost\":\"WWW.example.com\",\"path\":\"/a\"},"
                           "{\"id\":\"www-a-b\",\"vHost\":\"www.example.com\",\"path\":\"/a/b\"},"
                           "{\"id\":\"six\",\"vHost\":\"[::1]\"},"
                           "{\"id\":\"cafe\",\"vHost\":\"*\",\"path\":\"/caf%C3%A9\"}"
                           "]}";

static const struct {
    const char *host;
    const char *path;
    const char *route;
} rows[] = {
    {"www.example.com", "/", "www"},
    {"WWW.EXAMPLE.COM", "/", "www"},
    {"www.example.com.", "/", "www"},
    {"www.example.com", "/a", "www-a"},
    {"www.example.com", "/a/", "www-a"},
    {"www.example.com", "/a/x", "www-a"},
    {"www.example.com", "/ab", "www"},
    {"www.example.com", "/A", "www"},
    {"www.example.com", "/a/b", "www-a-b"},
    {"www.example.com", "/a/b/c", "www-a-b"},
    {"www.example.com", "/a/bc", "www-a"},
    {"www.example.com", "/static/x", "www"}, /* a host is more specific than a path */
    {"www.example.com", "*", "www"},         /* OPTIONS * */
    {"other.example.com", "/", "star"},
    {"Other.Example.Com", "/api/x", "star-api"},
    {"other.example.com", "/apix", "star"},
    {"a.b.example.com", "/", "star"},
    {"a.deep.example.com", "/", "deep"},
    {"deep.example.com", "/", "star"},
    {"other.example.com.", "/", "star"},
    {"example.com", "/", "default"},
    {".example.com", "/", "default"}, /* the star stands for something */
    {"badexample.com", "/", "default"},
    {"www.example.com.evil.test", "/", "default"},
    {"[::1]", "/", "six"},
    {"", "/", "default"},
    {"", "/static", "any"},
    {"nowhere.test", "/static/x", "any"},
    {"nowhere.test", "/staticx", "default"},
    {".", "/", "default"},
    /* what a backend may read as another path (tests/unit/http/test_path.c has more) */
    {"www.example.com", "/%61", "www-a"},
    {"www.example.com", "//a", "www-a"},
    {"www.example.com", "/a;x", "www-a"},
    {"www.example.com", "/a%2fb", "www-a-b"},
    {"www.example.com", "/a/.b", "www-a"},
    {"www.example.com", "/.well-known/a", "www"},
    {"nowhere.test", "/caf%c3%a9/x", "cafe"},
    {"nowhere.test", "/static/..", NULL},
    {"nowhere.test", "/x/%2E%2e/static", NULL},
    {"www.example.com", "/./a", NULL},
};

static void the_most_specific_route_is_taken(void **state)
{
    struct config *config = config_fixture(json);
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        u32 found =
            route_find(config, slice_of_string(rows[i].host), slice_of_string(rows[i].path));
        if (rows[i].route == NULL) {
            assert_int_equal(found, ROUTE_NONE);
            continue;
        }
        assert_true(found < config->route_count);
        struct slice id = config->routes[found].id;
        if (!slice_equal(id, slice_of_string(rows[i].route)))
            fail_msg("%s %s takes %.*s, not %s", rows[i].host, rows[i].path, (int)id.len, id.data,
                     rows[i].route);
    }
    config_destroy(config);
}

static void without_routes_all_take_the_default(void **state)
{
    struct config_problems problems;
    struct config *config = config_parse(SLICE("{\"backends\":[{\"url\":\"http://127.0.0.1:1\"}]}"),
                                         "test", NULL, &problems);
    config_problems_deinit(&problems);
    assert_non_null(config);
    assert_int_equal(config->route_count, 1);
    assert_int_equal(route_find(config, SLICE("a"), SLICE("/")), 0);
    assert_int_equal(route_find(config, SLICE("a"), SLICE("/a/../b")), 0);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_route_is_taken),
        cmocka_unit_test(without_routes_all_take_the_default),
    };
    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
