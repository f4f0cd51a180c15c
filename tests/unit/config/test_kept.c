/* The state file's document: what goes in comes out, and what is wrong is told with its place. */
#include "fixture.h"

static char *print(const struct config_kept *kept)
{
    char *text = NULL;
    usize len = 0;
    FILE *out = open_memstream(&text, &len);
    config_kept_print(kept, out);
    fclose(out);
    return text;
}

static void assert_backends(const struct config_kept *read)
{
    assert_int_equal(read->backend_count, 3);
    assert_slice(read->backends[0].url, "http://127.0.0.1:1");
    assert_int_equal(read->backends[0].health, CONFIG_KEPT_UNHEALTHY);
    assert_true(read->backends[0].draining && !read->backends[0].maintenance);
    assert_int_equal(read->backends[0].health_age_ms, 2500);
    assert_int_equal(read->backends[1].health_age_ms, 0);
    assert_true(!read->backends[1].draining && read->backends[1].maintenance);
    assert_int_equal(read->backends[1].address.len, 0);
    assert_slice(read->backends[2].address, "[::1]:80");
}

static void assert_names(const struct config_kept *read)
{
    assert_int_equal(read->address_count, 3);
    assert_false(read->addresses[0].target);
    assert_true(read->addresses[1].target);
    assert_slice(read->addresses[1].name, "app.test");
    assert_slice(read->addresses[1].address, "::ffff:1.2.3.4");
    assert_slice(read->addresses[2].name, "-odd-.name_.");
    assert_int_equal(read->addresses[2].address.len, 0);
    assert_int_equal(read->service_count, 2);
    assert_slice(read->services[0].host, "app.test");
    assert_int_equal(read->services[0].priority, 1);
    assert_int_equal(read->services[0].weight, 65535);
    assert_int_equal(read->services[0].port, 8080);
    assert_int_equal(read->services[1].host.len, 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct config_problems problems;
    struct slice added[] = {SLICE("{\"id\":\"x\",\"url\":\"http://127.0.0.1:9\",\"route\":\"r\"}")};
    struct config_kept_backend backends[] = {
        {.id = SLICE("a"),
         .url = SLICE("http://127.0.0.1:1"),
         .health = CONFIG_KEPT_UNHEALTHY,
         .draining = true,
         .health_age_ms = 2500},
        {.id = SLICE("b"),
         .url = SLICE("unix:/x"),
         .health = CONFIG_KEPT_HEALTHY,
         .maintenance = true},
        {.id = SLICE("c"),
         .url = SLICE("http://app.test:80"),
         .address = SLICE("[::1]:80"),
         .health = CONFIG_KEPT_HEALTHY},
    };
    struct config_removal removed[] = {{SLICE("c"), SLICE("http://127.0.0.1:3")}};
    struct config_kept_secret secrets[] = {{SLICE("sticky"), SLICE("00ff")}};
    struct config_kept_address addresses[] = {
        {.name = SLICE("app.test"), .address = SLICE("127.0.0.1")},
        {.name = SLICE("app.test"), .address = SLICE("::ffff:1.2.3.4"), .target = true},
        {.name = SLICE("-odd-.name_.")},
    };
    struct config_kept_service services[] = {
        {SLICE("_http._tcp.test"), SLICE("app.test"), 1, 65535, 8080},
        {.name = SLICE("none.test")},
    };
    const struct config_kept kept = {
        .saved_ms = 1234567890123,
        .clock = {SLICE("0a-b"), 5000, 1768300245000, 4321},
        .backends = backends,
        .backend_count = 3,
        .removed = removed,
        .removed_count = 1,
        .secrets = secrets,
        .secret_count = 1,
        .addresses = addresses,
        .address_count = 3,
        .services = services,
        .service_count = 2,
        .added = added,
        .added_count = 1,
    };
    char *text = print(&kept);
    struct config_kept *read = config_kept_parse(slice_of_string(text), "s.json", &problems);
    assert_non_null(read);
    assert_int_equal(read->saved_ms, kept.saved_ms);
    assert_slice(read->clock.boot, "0a-b");
    assert_int_equal(read->clock.saved_ms, 5000);
    assert_int_equal(read->clock.believed_ms, 1768300245000);
    assert_int_equal(read->clock.doubted_ms, 4321);
    assert_backends(read);
    assert_slice(read->removed[0].id, "c");
    assert_slice(read->secrets[0].value, "00ff");
    assert_names(read);
    assert_slice(read->added[0], "{\"id\":\"x\",\"url\":\"http://127.0.0.1:9\",\"route\":\"r\"}");
    char *again = print(read);
    assert_string_equal(again, text);
    config_kept_destroy(read);
    config_problems_deinit(&problems);
    free(again);
    free(text);
}

static void test_bad(void **state)
{
    static const struct bad rows[] = {
        {"{", "s.json:1:2: not valid JSON: the file ends in the middle of something: a }, a ] or a "
              "closing quote is missing\n"},
        {"{'version':1}", "s.json:1:1: savedAt: is missing: a whole number from 1 to "
                          "9007199254740992\n"},
        {"{'version':2,'savedAt':1}",
         "s.json:1:12: version: 2 is not allowed: a whole number from 1 to 1\n"},
        {"{'version':1,'savedAt':1,'backends':[{'url':'unix:/x'}]}",
         "s.json:1:38: backends[0].id: is missing: 1 to 64 letters, digits, \"-\", \"_\" and "
         "\".\"\n"},
        {"{'version':1,'savedAt':1,'backends':[{'id':'a','url':'unix:/x','address':'1 2'}]}",
         "s.json:1:74: backends[0].address: \"1 2\" is not allowed: an address and a port: 1 to 64 "
         "characters without white space\n"},
        {"{'version':1,'savedAt':1,'added':{}}",
         "s.json:1:34: added: is not allowed: a list of at most 4096 backends\n"},
        {"{'version':1,'savedAt':1,'secrets':[{'name':'a','value':'0x'}]}",
         "s.json:1:57: secrets[0].value: this value (not shown) is not allowed: 1 to 64 bytes as "
         "hexadecimal digits in small letters\n"},
        {"{'version':1,'savedAt':1,'addresses':[{'name':'a b'}]}",
         "s.json:1:47: addresses[0].name: \"a b\" is not allowed: 1 to 253 letters, digits, \"-\", "
         "\"_\" and \".\"\n"},
        {"{'version':1,'savedAt':1,'addresses':[{'name':'a','address':'1.2.3'}]}",
         "s.json:1:61: addresses[0].address: \"1.2.3\" is not allowed: an IPv4 or IPv6 address\n"},
        {"{'version':1,'savedAt':1,'services':[{'name':'a','host':'b','port':65536}]}",
         "s.json:1:68: services[0].port: 65536 is not allowed: a whole number from 0 to 65535\n"},
        {"{'version':1,'savedAt':1,'services':{}}",
         "s.json:1:37: services: an object is not allowed: a list of at most 8192 objects\n"},
        {"{'version':1,'savedAt':1,'what':1}", "s.json:1:26: what: unknown setting\n"},
    };
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        struct config_problems problems;
        char *json = unquote(rows[i].json);
        char *text = NULL;
        usize len = 0;
        struct config_kept *kept = config_kept_parse(slice_of_string(json), "s.json", &problems);
        assert_null(kept);
        FILE *out = open_memstream(&text, &len);
        config_problems_print(&problems, out);
        fclose(out);
        assert_string_equal(text, rows[i].problems);
        config_problems_deinit(&problems);
        free(text);
        free(json);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct config_problems problems;
    bool missing;
    assert_null(config_kept_load("/nonexistent/state.json", &missing, &problems));
    assert_true(missing);
    assert_int_equal(problems.count, 0);
    config_problems_deinit(&problems);
    assert_null(config_kept_load("/", &missing, &problems));
    assert_false(missing);
    assert_int_equal(problems.count, 1);
    config_problems_deinit(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
