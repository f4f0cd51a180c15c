/* What a good configuration becomes: defaults, inheritance, listeners, backends, notes, files. */
#include "fixture.h"

#include <sched.h>
#include <unistd.h>

static void assert_address(const struct address *address, const char *ip, u16 port)
{
    char text[64];
    u32 len = address_format_ip(address, text);
    assert_string_equal(text, ip);
    assert_int_equal(len, strlen(ip));
    u16 found = address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port;
    assert_int_equal(ntohs(found), port);
}

static void assert_timeouts(const struct config_timeouts *timeouts, const u32 expected[10])
{
    assert_int_equal(timeouts->connect_ms, expected[0]);
    assert_int_equal(timeouts->request_head_ms, expected[1]);
    assert_int_equal(timeouts->request_body_idle_ms, expected[2]);
    assert_int_equal(timeouts->response_head_ms, expected[3]);
    assert_int_equal(timeouts->response_idle_ms, expected[4]);
    assert_int_equal(timeouts->keep_alive_ms, expected[5]);
    assert_int_equal(timeouts->tunnel_idle_ms, expected[6]);
    assert_int_equal(timeouts->drain_ms, expected[7]);
    assert_int_equal(timeouts->queue_ms, expected[8]);
    assert_int_equal(timeouts->drain_idle_ms, expected[9]);
}

/* ---- Defaults ---- */

static void test_numbers_default(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{" BACKENDS "}");
    const struct config *config = loaded.config;
    cpu_set_t cpus;
    assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    assert_int_equal(config->workers, CPU_COUNT(&cpus));
    assert_int_equal(config->routes[0].retry.retries, 3);
    assert_timeouts(&config->timeouts,
                    (u32[]){5000, 10000, 30000, 30000, 30000, 60000, 3600000, 30000, 10000, 1000});
    assert_int_equal(config->limits.http.head_bytes_max, 16384);
    assert_int_equal(config->limits.http.fields_max, 100);
    assert_int_equal(config->limits.http.target_bytes_max, 8192);
    assert_int_equal(config->limits.body_bytes_max, 0);
    assert_int_equal(config->limits.clients_max, 16384);
    assert_int_equal(config->limits.exchanges_max, 4096);
    assert_int_equal(config->upstream.idle_max, 1024);
    assert_int_equal(config->upstream.connections_max, 8192);
    assert_int_equal(config->upstream.idle_timeout_ms, 60000);
    assert_int_equal(config->upstream.requests_max, 0);
    assert_string_equal(loaded.text, "");
    unload(&loaded);
}

static void test_sections_default(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{" BACKENDS "}");
    const struct config *config = loaded.config;
    assert_slice(config->file, "c.json");
    assert_true(config->logging.error.enabled);
    assert_slice(config->logging.error.directory, "./logs");
    assert_slice(config->logging.error.pattern, "log_yyyy_mm_dd_HH.log");
    assert_int_equal(config->logging.severity_min, LOG_INFO);
    assert_true(config->logging.access.enabled);
    assert_slice(config->logging.access.pattern, "access_yyyy_mm_dd_HH.log");
    assert_int_equal(config->logging.access.files_max, 0);
    assert_int_equal(config->logging.access.age_days_max, 0);
    assert_true(config->logging.access_sample == 1.0);
    assert_false(config->routes[0].sticky.enabled || config->routes[0].sticky_cookie);
    assert_slice(config->routes[0].sticky.cookie_name, "nextproxy_backend");
    assert_false(config->rate_limit.enabled);
    assert_int_equal(config->rate_limit.requests_max, 1000);
    assert_int_equal(config->trusted_proxies.count, 0);
    assert_int_equal(config->error_templates.html.len, 0);
    assert_int_equal(config->error_templates.json.len, 0);
    unload(&loaded);
}

static void test_default_route(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{" BACKENDS "}");
    const struct config *config = loaded.config;
    assert_int_equal(config->route_count, 1);
    assert_slice(config->routes[0].id, "default");
    assert_int_equal(config->routes[0].host.len, 0);
    assert_slice(config->routes[0].path, "/");
    assert_false(config->routes[0].wildcard);
    assert_int_equal(config->routes[0].active_max, 0);
    assert_false(config->routes[0].limited);
    assert_int_equal(config->pool_count, 1);
    assert_int_equal(config->pools[0].backend_count, 1);
    assert_int_equal(config->pools[0].strategy, BALANCE_ROUND_ROBIN);
    unload(&loaded);
}

/* proxy.timeout is the default of two timeouts; what is given itself wins. */
static void test_timeouts_inherit(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'proxy':{'timeout':7000},'timeouts':{'connect':1,'responseIdle':9,'queue':77},"
        "'routes':[{'path':'/a','timeouts':{'responseHead':3,'tunnelIdle':4,'queue':8}}]," BACKENDS
        "}");
    const struct config *config = loaded.config;
    assert_timeouts(&config->timeouts,
                    (u32[]){1, 10000, 30000, 7000, 9, 60000, 3600000, 30000, 77, 1000});
    assert_slice(config->routes[0].path, "/a");
    assert_timeouts(&config->routes[0].timeouts,
                    (u32[]){1, 10000, 30000, 3, 9, 60000, 4, 30000, 8, 1000});
    assert_timeouts(&config->routes[1].timeouts,
                    (u32[]){1, 10000, 30000, 7000, 9, 60000, 3600000, 30000, 77, 1000});
    unload(&loaded);
}

/* ---- Listeners ---- */

static void test_one_listener(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{'proxy':{'port':0}," BACKENDS "}");
    assert_int_equal(loaded.config->listener_count, 1);
    assert_slice(loaded.config->listeners[0].name, "*:0");
    assert_true(loaded.config->listeners[0].dual_stack);
    assert_address(&loaded.config->listeners[0].address, "::", 0);
    assert_int_equal(loaded.config->listeners[0].proxy_protocol_from.count, 0);
    unload(&loaded);
}

static void test_listeners(void **state)
{
    (void)state;
    struct loaded loaded =
        load_good("{'proxy':{'port':81},'listeners':[{},{'address':'0.0.0.0','port':82},"
                  "{'address':'::','port':83},{'address':'127.0.0.1','port':0},"
                  "{'address':'127.0.0.2','port':0},{'unixSocket':'/run/np.sock'},"
                  "{'address':'::1','proxyProtocolFrom':['10.0.0.0/8','::1']},"
                  "{'unixSocket':'/run/x','unixMode':'777'}]," BACKENDS "}");
    static const char *const names[] = {
        "*:81",        "0.0.0.0:82",        "[::]:83",  "127.0.0.1:0",
        "127.0.0.2:0", "unix:/run/np.sock", "[::1]:81", "unix:/run/x",
    };
    const struct config *config = loaded.config;
    assert_int_equal(config->listener_count, ARRAY_COUNT(names));
    for (u32 i = 0; i < ARRAY_COUNT(names); i++) {
        assert_slice(config->listeners[i].name, names[i]);
        assert_int_equal(config->listeners[i].dual_stack, i == 0);
    }
    assert_address(&config->listeners[1].address, "0.0.0.0", 82);
    assert_address(&config->listeners[2].address, "::", 83);
    assert_int_equal(config->listeners[5].address.any.sa_family, AF_UNIX);
    assert_string_equal(config->listeners[5].address.local.sun_path, "/run/np.sock");
    assert_int_equal(config->listeners[5].unix_mode, 0660);
    assert_int_equal(config->listeners[7].unix_mode, 0777);
    assert_int_equal(config->listeners[6].proxy_protocol_from.count, 2);
    assert_int_equal(config->listeners[6].proxy_protocol_from.at[0].prefix_bits, 104);
    unload(&loaded);
}

/* ---- Backends ---- */

static void test_backends(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'backends':[{'url':'http://127.0.0.1:3001'},{'url':'HTTP://four.example/','weight':7},"
        "{'id':'s','url':'http://six.example:81'},{'url':'http://[::1]:82','weight':0},"
        "{'url':'unix:/run/app.sock'},{'url':'HTTP+SRV://_http._tcp.example/'}]}");
    const struct config_backend *backends = loaded.config->backends;
    assert_int_equal(loaded.config->backend_count, 6);
    assert_slice(backends[0].id, "backend-1");
    assert_slice(backends[0].authority, "127.0.0.1:3001");
    assert_int_equal(backends[0].weight, 1);
    assert_address(&backends[0].address, "127.0.0.1", 3001);
    assert_slice(backends[1].url, "HTTP://four.example/");
    assert_slice(backends[1].authority, "four.example");
    assert_int_equal(backends[1].weight, 7);
    assert_int_equal(backends[1].address.len, 0);
    assert_slice(backends[1].name, "four.example");
    assert_int_equal(backends[1].port, 80);
    assert_false(backends[1].service);
    assert_slice(backends[2].id, "s");
    assert_int_equal(backends[2].port, 81);
    assert_slice(backends[3].id, "backend-4");
    assert_slice(backends[3].authority, "[::1]:82");
    assert_address(&backends[3].address, "::1", 82);
    assert_slice(backends[4].authority, "localhost");
    assert_string_equal(backends[4].address.local.sun_path, "/run/app.sock");
    assert_int_equal(backends[4].name.len + backends[3].name.len + backends[0].name.len, 0);
    assert_slice(backends[5].name, "_http._tcp.example");
    assert_slice(backends[5].authority, "_http._tcp.example");
    assert_true(backends[5].service);
    assert_true(config_has_names(loaded.config));
    unload(&loaded);
}

static void test_strategy_spellings(void **state)
{
    (void)state;
    for (u32 i = 0; i < BALANCE_STRATEGY_COUNT; i++) {
        char json[160];
        char name[64];
        snprintf(name, sizeof(name), "%s", balance_strategy_name((enum balance_strategy)i));
        for (u32 spelling = 0; spelling < 2; spelling++) {
            snprintf(json, sizeof(json), "{'loadBalancing':{'strategy':'%s'}," BACKENDS "}", name);
            struct loaded loaded = load_good(json);
            assert_int_equal(loaded.config->pools[0].strategy, i);
            unload(&loaded);
            for (char *at = name; *at != '\0'; at++)
                *at = *at == '-' ? '_' : (char)(*at - 'a' + 'A');
        }
    }
}

/* ---- Notes ---- */

/* A feature that comes later is accepted, and said once however often it is used. */
static void test_notes(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{'rateLimit':{'enabled':true}," BACKENDS "}");
    assert_string_equal(loaded.text,
                        "c.json:1:25: rateLimit.enabled: not active yet, accepted and ignored\n");
    assert_true(loaded.config->rate_limit.enabled);
    unload(&loaded);
}

/* ---- Health checks ---- */

static void test_health_check(void **state)
{
    (void)state;
    struct loaded loaded =
        load_good("{'backends':[{'url':'http://127.0.0.1:1'},\n"
                  "{'url':'http://127.0.0.1:1','healthCheck':{'enabled':true,'type':'TCP',"
                  "'method':'head','host':'a.example:8','interval':700}}]}");
    assert_string_equal(loaded.text, "");
    const struct config_health_check *first = &loaded.config->backends[0].health_check;
    assert_false(first->enabled);
    assert_int_equal(first->type, CONFIG_PROBE_HTTP);
    assert_int_equal(first->method, CONFIG_PROBE_GET);
    assert_slice(first->path, "/");
    assert_slice(first->host, "");
    assert_slice(first->expected_status, "200-399");
    assert_int_equal(first->interval_ms, 10000);
    assert_int_equal(first->fast_interval_ms, 10000);
    assert_int_equal(first->interval_max_ms, 60000);
    const struct config_health_check *second = &loaded.config->backends[1].health_check;
    assert_true(second->enabled);
    assert_int_equal(second->type, CONFIG_PROBE_TCP);
    assert_int_equal(second->method, CONFIG_PROBE_HEAD);
    assert_slice(second->host, "a.example:8");
    assert_int_equal(second->fast_interval_ms, 700);
    unload(&loaded);
}

static void test_status_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *ranges;
        u32 status;
        bool in;
    } rows[] = {
        {"200", 200, true},         {"200", 201, false},         {"200-399", 199, false},
        {"200-399", 200, true},     {"200-399", 399, true},      {"200-399", 400, false},
        {"204,301-303", 204, true}, {"204,301-303", 300, false}, {"204,301-303", 302, true},
        {"301-303,204", 204, true}, {"100-599", 599, true},      {"503,200", 200, true},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++)
        assert_int_equal(config_status_in(slice_of_string(rows[i].ranges), rows[i].status),
                         rows[i].in);
}

/* ---- Files ---- */

static void test_template(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{'errorTemplates':{'html':'error.html'}," BACKENDS "}");
    assert_slice(loaded.config->error_templates.html, "<h1>{status}</h1>");
    unload(&loaded);
}

static void file_write(const char *file, const char *text)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

/* Through the system: a file, a literal, a template that is too large, a directory. */
static void test_system(void **state)
{
    (void)state;
    char directory[] = "/tmp/test_load_XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    struct config_problems problems;
    file_write("good.json", "{\"backends\":[{\"url\":\"http://127.0.0.1:1\"}]}");
    struct config *config = config_load("good.json", NULL, &problems);
    assert_non_null(config);
    assert_slice(config->file, "good.json");
    config_destroy(config);
    config_problems_deinit(&problems);

    file_write("bad.json", "{\"errorTemplates\":{\"html\":\"large\",\"json\":\".\"},"
                           "\"backends\":[{\"url\":\"http://name.invalid\"}]}");
    file_write("large", "");
    assert_int_equal(truncate("large", (64 << 10) + 1), 0);
    assert_null(config_load("bad.json", NULL, &problems));
    assert_int_equal(problems.count, 2);
    assert_string_equal(problems.at[0].text,
                        "\"large\" cannot be read: it is larger than 65536 bytes");
    assert_string_equal(problems.at[1].text, "\".\" cannot be read: Is a directory");
    config_problems_deinit(&problems);

    file_write("blank.json", "{\"errorTemplates\":{\"html\":\"blank\"},"
                             "\"backends\":[{\"url\":\"http://127.0.0.1:1\"}]}");
    file_write("blank", "");
    assert_null(config_load("blank.json", NULL, &problems));
    assert_int_equal(problems.count, 1);
    assert_string_equal(
        problems.at[0].text,
        "\"blank\" is empty; without this setting there is a page that is built in");
    config_problems_deinit(&problems);

    file_write("own.json", "{\"backends\":[{\"url\":\"http://127.0.0.1:1\"}],"
                           "\"state\":{\"file\":\"own.json\"}}");
    assert_null(config_load("./own.json", NULL, &problems));
    assert_string_equal(problems.at[0].path, "state.file");
    assert_string_equal(problems.at[0].text,
                        "\"own.json\" is this configuration: the state needs a file of its own");
    config_problems_deinit(&problems);

    assert_null(config_load("none.json", NULL, &problems));
    assert_string_equal(problems.at[0].place, "none.json");
    assert_string_equal(problems.at[0].text, "cannot be read: No such file or directory");
    config_problems_deinit(&problems);
    assert_int_equal(unlink("good.json") + unlink("bad.json") + unlink("large"), 0);
    assert_int_equal(unlink("own.json") + unlink("blank.json") + unlink("blank"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void test_nameservers(void **state)
{
    static const struct {
        const char *ip;
        u16 port;
    } expected[] = {
        {"192.0.2.1", 53},   {"192.0.2.2", 5353},   {"2001:db8::1", 53},
        {"2001:db8::2", 53}, {"2001:db8::3", 5353},
    };
    (void)state;
    struct loaded loaded =
        load_good("{'dns':{'servers':['192.0.2.1','192.0.2.2:5353','2001:db8::1','[2001:db8::2]',"
                  "'[2001:db8::3]:5353'],'family':'PREFER_IPV6'}," BACKENDS "}");
    const struct config_dns *dns = &loaded.config->dns;
    assert_int_equal(dns->server_count, ARRAY_COUNT(expected));
    for (u32 i = 0; i < ARRAY_COUNT(expected); i++)
        assert_address(&dns->servers[i], expected[i].ip, expected[i].port);
    assert_int_equal(dns->family, CONFIG_FAMILY_PREFER_IPV6);
    assert_int_equal(dns->timeout_ms, 1000);
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_default), cmocka_unit_test(test_sections_default),
        cmocka_unit_test(test_default_route),   cmocka_unit_test(test_timeouts_inherit),
        cmocka_unit_test(test_one_listener),    cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_backends),        cmocka_unit_test(test_strategy_spellings),
        cmocka_unit_test(test_notes),           cmocka_unit_test(test_health_check),
        cmocka_unit_test(test_status_ranges),   cmocka_unit_test(test_template),
        cmocka_unit_test(test_system),          cmocka_unit_test(test_nameservers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
