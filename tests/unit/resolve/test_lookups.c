/* A and AAAA: each is asked for when it is due, and both together say how a name stands. */
/* link: -Wl,--wrap=ares_search,--wrap=ares_query,--wrap=ares_destroy,--wrap=ring_now_ns */
#include "fixture.h"

#define NAME "n"
#define LEADS(backend, text) assert_string_equal(leads_to(backend), text)

/* Answers AAAA so, whenever it is asked for, for as long. */
static void pass_refusing(u64 ms, int status)
{
    for (; ms >= 100; ms -= 100) {
        pass(100);
        if (is_asking(NAME, MESSAGE_AAAA))
            refuse(NAME, MESSAGE_AAAA, status);
    }
}

static u32 failing(void)
{
    struct resolve_figures figures;
    resolver_figures(world.resolver, &figures);
    return figures.failing;
}

static void a_family_that_fails_is_asked_alone_and_less_and_less(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    answer(NAME, "127.0.0.1", 240);
    refuse(NAME, MESSAGE_AAAA, ARES_ESERVFAIL);
    pass_refusing(200000, ARES_ESERVFAIL);
    assert_int_equal(asked(NAME, MESSAGE_A), 1);
    /* after 1, 2, 4, 8, 16, and then 30 seconds, and a little each time */
    assert_in_range(asked(NAME, MESSAGE_AAAA), 1 + 5 + 4, 1 + 5 + 6);
    LEADS(backend, "127.0.0.1:80*1");
    assert_int_equal(world.said, 0);
    pass_refusing(60000, ARES_ESERVFAIL);
    assert_int_equal(asked(NAME, MESSAGE_A), 2);
}

static void a_family_that_is_silent_does_not_keep_the_other_from_its_time(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    for (u32 i = 1; i <= 5; i++) {
        answer(NAME, i % 2 ? "127.0.0.1" : "127.0.0.2", 1);
        pass(1200);
        assert_int_equal(asked(NAME, MESSAGE_A), i + 1);
        LEADS(backend, i % 2 ? "127.0.0.1:80*1" : "127.0.0.2:80*1");
    }
    assert_int_equal(asked(NAME, MESSAGE_AAAA), 1);
    assert_true(is_asking(NAME, MESSAGE_AAAA));
}

static void a_family_without_records_is_asked_with_the_other_one(void **state)
{
    (void)state;
    (void)want_name(NAME, false);
    for (u32 i = 1; i <= 3; i++) {
        answer(NAME, "127.0.0.1", 100);
        refuse(NAME, MESSAGE_AAAA, ARES_ENODATA);
        pass(99000);
        assert_int_equal(asked(NAME, MESSAGE_AAAA), i);
        pass(11000);
        assert_int_equal(asked(NAME, MESSAGE_A), i + 1);
        assert_int_equal(asked(NAME, MESSAGE_AAAA), i + 1);
    }
    assert_int_equal(world.said, 0);
}

static void a_name_that_fails_is_asked_for_both_with_a_back_off(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    for (u32 i = 0; i < 6; i++) {
        u64 wait_ms = min_u64(1000ULL << i, 30000);
        refuse(NAME, MESSAGE_A, ARES_ENOTFOUND);
        refuse(NAME, MESSAGE_AAAA, ARES_ENOTFOUND);
        assert_true(resolver_settled(world.resolver));
        assert_int_equal(failing(), 1);
        pass(wait_ms - 10);
        assert_false(is_asking(NAME, MESSAGE_A));
        assert_false(is_asking(NAME, MESSAGE_AAAA));
        pass(wait_ms / 8 + 50);
    }
    assert_int_equal(world.said, 1);
    refuse(NAME, MESSAGE_A, ARES_ENODATA);
    answer(NAME, "::1", 60);
    LEADS(backend, "[::1]:80*1");
    assert_int_equal(world.said, 2);
    assert_int_equal(failing(), 0);
}

static void one_empty_family_is_believed_when_the_other_has_records(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    answer(NAME, "127.0.0.1", 1);
    answer(NAME, "::1", 1);
    LEADS(backend, "127.0.0.1:80*1");
    pass(1200);
    refuse(NAME, MESSAGE_A, ARES_ENODATA);
    LEADS(backend, "127.0.0.1:80*1"); /* the other one is still to say */
    answer(NAME, "::1", 1);
    LEADS(backend, "[::1]:80*1");
}

static void two_empty_families_are_a_failure(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    answer(NAME, "127.0.0.1", 1);
    answer(NAME, "::1", 3600);
    pass(1200);
    refuse(NAME, MESSAGE_A, ARES_ENOTFOUND);
    refuse(NAME, MESSAGE_AAAA, ARES_ENOTFOUND);
    pass(100);
    LEADS(backend, "127.0.0.1:80*1");
    assert_int_equal(failing(), 1);
}

/* ... though the name has another family that does not. */
static void a_family_in_use_that_fails_is_told(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    answer(NAME, "127.0.0.1", 1);
    answer(NAME, "::1", 1);
    pass(1200);
    refuse(NAME, MESSAGE_A, ARES_ESERVFAIL);
    answer(NAME, "::1", 1);
    LEADS(backend, "127.0.0.1:80*1");
    assert_int_equal(failing(), 1);
    assert_string_equal(world.last, "server_failure: \"" NAME "\" cannot be resolved: the name "
                                    "server failed (SERVFAIL); the last answer is used on");
    pass(1200);
    answer(NAME, "127.0.0.1", 1);
    assert_int_equal(failing(), 0);
    assert_int_equal(world.said, 2);
}

static void a_start_does_not_take_what_is_not_preferred_too_early(void **state)
{
    (void)state;
    (void)want_name(NAME, false);
    answer(NAME, "::1", 60);
    assert_false(resolver_settled(world.resolver));
    answer(NAME, "127.0.0.1", 60);
    assert_true(resolver_settled(world.resolver));
}

static void asking_again_ends_what_is_under_way(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    (void)state;
    answer(NAME, "127.0.0.1", 3600);
    resolver_ask_again(world.resolver);
    pass(50);
    assert_int_equal(asked(NAME, MESSAGE_A), 2);
    assert_int_equal(asked(NAME, MESSAGE_AAAA), 2);
    LEADS(backend, "127.0.0.1:80*1");
    answer(NAME, "127.0.0.2", 3600);
    refuse(NAME, MESSAGE_AAAA, ARES_ENODATA);
    LEADS(backend, "127.0.0.2:80*1");
    assert_int_equal(world.said, 0);
}

static void times_to_live_have_bounds(void **state)
{
    static const u32 ttls_s[] = {0, 1, 0x80000000U, 0x7fffffff};
    static const u32 kept_ms[] = {1000, 1000, 1000, 300000};
    (void)state;
    (void)want_name(NAME, false);
    refuse(NAME, MESSAGE_AAAA, ARES_ENODATA);
    for (u32 i = 0; i < ARRAY_COUNT(ttls_s); i++) {
        answer(NAME, "127.0.0.1", ttls_s[i]);
        if (i > 0)
            refuse(NAME, MESSAGE_AAAA, ARES_ENODATA);
        pass(kept_ms[i] - 10);
        assert_int_equal(asked(NAME, MESSAGE_A), i + 1);
        pass(kept_ms[i] / 8 + 50);
        assert_int_equal(asked(NAME, MESSAGE_A), i + 2);
    }
}

static void answer_many(u32 count, u32 first)
{
    compose();
    for (u32 i = 0; i < count; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "10.0.0.%u", (first + i) % count + 1);
        put_address(address, 1);
    }
    send_message(NAME, MESSAGE_A);
    if (is_asking(NAME, MESSAGE_AAAA))
        refuse(NAME, MESSAGE_AAAA, ARES_ENODATA);
    pass(100);
}

static void of_many_addresses_the_same_are_used_whatever_their_order(void **state)
{
    const struct config_backend *backend = want_name(NAME, false);
    char *before;
    (void)state;
    answer_many(80, 0);
    before = strdup(leads_to(backend));
    assert_non_null(strstr(before, "10.0.0.64:80*1"));
    assert_null(strstr(before, "10.0.0.65:80*1"));
    for (u32 i = 1; i < 4; i++) {
        pass(1200);
        answer_many(80, i * 23);
        LEADS(backend, before);
    }
    free(before);
    assert_int_equal(world.said, 1);
    assert_string_equal(world.last, "too_many: \"" NAME "\" leads to more than 64 addresses: 16 of "
                                    "them are not used");
    pass(1200);
    answer_many(64, 0);
    pass(1200);
    answer_many(65, 0);
    assert_int_equal(world.said, 2);
}

/* With both families there are more, though each of them fits. */
static void addresses_of_both_families_are_counted_together(void **state)
{
    (void)state;
    world.config.dns.family = CONFIG_FAMILY_ALL;
    (void)want_name(NAME, false);
    compose();
    for (u32 i = 0; i < 2; i++)
        put_address(i ? "::1" : "::2", 1);
    send_message(NAME, MESSAGE_AAAA);
    answer_many(64, 0);
    assert_string_equal(world.last, "too_many: \"" NAME "\" leads to more than 64 addresses: 2 of "
                                    "them are not used");
}

/* What is under way when nobody wants its name any more. */
static void a_name_that_nobody_wants_is_forgotten(void **state)
{
    struct resolve_figures figures;
    (void)state;
    (void)want_name(NAME, false);
    world.config.backend_count = 0;
    follow();
    resolver_figures(world.resolver, &figures);
    assert_int_equal(figures.names, 0);
    assert_false(is_asking(NAME, MESSAGE_A));
    assert_true(resolver_is_quiet(world.resolver));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_family_that_fails_is_asked_alone_and_less_and_less),
        TEST(a_family_that_is_silent_does_not_keep_the_other_from_its_time),
        TEST(a_family_without_records_is_asked_with_the_other_one),
        TEST(a_name_that_fails_is_asked_for_both_with_a_back_off),
        TEST(one_empty_family_is_believed_when_the_other_has_records),
        TEST(two_empty_families_are_a_failure),
        TEST(a_family_in_use_that_fails_is_told),
        TEST(a_start_does_not_take_what_is_not_preferred_too_early),
        TEST(asking_again_ends_what_is_under_way),
        TEST(times_to_live_have_bounds),
        TEST(of_many_addresses_the_same_are_used_whatever_their_order),
        TEST(addresses_of_both_families_are_counted_together),
        TEST(a_name_that_nobody_wants_is_forgotten),
    };
    return cmocka_run_group_tests_name("lookups", tests, NULL, NULL);
}
