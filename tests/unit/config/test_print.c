/* Printing: what is printed loads as the same, and the files in the repository are up to date. */
#include "fixture.h"

#include <jansson.h>

#include "config/secrecy.h"
#include "config/settings.h"

static char *printed(const struct config *config)
{
    char *text = NULL;
    usize len = 0;
    FILE *out = open_memstream(&text, &len);
    (void)config_print(config, out);
    fclose(out);
    return text;
}

/* ---- Round trip ---- */

static const char *const samples[] = {
    "{" BACKENDS "}",
    "{'$schema':'./config.schema.json','workers':4," BACKENDS "}",
    "{'proxy':{'port':0,'timeout':5},'limits':{'bodyBytes':1125899906842624}," BACKENDS "}",
    "{'listeners':[{},{'address':'::1','port':0,'proxyProtocolFrom':['::/0']},"
    "{'unixSocket':'/run/x','unixMode':'777'}],'trustedProxies':['10.0.0.0/8','::1']," BACKENDS "}",
    "{'logging':{'accessLog':{'sample':0.1,'enabled':false},'errorLog':{'level':'WARN',"
    "'directory':'a \\\\ \\u00e4 \\'b'}}," BACKENDS "}",
    "{'routes':[{'vHost':'*.Example.com','path':'/a','strategy':'IP_HASH','backends':['x'],"
    "'requestHeaders':{'set':{'X-A':'\\u00e4'},'add':{'X-B':''},'remove':['X-C']},"
    "'timeouts':{'connect':7},'reqActiveLength':3,'reqQueueLength':4},{}],"
    "'backends':[{'id':'x','url':'unix:/run/a','weight':1000},{'url':'http://four.example'}],"
    "'errorTemplates':{'html':'error.html'},'rateLimit':{'enabled':true}}",
};

static void test_round_trip(void **state)
{
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(samples); i++) {
        char *json = unquote(samples[i]);
        struct loaded first = load_raw(json, NULL);
        if (first.config == NULL)
            fail_msg("%s\n%s", json, first.text);
        char *once = printed(first.config);
        struct loaded second = load_raw(once, NULL);
        if (second.config == NULL)
            fail_msg("%s\n%s", once, second.text);
        char *twice = printed(second.config);
        assert_string_equal(once, twice);
        assert_int_equal(second.config->route_count, first.config->route_count);
        assert_int_equal(second.config->pool_count, first.config->pool_count);
        assert_int_equal(second.config->listener_count, first.config->listener_count);
        free(once);
        free(twice);
        unload(&first);
        unload(&second);
        free(json);
    }
}

/* Every row of the tables has its key in the print, but those whose absence means something. */
static void assert_keys(const struct settings_table *table, const json_t *object)
{
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        json_t *value = json_object_get(object, row->key);
        if (value == NULL && (row->fallback != NULL || row->type == SETTING_OBJECT))
            fail_msg("%s is not printed", row->key);
        if (row->type == SETTING_OBJECT)
            assert_keys(row->table, value);
        if (row->type == SETTING_LIST && json_array_size(value) > 0)
            assert_keys(row->table, json_array_get(value, 0));
    }
}

static void test_all_keys(void **state)
{
    (void)state;
    struct loaded loaded = load_good("{'routes':[{}]," BACKENDS "}");
    char *text = printed(loaded.config);
    json_t *root = json_loads(text, 0, NULL);
    assert_keys(&settings_root, root);
    assert_string_equal(json_string_value(json_object_get(root, "workers")), "auto");
    json_t *listener = json_array_get(json_object_get(root, "listeners"), 0);
    assert_string_equal(json_string_value(json_object_get(listener, "address")), "*");
    assert_int_equal(json_integer_value(json_object_get(listener, "port")), 3000);
    json_t *timeouts = json_object_get(root, "timeouts");
    assert_int_equal(json_integer_value(json_object_get(timeouts, "responseHead")), 30000);
    json_decref(root);
    free(text);
    unload(&loaded);
}

/* ---- Secrets ---- */

static void test_names_of_secret_fields(void **state)
{
    static const char *const secret[] = {
        "Authorization",
        "proxy-authorization",
        "COOKIE",
        "Set-Cookie",
        "X-Api-Key",
        "X-ApiKey",
        "X-Auth-Token",
        "X-Auth",
        "Auth_Key",
        "X-Amz-Security-Token",
        "Client-Secret",
        "X-Password-2",
        "X-Session-Id",
        "X-Jwt",
        "X-Hub-Signature-256",
    };
    static const char *const plain[] = {
        "Accept",
        "Host",
        "Keep-Alive",
        "X-Keyboard",
        "X-Forwarded-For",
        "Author",
        "X-Authority",
        "Cache-Control",
        "Strict-Transport-Security",
        "X-Frame-Options",
        "Monkey",
        "",
    };
    (void)state;
    for (usize i = 0; i < ARRAY_COUNT(secret); i++)
        if (!field_is_secret(slice_of_string(secret[i])))
            fail_msg("%s is shown", secret[i]);
    for (usize i = 0; i < ARRAY_COUNT(plain); i++)
        if (field_is_secret(slice_of_string(plain[i])))
            fail_msg("%s is not shown", plain[i]);
}

/* Wherever there are fields; what is printed loads all the same. */
static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    struct loaded loaded = load_good(
        "{'routes':[{'path':'/a','requestHeaders':{'set':{'X-Api-Key':'hunter2','X-Plain':'seen1'},"
        "'add':{'Cookie':'hunter2'}},"
        "'responseHeaders':{'set':{'Set-Cookie':'hunter2'},'add':{'X-Frame-Options':'seen2'}}}],"
        "'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'headers':{"
        "'Authorization':'Bearer hunter2','X-Asks':'seen3'}}}]}");
    char *text = NULL;
    usize len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(config_print(loaded.config, out), 4);
    fclose(out);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "\"Authorization\": \"(not shown)\""));
    assert_non_null(strstr(text, "\"Set-Cookie\": \"(not shown)\""));
    for (usize i = 1; i <= 3; i++) {
        char seen[8];
        snprintf(seen, sizeof(seen), "seen%zu", i);
        assert_non_null(strstr(text, seen));
    }
    struct loaded again = load_raw(text, NULL);
    assert_non_null(again.config);
    unload(&again);
    free(text);
    unload(&loaded);
}

/* ---- Rows ---- */

/* What the walks rely on. */
static void assert_rows(const struct settings_table *table)
{
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        bool nested = row->type == SETTING_OBJECT || row->type == SETTING_LIST;
        bool text = row->type == SETTING_STRING || row->type == SETTING_STRINGS ||
                    row->type == SETTING_FIELDS;
        bool number = row->type == SETTING_INTEGER || row->type == SETTING_AUTO;
        assert_true(strlen(row->key) < SETTINGS_KEY_BYTES_MAX);
        assert_true(row->text != NULL && row->text[strlen(row->text) - 1] == '.');
        bool bare = strcmp(row->key, "port") == 0 || strcmp(row->key, "weight") == 0;
        if (number && (row->unit == NULL) != bare)
            fail_msg("%s: a number has a unit, but for ports and weights", row->key);
        assert_int_equal(nested, row->table != NULL);
        assert_int_equal(text, row->form != NULL);
        assert_int_equal(row->type == SETTING_CHOICE, row->choice != NULL);
        assert_true(row->offset + row->size <= table->item_bytes);
        assert_true(!number || row->size == sizeof(u32) || row->size == sizeof(u64));
        assert_true(!number || row->size == sizeof(u64) || row->max <= UINT32_MAX);
        assert_ptr_equal(settings_find(table, slice_of_string(row->key)), row);
        if (nested)
            assert_rows(row->table);
    }
}

static void test_rows(void **state)
{
    (void)state;
    assert_rows(&settings_root);
}

/* ---- Files ---- */

static char *repository_file(const char *name)
{
    const char *root = getenv("NEXTPROXY_SOURCE_DIR");
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : ".", name);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        fail_msg("%s cannot be opened: set NEXTPROXY_SOURCE_DIR", path);
    char *text = NULL;
    usize capacity = 0;
    assert_true(getdelim(&text, &capacity, '\0', in) > 0);
    fclose(in);
    return text;
}

static void assert_up_to_date(const char *file, void (*print)(FILE *out), const char *option)
{
    char *expected = NULL;
    usize len = 0;
    FILE *out = open_memstream(&expected, &len);
    print(out);
    fclose(out);
    char *found = repository_file(file);
    if (strcmp(found, expected) != 0)
        fail_msg("%s is out of date: build/nextproxy %s > %s", file, option, file);
    free(found);
    free(expected);
}

static void test_schema_up_to_date(void **state)
{
    (void)state;
    assert_up_to_date("config.schema.json", config_print_schema, "--print-schema");
}

static void test_reference_up_to_date(void **state)
{
    (void)state;
    assert_up_to_date("docs/configuration.md", config_print_reference, "--print-config-reference");
}

/* The keys of the sample are a promise: exactly these, in this order. */
static void test_sample(void **state)
{
    (void)state;
    char *text = repository_file("config.json");
    struct loaded loaded = load_raw(text, NULL);
    if (loaded.config == NULL)
        fail_msg("%s", loaded.text);
    static const char *const keys[] = {"proxy", "loadBalancing", "backends", "rateLimit",
                                       "logging"};
    json_t *root = json_loads(text, 0, NULL);
    const char *key;
    json_t *value;
    u32 count = 0;
    json_object_foreach(root, key, value)
    {
        assert_non_null(value);
        assert_true(count < ARRAY_COUNT(keys));
        assert_string_equal(key, keys[count++]);
    }
    assert_int_equal(count, ARRAY_COUNT(keys));
    assert_int_equal(loaded.config->backend_count, 3);
    assert_slice(loaded.config->backends[2].url, "http://127.0.0.1:3003");
    assert_slice(loaded.config->listeners[0].name, "*:3000");
    json_decref(root);
    unload(&loaded);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_names_of_secret_fields),
        cmocka_unit_test(test_secrets_are_not_shown),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_schema_up_to_date),
        cmocka_unit_test(test_reference_up_to_date),
        cmocka_unit_test(test_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
