/* Overrides: what wins, what is refused, and where it is said to come from. */
#include "fixture.h"

#define FILE_JSON                                                                                  \
    "{'proxy':{'port':1000,'timeout':5000},"                                                       \
    "'backends':[{'id':'a','url':'http://127.0.0.1:1'},{'id':'b','url':'http://127.0.0.1:2'}],"    \
    "'routes':[{'path':'/x'}]}"

static struct loaded load_with(char **environment)
{
    struct loaded loaded = load(FILE_JSON, environment);
    if (loaded.config == NULL)
        fail_msg("%s", loaded.text);
    return loaded;
}

static void test_scalars(void **state)
{
    (void)state;
    char *environment[] = {
        (char[]){"PATH=/bin"},
        (char[]){"NEXTPROXY_PROXY_PORT=8080"},
        (char[]){"NEXTPROXY_LOAD_BALANCING_STRATEGY=LEAST_CONNECTIONS"},
        (char[]){"NEXTPROXY_LOGGING_ACCESS_LOG_ENABLED=false"},
        (char[]){"NEXTPROXY_LOGGING_ACCESS_LOG_SAMPLE=0.25"},
        (char[]){"NEXTPROXY_LOGGING_ERROR_LOG_DIRECTORY=/var/log/a=b"},
        (char[]){"NEXTPROXY_WORKERS=7"},
        (char[]){"NEXTPROXY_BACKENDS_1_WEIGHT=9"},
        (char[]){"NEXTPROXY_BACKENDS_0_HEALTH_CHECK_INTERVAL=777"},
        (char[]){"NEXTPROXY_ROUTES_0_V_HOST=a.example"},
        (char[]){"NEXTPROXY_ROUTES_0_TIMEOUTS_CONNECT=123"},
        (char[]){"NEXTPROXY_RATE_LIMIT_WINDOW_MS=1234"},
        (char[]){"NEXTPROXY_TRUSTED_PROXIES=10.0.0.0/8, ::1"},
        NULL,
    };
    struct loaded loaded = load_with(environment);
    const struct config *config = loaded.config;
    assert_slice(config->listeners[0].name, "*:8080");
    assert_int_equal(config->pools[0].strategy, BALANCE_LEAST_CONNECTIONS);
    assert_false(config->logging.access.enabled);
    assert_true(config->logging.access_sample == 0.25);
    assert_slice(config->logging.error.directory, "/var/log/a=b");
    assert_int_equal(config->workers, 7);
    assert_int_equal(config->backends[1].weight, 9);
    assert_int_equal(config->backends[0].health_check.interval_ms, 777);
    assert_slice(config->routes[0].host, "a.example");
    assert_int_equal(config->routes[0].timeouts.connect_ms, 123);
    assert_int_equal(config->rate_limit.window_ms, 1234);
    assert_int_equal(config->trusted_proxies.count, 2);
    /* The file's other values stay. */
    assert_int_equal(config->timeouts.response_head_ms, 5000);
    unload(&loaded);
}

static void test_backends(void **state)
{
    (void)state;
    char *environment[] = {
        /* before BACKENDS, and yet of the list that it makes */
        (char[]){"NEXTPROXY_BACKENDS_2_WEIGHT=5"},
        (char[]){"BACKENDS=http://127.0.0.1:11, http://127.0.0.1:12,http://four.example"},
        NULL,
    };
    struct loaded loaded = load_with(environment);
    assert_int_equal(loaded.config->backend_count, 3);
    assert_slice(loaded.config->backends[0].id, "backend-1");
    assert_slice(loaded.config->backends[1].url, "http://127.0.0.1:12");
    assert_int_equal(loaded.config->backends[2].weight, 5);
    unload(&loaded);
}

/* A file without backends is complete with them. */
static void test_backends_alone(void **state)
{
    (void)state;
    char *environment[] = {(char[]){"BACKENDS=http://127.0.0.1:11"}, NULL};
    struct loaded loaded = load("{}", environment);
    assert_non_null(loaded.config);
    assert_int_equal(loaded.config->backend_count, 1);
    unload(&loaded);
}

static void test_other_variables(void **state)
{
    (void)state;
    char *environment[] = {
        (char[]){"NEXTPROXY_RING_DISABLE=bundle"},
        (char[]){"NEXTPROXY_BIN=/x"},
        (char[]){"NEXTPROXY"},
        (char[]){"NEXTPROXY_PROXY_PORT"},
        NULL,
    };
    struct loaded loaded = load_with(environment);
    assert_slice(loaded.config->listeners[0].name, "*:1000");
    assert_string_equal(loaded.text, "");
    unload(&loaded);
}

static void test_note(void **state)
{
    (void)state;
    char *environment[] = {(char[]){"NEXTPROXY_RATE_LIMIT_ENABLED=true"}, NULL};
    struct loaded loaded = load_with(environment);
    assert_string_equal(loaded.text, "environment NEXTPROXY_RATE_LIMIT_ENABLED: rateLimit.enabled: "
                                     "not active yet, accepted and ignored\n");
    unload(&loaded);
}

struct bad_variable {
    const char *variable;
    const char *problem;
};

/* clang-format off */
static const struct bad_variable bad_variables[] = {
    {"NEXTPROXY_PROXY_PROT=1", "environment NEXTPROXY_PROXY_PROT: no setting has this name "
     "(did you mean \"NEXTPROXY_PROXY_PORT\"?)\n"},
    {"NEXTPROXY_BACKENDS_1_WIEGHT=1", "environment NEXTPROXY_BACKENDS_1_WIEGHT: no setting has "
     "this name (did you mean \"NEXTPROXY_BACKENDS_0_WEIGHT\"?)\n"},
    {"NEXTPROXY_RING_DISABEL=x", "environment NEXTPROXY_RING_DISABEL: no setting has this name "
     "(did you mean \"NEXTPROXY_RING_DISABLE\"?)\n"},
    /* The file is named on the command line. */
    {"NEXTPROXY_CONFIG=/x", "environment NEXTPROXY_CONFIG: no setting has this name\n"},
    {"NEXTPROXY_=1", "environment NEXTPROXY_: no setting has this name\n"},
    {"NEXTPROXY_QUUX_FROBNICATE=1",
     "environment NEXTPROXY_QUUX_FROBNICATE: no setting has this name\n"},
    {"NEXTPROXY_proxy_port=1", "environment NEXTPROXY_proxy_port: no setting has this name "
     "(did you mean \"NEXTPROXY_PROXY_PORT\"?)\n"},
    {"NEXTPROXY_BACKENDS_X_WEIGHT=1", "environment NEXTPROXY_BACKENDS_X_WEIGHT: no setting has "
     "this name (did you mean \"NEXTPROXY_BACKENDS_0_WEIGHT\"?)\n"},
    {"NEXTPROXY_PROXY={}", "environment NEXTPROXY_PROXY: no setting has this name "
     "(did you mean \"NEXTPROXY_PROXY_PORT\"?)\n"},
    {"NEXTPROXY_BACKENDS_2_WEIGHT=1", "environment NEXTPROXY_BACKENDS_2_WEIGHT: "
     "backends[2].weight: there is no such entry: backends has 2\n"},
    {"NEXTPROXY_LISTENERS_0_PORT=1", "environment NEXTPROXY_LISTENERS_0_PORT: "
     "listeners[0].port: there is no such entry: listeners has 0\n"},
    {"NEXTPROXY_PROXY_PORT=", "environment NEXTPROXY_PROXY_PORT: proxy.port: "
     "\"\" is not allowed: a whole number from 0 to 65535\n"},
    {"NEXTPROXY_PROXY_PORT=80x", "environment NEXTPROXY_PROXY_PORT: proxy.port: "
     "\"80x\" is not allowed: a whole number from 0 to 65535\n"},
    {"NEXTPROXY_PROXY_PORT=70000", "environment NEXTPROXY_PROXY_PORT: proxy.port: "
     "70000 is not allowed: a whole number from 0 to 65535\n"},
    {"NEXTPROXY_RATE_LIMIT_ENABLED=TRUE", "environment NEXTPROXY_RATE_LIMIT_ENABLED: "
     "rateLimit.enabled: \"TRUE\" is not allowed: true or false\n"},
    {"NEXTPROXY_LOGGING_ERROR_LOG_LEVEL=warning", "environment NEXTPROXY_LOGGING_ERROR_LOG_LEVEL: "
     "logging.errorLog.level: \"warning\" is not allowed: one of debug, info, warn, error "
     "(did you mean \"warn\"?)\n"},
    {"NEXTPROXY_LOGGING_ERROR_LOG_DIRECTORY=\xff", "environment "
     "NEXTPROXY_LOGGING_ERROR_LOG_DIRECTORY: logging.errorLog.directory: the value is no UTF-8\n"},
    {"NEXTPROXY_TRUSTED_PROXIES=10.0.0.0/8,x", "environment NEXTPROXY_TRUSTED_PROXIES: "
     "trustedProxies[1]: \"x\" is not allowed: a network like 10.0.0.0/8 or 2001:db8::/32, an "
     "address, or unix:\n"},
    {"NEXTPROXY_TRUSTED_PROXIES=::1,\xff", "environment NEXTPROXY_TRUSTED_PROXIES: "
     "trustedProxies: the value is no UTF-8\n"},
    {"BACKENDS=", "environment BACKENDS: backends[0].url: \"\" is not allowed: a URL that begins "
     "with http:// or unix:/, like http://127.0.0.1:3001\n"},
    {"BACKENDS=http://127.0.0.1:1,", "environment BACKENDS: backends[1].url: \"\" is not allowed: "
     "a URL that begins with http:// or unix:/, like http://127.0.0.1:3001\n"},
    {"BACKENDS=http://127.0.0.1:1,\xff", "environment BACKENDS: backends: the value is no UTF-8\n"},
};
/* clang-format on */

static void test_bad(void **state)
{
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(bad_variables); i++) {
        char *variable = strdup(bad_variables[i].variable);
        char *environment[] = {variable, NULL};
        struct loaded loaded = load(FILE_JSON, environment);
        if (loaded.config != NULL)
            fail_msg("accepted: %s", variable);
        assert_string_equal(loaded.text, bad_variables[i].problem);
        unload(&loaded);
        free(variable);
    }
}

struct wrong_holder {
    const char *json;
    const char *variable;
    const char *problem;
};

static const struct wrong_holder wrong_holders[] = {
    {"{'proxy':[],\n" BACKENDS "}", "NEXTPROXY_PROXY_PORT=80",
     "c.json:1:10: proxy: a list is not allowed: an object\n"},
    {"{'logging':5,\n" BACKENDS "}", "NEXTPROXY_LOGGING_ERROR_LOG_LEVEL=debug",
     "c.json:1:12: logging: 5 is not allowed: an object\n"},
    {"{'backends':[5]}", "NEXTPROXY_BACKENDS_0_WEIGHT=2",
     "c.json:1:14: backends[0]: 5 is not allowed: an object\n"},
    {"{'backends':[5]}", "NEXTPROXY_BACKENDS_0_HEALTH_CHECK_PATH=/x",
     "c.json:1:14: backends[0]: 5 is not allowed: an object\n"},
    {"{'routes':['x']," BACKENDS "}", "NEXTPROXY_ROUTES_0_TIMEOUTS_CONNECT=1",
     "c.json:1:12: routes[0]: \"x\" is not allowed: an object\n"},
};

/* Where the file itself is wrong, the file is complained about. */
static void test_wrong_holder(void **state)
{
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(wrong_holders); i++) {
        char *variable = strdup(wrong_holders[i].variable);
        char *environment[] = {variable, NULL};
        struct loaded loaded = load(wrong_holders[i].json, environment);
        assert_null(loaded.config);
        assert_string_equal(loaded.text, wrong_holders[i].problem);
        unload(&loaded);
        free(variable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_backends_alone), cmocka_unit_test(test_other_variables),
        cmocka_unit_test(test_note),           cmocka_unit_test(test_bad),
        cmocka_unit_test(test_wrong_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
