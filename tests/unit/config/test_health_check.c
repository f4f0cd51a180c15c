/* Health checks: what their settings mean together, and what is refused. */
#include "fixture.h"

#define CHECK(inner) "{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{" inner "}}]}"
#define WHERE "c.json:1:"

static void assert_fields(const char *json, const char *fields, const char *host)
{
    struct loaded loaded = load_good(json);
    const struct config_health_check *check = &loaded.config->backends[0].health_check;
    assert_slice(check->fields, fields);
    assert_slice(check->host, host);
    unload(&loaded);
}

static void test_fields_of_a_probe(void **state)
{
    (void)state;
    assert_fields("{" BACKENDS "}", "User-Agent: nextproxy-health-check\r\nAccept: */*\r\n", "");
    assert_fields(CHECK("'headers':{}"), "User-Agent: nextproxy-health-check\r\nAccept: */*\r\n",
                  "");
    assert_fields(CHECK("'headers':{'X-A':'b c','x-empty':''}"),
                  "User-Agent: nextproxy-health-check\r\nAccept: */*\r\nX-A: b c\r\nx-empty: \r\n",
                  "");
    assert_fields(CHECK("'headers':{'accept':'text/plain','USER-AGENT':'me'}"),
                  "accept: text/plain\r\nUSER-AGENT: me\r\n", "");
    assert_fields(CHECK("'headers':{'host':'a.example:8','Accept':'a','User-Agent':'b'}"),
                  "Accept: a\r\nUser-Agent: b\r\n", "a.example:8");
}

static void test_body(void **state)
{
    (void)state;
    struct loaded loaded = load_good(CHECK("'body':'all \\n \\u00e4 well'"));
    assert_slice(loaded.config->backends[0].health_check.body, "all \n \xc3\xa4 well");
    unload(&loaded);
}

/* Laid out by hand: an input, then what is said about it, a line each. */
/* clang-format off */

static const struct bad bad_headers[] = {
    {CHECK("'headers':{'Host':'a','host':'b'}"),
     WHERE "86: backends[0].healthCheck.headers.host: is there twice, in another spelling\n"},
    {CHECK("'headers':{'X-A':'1','x-a':'1'}"),
     WHERE "84: backends[0].healthCheck.headers.x-a: is there twice, in another spelling\n"},
    {CHECK("'host':'a','headers':{'Host':'b'}"),
     WHERE "86: backends[0].healthCheck.headers.Host: is not allowed together with "
     "healthCheck.host\n"},
    {CHECK("'headers':{'Host':'a b'}"),
     WHERE "75: backends[0].healthCheck.headers.Host: this value (not shown) is not allowed: a "
     "host, with or without a port: 1 to 255 letters, digits, \"-\", \"_\", \".\", \":\", \"[\" "
     "and \"]\"\n"},
    {CHECK("'headers':{'Content-Length':'1'}"),
     WHERE "68: backends[0].healthCheck.headers.Content-Length: \"Content-Length\" is not "
     "allowed: a field that is not about framing or the connection: those belong to the proxy\n"},
    {CHECK("'headers':{'transfer-encoding':'chunked'}"),
     WHERE "68: backends[0].healthCheck.headers.transfer-encoding: \"transfer-encoding\" is "
     "not allowed: a field that is not about framing or the connection: those belong to the "
     "proxy\n"},
    {CHECK("'headers':{'Connection':'keep-alive'}"),
     WHERE "68: backends[0].healthCheck.headers.Connection: \"Connection\" is not allowed: a field "
     "that is not about framing or the connection: those belong to the proxy\n"},
    {CHECK("'headers':{'A B':'1'}"),
     WHERE "68: backends[0].healthCheck.headers[\"A B\"]: \"A B\" is not allowed: a field name: 1 "
     "to 128 letters, digits and !#$%&'*+-.^_`|~\n"},
    {CHECK("'headers':{'X-A':'1\\r\\nX-B: 2'}"),
     WHERE "74: backends[0].healthCheck.headers.X-A: this value (not shown) is not allowed: a "
     "string of at most 4096 bytes without control characters or white space at its ends\n"},
    {CHECK("'headers':['X-A']"),
     WHERE "67: backends[0].healthCheck.headers: a list is not allowed: an object of at most 64 "
     "field names with their values\n"},
};

static const struct bad bad_bodies[] = {
    {CHECK("'body':''"),
     WHERE "64: backends[0].healthCheck.body: \"\" is not allowed: a text of 1 to 255 bytes\n"},
    {CHECK("'body':7"),
     WHERE "64: backends[0].healthCheck.body: 7 is not allowed: a text of 1 to 255 bytes (write "
     "it with quotes)\n"},
    {CHECK("'method':'HEAD','body':'ok'"),
     WHERE "80: backends[0].healthCheck.body: is not allowed with the method HEAD: its response "
     "has no body\n"},
};

#define SCRIPT(command) CHECK("'enabled':true,'type':'script','command':" command)

static const struct bad bad_commands[] = {
    {CHECK("'type':'script'"),
     WHERE "56: backends[0].healthCheck.command: is missing: with the type script it is what is "
     "executed\n"},
    {CHECK("'command':['/usr/lib/checks/app']"),
     WHERE "67: backends[0].healthCheck.command: is not allowed without the type script\n"},
    {SCRIPT("[]"),
     WHERE "98: backends[0].healthCheck.command: 0 entries are not allowed: a list of 1 to 64 "
     "strings, each a text of at most 1024 bytes\n"},
    {SCRIPT("'/usr/lib/checks/app'"),
     WHERE "98: backends[0].healthCheck.command: \"/usr/lib/checks/app\" is not allowed: a list of "
     "1 to 64 strings, each a text of at most 1024 bytes\n"},
    {SCRIPT("['/usr/lib/checks/app',80]"),
     WHERE "121: backends[0].healthCheck.command[1]: 80 is not allowed: a text of at most 1024 "
     "bytes\n"},
    {SCRIPT("['app']"),
     WHERE "99: backends[0].healthCheck.command[0]: \"app\" is not allowed: an absolute path, for "
     "no PATH is searched\n"},
    {SCRIPT("['']"),
     WHERE "99: backends[0].healthCheck.command[0]: \"\" is not allowed: an absolute path, for no "
     "PATH is searched\n"},
    {SCRIPT("['/usr/lib/checks/none']"),
     WHERE "99: backends[0].healthCheck.command[0]: \"/usr/lib/checks/none\" cannot be executed: "
     "No such file or directory; correct the path, or make it an executable file for the user that "
     "nextproxy runs as\n"},
};

/* clang-format on */

static void test_commands(void **state)
{
    (void)state;
    struct loaded loaded = load_good(SCRIPT("['/usr/lib/checks/app','--port','','a b']"));
    const struct config_health_check *check = &loaded.config->backends[0].health_check;
    static const char *const words[] = {"/usr/lib/checks/app", "--port", "", "a b"};
    assert_int_equal(check->type, CONFIG_PROBE_SCRIPT);
    for (u32 i = 0; i < ARRAY_COUNT(words); i++)
        assert_string_equal(check->command[i], words[i]);
    assert_null(check->command[ARRAY_COUNT(words)]);
    unload(&loaded);
    /* One that is off is not looked for: it may be off because it is not there. */
    loaded = load_good(CHECK("'type':'script','command':['/usr/lib/checks/none']"));
    unload(&loaded);
}

static void test_bad_commands(void **state)
{
    (void)state;
    assert_bad(bad_commands, ARRAY_COUNT(bad_commands), false);
}

static void test_bad_headers(void **state)
{
    (void)state;
    assert_bad(bad_headers, ARRAY_COUNT(bad_headers), false);
}

static void test_bad_bodies(void **state)
{
    (void)state;
    assert_bad(bad_bodies, ARRAY_COUNT(bad_bodies), false);
}

/* Two that are allowed each, and one byte too many together. */
static void test_fields_are_bounded_together(void **state)
{
    (void)state;
    enum { VALUE_BYTES = CONFIG_PROBE_HEADERS_BYTES_MAX / 2 - 5, JSON_BYTES = 8192 };
    char json[JSON_BYTES];
    for (u32 more = 0; more < 2; more++) {
        snprintf(json, sizeof(json), CHECK("'headers':{'A':'%0*d','B':'%0*d'}"), VALUE_BYTES, 0,
                 VALUE_BYTES + (int)more, 0);
        struct loaded loaded = load(json, NULL);
        assert_int_equal(loaded.config != NULL, more == 0);
        if (more)
            assert_string_equal(loaded.text,
                                WHERE "67: backends[0].healthCheck.headers: 4097 bytes of fields "
                                      "are not allowed: at most 4096\n");
        else
            assert_int_equal(loaded.config->backends[0].health_check.fields.len,
                             CONFIG_PROBE_HEADERS_BYTES_MAX + 49);
        unload(&loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_a_probe),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_bodies),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_bad_commands),
        cmocka_unit_test(test_fields_are_bounded_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
