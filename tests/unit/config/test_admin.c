/* The management API's section: defaults, tokens, and addresses that need one. */
#include "fixture.h"
#include "handover.h"

static const char *token_text;

static const char *token_file_read(struct arena *arena, const char *file, usize bytes_max,
                                   struct slice *content)
{
    (void)bytes_max;
    if (strcmp(file, "token") != 0)
        return "No such file or directory";
    *content = arena_copy(arena, slice_of_string(token_text));
    return NULL;
}

static struct loaded load_with_token(const char *text, const char *admin, char **environment)
{
    static const struct config_world world = {.file_read = token_file_read};
    struct loaded loaded;
    char json[512];
    usize len = 0;
    token_text = text;
    (void)snprintf(json, sizeof(json), "{" BACKENDS ",'admin':{%s}}", admin);
    char *copy = unquote(json);
    loaded.config =
        config_parse_in(&world, slice_of_string(copy), "c.json", environment, &loaded.problems);
    free(copy);
    FILE *out = open_memstream(&loaded.text, &len);
    config_problems_print(&loaded.problems, out);
    fclose(out);
    return loaded;
}

static void it_is_on_the_loopback_unless_told_otherwise(void **state)
{
    struct loaded loaded = load_good("{" BACKENDS "}");
    const struct config_admin *admin = &loaded.config->admin;
    assert_true(admin->enabled);
    assert_int_equal(admin->token.len, 0);
    assert_int_equal(admin->listeners[0].address.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(ntohs(admin->listeners[0].address.v4.sin_port), 8081);
    assert_true(admin->listeners[0].exclusive);
    unload(&loaded);
}

static void other_addresses_need_a_token(void **state)
{
    static const char *const addresses[] = {"0.0.0.0", "*", "::", "192.0.2.1", "2001:db8::1"};
    for (u32 i = 0; i < ARRAY_COUNT(addresses); i++) {
        char admin[128];
        (void)snprintf(admin, sizeof(admin), "'address':'%s'", addresses[i]);
        struct loaded loaded = load_with_token("", admin, NULL);
        assert_null(loaded.config);
        assert_non_null(strstr(loaded.text, "admin.address"));
        assert_non_null(strstr(loaded.text, "without a token"));
        unload(&loaded);
        (void)snprintf(admin, sizeof(admin), "'address':'%s','token':'12345678'", addresses[i]);
        loaded = load_with_token("", admin, NULL);
        assert_non_null(loaded.config);
        assert_slice(loaded.config->admin.token, "12345678");
        unload(&loaded);
        (void)snprintf(admin, sizeof(admin), "'address':'%s','enabled':false", addresses[i]);
        loaded = load_with_token("", admin, NULL);
        assert_non_null(loaded.config);
        unload(&loaded);
    }
}

static void all_of_the_loopback_needs_none(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "127.1.2.3", "::1"};
    for (u32 i = 0; i < ARRAY_COUNT(addresses); i++) {
        char admin[64];
        (void)snprintf(admin, sizeof(admin), "'address':'%s'", addresses[i]);
        struct loaded loaded = load_with_token("", admin, NULL);
        assert_non_null(loaded.config);
        unload(&loaded);
    }
}

static void a_unix_socket_stands_alone_unless_an_address_is_given(void **state)
{
    static const struct {
        const char *more;
        u32 listeners;
        u16 port;
    } rows[] = {{"", 1, 0},
                {",'port':9000", 2, 9000},
                {",'address':'127.0.0.2'", 2, 8081},
                {",'address':'::1','port':0", 2, 0}};
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        char admin[128];
        (void)snprintf(admin, sizeof(admin), "'unixSocket':'/run/np.sock'%s", rows[i].more);
        struct loaded loaded = load_with_token("", admin, NULL);
        assert_non_null(loaded.config);
        const struct config_admin *it = &loaded.config->admin;
        assert_int_equal(it->listener_count, rows[i].listeners);
        const struct config_listener *local = &it->listeners[it->listener_count - 1];
        assert_int_equal(local->address.any.sa_family, AF_UNIX);
        assert_string_equal(local->address.local.sun_path, "/run/np.sock");
        assert_int_equal(local->unix_mode, 0600);
        if (it->listener_count == 2)
            assert_int_equal(ntohs(it->listeners[0].address.v4.sin_port), rows[i].port);
        unload(&loaded);
    }
}

/* File permissions guard the socket, and nothing guards an address. */
static void a_unix_socket_does_not_stand_for_a_token(void **state)
{
    struct loaded loaded =
        load_with_token("", "'unixSocket':'/run/np.sock','address':'0.0.0.0'", NULL);
    assert_null(loaded.config);
    assert_non_null(strstr(loaded.text, "without a token"));
    unload(&loaded);
}

static void wrong_unix_sockets_are_refused(void **state)
{
    static const struct {
        const char *admin, *said;
    } rows[] = {
        {"'unixSocket':'np.sock'", "admin.unixSocket"},
        {"'unixSocket':''", "admin.unixSocket"},
        {"'unixSocket':'/x','unixSocketMode':'888'", "admin.unixSocketMode"},
        {"'unixSocket':'/x','unixSocketMode':384", "admin.unixSocketMode"},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct loaded loaded = load_with_token("", rows[i].admin, NULL);
        assert_null(loaded.config);
        assert_non_null(strstr(loaded.text, rows[i].said));
        unload(&loaded);
    }
}

/* Engines know sockets by these names. */
static void the_longest_path_makes_a_name_that_can_be_handed_over(void **state)
{
    char admin[256];
    (void)snprintf(admin, sizeof(admin), "'unixSocket':'/%0106d'", 7);
    struct loaded loaded = load_with_token("", admin, NULL);
    assert_non_null(loaded.config);
    assert_true(loaded.config->admin.listeners[0].name.len < HANDOVER_NAME_BYTES);
    unload(&loaded);
}

static void the_token_may_be_in_a_file(void **state)
{
    struct loaded loaded = load_with_token("s3cret-token\r\n", "'tokenFile':'token'", NULL);
    assert_non_null(loaded.config);
    assert_slice(loaded.config->admin.token, "s3cret-token");
    unload(&loaded);
}

static void or_in_the_environment(void **state)
{
    char token[] = "NEXTPROXY_ADMIN_TOKEN=from-outside";
    char *environment[] = {token, NULL};
    struct loaded loaded = load_with_token("", "'address':'0.0.0.0'", environment);
    assert_non_null(loaded.config);
    assert_slice(loaded.config->admin.token, "from-outside");
    unload(&loaded);
}

/* What is wrong with a token is said without repeating it. */
static void wrong_tokens_are_refused_and_not_shown(void **state)
{
    static const struct {
        const char *file, *admin, *said;
    } rows[] = {
        {"", "'token':'zq'", "admin.token"},
        {"", "'token':'zq has spaces'", "admin.token"},
        {"zq", "'tokenFile':'token'", "does not hold a token"},
        {"zqzqzqzq\nzqzqzqzq", "'tokenFile':'token'", "does not hold a token"},
        {"", "'tokenFile':'token'", "does not hold a token"},
        {"", "'tokenFile':'nowhere'", "cannot be read: No such file"},
        {"12345678", "'tokenFile':'token','token':'zqzqzqzq'", "together with admin.token"},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct loaded loaded = load_with_token(rows[i].file, rows[i].admin, NULL);
        assert_null(loaded.config);
        assert_non_null(strstr(loaded.text, rows[i].said));
        assert_null(strstr(loaded.text, "zq"));
        unload(&loaded);
    }
}

/* Clients would reach it as if they were operators. */
static void backends_are_not_where_it_listens(void **state)
{
    static const struct {
        const char *url, *admin;
        bool good;
    } rows[] = {
        {"http://127.0.0.1:8081", "", false},
        {"http://[::ffff:127.0.0.1]:8081", "", false},
        {"http://0.0.0.0:8081", "", false},
        {"http://127.0.0.2:8081", "", true},
        {"http://[::1]:8081", "", true},
        {"http://127.0.0.1:8082", "", true},
        {"http://127.0.0.1:8081", "'port':8082", true},
        {"http://127.0.0.1:8081", "'enabled':false", true},
        {"http://127.0.0.1:8081", "'address':'::1'", true},
        {"http://[::1]:8081", "'address':'::1'", false},
        {"http://[::]:8081", "'address':'::1'", false},
        {"http://127.9.9.9:8081", "'address':'0.0.0.0','token':'12345678'", false},
        {"http://192.0.2.1:8081", "'address':'0.0.0.0','token':'12345678'", true},
        {"http://[::1]:8081", "'address':'0.0.0.0','token':'12345678'", true},
        {"http://127.9.9.9:8081", "'address':'*','token':'12345678'", false},
        {"http://[::1]:8081", "'address':'*','token':'12345678'", false},
        {"unix:/run/np.sock", "'unixSocket':'/run/np.sock'", false},
        {"unix:/run/np.sock", "'unixSocket':'/run/other.sock'", true},
        {"http://127.0.0.1:8081", "'unixSocket':'/run/np.sock'", true},
        {"http://127.0.0.1:8081", "'unixSocket':'/run/np.sock','port':8081", false},
        {"http://localhost:8081", "", true}, /* names are judged by where they lead */
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        char json[512];
        (void)snprintf(json, sizeof(json), "{'backends':[{'url':'%s'}],'admin':{%s}}", rows[i].url,
                       rows[i].admin);
        struct loaded loaded = load(json, NULL);
        bool said = strstr(loaded.text, "backends[0].url") &&
                    strstr(loaded.text, "is where the management API listens");
        if ((loaded.config != NULL) != rows[i].good || said == rows[i].good)
            fail_msg("row %u: %s", i, loaded.text);
        unload(&loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_on_the_loopback_unless_told_otherwise),
        cmocka_unit_test(other_addresses_need_a_token),
        cmocka_unit_test(all_of_the_loopback_needs_none),
        cmocka_unit_test(a_unix_socket_stands_alone_unless_an_address_is_given),
        cmocka_unit_test(a_unix_socket_does_not_stand_for_a_token),
        cmocka_unit_test(wrong_unix_sockets_are_refused),
        cmocka_unit_test(the_longest_path_makes_a_name_that_can_be_handed_over),
        cmocka_unit_test(the_token_may_be_in_a_file),
        cmocka_unit_test(or_in_the_environment),
        cmocka_unit_test(wrong_tokens_are_refused_and_not_shown),
        cmocka_unit_test(backends_are_not_where_it_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
