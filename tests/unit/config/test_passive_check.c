/* Passive checks: what a backend inherits, what a pool is limited by, and what is refused. */
#include "fixture.h"

static void test_defaults(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{" BACKENDS "}");
    const struct config_backend *backend = &loaded.config->backends[0];
    const struct config_passive_check *check = &backend->passive_check;
    assert_true(check->enabled);
    assert_slice(check->statuses, "502-504");
    assert_int_equal(check->refused_max, 1);
    assert_int_equal(check->failures_max, 5);
    assert_int_equal(check->error_rate_percent, 50);
    assert_int_equal(check->requests_min, 100);
    assert_int_equal(check->window_ms, 10000);
    assert_int_equal(check->ejection_ms, 30000);
    assert_int_equal(check->ejection_max_ms, 300000);
    assert_int_equal(check->trials, 1);
    assert_int_equal(backend->slow_start_ms, 0);
    assert_int_equal(loaded.config->pools[0].limits.ejected_max_percent, 80);
    assert_int_equal(loaded.config->pools[0].limits.panic_percent, 1);
    unload(&loaded);
}

/* A backend's own zeros are values, and what it does not say is as it is at the top. */
static void test_backends_inherit(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'loadBalancing':{'slowStart':700},'passiveCheck':{'statuses':'429,500-599','errorRate':7,"
        "'consecutiveFailures':3},'backends':[{'url':'http://127.0.0.1:1'},"
        "{'url':'http://127.0.0.1:2','slowStart':0,'passiveCheck':{'errorRate':0,'trials':4,"
        "'refusedConnections':0}},{'url':'http://127.0.0.1:3','passiveCheck':{'enabled':false}}]}");
    const struct config_backend *backends = loaded.config->backends;
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(backends[i].passive_check.enabled, i < 2);
        assert_slice(backends[i].passive_check.statuses, "429,500-599");
        assert_int_equal(backends[i].passive_check.failures_max, 3);
        assert_int_equal(backends[i].passive_check.error_rate_percent, i == 1 ? 0 : 7);
        assert_int_equal(backends[i].passive_check.refused_max, i == 1 ? 0 : 1);
        assert_int_equal(backends[i].passive_check.trials, i == 1 ? 4 : 1);
        assert_int_equal(backends[i].slow_start_ms, i == 1 ? 0 : 700);
    }
    unload(&loaded);
}

static void test_off_at_the_top_is_off(void **state)
{
    (void)state;
    struct loaded loaded =
        load_good("{'passiveCheck':{'enabled':false},'backends':[{'url':'http://127.0.0.1:1',"
                  "'passiveCheck':{'enabled':true}}]}");
    assert_false(loaded.config->backends[0].passive_check.enabled);
    unload(&loaded);
}

/* Routes with the same backends, strategy and limits share a pool; with other limits they do not.
 */
static void test_limits_make_pools(void **state)
{
    (void)state;
    struct loaded loaded =
        load_good("{'loadBalancing':{'maxEjectionPercent':30,'panicThreshold':20},'routes':["
                  "{'id':'a','path':'/a'},{'id':'b','path':'/b','panicThreshold':0},"
                  "{'id':'c','path':'/c','maxEjectionPercent':0},{'id':'d','path':'/"
                  "d','panicThreshold':20}]," BACKENDS "}");
    const struct config *config = loaded.config;
    const u32 ejected[] = {30, 30, 0, 30, 30}, panic[] = {20, 0, 20, 20, 20};
    assert_int_equal(config->pool_count, 3);
    for (u32 i = 0; i < config->route_count; i++) {
        const struct config_pool *pool = &config->pools[config->routes[i].pool];
        assert_int_equal(pool->limits.ejected_max_percent, ejected[i]);
        assert_int_equal(pool->limits.panic_percent, panic[i]);
    }
    assert_int_equal(config->routes[0].pool, config->routes[3].pool);
    assert_int_equal(config->routes[0].pool, config->routes[4].pool);
    unload(&loaded);
}

#define STATUSES "statuses from 400 to 599 and ranges of them, like 502-504 or 429,500-599\n"

/* Laid out by hand: an input, then what is said about it, a line each. */
/* clang-format off */
static const struct bad bad[] = {
    {"{'passiveCheck':{'statuses':'200'}," BACKENDS "}",
     "c.json:1:29: passiveCheck.statuses: \"200\" is not allowed: " STATUSES},
    {"{'passiveCheck':{'statuses':'503,399-400'}," BACKENDS "}",
     "c.json:1:29: passiveCheck.statuses: \"503,399-400\" is not allowed: " STATUSES},
    {"{'passiveCheck':{'statuses':''}," BACKENDS "}",
     "c.json:1:29: passiveCheck.statuses: \"\" is not allowed: " STATUSES},
    {"{'passiveCheck':{'errorRate':101}," BACKENDS "}",
     "c.json:1:30: passiveCheck.errorRate: 101 is not allowed: a whole number of percent from 0 to "
     "100\n"},
    {"{'passiveCheck':{'trials':0}," BACKENDS "}",
     "c.json:1:27: passiveCheck.trials: 0 is not allowed: a whole number of requests from 1 to "
     "1000\n"},
    {"{'loadBalancing':{'panicThreshold':-1}," BACKENDS "}",
     "c.json:1:36: loadBalancing.panicThreshold: -1 is not allowed: a whole number of percent from "
     "0 to 100\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','passiveCheck':{'errorrate':1}}]}",
     "c.json:1:58: backends[0].passiveCheck.errorrate: unknown setting (did you mean "
     "\"errorRate\"?)\n"},
};
/* clang-format on */

static void test_bad(void **state)
{
    (void)state;
    assert_bad(bad, ARRAY_COUNT(bad), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_backends_inherit),
        cmocka_unit_test(test_off_at_the_top_is_off),
        cmocka_unit_test(test_limits_make_pools),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests_name("passive checks", tests, NULL, NULL);
}
