/* Routes: their order, their pools and the edits of fields. */
#include "fixture.h"

#define TWO                                                                                        \
    "'backends':[{'id':'a','url':'http://127.0.0.1:1'},{'id':'b','url':'http://127.0.0.1:2'}]"

static const struct config_route *route_find(const struct config *config, const char *id)
{
    for (u32 i = 0; i < config->route_count; i++)
        if (slice_equal(config->routes[i].id, slice_of_string(id)))
            return &config->routes[i];
    fail_msg("no route %s", id);
    return NULL;
}

/* Exact hosts, wildcards by length, any host; each by length of path; the default route last. */
static void test_order(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'routes':[{'id':'any'},{'id':'any-long','path':'/very/long/path'},"
        "{'id':'any-short','path':'/v'},{'id':'wild','vHost':'*.example.com'},"
        "{'id':'wild-path','vHost':'*.Example.com','path':'/x'},"
        "{'id':'wild-longer','vHost':'*.a.example.com'},{'id':'exact','vHost':'Z.io'},"
        "{'id':'exact-path','vHost':'z.IO','path':'/a/b'},{'id':'exact-v6','vHost':'[::1]'},"
        "{'id':'exact-long','vHost':'www.example.com','path':'/q'}]," TWO "}");
    static const char *const order[] = {
        "exact-long", "exact-v6", "exact-path", "exact", "wild-longer", "wild-path",
        "wild",       "any-long", "any-short",  "any",   "default",
    };
    const struct config *config = loaded.config;
    assert_int_equal(config->route_count, ARRAY_COUNT(order));
    for (u32 i = 0; i < config->route_count; i++)
        assert_slice(config->routes[i].id, order[i]);
    assert_slice(config->routes[2].host, "z.io");
    assert_false(config->routes[2].wildcard);
    assert_slice(config->routes[5].host, ".example.com");
    assert_true(config->routes[5].wildcard);
    assert_int_equal(config->routes[9].host.len, 0);
    assert_false(config->routes[9].wildcard);
    unload(&loaded);
}

/* The order in the file has no influence. */
static void test_order_is_total(void **state)
{
    (void)state;
    static const char *const routes[] = {
        "{'id':'1','vHost':'b.io'}",
        "{'id':'2','vHost':'a.io'}",
        "{'id':'3','vHost':'*.io'}",
        "{'id':'4','path':'/b'}",
        "{'id':'5','path':'/a'}",
        "{'id':'6','vHost':'a.io','path':'/b'}",
        "{'id':'7','vHost':'*.io','path':'/b'}",
    };
    static const char expected[] = "6 2 1 7 3 5 4 default ";
    for (u32 turn = 0; turn < ARRAY_COUNT(routes); turn++) {
        char json[1024];
        int len = snprintf(json, sizeof(json), "{" TWO ",'routes':[");
        for (u32 i = 0; i < ARRAY_COUNT(routes); i++)
            len += snprintf(json + len, sizeof(json) - (usize)len, "%s%s", i > 0 ? "," : "",
                            routes[(i * 3 + turn) % ARRAY_COUNT(routes)]);
        snprintf(json + len, sizeof(json) - (usize)len, "]}");
        struct loaded loaded = load_good(json);
        char order[64] = "";
        int at = 0;
        for (u32 i = 0; i < loaded.config->route_count; i++)
            at += snprintf(order + at, sizeof(order) - (usize)at, "%s ",
                           loaded.config->routes[i].id.data);
        assert_string_equal(order, expected);
        unload(&loaded);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct loaded loaded =
        load_good("{'reqActiveLength':5,'reqQueueLength':6,'reqBodyRate':7,"
                  "'routes':[{'path':'/a','reqActiveLength':12,'reqQueueLength':34},{}]," TWO "}");
    const struct config_route *route = route_find(loaded.config, "route-1");
    assert_slice(route->path, "/a");
    assert_int_equal(route->active_max, 12);
    assert_int_equal(route->queue_max, 34);
    assert_int_equal(route->body_rate_min, 500);
    assert_true(route->limited);
    assert_slice(route_find(loaded.config, "route-2")->path, "/");
    assert_false(route_find(loaded.config, "route-2")->limited); /* it has its own: none */
    assert_int_equal(route_find(loaded.config, "default")->active_max, 5);
    assert_int_equal(route_find(loaded.config, "default")->queue_max, 6);
    assert_int_equal(route_find(loaded.config, "default")->body_rate_min, 7);
    unload(&loaded);
}

static void test_admission(void **state)
{
    (void)state;
    struct loaded loaded =
        load_good("{'shedding':{'enabled':true,'target':7},'routes':[{'path':'/a','adaptive':{"
                  "'enabled':true,'min':3,'max':4,'tolerance':200,'probeInterval':5000},"
                  "'priority':{'level':'LOW','header':'X-P','high':['a','b'],'low':['c'],"
                  "'fromAnyone':true,'headStart':9}}]," TWO "}");
    const struct config_admission *first = &route_find(loaded.config, "route-1")->admission;
    assert_false(first->shedding.enabled); /* it has its own */
    assert_true(first->adaptive.enabled);
    assert_int_equal(first->adaptive.least, 3);
    assert_int_equal(first->adaptive.most, 4);
    assert_int_equal(first->adaptive.tolerance_percent, 200);
    assert_int_equal(first->adaptive.probe_interval_ms, 5000);
    assert_true(route_find(loaded.config, "route-1")->limited);
    assert_int_equal(first->priority.level, CONFIG_PRIORITY_LOW);
    assert_slice(first->priority.header, "X-P");
    assert_int_equal(first->priority.high.count, 2);
    assert_slice(first->priority.high.at[1], "b");
    assert_int_equal(first->priority.low.count, 1);
    assert_slice(first->priority.low.at[0], "c");
    assert_int_equal(first->priority.head_start_ms, 9);
    assert_true(first->priority.from_anyone);
    const struct config_admission *last = &route_find(loaded.config, "default")->admission;
    assert_true(last->shedding.enabled);
    assert_false(last->adaptive.enabled);
    assert_int_equal(last->shedding.target_ms, 7);
    assert_int_equal(last->shedding.interval_ms, 500);
    assert_int_equal(last->priority.level, CONFIG_PRIORITY_NORMAL);
    assert_int_equal(last->priority.header.len, 0);
    unload(&loaded);
}

static void assert_statuses(const struct config_retry *retry, u32 first, u32 last)
{
    for (u32 status = 100; status <= 600; status++)
        assert_int_equal(config_retry_status(retry, status), status >= first && status <= last);
}

/* A route is hedged as it says, or as the top says, where that is possible at all. */
static void test_hedges(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'retry':{'hedge':{'enabled':true,'percentile':99,'delayMin':5}},'routes':["
        "{'path':'/own','retry':{'hedge':{'percentile':50,'delayMin':0}}},"
        "{'path':'/off','retry':{'hedge':{'enabled':false}}},"
        "{'path':'/once','retries':0},"
        "{'path':'/sticky','stickySession':{'enabled':true}},"
        "{'path':'/try','retry':{'hedge':{'enabled':false}},'timeouts':{'perTry':70}}]," TWO "}");
    const struct config_route *own = route_find(loaded.config, "route-1");
    const struct config_route *off = route_find(loaded.config, "route-2");
    const struct config_route *tries = route_find(loaded.config, "route-5");
    const struct config_route *top = route_find(loaded.config, "default");
    assert_true(loaded.config->hedged && own->hedged && top->hedged);
    assert_true(own->impatient && own->sampled);
    assert_int_equal(own->retry.hedge.percentile, 50);
    assert_int_equal(own->retry.hedge.delay_min_ms, 0);
    assert_int_equal(top->retry.hedge.percentile, 99);
    assert_int_equal(top->retry.hedge.delay_min_ms, 5);
    assert_false(off->hedged || off->impatient || off->sampled);
    assert_int_equal(off->retry.hedge.percentile, 99);
    assert_false(route_find(loaded.config, "route-3")->hedged);
    assert_false(route_find(loaded.config, "route-4")->hedged);
    assert_true(tries->impatient && !tries->hedged && !tries->sampled);
    unload(&loaded);
    loaded = load_good("{'reqActiveLength':1," TWO "}");
    top = route_find(loaded.config, "default");
    assert_true(top->sampled && !top->hedged && !top->impatient && !loaded.config->hedged);
    unload(&loaded);
}

/* A route has what it says, and else what the top says. */
static void test_retries(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'proxy':{'retries':2},'timeouts':{'perTry':70},'retry':{'backoff':0,'budget':50},"
        "'routes':[{'path':'/own','retries':0,'timeouts':{'perTry':0},'retry':{'statuses':"
        "'500-599','methods':'all','backoff':7,'maxBackoff':0,'budget':0,'minBudget':0}},"
        "{'path':'/none','retry':{'statuses':'none'}},{'path':'/same'}]," TWO "}");
    const struct config_route *own = route_find(loaded.config, "route-1");
    const struct config_route *none = route_find(loaded.config, "route-2");
    const struct config_route *same = route_find(loaded.config, "route-3");
    assert_statuses(&own->retry, 500, 599);
    assert_statuses(&none->retry, 1, 0);
    assert_statuses(&same->retry, 502, 504);
    assert_int_equal(own->retry.retries, 0);
    assert_int_equal(own->retry.methods, CONFIG_RETRY_ALL);
    assert_int_equal(own->retry.backoff_ms, 7);
    assert_int_equal(own->retry.backoff_max_ms, 0);
    assert_int_equal(own->retry.budget_percent, 0);
    assert_int_equal(own->retry.budget_min, 0);
    assert_int_equal(own->timeouts.per_try_ms, 0);
    assert_int_equal(same->timeouts.per_try_ms, 70);
    const struct config_retry *top = &route_find(loaded.config, "default")->retry;
    assert_memory_equal(&same->retry, top, sizeof(*top));
    assert_int_equal(top->retries, 2);
    assert_int_equal(top->methods, CONFIG_RETRY_IDEMPOTENT);
    assert_int_equal(top->backoff_ms, 0);
    assert_int_equal(top->backoff_max_ms, 250);
    assert_int_equal(top->budget_percent, 50);
    assert_int_equal(top->budget_min, 10);
    unload(&loaded);
}

static void test_sticky(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'loadBalancing':{'stickySession':{'enabled':true,'ttl':5000,'key':'0123456789abcdef'}},"
        "'routes':[{'path':'/off','stickySession':{'enabled':false}},{'path':'/same'},"
        "{'path':'/ip','stickySession':{'source':'client-ip'},'strategy':'random'},"
        "{'path':'/own','stickySession':{'cookieName':'x','ttl':7000},'backends':['a']},"
        "{'path':'/own-ip','stickySession':{'source':'client-ip'},'backends':['a']}]," TWO "}");
    const struct config *config = loaded.config;
    const struct config_route *same = route_find(config, "route-2");
    const struct config_route *ip = route_find(config, "route-3");
    const struct config_route *own = route_find(config, "route-4");
    assert_slice(config->sticky_key, "0123456789abcdef");
    assert_false(route_find(config, "route-1")->sticky_cookie);
    assert_true(route_find(config, "default")->sticky_cookie && same->sticky_cookie);
    assert_slice(same->sticky.cookie_name, "nextproxy_backend");
    assert_int_equal(same->sticky.ttl_ms, 5000);
    assert_false(ip->sticky_cookie);
    assert_true(ip->sticky.enabled);
    assert_int_equal(config->pools[ip->pool].strategy, BALANCE_IP_HASH);
    assert_int_equal(config->pools[route_find(config, "route-5")->pool].strategy, BALANCE_IP_HASH);
    assert_int_equal(config->pools[same->pool].strategy, BALANCE_ROUND_ROBIN);
    assert_slice(own->sticky.cookie_name, "x");
    assert_int_equal(own->sticky.ttl_ms, 7000);
    unload(&loaded);
}

/* Routes that name no backends share one pool for each strategy. */
static void test_pools(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'loadBalancing':{'strategy':'random'},'routes':[{'id':'plain','path':'/1'},"
        "{'id':'same','path':'/2','strategy':'RANDOM'},{'id':'hash','path':'/3','strategy':"
        "'ip-hash'},{'id':'hash-too','path':'/4','strategy':'ip-hash'},"
        "{'id':'own','path':'/5','backends':['b']},{'id':'both','path':'/6','backends':['b','a'],"
        "'strategy':'least-latency'}]," TWO "}");
    const struct config *config = loaded.config;
    assert_int_equal(config->pool_count, 4);
    assert_int_equal(route_find(config, "default")->pool, 0);
    assert_int_equal(route_find(config, "plain")->pool, 0);
    assert_int_equal(route_find(config, "same")->pool, 0);
    assert_int_equal(config->pools[0].strategy, BALANCE_RANDOM);
    assert_int_equal(config->pools[0].backend_count, 2);
    u32 hash = route_find(config, "hash")->pool;
    assert_int_equal(route_find(config, "hash-too")->pool, hash);
    assert_int_equal(config->pools[hash].strategy, BALANCE_IP_HASH);
    assert_int_equal(config->pools[hash].backend_count, 2);
    const struct config_pool *own = &config->pools[route_find(config, "own")->pool];
    assert_int_equal(own->strategy, BALANCE_RANDOM);
    assert_int_equal(own->backend_count, 1);
    assert_int_equal(own->backends[0], 1);
    const struct config_pool *both = &config->pools[route_find(config, "both")->pool];
    assert_int_equal(both->strategy, BALANCE_LEAST_LATENCY);
    assert_int_equal(both->backends[0], 1);
    assert_int_equal(both->backends[1], 0);
    unload(&loaded);
}

static void test_header_edits(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'routes':[{'id':'r','requestHeaders':{'add':{'X-Add':'a\\tb'},'set':{'Host':'h.io',"
        "'X-Empty':''},'remove':['Cookie','X-Gone']},'responseHeaders':{'remove':['Server']}}]," TWO
        "}");
    static const struct {
        enum config_header_action action;
        const char *name;
        const char *value;
    } expected[] = {
        {CONFIG_HEADER_REMOVE, "Cookie", ""}, {CONFIG_HEADER_REMOVE, "X-Gone", ""},
        {CONFIG_HEADER_SET, "Host", "h.io"},  {CONFIG_HEADER_SET, "X-Empty", ""},
        {CONFIG_HEADER_ADD, "X-Add", "a\tb"},
    };
    const struct config_route *route = route_find(loaded.config, "r");
    assert_int_equal(route->request_headers.count, ARRAY_COUNT(expected));
    for (u32 i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_int_equal(route->request_headers.at[i].action, expected[i].action);
        assert_slice(route->request_headers.at[i].name, expected[i].name);
        assert_slice(route->request_headers.at[i].value, expected[i].value);
    }
    assert_int_equal(route->response_headers.count, 1);
    assert_int_equal(route->response_headers.at[0].action, CONFIG_HEADER_REMOVE);
    assert_slice(route->response_headers.at[0].name, "Server");
    assert_int_equal(route_find(loaded.config, "default")->request_headers.count, 0);
    unload(&loaded);
}

/* As many backends and routes as are allowed, each route with a list of its own. */
static void test_many(void **state)
{
    (void)state;
    char *json = NULL;
    usize len = 0;
    FILE *out = open_memstream(&json, &len);
    fputs("{\"backends\":[", out);
    for (u32 i = 0; i < 4096; i++)
        fprintf(out, "%s{\"url\":\"http://10.0.%u.%u:80\"}", i > 0 ? "," : "", i / 256, i % 256);
    fputs("],\"routes\":[", out);
    for (u32 i = 0; i < 4096; i++)
        fprintf(out, "%s{\"path\":\"/%u\",\"backends\":[\"backend-%u\"]}", i > 0 ? "," : "", i,
                i + 1);
    fputs("]}", out);
    fclose(out);
    struct loaded loaded = load_raw(json, NULL);
    assert_non_null(loaded.config);
    assert_int_equal(loaded.config->route_count, 4097);
    const struct config_route *route = route_find(loaded.config, "route-4000");
    assert_int_equal(loaded.config->pools[route->pool].backends[0], 3999);
    unload(&loaded);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),   cmocka_unit_test(test_order_is_total),
        cmocka_unit_test(test_values),  cmocka_unit_test(test_admission),
        cmocka_unit_test(test_pools),   cmocka_unit_test(test_header_edits),
        cmocka_unit_test(test_many),    cmocka_unit_test(test_hedges),
        cmocka_unit_test(test_retries), cmocka_unit_test(test_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
