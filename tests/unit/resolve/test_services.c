/* Services: what their SRV records and the addresses of their hosts make together. */
/* link: -Wl,--wrap=ares_search,--wrap=ares_query,--wrap=ares_destroy,--wrap=ring_now_ns */
#include "fixture.h"

#define SERVICE "_http._tcp.test"

#define SERVICES(...)                                                                              \
    answer_services(SERVICE, (const struct target[]){__VA_ARGS__},                                 \
                    sizeof((const struct target[]){__VA_ARGS__}) / sizeof(struct target))

/* Its records are asked for again. */
static void wait_for_question(void)
{
    for (u32 i = 0; i < 1000 && !is_asking(SERVICE, MESSAGE_SRV); i++)
        pass(100);
    assert_true(is_asking(SERVICE, MESSAGE_SRV));
}

/* A service at 127.0.0.1:1000, by its host "a". */
static const struct config_backend *begin_service(void)
{
    const struct config_backend *backend = want_name(SERVICE, true);
    SERVICES({1, 1, 1000, "a"});
    answer_host("a", "127.0.0.1");
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*1");
    assert_true(resolver_settled(world.resolver));
    return backend;
}

static void hosts_that_are_all_new_wait_for_an_address(void **state)
{
    const struct config_backend *backend = begin_service();
    (void)state;
    wait_for_question();
    SERVICES({1, 1, 2000, "b"}, {1, 1, 2001, "c"});
    pass(500);
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*1");
    answer_host("c", "127.0.0.3");
    assert_string_equal(leads_to(backend), "127.0.0.3:2001*1");
    answer_host("b", "127.0.0.2");
    assert_string_equal(leads_to(backend), "127.0.0.2:2000*1 127.0.0.3:2001*1");
    assert_int_equal(world.said, 0);
}

static void hosts_without_address_change_nothing_and_it_is_said_once(void **state)
{
    const struct config_backend *backend = begin_service();
    struct resolve_figures figures;
    (void)state;
    wait_for_question();
    SERVICES({1, 1, 2000, "b"});
    refuse("b", MESSAGE_A, ARES_ENOTFOUND);
    refuse("b", MESSAGE_AAAA, ARES_ENOTFOUND);
    pass(60);
    assert_string_equal(world.last, "no_address: \"" SERVICE "\" cannot be resolved: none of the "
                                    "hosts it leads to has an address; the last answer is used on");
    assert_int_equal(world.said, 2); /* the host, too */
    resolver_figures(world.resolver, &figures);
    assert_int_equal(figures.failing, 2);
    for (u32 i = 0; i < 3; i++) {
        wait_for_question();
        SERVICES({1, 1, 2000, "b"});
    }
    wait_for_question();
    SERVICES({1, 1, 2000, "d"}); /* another one that is not known yet: no better */
    assert_int_equal(world.said, 2);
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*1");
    answer_host("d", "127.0.0.4");
    assert_string_equal(leads_to(backend), "127.0.0.4:2000*1");
    assert_string_equal(world.last, ": \"" SERVICE "\" is resolved again");
    resolver_figures(world.resolver, &figures);
    assert_int_equal(figures.failing, 0);
    assert_int_equal(figures.names, 2); /* the hosts of before are asked for no more */
}

static void an_answer_that_comes_back_ends_the_waiting(void **state)
{
    const struct config_backend *backend = begin_service();
    (void)state;
    wait_for_question();
    SERVICES({1, 1, 2000, "b"});
    wait_for_question();
    SERVICES({1, 1, 1000, "a"});
    assert_false(is_asking("a", MESSAGE_A)); /* it was known all the time */
    wait_for_question();
    SERVICES({1, 1, 1000, "a"}, {2, 1, 3000, "c"}); /* nothing is left of b */
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*1");
    assert_int_equal(world.said, 0);
}

static void a_first_answer_is_replaced_while_nothing_is_known(void **state)
{
    const struct config_backend *backend = want_name(SERVICE, true);
    (void)state;
    SERVICES({1, 1, 1000, "a"});
    wait_for_question();
    SERVICES({1, 1, 2000, "b"});
    assert_string_equal(leads_to(backend), "");
    assert_false(resolver_settled(world.resolver));
    answer_host("b", "127.0.0.2");
    assert_string_equal(leads_to(backend), "127.0.0.2:2000*1");
}

/* The names of hosts in an answer are whole: with a search domain behind it, one that does not
 * exist could be found elsewhere. */
static void only_names_of_the_configuration_are_searched_for(void **state)
{
    (void)state;
    (void)want_name(SERVICE, true);
    (void)want_name("a", false);
    SERVICES({1, 1, 1000, "a"}, {1, 1, 1000, "b"});
    for (u32 i = 0; i < world.asked; i++) {
        const struct question *question = &world.questions[i];
        bool configured = question->type == MESSAGE_SRV || i < 3;
        assert_int_equal(question->searched, configured);
    }
    assert_int_equal(asked("a", MESSAGE_A), 2);
}

/* However many of its hosts are asked for in vain. */
static void a_service_does_not_keep_others_from_being_asked_for(void **state)
{
    struct target targets[MESSAGE_RECORDS_MAX];
    char hosts[MESSAGE_RECORDS_MAX][8];
    (void)state;
    for (u32 i = 0; i < MESSAGE_RECORDS_MAX; i++) {
        (void)snprintf(hosts[i], sizeof(hosts[i]), "h%02u", i);
        targets[i] = (struct target){1, 1, 1000, hosts[i]};
    }
    (void)want_name(SERVICE, true);
    answer_services(SERVICE, targets, MESSAGE_RECORDS_MAX);
    (void)want_name("n", false);
    assert_true(is_asking("n", MESSAGE_A));
    for (u32 i = 0; i < MESSAGE_RECORDS_MAX; i++) { /* each has its turn */
        if (is_asking(SERVICE, MESSAGE_SRV))
            answer_services(SERVICE, targets, MESSAGE_RECORDS_MAX);
        if (!is_asking(hosts[i], MESSAGE_A))
            pass(1200); /* here no packet makes it look for who is next; the service does */
        answer_host(hosts[i], "127.0.0.1");
    }
}

static void records_that_lead_to_one_address_are_one_endpoint(void **state)
{
    const struct config_backend *backend = want_name(SERVICE, true);
    (void)state;
    SERVICES({1, 2, 1000, "a"}, {1, 3, 1000, "b"}, {1, 5, 1001, "b"}, {2, 7, 1000, "a"});
    answer_host("a", "127.0.0.1");
    answer_host("b", "127.0.0.1");
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*5 127.0.0.1:1001*5");
}

static void weights_that_are_added_have_a_bound(void **state)
{
    const struct config_backend *backend = want_name(SERVICE, true);
    (void)state;
    SERVICES({1, 65535, 1000, "a"}, {1, 65535, 1000, "b"});
    answer_host("a", "127.0.0.1");
    answer_host("b", "127.0.0.1");
    assert_string_equal(leads_to(backend), "127.0.0.1:1000*65535");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(hosts_that_are_all_new_wait_for_an_address),
        TEST(hosts_without_address_change_nothing_and_it_is_said_once),
        TEST(an_answer_that_comes_back_ends_the_waiting),
        TEST(a_first_answer_is_replaced_while_nothing_is_known),
        TEST(only_names_of_the_configuration_are_searched_for),
        TEST(a_service_does_not_keep_others_from_being_asked_for),
        TEST(records_that_lead_to_one_address_are_one_endpoint),
        TEST(weights_that_are_added_have_a_bound),
    };
    return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
