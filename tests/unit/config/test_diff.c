/* What changed between two configurations. */
#include "fixture.h"

#include "config/settings.h"

struct compared {
    struct loaded before;
    struct loaded after;
    struct config_changes changes;
    char *text; /* a line for each change: path: before > after, with ! for a restart */
};

static void compared_print(struct compared *compared)
{
    usize len = 0;
    FILE *out = open_memstream(&compared->text, &len);
    for (u32 i = 0; i < compared->changes.count; i++) {
        const struct config_change *change = &compared->changes.at[i];
        fprintf(out, "%s%s: %s > %s\n", change->restart ? "!" : "", change->path,
                change->before != NULL ? change->before : "-",
                change->after != NULL ? change->after : "-");
    }
    fclose(out);
}

static struct compared compare(const char *before, const char *after)
{
    struct compared compared = {.before = load_good(before), .after = load_good(after)};
    config_diff(compared.before.config, compared.after.config, &compared.changes);
    compared_print(&compared);
    return compared;
}

static void compared_free(struct compared *compared)
{
    free(compared->text);
    config_changes_deinit(&compared->changes);
    unload(&compared->before);
    unload(&compared->after);
}

struct row {
    const char *before;
    const char *after;
    const char *changes;
};

static void assert_changes(const struct row *rows, usize count)
{
    for (usize i = 0; i < count; i++) {
        struct compared compared = compare(rows[i].before, rows[i].after);
        if (strcmp(compared.text, rows[i].changes) != 0)
            fail_msg("%s\n%s\nchanged:\n%s\nnot:\n%s", rows[i].before, rows[i].after, compared.text,
                     rows[i].changes);
        assert_int_equal(compared.changes.restart, strchr(rows[i].changes, '!') != NULL);
        assert_int_equal(compared.changes.more, 0);
        compared_free(&compared);
    }
}

/* ---- No change ---- */

#define URL_1 "'url':'http://127.0.0.1:1'"
#define URL_2 "'url':'http://127.0.0.1:2'"
#define TWO "'backends':[{'id':'a'," URL_1 "},{'id':'b'," URL_2 "}]"
#define OWT "'backends':[{'id':'b'," URL_2 "},{'id':'a'," URL_1 "}]"

static void test_same(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{" BACKENDS "}", "{" BACKENDS "}", ""},
        {"{" BACKENDS "}", "{'backends':[{'url':'http://127.0.0.1:1','weight':1}]}", ""},
        {"{" BACKENDS "}", "{'backends':[{'id':'backend-1','url':'http://127.0.0.1:1'}]}", ""},
        {"{" BACKENDS "}",
         "{'proxy':{'port':3000,'timeout':30000},'timeouts':{'responseHead':30000},"
         "'listeners':[{'address':'*','port':3000}],'workers':'auto'," BACKENDS "}",
         ""},
        {"{'routes':[{'id':'r'}]," BACKENDS "}",
         "{'routes':[{'id':'r','vHost':'*','path':'/','strategy':'ROUND_ROBIN',"
         "'timeouts':{'connect':5000}}]," BACKENDS "}",
         ""},
        {"{" TWO "}", "{" OWT "}", ""},
        {"{'routes':[{'id':'r','path':'/r'},{'id':'s'}]," BACKENDS "}",
         "{'routes':[{'id':'s'},{'id':'r','path':'/r'}]," BACKENDS "}", ""},
        {"{'listeners':[{'port':1},{'port':0}]," BACKENDS "}",
         "{'listeners':[{'port':0},{'port':1}]," BACKENDS "}", ""},
        {"{'routes':[{'requestHeaders':{'set':{'A':'1','B':'2'}}}]," BACKENDS "}",
         "{'routes':[{'requestHeaders':{'set':{'B':'2','A':'1'}}}]," BACKENDS "}", ""},
    };
    assert_changes(rows, ARRAY_COUNT(rows));
}

/* ---- Single values ---- */

static void test_values(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'proxy':{'retries':1}," BACKENDS "}", "{" BACKENDS "}", "proxy.retries: 1 > 3\n"},
        {"{" BACKENDS "}", "{'rateLimit':{'enabled':true}," BACKENDS "}",
         "rateLimit.enabled: false > true\n"},
        {"{" BACKENDS "}", "{'limits':{'bodyBytes':1125899906842624}," BACKENDS "}",
         "limits.bodyBytes: 0 > 1125899906842624\n"},
        {"{" BACKENDS "}", "{'logging':{'accessLog':{'sample':0.25}}," BACKENDS "}",
         "logging.accessLog.sample: 1 > 0.25\n"},
        {"{" BACKENDS "}", "{'logging':{'errorLog':{'level':'WARN'}}," BACKENDS "}",
         "logging.errorLog.level: info > warn\n"},
        {"{" BACKENDS "}", "{'loadBalancing':{'stickySession':{'cookieName':'x'}}," BACKENDS "}",
         "loadBalancing.stickySession.cookieName: nextproxy_backend > x\n"},
        {"{" BACKENDS "}", "{'errorTemplates':{'html':'error.html'}," BACKENDS "}",
         "errorTemplates.html: - > error.html\n"},
        {"{" BACKENDS "}", "{'trustedProxies':['10.0.0.0/8','::1']," BACKENDS "}",
         "trustedProxies: - > 10.0.0.0/8, ::1\n"},
        {"{'trustedProxies':['10.0.0.0/8','::1']," BACKENDS "}",
         "{'trustedProxies':['10.0.0.0/8']," BACKENDS "}",
         "trustedProxies: 10.0.0.0/8, ::1 > 10.0.0.0/8\n"},
        {"{" BACKENDS "}", "{'proxy':{'timeout':5}," BACKENDS "}",
         "proxy.timeout: 30000 > 5\ntimeouts.responseHead: 30000 > 5\n"
         "timeouts.responseIdle: 30000 > 5\n"},
    };
    assert_changes(rows, ARRAY_COUNT(rows));
}

/* ---- Lists of objects ---- */

static void test_entries(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{" TWO "}", "{'backends':[{'id':'a'," URL_1 ",'weight':5},{'id':'b'," URL_1 "}]}",
         "backends[a].weight: 1 > 5\n"
         "backends[b].url: http://127.0.0.1:2 > http://127.0.0.1:1\n"},
        {"{" TWO "}", "{'backends':[{'id':'c'," URL_1 "},{'id':'b'," URL_2 "}]}",
         "backends[a]: http://127.0.0.1:1 > -\nbackends[c]: - > http://127.0.0.1:1\n"},
        {"{" TWO "}",
         "{'backends':[{'id':'b'," URL_2 "},{'id':'a'," URL_1 ",'healthCheck':{'interval':500}}]}",
         "backends[a].healthCheck.interval: 10000 > 500\n"
         "backends[a].healthCheck.fastInterval: 10000 > 500\n"},
        {"{'routes':[{'id':'r','vHost':'a.example','path':'/x'}]," TWO "}",
         "{'routes':[{'id':'s','path':'/y'},{'id':'t','vHost':'*.example'}]," TWO "}",
         "routes[r]: a.example/x > -\nroutes[s]: - > */y\nroutes[t]: - > *.example/\n"},
        {"{'routes':[{'id':'r'}]," TWO "}",
         "{'routes':[{'id':'r','backends':['b'],'strategy':'random','timeouts':{'connect':7},"
         "'reqActiveLength':2}]," TWO "}",
         "routes[r].strategy: round-robin > random\nroutes[r].backends: - > b\n"
         "routes[r].timeouts.connect: 5000 > 7\nroutes[r].reqActiveLength: 0 > 2\n"},
        {"{'routes':[{'id':'r'}]," TWO "}",
         "{'routes':[{'id':'r','responseHeaders':{'remove':['A','B']}}]," TWO "}",
         "routes[r].responseHeaders.remove: - > A, B\n"},
    };
    assert_changes(rows, ARRAY_COUNT(rows));
}

/* ---- What needs a restart ---- */

static void test_restart(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'workers':1," BACKENDS "}", "{'workers':2," BACKENDS "}", "workers: 1 > 2\n"},
        {"{'workers':1," BACKENDS "}", "{" BACKENDS "}", "workers: 1 > auto\n"},
        {"{" BACKENDS "}", "{'proxy':{'port':1}," BACKENDS "}",
         "proxy.port: 3000 > 1\nlisteners[*:3000]: *:3000 > -\nlisteners[*:1]: - > *:1\n"},
        {"{'listeners':[{},{'unixSocket':'/x'}]," BACKENDS "}",
         "{'listeners':[{'proxyProtocolFrom':['::1']},{'unixSocket':'/"
         "x','unixMode':'600'}]," BACKENDS "}",
         "listeners[*:3000].proxyProtocolFrom: - > ::1\n"
         "listeners[unix:/x].unixMode: 0660 > 600\n"},
        {"{'listeners':[{'port':0}]," BACKENDS "}",
         "{'listeners':[{'port':0},{'port':1}]," BACKENDS "}", "listeners[*:1]: - > *:1\n"},
        {"{" BACKENDS "}",
         "{'limits':{'headBytes':2048,'fields':9,'targetBytes':99,'clients':1,'exchanges':2},"
         "'upstream':{'idleConnections':1,'maxConnections':2,'idleTimeout':3,'maxRequests':4}"
         "," BACKENDS "}",
         "!limits.headBytes: 16384 > 2048\nlimits.fields: 100 > 9\nlimits.targetBytes: 8192 > 99\n"
         "!limits.clients: 16384 > 1\n!limits.exchanges: 4096 > 2\n"
         "upstream.idleConnections: 1024 > 1\n!upstream.maxConnections: 8192 > 2\n"
         "upstream.idleTimeout: 60000 > 3\nupstream.maxRequests: 0 > 4\n"},
        {"{" BACKENDS "}",
         "{'logging':{'accessLog':{'enabled':false,'directory':'x','filePattern':'y','maxFiles':1,"
         "'maxAgeDays':2}}," BACKENDS "}",
         "!logging.accessLog.enabled: true > false\n!logging.accessLog.directory: ./logs > x\n"
         "!logging.accessLog.filePattern: access_yyyy_mm_dd_HH.log > y\n"
         "!logging.accessLog.maxFiles: 0 > 1\n!logging.accessLog.maxAgeDays: 0 > 2\n"},
    };
    assert_changes(rows, ARRAY_COUNT(rows));
}

/* With "auto" the number of workers is that of the CPUs, which may become another. */
static void test_workers_auto(void **state)
{
    (void)state;
    struct loaded before = load_good("{" BACKENDS "}");
    struct loaded after = load_good("{" BACKENDS "}");
    struct config_changes changes;
    before.config->workers = 2;
    after.config->workers = 3;
    config_diff(before.config, after.config, &changes);
    assert_int_equal(changes.count, 1);
    assert_string_equal(changes.at[0].path, "workers");
    assert_string_equal(changes.at[0].before, "auto (2)");
    assert_string_equal(changes.at[0].after, "auto (3)");
    assert_false(changes.at[0].restart || changes.restart);
    config_changes_deinit(&changes);
    unload(&before);
    unload(&after);
}

/* The same name of a file at `path`, in which there is something else. */
static void check_other_content(struct loaded *before, struct loaded *after, const char *path,
                                const char *name)
{
    struct config_changes changes;
    config_diff(before->config, after->config, &changes);
    assert_int_equal(changes.count, 1);
    assert_string_equal(changes.at[0].path, path);
    assert_string_equal(changes.at[0].before, name);
    assert_string_equal(changes.at[0].after, "(the file has other content)");
    assert_false(changes.restart);
    config_changes_deinit(&changes);
    unload(before);
    unload(after);
}

static void test_template_content(void **state)
{
    (void)state;
    static const char json[] = "{'errorTemplates':{'html':'error.html'}," BACKENDS "}";
    struct loaded before = load_good(json);
    struct loaded after = load_good(json);
    after.config->error_templates.html = SLICE("other");
    check_other_content(&before, &after, "errorTemplates.html", "error.html");
}

static void test_key_content(void **state)
{
    (void)state;
    static const char json[] =
        "{'loadBalancing':{'stickySession':{'keyFile':'sticky.key'}}," BACKENDS "}";
    struct loaded before = load_good(json);
    struct loaded after = load_good(json);
    after.config->sticky_key = SLICE("another-key-of-the-tests");
    check_other_content(&before, &after, "loadBalancing.stickySession.keyFile", "sticky.key");
}

static void test_token_content(void **state)
{
    (void)state;
    static const char json[] = "{'admin':{'tokenFile':'sticky.key'}," BACKENDS "}";
    struct loaded before = load_good(json);
    struct loaded after = load_good(json);
    after.config->admin.token = SLICE("another-token-of-the-tests");
    check_other_content(&before, &after, "admin.tokenFile", "sticky.key");
}

/* ---- Hostile values ---- */

#define EDITS(fields) "{'routes':[{'id':'r','requestHeaders':{" fields "}}]," BACKENDS "}"

static void test_secrets(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {EDITS("'set':{'Authorization':'Basic c2VjcmV0'}"), EDITS("'set':{'Authorization':'x'}"),
         "routes[r].requestHeaders.set[Authorization]: (not shown) > (changed, not shown)\n"},
        {EDITS("'set':{'A':'secret','B':'2'}"), EDITS("'set':{'B':'2','C':''}"),
         "routes[r].requestHeaders.set[A]: (not shown) > -\n"
         "routes[r].requestHeaders.set[C]: - > (not shown)\n"},
        {EDITS("'add':{'A':'secret'}"), EDITS("'add':{'A':''}"),
         "routes[r].requestHeaders.add[A]: (not shown) > (changed, not shown)\n"},
        {"{'backends':[{'url':'unix:/user:secret@x'}]}", "{'backends':[{'url':'unix:/secret@y'}]}",
         "backends[backend-1].url: (not shown) > (changed, not shown)\n"},
        {"{'backends':[{'id':'a','url':'unix:/user:secret@x'}]}",
         "{'backends':[{'id':'b','url':'unix:/secret@y'}]}",
         "backends[a]: (not shown) > -\nbackends[b]: - > (not shown)\n"},
    };
    assert_changes(rows, ARRAY_COUNT(rows));
}

static void test_escapes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{" BACKENDS "}",
         "{'logging':{'errorLog':{'directory':'\\u00e4\\u2028\\\\x0a'}}," BACKENDS "}",
         "!logging.errorLog.directory: ./logs > \\xc3\\xa4\\xe2\\x80\\xa8\\\\x0a\n"},
        {"{'listeners':[{}]," BACKENDS "}",
         "{'listeners':[{},{'unixSocket':'/\\u00e4'}]," BACKENDS "}",
         "listeners[unix:/\\xc3\\xa4]: - > unix:/\\xc3\\xa4\n"},
    };
    assert_changes(rows, ARRAY_COUNT(rows));
}

static char *with_directory(u32 len, char last)
{
    char *json = NULL;
    char directory[1024];
    memset(directory, 'd', len);
    directory[len - 1] = last;
    assert_true(asprintf(&json, "{'logging':{'errorLog':{'directory':'%.*s'}}," BACKENDS "}",
                         (int)len, directory) > 0);
    return json;
}

static void test_long(void **state)
{
    (void)state;
    char *one = with_directory(1000, 'x');
    char *other = with_directory(1000, 'y');
    struct compared compared = compare(one, other);
    assert_int_equal(compared.changes.count, 1);
    const struct config_change *change = &compared.changes.at[0];
    assert_int_equal(strlen(change->before), CONFIG_CHANGE_VALUE_BYTES_MAX);
    assert_string_equal(change->before + CONFIG_CHANGE_VALUE_BYTES_MAX - 4, "d...");
    assert_string_equal(change->after, "(other, further on)");
    compared_free(&compared);
    free(one);
    free(other);
}

/* The longest path there can be, every byte of which is shown as four. */
static void test_long_path(void **state)
{
    (void)state;
    char json[1024];
    char name[107];
    for (usize i = 1; i + 1 < sizeof(name); i += 2)
        memcpy(name + i, "\xc3\xa4", 2);
    name[0] = '/';
    snprintf(json, sizeof(json), "{'listeners':[{},{'unixSocket':'%.105s'}]," BACKENDS "}", name);
    struct compared compared = compare("{'listeners':[{}]," BACKENDS "}", json);
    assert_int_equal(compared.changes.count, 1);
    const char *path = compared.changes.at[0].path;
    usize len = strlen(path);
    assert_in_range(len, CONFIG_CHANGE_PATH_BYTES_MAX - 3, CONFIG_CHANGE_PATH_BYTES_MAX);
    assert_string_equal(path + len - 3, "...");
    assert_in_range(strlen(compared.changes.at[0].after), CONFIG_CHANGE_VALUE_BYTES_MAX - 3,
                    CONFIG_CHANGE_VALUE_BYTES_MAX);
    compared_free(&compared);
}

/* ---- Many ---- */

/* As many backends and routes as there may be; ids from `first` on, in the order of `step`. */
static char *many(u32 first, u32 step, u32 weight, u32 active_max)
{
    char *json = NULL;
    usize len = 0;
    FILE *out = open_memstream(&json, &len);
    fputs("{'backends':[", out);
    for (u32 i = 0; i < SETTINGS_BACKENDS_MAX; i++) {
        u32 id = first + i * step % SETTINGS_BACKENDS_MAX;
        fprintf(out, "%s{'id':'b%u','url':'http://10.0.0.1:%u','weight':%u}", i > 0 ? "," : "", id,
                id % 60000 + 1, weight);
    }
    fputs("],'routes':[", out);
    for (u32 i = 0; i < SETTINGS_ROUTES_MAX; i++) {
        u32 id = first + i * step % SETTINGS_ROUTES_MAX;
        fprintf(out, "%s{'id':'r%u','path':'/%u','reqActiveLength':%u}", i > 0 ? "," : "", id, id,
                active_max);
    }
    fputs("]}", out);
    fclose(out);
    return json;
}

static struct compared compare_many(char *before, char *after)
{
    struct compared compared = compare(before, after);
    free(before);
    free(after);
    return compared;
}

static void test_many(void **state)
{
    (void)state;
    const u32 both = SETTINGS_BACKENDS_MAX + SETTINGS_ROUTES_MAX;
    struct compared same = compare_many(many(0, 1, 1, 0), many(0, 4095, 1, 0));
    assert_int_equal(same.changes.count, 0);
    compared_free(&same);

    struct compared changed = compare_many(many(0, 1, 1, 0), many(0, 1365, 2, 3));
    assert_int_equal(changed.changes.count, both);
    assert_string_equal(changed.changes.at[1].path, "backends[b1365].weight");
    assert_string_equal(changed.changes.at[1].after, "2");
    assert_string_equal(changed.changes.at[both - 1].path, "routes[r2731].reqActiveLength");
    compared_free(&changed);

    struct compared exchanged = compare_many(many(0, 1, 1, 0), many(5000, 1, 1, 0));
    assert_int_equal(exchanged.changes.count, 2 * both);
    assert_int_equal(exchanged.changes.count, CONFIG_CHANGES_MAX);
    assert_int_equal(exchanged.changes.more, 0);
    compared_free(&exchanged);
}

/* More than are kept are counted, and a restart among them is not missed. */
static void test_too_many(void **state)
{
    (void)state;
    char *before = many(0, 1, 1, 0);
    char *rest = many(5000, 1, 1, 0);
    char *after = NULL;
    assert_true(asprintf(&after, "{'trustedProxies':['::1'],'limits':{'clients':5},%s", rest + 1) >
                0);
    free(rest);
    struct compared compared = compare_many(before, after);
    assert_int_equal(compared.changes.count, CONFIG_CHANGES_MAX);
    assert_int_equal(compared.changes.more, 2);
    assert_true(compared.changes.restart);
    for (u32 i = 0; i < compared.changes.count; i++)
        assert_false(compared.changes.at[i].restart);
    compared_free(&compared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),          cmocka_unit_test(test_values),
        cmocka_unit_test(test_entries),       cmocka_unit_test(test_restart),
        cmocka_unit_test(test_workers_auto),  cmocka_unit_test(test_template_content),
        cmocka_unit_test(test_key_content),   cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_token_content), cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_long),          cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_many),          cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
