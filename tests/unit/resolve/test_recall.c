/* What one process knows of names, and the next one takes up. */
/* link: -Wl,--wrap=ares_search,--wrap=ares_query,--wrap=ares_destroy,--wrap=ring_now_ns */
#include "fixture.h"

#include "config/kept.h"

#define HOST "app.test"
#define SERVICE "_http._tcp.test"

static char *kept_text; /* what the process before knew, as its document */

static void keep(void)
{
    usize len;
    struct config_kept kept = {.saved_ms = 1};
    FILE *out = open_memstream(&kept_text, &len);
    assert_non_null(out);
    arena_init(&kept.arena);
    resolver_keep(world.resolver, &kept);
    config_kept_print(&kept, out);
    assert_int_equal(fclose(out), 0);
    arena_deinit(&kept.arena);
}

/* Another process, which follows a name, and takes up what the text says. */
static const struct config_backend *next(const char *name, bool service, enum resolve_recall how,
                                         u32 names)
{
    struct config_problems problems;
    end(NULL);
    begin(NULL);
    struct config_kept *kept =
        config_kept_parse(slice_of_string(kept_text), "kept.json", &problems);
    assert_non_null(kept);
    const struct config_backend *backend = want_name(name, service);
    assert_int_equal(resolver_recall(world.resolver, kept, how), names);
    config_kept_destroy(kept);
    config_problems_deinit(&problems);
    free(kept_text);
    kept_text = NULL;
    return backend;
}

/* The same with a document that nobody has written. */
static const struct config_backend *next_of(const char *name, bool service, const char *lists,
                                            u32 names)
{
    assert_true(asprintf(&kept_text, "{\"version\":1,\"savedAt\":1,%s}", lists) > 0);
    return next(name, service, RESOLVE_CURRENT, names);
}

static void know_host(void)
{
    want_name(HOST, false);
    compose();
    put_address("127.0.0.2", 100);
    put_address("127.0.0.1", 100);
    send_message(HOST, MESSAGE_A);
    answer(HOST, "::1", 100);
    keep();
}

static void a_host_is_there_at_once_and_asked_for(void **state)
{
    (void)state;
    know_host();
    const struct config_backend *backend = next(HOST, false, RESOLVE_RECENT, 1);
    assert_string_equal(leads_to(backend), "127.0.0.1:80*1 127.0.0.2:80*1");
    assert_true(resolver_settled(world.resolver));
    assert_true(is_asking(HOST, MESSAGE_A) && is_asking(HOST, MESSAGE_AAAA));
    answer_host(HOST, "127.0.0.3");
    assert_string_equal(leads_to(backend), "127.0.0.3:80*1");
    assert_int_equal(world.said, 0);
}

static void without_an_answer_it_stays_and_is_handed_on(void **state)
{
    (void)state;
    know_host();
    for (u32 i = 0; i < 2; i++) {
        const struct config_backend *backend = next(HOST, false, RESOLVE_CURRENT, 1);
        refuse(HOST, MESSAGE_A, ARES_ETIMEOUT);
        refuse(HOST, MESSAGE_AAAA, ARES_ETIMEOUT);
        pass(60);
        assert_string_equal(leads_to(backend), "127.0.0.1:80*1 127.0.0.2:80*1");
        assert_int_equal(world.said, 1);
        assert_non_null(strstr(world.last, "the last answer is used on"));
        assert_true(resolver_settled(world.resolver));
        keep();
    }
    free(kept_text);
}

static void what_is_old_is_used_but_settles_nothing(void **state)
{
    (void)state;
    know_host();
    const struct config_backend *backend = next(HOST, false, RESOLVE_OLD, 1);
    assert_string_equal(leads_to(backend), "127.0.0.1:80*1 127.0.0.2:80*1");
    assert_false(resolver_settled(world.resolver));
    refuse(HOST, MESSAGE_A, ARES_ETIMEOUT);
    assert_false(resolver_settled(world.resolver));
    refuse(HOST, MESSAGE_AAAA, ARES_ETIMEOUT);
    assert_true(resolver_settled(world.resolver));
    assert_string_equal(leads_to(backend), "127.0.0.1:80*1 127.0.0.2:80*1");
}

static void an_answer_settles_what_is_old(void **state)
{
    (void)state;
    know_host();
    const struct config_backend *backend = next(HOST, false, RESOLVE_OLD, 1);
    answer(HOST, "127.0.0.3", 100);
    assert_true(resolver_settled(world.resolver)); /* it is of the preferred family */
    assert_string_equal(leads_to(backend), "127.0.0.3:80*1");
}

static void a_name_that_led_nowhere_is_settled_where_no_time_has_passed(void **state)
{
    static const struct {
        enum resolve_recall recall;
        bool settled;
    } rows[] = {{RESOLVE_OLD, false}, {RESOLVE_RECENT, false}, {RESOLVE_CURRENT, true}};
    struct resolve_figures figures;
    (void)state;
    for (u32 i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        end(NULL);
        begin(NULL);
        want_name(HOST, false);
        refuse(HOST, MESSAGE_A, ARES_ENOTFOUND);
        refuse(HOST, MESSAGE_AAAA, ARES_ENOTFOUND);
        keep();
        (void)next(HOST, false, rows[i].recall, 0);
        assert_int_equal(resolver_settled(world.resolver), rows[i].settled);
        resolver_figures(world.resolver, &figures);
        assert_int_equal(figures.failing, rows[i].settled);
        assert_int_equal(world.said, 0);
    }
}

static void a_service_with_its_hosts(void **state)
{
    (void)state;
    want_name(SERVICE, true);
    answer_services(SERVICE,
                    (const struct target[]){
                        {1, 3, 1000, "a"}, {1, 0, 1001, "b"}, {2, 5, 1002, "c"}, {1, 1, 1003, "d"}},
                    4);
    answer_host("a", "127.0.0.1");
    answer_host("b", "::1");
    answer_host("c", "127.0.0.3");
    refuse("d", MESSAGE_A, ARES_ENOTFOUND);
    refuse("d", MESSAGE_AAAA, ARES_ENOTFOUND);
    keep();
    const struct config_backend *backend = next(SERVICE, true, RESOLVE_CURRENT, 4);
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*3 [::1]:1001*1");
    assert_true(resolver_settled(world.resolver));
    pass(20);
    assert_true(is_asking(SERVICE, MESSAGE_SRV) && is_asking("c", MESSAGE_A));
    answer_services(SERVICE, &(const struct target){1, 1, 2000, "e"},
                    1); /* as after any other answer, its hosts serve on until then */
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*3 [::1]:1001*1");
    answer_host("e", "127.0.0.5");
    assert_string_equal(leads_to(backend), "127.0.0.5:2000*1");
}

static void an_answer_counts_more(void **state)
{
    const struct config_kept_address address = {.name = SLICE(HOST), .address = SLICE("127.0.0.9")};
    const struct config_kept kept = {.addresses = &address, .address_count = 1};
    (void)state;
    const struct config_backend *backend = want_name(HOST, false);
    answer_host(HOST, "127.0.0.1");
    assert_int_equal(resolver_recall(world.resolver, &kept, RESOLVE_CURRENT), 0);
    assert_string_equal(leads_to(backend), "127.0.0.1:80*1");
}

static void a_family_that_is_not_wanted_any_more_settles_nothing(void **state)
{
    const struct config_kept_address address = {.name = SLICE(HOST), .address = SLICE("::1")};
    const struct config_kept kept = {.addresses = &address, .address_count = 1};
    (void)state;
    world.config.dns.family = CONFIG_FAMILY_IPV4;
    const struct config_backend *backend = want_name(HOST, false);
    assert_int_equal(resolver_recall(world.resolver, &kept, RESOLVE_CURRENT), 1);
    assert_string_equal(leads_to(backend), "");
    assert_false(resolver_settled(world.resolver));
}

/* ---- Documents that say something else than any process would ---- */

static void doubles_and_strangers_are_left_out(void **state)
{
    struct resolve_figures figures;
    (void)state;
    const struct config_backend *backend =
        next_of(HOST, false,
                "\"addresses\":[{\"name\":\"other.test\",\"address\":\"127.0.0.7\"},"
                "{\"name\":\"APP.test\",\"address\":\"127.0.0.2\"},"
                "{\"name\":\"APP.test\",\"address\":\"127.0.0.1\"},"
                "{\"name\":\"APP.test\",\"address\":\"127.0.0.2\"},"
                "{\"name\":\"APP.test\"},"
                "{\"name\":\"app.test\",\"address\":\"127.0.0.6\",\"target\":true},"
                "{\"name\":\"other.test\"},"
                "{\"name\":\"app.test\",\"address\":\"127.0.0.8\"}],"
                "\"services\":[{\"name\":\"app.test\",\"host\":\"other.test\",\"port\":1}]",
                1);
    assert_string_equal(leads_to(backend), "127.0.0.1:80*1 127.0.0.2:80*1");
    resolver_figures(world.resolver, &figures);
    assert_int_equal(figures.names, 1);
}

static void there_is_a_bound(void **state)
{
    enum { ENTRIES = 200, ENTRY_BYTES = 64 };
    static char lists[ENTRIES * ENTRY_BYTES] = "\"addresses\":[";
    struct config_endpoint found[CONFIG_ENDPOINTS_MAX];
    usize len = strlen(lists);
    (void)state;
    for (u32 i = 0; i < ENTRIES; i++)
        len += (usize)snprintf(lists + len, sizeof(lists) - len,
                               "%s{\"name\":\"" HOST "\",\"address\":\"127.0.1.%u\"}",
                               i > 0 ? "," : "", i);
    (void)snprintf(lists + len, sizeof(lists) - len, "]");
    const struct config_backend *backend = next_of(HOST, false, lists, 1);
    assert_int_equal(resolver_find(world.resolver, backend, found), CONFIG_ENDPOINTS_MAX);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_host_is_there_at_once_and_asked_for),
        TEST(without_an_answer_it_stays_and_is_handed_on),
        TEST(what_is_old_is_used_but_settles_nothing),
        TEST(an_answer_settles_what_is_old),
        TEST(a_name_that_led_nowhere_is_settled_where_no_time_has_passed),
        TEST(a_service_with_its_hosts),
        TEST(an_answer_counts_more),
        TEST(a_family_that_is_not_wanted_any_more_settles_nothing),
        TEST(doubles_and_strangers_are_left_out),
        TEST(there_is_a_bound),
    };
    return cmocka_run_group_tests_name("recall", tests, NULL, NULL);
}
