/* Values of the wrong type, out of range, and keys that no setting has. */
#include "fixture.h"

/* Laid out by hand: an input, then what is said about it, a line each. */
/* clang-format off */

static const struct bad bad_types[] = {
    {"{'proxy':5," BACKENDS "}",
     "c.json:1:10: proxy: 5 is not allowed: an object\n"},
    {"{'proxy':{'port':'3000'}," BACKENDS "}",
     "c.json:1:18: proxy.port: \"3000\" is not allowed: a whole number from 0 to 65535 (write "
     "it without quotes)\n"},
    {"{'proxy':{'port':3000.5}," BACKENDS "}",
     "c.json:1:18: proxy.port: 3000.5 is not allowed: a whole number from 0 to 65535\n"},
    {"{'proxy':{'port':true}," BACKENDS "}",
     "c.json:1:18: proxy.port: true is not allowed: a whole number from 0 to 65535\n"},
    {"{'proxy':{'port':null}," BACKENDS "}",
     "c.json:1:18: proxy.port: null is not allowed: a whole number from 0 to 65535\n"},
    {"{'rateLimit':{'enabled':'true'}," BACKENDS "}",
     "c.json:1:25: rateLimit.enabled: \"true\" is not allowed: true or false (write it without "
     "quotes)\n"},
    {"{'rateLimit':{'enabled':1}," BACKENDS "}",
     "c.json:1:25: rateLimit.enabled: 1 is not allowed: true or false\n"},
    {"{'rateLimit':[]," BACKENDS "}",
     "c.json:1:14: rateLimit: a list is not allowed: an object\n"},
    {"{'backends':{}}",
     "c.json:1:13: backends: an object is not allowed: a list of 1 to 4096 objects\n"},
    {"{'backends':[5]}",
     "c.json:1:14: backends[0]: 5 is not allowed: an object\n"},
    {"{'backends':['http://127.0.0.1:1']}",
     "c.json:1:14: backends[0]: \"http://127.0.0.1:1\" is not allowed: an object\n"},
    {"{'backends':[{'url':80}]}",
     "c.json:1:21: backends[0].url: 80 is not allowed: http://host, http://host:port, "
     "http+srv://name or unix:/path (write it with quotes)\n"},
    {"{'backends':[{'url':['http://127.0.0.1:1']}]}",
     "c.json:1:21: backends[0].url: a list is not allowed: http://host, http://host:port, "
     "http+srv://name or unix:/path\n"},
    {"{'loadBalancing':{'strategy':1}," BACKENDS "}",
     "c.json:1:30: loadBalancing.strategy: 1 is not allowed: one of round-robin, random, "
     "power-of-two-choices, ip-hash, least-connections, least-latency\n"},
    {"{'trustedProxies':'10.0.0.0/8'," BACKENDS "}",
     "c.json:1:19: trustedProxies: \"10.0.0.0/8\" is not allowed: a list of at most 1024 "
     "strings, each a network like 10.0.0.0/8 or 2001:db8::/32, an address, or unix:\n"},
    {"{'trustedProxies':[10]," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: 10 is not allowed: a network like 10.0.0.0/8 or "
     "2001:db8::/32, an address, or unix:\n"},
    {"{'routes':[[]]," BACKENDS "}",
     "c.json:1:12: routes[0]: a list is not allowed: an object\n"},
    {"{'routes':[{'requestHeaders':{'set':['X-A']}}]," BACKENDS "}",
     "c.json:1:37: routes[0].requestHeaders.set: a list is not allowed: an object of at most 64 "
     "field names with their values\n"},
    {"{'routes':[{'requestHeaders':{'set':{'X-A':1}}}]," BACKENDS "}",
     "c.json:1:44: routes[0].requestHeaders.set.X-A: 1 is not allowed: a string of at most 4096 "
     "bytes without control characters or white space at its ends\n"},
    {"{'workers':'many'," BACKENDS "}",
     "c.json:1:12: workers: \"many\" is not allowed: \"auto\" or a whole number of threads from "
     "1 to 1024\n"},
    {"{'logging':{'accessLog':{'sample':'half'}}," BACKENDS "}",
     "c.json:1:35: logging.accessLog.sample: \"half\" is not allowed: a number from 0 to 1\n"},
    {"{'listeners':[{'unixMode':660,'unixSocket':'/run/x'}]," BACKENDS "}",
     "c.json:1:27: listeners[0].unixMode: 660 is not allowed: permission bits as a string of "
     "octal digits, like \"0660\" (write it with quotes)\n"},
};

static const struct bad bad_ranges[] = {
    {"{'proxy':{'port':-1}," BACKENDS "}",
     "c.json:1:18: proxy.port: -1 is not allowed: a whole number from 0 to 65535\n"},
    {"{'proxy':{'port':65536}," BACKENDS "}",
     "c.json:1:18: proxy.port: 65536 is not allowed: a whole number from 0 to 65535\n"},
    {"{'proxy':{'timeout':0}," BACKENDS "}",
     "c.json:1:21: proxy.timeout: 0 is not allowed: a whole number of milliseconds from 1 to "
     "86400000\n"},
    {"{'proxy':{'timeout':86400001}," BACKENDS "}",
     "c.json:1:21: proxy.timeout: 86400001 is not allowed: a whole number of milliseconds from "
     "1 to 86400000\n"},
    {"{'proxy':{'retries':11}," BACKENDS "}",
     "c.json:1:21: proxy.retries: 11 is not allowed: a whole number of backends from 0 to "
     "10\n"},
    {"{'retry':{'statuses':'399,500','budget':101}," BACKENDS "}",
     "c.json:1:22: retry.statuses: \"399,500\" is not allowed: statuses from 400 to 599 and "
     "ranges of them, like 502,503,504 or 500-599, or none\n"
     "c.json:1:41: retry.budget: 101 is not allowed: a whole number of percent from 0 to 100\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','weight':1001}]}",
     "c.json:1:51: backends[0].weight: 1001 is not allowed: a whole number from 0 to 1000\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','weight':-1}]}",
     "c.json:1:51: backends[0].weight: -1 is not allowed: a whole number from 0 to 1000\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1'},\n"
     "  {'url':'http://127.0.0.1:2','healthCheck':\n"
     "    {'interval':-5}}]}",
     "c.json:3:17: backends[1].healthCheck.interval: -5 is not allowed: a whole number of "
     "milliseconds from 100 to 86400000\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'timeout':9,'healthyThreshold':0,'"
     "unhealthyThreshold':101}}]}",
     "c.json:1:67: backends[0].healthCheck.timeout: 9 is not allowed: a whole number of "
     "milliseconds from 10 to 86400000\n"
     "c.json:1:88: backends[0].healthCheck.healthyThreshold: 0 is not allowed: a whole number "
     "of probes from 1 to 100\n"
     "c.json:1:111: backends[0].healthCheck.unhealthyThreshold: 101 is not allowed: a whole "
     "number of probes from 1 to 100\n"},
    {"{'backends':[]}",
     "c.json:1:13: backends: 0 entries are not allowed: a list of 1 to 4096 objects\n"},
    {"{}",
     "c.json:1:1: backends: is missing: a list of 1 to 4096 objects\n"},
    {"{'backends':[{}]}",
     "c.json:1:14: backends[0].url: is missing: http://host, http://host:port, "
     "http+srv://name or unix:/path\n"},
    {"{'workers':0," BACKENDS "}",
     "c.json:1:12: workers: 0 is not allowed: \"auto\" or a whole number of threads from 1 to "
     "1024\n"},
    {"{'workers':1025," BACKENDS "}",
     "c.json:1:12: workers: 1025 is not allowed: \"auto\" or a whole number of threads from 1 "
     "to 1024\n"},
    {"{'limits':{'headBytes':65536,'fields':257,'targetBytes':1,'bodyBytes':-1,'clients':0,'exch"
     "anges':0}," BACKENDS "}",
     "c.json:1:24: limits.headBytes: 65536 is not allowed: a whole number of bytes from 1024 to "
     "65535\n"
     "c.json:1:39: limits.fields: 257 is not allowed: a whole number of fields from 8 to 256\n"
     "c.json:1:57: limits.targetBytes: 1 is not allowed: a whole number of bytes from 64 to "
     "65535\n"
     "c.json:1:71: limits.bodyBytes: -1 is not allowed: a whole number of bytes from 0 to "
     "1125899906842624\n"
     "c.json:1:84: limits.clients: 0 is not allowed: a whole number of connections from 1 to "
     "1048576\n"
     "c.json:1:98: limits.exchanges: 0 is not allowed: a whole number of requests from 1 to "
     "1048576\n"},
    {"{'upstream':{'idleConnections':70000,'maxConnections':0,'idleTimeout':0,'maxRequests':-1},"
     BACKENDS "}",
     "c.json:1:32: upstream.idleConnections: 70000 is not allowed: a whole number of "
     "connections from 0 to 65535\n"
     "c.json:1:55: upstream.maxConnections: 0 is not allowed: a whole number of connections "
     "from 1 to 1048576\n"
     "c.json:1:71: upstream.idleTimeout: 0 is not allowed: a whole number of milliseconds from "
     "1 to 86400000\n"
     "c.json:1:87: upstream.maxRequests: -1 is not allowed: a whole number of requests from 0 "
     "to 4294967295\n"},
    {"{'timeouts':{'connect':0,'requestHead':0,'requestBodyIdle':0,'responseHead':0,'responseIdl"
     "e':0,'keepAlive':0,'tunnelIdle':604800001,'drain':0}," BACKENDS "}",
     "c.json:1:24: timeouts.connect: 0 is not allowed: a whole number of milliseconds from 1 to "
     "86400000\n"
     "c.json:1:40: timeouts.requestHead: 0 is not allowed: a whole number of milliseconds from "
     "1 to 86400000\n"
     "c.json:1:60: timeouts.requestBodyIdle: 0 is not allowed: a whole number of milliseconds "
     "from 1 to 86400000\n"
     "c.json:1:77: timeouts.responseHead: 0 is not allowed: a whole number of milliseconds from "
     "1 to 86400000\n"
     "c.json:1:94: timeouts.responseIdle: 0 is not allowed: a whole number of milliseconds from "
     "1 to 86400000\n"
     "c.json:1:108: timeouts.keepAlive: 0 is not allowed: a whole number of milliseconds from 1 "
     "to 86400000\n"
     "c.json:1:123: timeouts.tunnelIdle: 604800001 is not allowed: a whole number of "
     "milliseconds from 1 to 604800000\n"
     "c.json:1:141: timeouts.drain: 0 is not allowed: a whole number of milliseconds from 1 to "
     "86400000\n"},
    {"{'rateLimit':{'windowMs':99,'maxRequests':0}," BACKENDS "}",
     "c.json:1:26: rateLimit.windowMs: 99 is not allowed: a whole number of milliseconds from "
     "100 to 86400000\n"
     "c.json:1:43: rateLimit.maxRequests: 0 is not allowed: a whole number of requests from 1 "
     "to 1000000000\n"},
    {"{'loadBalancing':{'stickySession':{'ttl':999}}," BACKENDS "}",
     "c.json:1:42: loadBalancing.stickySession.ttl: 999 is not allowed: a whole number of "
     "milliseconds from 1000 to 4294967295\n"},
    {"{'logging':{'accessLog':{'sample':1.5,'maxFiles':-1,'maxAgeDays':36501}}," BACKENDS "}",
     "c.json:1:35: logging.accessLog.sample: 1.5 is not allowed: a number from 0 to 1\n"
     "c.json:1:50: logging.accessLog.maxFiles: -1 is not allowed: a whole number of files from "
     "0 to 100000\n"
     "c.json:1:66: logging.accessLog.maxAgeDays: 36501 is not allowed: a whole number of days "
     "from 0 to 36500\n"},
    {"{'routes':[{'reqActiveLength':-1,'reqQueueLength':1048577,'timeouts':{'connect':0}}],"
     BACKENDS "}",
     "c.json:1:31: routes[0].reqActiveLength: -1 is not allowed: a whole number of requests "
     "from 0 to 1048576\n"
     "c.json:1:51: routes[0].reqQueueLength: 1048577 is not allowed: a whole number of requests "
     "from 0 to 1048576\n"
     "c.json:1:81: routes[0].timeouts.connect: 0 is not allowed: a whole number of milliseconds "
     "from 1 to 86400000\n"},
    {"{'routes':[{'backends':[]}]," BACKENDS "}",
     "c.json:1:24: routes[0].backends: 0 entries are not allowed: a list of 1 to 4096 strings, "
     "each 1 to 64 letters, digits, \"-\", \"_\" and \".\"\n"},
};

static const struct bad bad_unknown[] = {
    {"{'prox':{}," BACKENDS "}",
     "c.json:1:2: prox: unknown setting (did you mean \"proxy\"?)\n"},
    {"{'proxies':{}," BACKENDS "}",
     "c.json:1:2: proxies: unknown setting\n"},
    {"{'proxy':{'prot':1}," BACKENDS "}",
     "c.json:1:11: proxy.prot: unknown setting (did you mean \"port\"?)\n"},
    {"{'proxy':{'Port':1}," BACKENDS "}",
     "c.json:1:11: proxy.Port: unknown setting (did you mean \"port\"?)\n"},
    {"{'proxy':{'zzz':1}," BACKENDS "}",
     "c.json:1:11: proxy.zzz: unknown setting\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthcheck':{}}]}",
     "c.json:1:42: backends[0].healthcheck: unknown setting (did you mean \"healthCheck\"?)\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'intervall':5}}]}",
     "c.json:1:57: backends[0].healthCheck.intervall: unknown setting (did you mean "
     "\"interval\"?)\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1'},{'URL':'http://127.0.0.1:2'}]}",
     "c.json:1:44: backends[1].URL: unknown setting (did you mean \"url\"?)\n"
     "c.json:1:43: backends[1].url: is missing: http://host, http://host:port, "
     "http+srv://name or unix:/path\n"},
    {"{'rateLimit':{'window_ms':5}," BACKENDS "}",
     "c.json:1:15: rateLimit.window_ms: unknown setting (did you mean \"windowMs\"?)\n"},
    {"{'rateLimit':{'':5}," BACKENDS "}",
     "c.json:1:15: rateLimit[\"\"]: unknown setting\n"},
    {"{'logging':{'errorLog':{'lvl':'info'}}," BACKENDS "}",
     "c.json:1:25: logging.errorLog.lvl: unknown setting\n"},
    {"{'logging':{'accessLog':{'level':'info'}}," BACKENDS "}",
     "c.json:1:26: logging.accessLog.level: unknown setting\n"},
    {"{'routes':[{'vhost':'a.example'}]," BACKENDS "}",
     "c.json:1:13: routes[0].vhost: unknown setting (did you mean \"vHost\"?)\n"},
    {"{'routes':[{'timeouts':{'keepAlive':5}}]," BACKENDS "}",
     "c.json:1:25: routes[0].timeouts.keepAlive: unknown setting\n"},
    {"{'loadBalancing':{'strategy':'round-robbin'}," BACKENDS "}",
     "c.json:1:30: loadBalancing.strategy: \"round-robbin\" is not allowed: one of round-robin, "
     "random, power-of-two-choices, ip-hash, least-connections, least-latency (did you mean "
     "\"round-robin\"?)\n"},
    {"{'loadBalancing':{'strategy':'leastconnections'}," BACKENDS "}",
     "c.json:1:30: loadBalancing.strategy: \"leastconnections\" is not allowed: one of "
     "round-robin, random, power-of-two-choices, ip-hash, least-connections, least-latency (did "
     "you mean \"least-connections\"?)\n"},
    {"{'loadBalancing':{'strategy':'best'}," BACKENDS "}",
     "c.json:1:30: loadBalancing.strategy: \"best\" is not allowed: one of round-robin, random, "
     "power-of-two-choices, ip-hash, least-connections, least-latency\n"},
    {"{'logging':{'errorLog':{'level':'warning'}}," BACKENDS "}",
     "c.json:1:33: logging.errorLog.level: \"warning\" is not allowed: one of debug, info, "
     "warn, error (did you mean \"warn\"?)\n"},
    {"{'proxy':{'a\\nb':1}," BACKENDS "}",
     "c.json:1:11: proxy[\"a\\nb\"]: unknown setting\n"},
    {"{'proxy':{'\\u0070ort':-1}," BACKENDS "}",
     "c.json:1:23: proxy.port: -1 is not allowed: a whole number from 0 to 65535\n"},
    {"{\n"
     "\t'ü':1, 'prot':{},\n" BACKENDS "}",
     "c.json:2:2: [\"\\u00FC\"]: unknown setting\n"
     "c.json:2:9: prot: unknown setting\n"},
};

/* clang-format on */

static void test_types(void **state)
{
    (void)state;
    assert_bad(bad_types, ARRAY_COUNT(bad_types), false);
}

static void test_ranges(void **state)
{
    (void)state;
    assert_bad(bad_ranges, ARRAY_COUNT(bad_ranges), false);
}

static void test_unknown(void **state)
{
    (void)state;
    assert_bad(bad_unknown, ARRAY_COUNT(bad_unknown), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
