/* Backends added and removed at run time: what is refused, what is derived, what the file
 * overtakes.
 */
#include "fixture.h"

static const char file[] = "{'backends': [{'id': 'a', 'url': 'http://127.0.0.1:1'},"
                           " {'id': 'b', 'url': 'http://127.0.0.1:2'},"
                           " {'id': 'c', 'url': 'http://127.0.0.1:3', 'routesOnly': true}],"
                           " 'routes': [{'id': 'api', 'path': '/api', 'backends': ['a', 'c']},"
                           " {'id': 'all', 'path': '/all'}]}";

struct lab {
    struct loaded base;
    struct config *served; /* derived */
    struct config_overlay overlay;
    char said[1024];
};

static void say(void *context, const char *message)
{
    struct lab *lab = context;
    usize len = strlen(lab->said);
    snprintf(lab->said + len, sizeof(lab->said) - len, "%s\n", message);
}

static void derive(struct lab *lab)
{
    struct config_problems problems;
    config_destroy(lab->served);
    lab->served = config_derive(lab->base.config, &lab->overlay, &problems);
    if (lab->served == NULL)
        config_problems_print(&problems, stderr);
    assert_non_null(lab->served);
    config_problems_deinit(&problems);
}

static int set_up(void **state)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    lab->base = load_good(file);
    config_overlay_init(&lab->overlay);
    derive(lab);
    *state = lab;
    return 0;
}

static int tear_down(void **state)
{
    struct lab *lab = *state;
    config_destroy(lab->served);
    config_overlay_deinit(&lab->overlay);
    unload(&lab->base);
    free(lab);
    return 0;
}

/* One change to a copy, as its user does it; `why` is the first problem's path and text. */
static enum config_overlay_verdict change(struct lab *lab, const char *json, const char *id,
                                          char why[256])
{
    struct config_overlay next;
    struct config_problems problems;
    char *unquoted = unquote(json != NULL ? json : "");
    config_overlay_copy(&next, &lab->overlay);
    enum config_overlay_verdict verdict =
        json != NULL ? config_overlay_add(&next, lab->served, slice_of_string(unquoted), &problems)
                     : config_overlay_remove(&next, lab->served, slice_of_string(id), &problems);
    why[0] = '\0';
    if (problems.count > 0)
        snprintf(why, 256, "%s: %s", problems.at[0].path, problems.at[0].text);
    free(unquoted);
    config_problems_deinit(&problems);
    if (verdict == CONFIG_OVERLAY_GOOD) {
        struct config_overlay before = lab->overlay;
        lab->overlay = next;
        derive(lab);
        config_overlay_deinit(&before);
    } else {
        config_overlay_deinit(&next);
    }
    return verdict;
}

static void assert_added(struct lab *lab, const char *json)
{
    char why[256];
    if (change(lab, json, NULL, why) != CONFIG_OVERLAY_GOOD)
        fail_msg("%s: %s", json, why);
}

static void assert_removed(struct lab *lab, const char *id)
{
    char why[256];
    if (change(lab, NULL, id, why) != CONFIG_OVERLAY_GOOD)
        fail_msg("%s: %s", id, why);
}

/* The ids of the route's backends, with ":weight" where that is not 1. */
static void assert_pool(const struct lab *lab, const char *route, const char *expected)
{
    const struct config *config = lab->served;
    char text[256] = "";
    for (u32 i = 0; i < config->route_count; i++) {
        if (!slice_equal(config->routes[i].id, slice_of_string(route)))
            continue;
        const struct config_pool *pool = &config->pools[config->routes[i].pool];
        for (u32 at = 0; at < pool->backend_count; at++) {
            const struct config_backend *backend = &config->backends[pool->backends[at]];
            usize len = strlen(text);
            snprintf(text + len, sizeof(text) - len, "%s%.*s", at > 0 ? " " : "",
                     (int)backend->id.len, backend->id.data);
            len = strlen(text);
            if (backend->weight != 1)
                snprintf(text + len, sizeof(text) - len, ":%u", backend->weight);
        }
    }
    assert_string_equal(text, expected);
}

static void test_nothing_changed(void **state)
{
    struct lab *lab = *state;
    struct config_changes changes;
    assert_pool(lab, "default", "a b");
    assert_pool(lab, "all", "a b");
    assert_pool(lab, "api", "a c");
    config_diff(lab->base.config, lab->served, &changes);
    assert_int_equal(changes.count, 0);
    config_changes_deinit(&changes);
}

static void test_added(void **state)
{
    struct lab *lab = *state;
    assert_added(lab, "{'url': 'http://127.0.0.1:9'}");
    assert_added(lab, "{'url': 'http://127.0.0.1:9', 'route': 'api', 'weight': 7}");
    assert_added(lab, "{'url': 'http://127.0.0.1:8', 'route': 'all', 'id': 'x'}");
    assert_added(lab, "{'url': 'http://[::1]', 'route': 'api', 'id': 'y', 'routesOnly': false}");
    assert_pool(lab, "default", "a b added-1 x y");
    assert_pool(lab, "all", "a b added-1 x y");
    assert_pool(lab, "api", "a c added-2:7 y");
    assert_int_equal(lab->served->backends[3].address.v4.sin_port, htons(9));
}

static void test_what_changed(void **state)
{
    struct lab *lab = *state;
    struct config_changes changes;
    assert_added(lab, "{'url': 'http://127.0.0.1:9', 'route': 'api', 'id': 'x'}");
    assert_removed(lab, "b");
    config_diff(lab->base.config, lab->served, &changes);
    assert_int_equal(changes.count, 3);
    assert_string_equal(changes.at[0].path, "backends[b]");
    assert_null(changes.at[0].after);
    assert_string_equal(changes.at[1].path, "backends[x]");
    assert_string_equal(changes.at[1].after, "http://127.0.0.1:9");
    assert_string_equal(changes.at[2].path, "routes[api].backends");
    assert_false(changes.restart);
    config_changes_deinit(&changes);
}

static void test_removed(void **state)
{
    struct lab *lab = *state;
    assert_added(lab, "{'url': 'http://127.0.0.1:9', 'id': 'x'}");
    assert_removed(lab, "a");
    assert_pool(lab, "default", "b x");
    assert_pool(lab, "api", "c");
    assert_removed(lab, "x");
    assert_pool(lab, "default", "b");
    assert_int_equal(lab->overlay.added_count, 0);
    assert_int_equal(lab->overlay.removed_count, 1);
    /* What was taken out may come back, as it was or otherwise. */
    assert_added(lab, "{'url': 'http://127.0.0.1:1', 'id': 'a', 'weight': 3}");
    assert_pool(lab, "default", "b a:3");
    assert_removed(lab, "a");
    assert_pool(lab, "default", "b");
}

static void test_spellings_of_one_address(void **state)
{
    struct lab *lab = *state;
    char why[256];
    assert_added(lab, "{'url': 'http://[2001:db8::1]', 'id': 'six'}");
    static const char *const others[] = {"http://[2001:db8:0:0::1]:80",
                                         "http://[2001:DB8:0:0:0:0:0:1]/"};
    for (u32 i = 0; i < ARRAY_COUNT(others); i++) {
        char json[128];
        snprintf(json, sizeof(json), "{'url': '%s'}", others[i]);
        assert_int_equal(change(lab, json, NULL, why), CONFIG_OVERLAY_DUPLICATE);
    }
    assert_added(lab, "{'url': 'http://[2001:db8::1:1]'}");
}

static void test_refused(void **state)
{
    static const struct {
        const char *json; /* NULL: `id` is removed */
        const char *id;
        enum config_overlay_verdict verdict;
        const char *why;
    } rows[] = {
        {"{'url': 'http://127.0.0.1:9', 'id': 'a'}", NULL, CONFIG_OVERLAY_DUPLICATE,
         "id: \"a\" is the id of a backend already"},
        {"{'url': 'http://127.0.0.1:1/'}", NULL, CONFIG_OVERLAY_DUPLICATE, NULL},
        {"{'url': 'http://127.0.0.1:1'}", NULL, CONFIG_OVERLAY_DUPLICATE,
         "url: \"http://127.0.0.1:1\" is the URL of the backend \"a\" already"},
        {"{'url': 'http://127.0.0.1:3', 'route': 'api'}", NULL, CONFIG_OVERLAY_DUPLICATE,
         "url: \"http://127.0.0.1:3\" is the URL of the backend \"c\" already"},
        {"{'url': 'http://127.0.0.1:9', 'route': 'apl'}", NULL, CONFIG_OVERLAY_WRONG,
         "route: \"apl\" is not the id of a route"},
        {"{'url': 'http://127.0.0.1:9', 'route': 1}", NULL, CONFIG_OVERLAY_WRONG,
         "route: 1 is not allowed: the id of a route"},
        {"{'url': 'http://127.0.0.1:9', 'weight': 1001}", NULL, CONFIG_OVERLAY_WRONG,
         "weight: 1001 is not allowed: a whole number from 0 to 1000"},
        {"{'url': 'http://127.0.0.1:9', 'wieght': 1}", NULL, CONFIG_OVERLAY_WRONG,
         "wieght: unknown setting (did you mean \"weight\"?)"},
        {"{'url': 'http://127.0.0.1:9', 'routesOnly': true}", NULL, CONFIG_OVERLAY_WRONG, NULL},
        {"{'url': 'http://127.0.0.1:9', 'healthCheck': {'headers': {'X': '', 'x': ''}}}", NULL,
         CONFIG_OVERLAY_WRONG, "healthCheck.headers.x: is there twice, in another spelling"},
        {"{'url': 'http://127.0.0.1:9', 'healthCheck': {'type': 'script'}}", NULL,
         CONFIG_OVERLAY_WRONG,
         "healthCheck.type: \"script\" is not allowed here: only the configuration file says what "
         "is executed"},
        {"{'url': 'http://127.0.0.1:9', 'healthCheck': {'command': ['/bin/true']}}", NULL,
         CONFIG_OVERLAY_WRONG,
         "healthCheck.command: is not allowed here: only the configuration file says what is "
         "executed"},
        {"{'weight': 1}", NULL, CONFIG_OVERLAY_WRONG, NULL},
        {"{}", NULL, CONFIG_OVERLAY_WRONG, NULL},
        {"[]", NULL, CONFIG_OVERLAY_WRONG, ": not valid JSON: it must be one object: { ... }"},
        {"{'url': ", NULL, CONFIG_OVERLAY_WRONG, NULL},
        {"", NULL, CONFIG_OVERLAY_WRONG, NULL},
        {NULL, "z", CONFIG_OVERLAY_UNKNOWN, ": \"z\" is not the id of a backend"},
    };
    struct lab *lab = *state;
    char why[256];
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        enum config_overlay_verdict verdict = change(lab, rows[i].json, rows[i].id, why);
        if (verdict != rows[i].verdict || why[0] == '\0' ||
            (rows[i].why != NULL && strcmp(why, rows[i].why) != 0))
            fail_msg("%s: %d, %s", rows[i].json, (int)verdict, why);
    }
}

static void test_the_last_of_a_route_stays(void **state)
{
    struct lab *lab = *state;
    char why[256];
    assert_removed(lab, "b");
    assert_int_equal(change(lab, NULL, "a", why), CONFIG_OVERLAY_NEEDED);
    assert_non_null(strstr(why, "\"a\" is the last backend of the route"));
    assert_added(lab, "{'url': 'http://127.0.0.1:9', 'weight': 0, 'id': 'never'}");
    assert_int_equal(change(lab, NULL, "a", why), CONFIG_OVERLAY_NEEDED);
    assert_added(lab, "{'url': 'http://127.0.0.1:8'}");
    assert_removed(lab, "a");
    assert_int_equal(change(lab, NULL, "c", why), CONFIG_OVERLAY_NEEDED);
    assert_non_null(strstr(why, "\"api\""));
}

/* The file is read again, and says this now. */
static void settle(struct lab *lab, const char *json)
{
    struct loaded next = load_good(json);
    lab->said[0] = '\0';
    config_overlay_settle(&lab->overlay, next.config, (struct config_overlay_listener){say, lab});
    config_destroy(lab->served);
    lab->served = NULL;
    unload(&lab->base);
    lab->base = next;
    derive(lab);
}

static void test_an_unrelated_change_keeps_all(void **state)
{
    struct lab *lab = *state;
    assert_added(lab, "{'url': 'http://127.0.0.1:9', 'id': 'x', 'route': 'api'}");
    assert_removed(lab, "b");
    settle(lab, "{'backends': [{'id': 'a', 'url': 'http://127.0.0.1:1', 'weight': 4},"
                " {'id': 'b', 'url': 'http://127.0.0.1:2'}],"
                " 'routes': [{'id': 'api', 'path': '/api', 'backends': ['b', 'a']}]}");
    assert_string_equal(lab->said, "");
    assert_pool(lab, "default", "a:4");
    assert_pool(lab, "api", "a:4 x");
}

static void test_the_file_wins(void **state)
{
    struct lab *lab = *state;
    assert_added(lab, "{'url': 'http://127.0.0.1:9', 'id': 'same-id'}");
    assert_added(lab, "{'url': 'http://127.0.0.1:8', 'id': 'same-url'}");
    assert_added(lab, "{'url': 'http://127.0.0.1:7', 'id': 'no-route', 'route': 'api'}");
    assert_removed(lab, "a");
    assert_removed(lab, "b");
    settle(lab, "{'backends': [{'id': 'a', 'url': 'http://127.0.0.1:5'},"
                " {'id': 'same-id', 'url': 'http://127.0.0.1:6'},"
                " {'id': 'other-id', 'url': 'http://127.0.0.1:8'}]}");
    assert_string_equal(
        lab->said,
        "Backend \"b\", removed at run time: given up, it is not in the file any more\n"
        "Backend \"a\", removed at run time: given up, it has another URL in the file\n"
        "Backend \"no-route\", added at run time: given up, its route is not in the file any more\n"
        "Backend \"same-url\", added at run time: given up, a backend of the file has this URL\n"
        "Backend \"same-id\", added at run time: given up, a backend of the file has this id\n");
    assert_pool(lab, "default", "a same-id other-id");
}

/* Each change alone was good, and so was the file; together they leave a route with nothing. */
static void test_what_does_not_go_together(void **state)
{
    struct lab *lab = *state;
    struct config_problems problems;
    assert_removed(lab, "a");
    struct loaded next = load_good("{'backends': [{'id': 'a', 'url': 'http://127.0.0.1:1'},"
                                   " {'id': 'b', 'url': 'http://127.0.0.1:2'}], 'routes':"
                                   " [{'id': 'api', 'path': '/api', 'backends': ['a']}]}");
    assert_null(config_derive(next.config, &lab->overlay, &problems));
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.at[0].path, "routes.api");
    config_problems_deinit(&problems);
    unload(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spellings_of_one_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_of_a_route_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_unrelated_change_keeps_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_file_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_go_together, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
