/* Settings that are right alone and wrong together. */
#include "fixture.h"

/* Laid out by hand: an input, then what is said about it, a line each. */
/* clang-format off */

static const struct bad bad_contradictions[] = {
    {"{'routes':[{'path':'x'},{},{'vHost':':'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"x\" is not allowed: a path that begins with /, has no "
     "white space, query or fragment, and at most 1024 bytes\n"
     "c.json:1:37: routes[2].vHost: \":\" is not allowed: a host name without scheme and port\n"},
    {"{'backends':[{'id':'a','url':'http://127.0.0.1:1'},{'id':'a','url':'http://127.0.0.1:2'},{"
     "'id':'a','url':'http://127.0.0.1:2'}]}",
     "c.json:1:58: backends[1].id: \"a\" is not allowed: backends[0] has this id\n"
     "c.json:1:96: backends[2].id: \"a\" is not allowed: backends[1] has this id\n"},
    {"{'backends':[{'id':'backend-2','url':'http://127.0.0.1:1'},{'url':'http://127.0.0.1:2'}]}",
     "c.json:1:60: backends[1].id: \"backend-2\" is not allowed: backends[0] has this id\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'fastInterval':10001}}]}",
     "c.json:1:72: backends[0].healthCheck.fastInterval: 10001 is not allowed: no more than "
     "`interval`, which is 10000\n"},
    {"{'routes':[{'id':'default'}]," BACKENDS "}",
     "c.json:1:18: routes[0].id: \"default\" is not allowed: it is the route of all requests "
     "that no other route matches\n"},
    {"{'routes':[{'id':'r','path':'/a'},{'id':'r','path':'/b'}]," BACKENDS "}",
     "c.json:1:41: routes[1].id: \"r\" is not allowed: routes[0] has this id\n"},
    {"{'routes':[{'path':'/a'},{'vHost':'*','path':'/a'}]," BACKENDS "}",
     "c.json:1:46: routes[1].path: routes[0] has the same vHost and path\n"},
    {"{'routes':[{'vHost':'A.example'},{'vHost':'b.example'},{'vHost':'a.EXAMPLE','path':'/'}],"
     BACKENDS "}",
     "c.json:1:84: routes[2].path: routes[0] has the same vHost and path\n"},
    {"{'routes':[{'backends':['backend-2']}]," BACKENDS "}",
     "c.json:1:25: routes[0].backends[0]: \"backend-2\" is not the id of a backend (did you "
     "mean \"backend-1\"?)\n"},
    {"{'routes':[{'backends':['x']}]," BACKENDS "}",
     "c.json:1:25: routes[0].backends[0]: \"x\" is not the id of a backend\n"},
    {"{'routes':[{'backends':['backend-1','backend-1']}]," BACKENDS "}",
     "c.json:1:37: routes[0].backends[1]: \"backend-1\" stands twice in this list\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','weight':0}]}",
     "c.json:1:13: backends: only backends of weight 0, which are never chosen: at least one "
     "needs more\n"},
    {"{'backends':[{'id':'a','url':'http://127.0.0.1:1','routesOnly':true}],'routes':[{'backends':["
     "'a']}]}",
     "c.json:1:13: backends: no backends but such with routesOnly: the default route needs at "
     "least one without\n"},
    {"{'backends':[{'id':'a','url':'http://127.0.0.1:1','weight':0},{'id':'b','url':'http://127."
     "0.0.1:2'}],'routes':[{'backends':['a']}]}",
     "c.json:1:124: routes[0].backends: only backends of weight 0, which are never chosen: at "
     "least one needs more\n"},
    {"{'routes':[{'requestHeaders':{'set':{'X-A':'1','x-a':'2'}}}]," BACKENDS "}",
     "c.json:1:54: routes[0].requestHeaders.set.x-a: the field \"x-a\" is edited twice in this "
     "block\n"},
    {"{'routes':[{'responseHeaders':{'remove':['X-A'],'add':{'x-a':'1'}}}]," BACKENDS "}",
     "c.json:1:62: routes[0].responseHeaders.add.x-a: the field \"x-a\" is edited twice in this "
     "block\n"},
    {"{'listeners':[{'unixSocket':'/run/x','port':80}]," BACKENDS "}",
     "c.json:1:29: listeners[0].unixSocket: is not allowed together with address or port: use "
     "two listeners\n"},
    {"{'listeners':[{'unixSocket':'/run/x','address':'*'}]," BACKENDS "}",
     "c.json:1:29: listeners[0].unixSocket: is not allowed together with address or port: use "
     "two listeners\n"},
    {"{'listeners':[{'unixSocket':'/run/x','proxyProtocolFrom':['unix:','::/0']}]," BACKENDS "}",
     "c.json:1:58: listeners[0].proxyProtocolFrom: has an address, and peers at a unix socket have "
     "none: only unix: is allowed here\n"},
    {"{'listeners':[{'address':'::1','proxyProtocolFrom':['unix:']}]," BACKENDS "}",
     "c.json:1:52: listeners[0].proxyProtocolFrom: has unix:, but this listener has no unix "
     "socket\n"},
    {"{'listeners':[{'port':80},{'address':'*','port':80}]," BACKENDS "}",
     "c.json:1:27: listeners[1]: listeners[0] listens there too: *:80\n"},
    {"{'listeners':[{'port':0},{'address':'*','port':0}]," BACKENDS "}",
     "c.json:1:26: listeners[1]: listeners[0] listens there too: *:0\n"},
    {"{'listeners':[{'unixSocket':'/run/x'},{'unixSocket':'/run/x'}]," BACKENDS "}",
     "c.json:1:39: listeners[1]: listeners[0] listens there too: unix:/run/x\n"},
    {"{'logging':{'errorLog':{'filePattern':'x.log'},'accessLog':{'filePattern':'x.log'}},"
     BACKENDS "}",
     "c.json:1:75: logging.accessLog.filePattern: the error log has the same directory and "
     "pattern: they must differ\n"},
    {"{'errorTemplates':{'html':'none.html','json':'none.json'}," BACKENDS "}",
     "c.json:1:27: errorTemplates.html: \"none.html\" cannot be read: No such file or "
     "directory\n"
     "c.json:1:46: errorTemplates.json: \"none.json\" cannot be read: No such file or "
     "directory\n"},
    {"{'proxy':{'port':-1,'bad':2},\n"
     " 'backends':[{'id':'a','url':'ftp://x','weight':'1'},\n"
     "  {'id':'a','url':'http://nosuch.example'}],\n"
     " 'routes':[{'backends':['b'],'path':'x'}],'workers':0}",
     "c.json:1:18: proxy.port: -1 is not allowed: a whole number from 0 to 65535\n"
     "c.json:1:21: proxy.bad: unknown setting\n"
     "c.json:2:30: backends[0].url: \"ftp://x\" is not allowed: a URL that begins with http:// "
     "or unix:/, like http://127.0.0.1:3001\n"
     "c.json:2:49: backends[0].weight: \"1\" is not allowed: a whole number from 0 to 1000 "
     "(write it without quotes)\n"
     "c.json:4:37: routes[0].path: \"x\" is not allowed: a path that begins with /, has no "
     "white space, query or fragment, and at most 1024 bytes\n"
     "c.json:4:53: workers: 0 is not allowed: \"auto\" or a whole number of threads from 1 to "
     "1024\n"
     "c.json:3:9: backends[1].id: \"a\" is not allowed: backends[0] has this id\n"
     "c.json:4:25: routes[0].backends[0]: \"b\" is not the id of a backend\n"},
};

/* clang-format on */

static void test_contradictions(void **state)
{
    (void)state;
    assert_bad(bad_contradictions, ARRAY_COUNT(bad_contradictions), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
