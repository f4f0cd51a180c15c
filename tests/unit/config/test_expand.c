/* Backends with names become as many backends as the names have addresses. */
#include "fixture.h"

enum { PORT = 1000 };

/* How many addresses each name has: its length less one. Their weights are 1, 2, 3, ... */
static u32 find(void *context, const struct config_backend *backend,
                struct config_endpoint out[CONFIG_ENDPOINTS_MAX])
{
    u32 *asked = context;
    u32 count = backend->name.len - 1;
    (*asked)++;
    for (u32 i = 0; i < count; i++) {
        out[i] = (struct config_endpoint){.weight = i + 1};
        assert_true(address_parse_ip(SLICE("127.0.0.1"), (u16)(PORT + i), &out[i].address));
    }
    return count;
}

static struct config *expand(const struct config *config)
{
    static u32 asked;
    const struct config_names names = {find, &asked};
    asked = 0;
    struct config *expanded = config_expand(config, &names);
    u32 wanted = 0;
    for (u32 i = 0; i < config->backend_count; i++)
        wanted += config->backends[i].name.len > 0;
    assert_int_equal(asked, wanted);
    return expanded;
}

static u16 port_of(const struct config *config, u32 backend)
{
    return ntohs(config->backends[backend].address.v4.sin_port);
}

static void test_pools(void **state)
{
    static const char *const ids[] = {"none", "ip", "two", "two"};
    static const u32 all[] = {0, 1, 2, 3}, listed[] = {2, 3, 0};
    (void)state;
    struct loaded loaded = load_good(
        "{'backends':[{'id':'none','url':'http://a'},{'id':'ip','url':'http://127.0.0.1:7'},"
        "{'id':'two','url':'http://abc','weight':3}],"
        "'routes':[{'path':'/x','backends':['two','none']}]}");
    struct config *expanded = expand(loaded.config);
    assert_int_equal(expanded->backend_count, 4);
    for (u32 i = 0; i < 4; i++)
        assert_slice(expanded->backends[i].id, ids[i]);
    assert_int_equal(expanded->backends[0].address.len, 0);
    assert_int_equal(port_of(expanded, 1), 7);
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(port_of(expanded, 2 + i), PORT + i);
        assert_int_equal(expanded->backends[2 + i].weight, 3 * (i + 1));
    }
    for (u32 p = 0; p < expanded->pool_count; p++) {
        bool whole = expanded->pools[p].backend_count == 4;
        assert_true(whole || expanded->pools[p].backend_count == 3);
        assert_memory_equal(expanded->pools[p].backends, whole ? all : listed,
                            expanded->pools[p].backend_count * sizeof(u32));
    }
    config_destroy(expanded);
    unload(&loaded);
}

static void test_weights(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{'backends':[{'url':'http://abcdefgh','weight':1000},"
                                     "{'url':'http://ab','weight':0}]}");
    struct config *expanded = expand(loaded.config);
    assert_int_equal(expanded->backend_count, 8);
    for (u32 i = 0; i < 7; i++)
        assert_int_equal(expanded->backends[i].weight, 1000 * (i + 1));
    assert_int_equal(expanded->backends[7].weight, 0);
    config_destroy(expanded);
    unload(&loaded);
}

/* However many addresses there are, each backend has one at least, and all of them are bounded. */
static void test_bounds(void **state)
{
    enum { BACKENDS_MANY = 1000, LABEL_BYTES = 61, JSON_BYTES = 200 * BACKENDS_MANY };
    char *json = malloc(JSON_BYTES), label[LABEL_BYTES + 1];
    usize len = (usize)snprintf(json, JSON_BYTES, "{\"backends\":[");
    (void)state;
    memset(label, 'a', LABEL_BYTES);
    label[LABEL_BYTES] = '\0';
    for (u32 i = 0; i < BACKENDS_MANY; i++)
        len += (usize)snprintf(json + len, JSON_BYTES - len, "%s{\"url\":\"http://%s\"}",
                               i > 0 ? "," : "", label);
    (void)snprintf(json + len, JSON_BYTES - len, "]}");
    struct loaded loaded = load_raw(json, NULL);
    assert_non_null(loaded.config);
    struct config *expanded = expand(loaded.config);
    assert_int_equal(expanded->backend_count, CONFIG_ENDPOINTS_ALL_MAX);
    assert_slice(expanded->backends[expanded->backend_count - 1].id, "backend-1000");
    for (u32 i = 0; i < expanded->backend_count; i++)
        assert_true(expanded->backends[i].address.len > 0);
    config_destroy(expanded);
    unload(&loaded);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
