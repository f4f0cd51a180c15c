/* Strings that are not what their setting needs. */
#include "fixture.h"

/* Laid out by hand: an input, then what is said about it, a line each. */
/* clang-format off */

static const struct bad bad_urls[] = {
    {"{'backends':[{'url':''}]}",
     "c.json:1:21: backends[0].url: \"\" is not allowed: a URL that begins with http:// or "
     "unix:/, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'localhost:3001'}]}",
     "c.json:1:21: backends[0].url: \"localhost:3001\" is not allowed: a URL that begins with "
     "http:// or unix:/, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'https://a.example'}]}",
     "c.json:1:21: backends[0].url: \"https://a.example\" is not allowed: a URL that begins "
     "with http://: TLS to backends comes with a later release\n"},
    {"{'backends':[{'url':'HTTPS://a.example'}]}",
     "c.json:1:21: backends[0].url: \"HTTPS://a.example\" is not allowed: a URL that begins "
     "with http://: TLS to backends comes with a later release\n"},
    {"{'backends':[{'url':'ftp://a.example'}]}",
     "c.json:1:21: backends[0].url: \"ftp://a.example\" is not allowed: a URL that begins with "
     "http:// or unix:/, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'http://'}]}",
     "c.json:1:21: backends[0].url: \"http://\" is not allowed: a host name of letters, digits, "
     "\"-\", \"_\", \".\"\n"},
    {"{'backends':[{'url':'http:///'}]}",
     "c.json:1:21: backends[0].url: \"http:///\" is not allowed: a host name of letters, "
     "digits, \"-\", \"_\", \".\"\n"},
    {"{'backends':[{'url':'http://four.example/api'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example/api\" is not allowed: a URL without "
     "path: requests keep the path that the client sent; choose backends by path with "
     "routes[].path\n"},
    {"{'backends':[{'url':'http://four.example//'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example//\" is not allowed: a URL without "
     "path: requests keep the path that the client sent; choose backends by path with "
     "routes[].path\n"},
    {"{'backends':[{'url':'http://four.example?x'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example?x\" is not allowed: a URL without "
     "query and fragment\n"},
    {"{'backends':[{'url':'http://four.example/?x=1'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example/?x=1\" is not allowed: a URL without "
     "query and fragment\n"},
    {"{'backends':[{'url':'http://four.example#x'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example#x\" is not allowed: a URL without "
     "query and fragment\n"},
    {"{'backends':[{'url':'http://user:pw@four.example'}]}",
     "c.json:1:21: backends[0].url: this value (not shown) is not allowed: a URL without user "
     "and password: set an Authorization field in routes[].requestHeaders instead\n"},
    {"{'backends':[{'url':'http://four.example:'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example:\" is not allowed: a port from 1 to "
     "65535 behind the host, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'http://four.example:0'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example:0\" is not allowed: a port from 1 to "
     "65535 behind the host, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'http://four.example:65536'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example:65536\" is not allowed: a port from 1 "
     "to 65535 behind the host, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'http://four.example:8o'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example:8o\" is not allowed: a port from 1 to "
     "65535 behind the host, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'http://four.example:80:80'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example:80:80\" is not allowed: an IPv6 "
     "address in brackets, like http://[::1]:8080\n"},
    {"{'backends':[{'url':'http://::1:80'}]}",
     "c.json:1:21: backends[0].url: \"http://::1:80\" is not allowed: an IPv6 address in "
     "brackets, like http://[::1]:8080\n"},
    {"{'backends':[{'url':'http://[::1'}]}",
     "c.json:1:21: backends[0].url: \"http://[::1\" is not allowed: an IPv6 address with both "
     "brackets, like http://[::1]:8080\n"},
    {"{'backends':[{'url':'http://[::1]80'}]}",
     "c.json:1:21: backends[0].url: \"http://[::1]80\" is not allowed: a port from 1 to 65535 "
     "behind the host, like http://127.0.0.1:3001\n"},
    {"{'backends':[{'url':'http://[127.0.0.1]'}]}",
     "c.json:1:21: backends[0].url: \"http://[127.0.0.1]\" is not allowed: an IPv6 address "
     "inside the brackets, like http://[::1]:8080\n"},
    {"{'backends':[{'url':'http://[]'}]}",
     "c.json:1:21: backends[0].url: \"http://[]\" is not allowed: an IPv6 address inside the "
     "brackets, like http://[::1]:8080\n"},
    {"{'backends':[{'url':'http://127.0.0.256'}]}",
     "c.json:1:21: backends[0].url: \"http://127.0.0.256\" is not allowed: an IPv4 address of "
     "four numbers from 0 to 255\n"},
    {"{'backends':[{'url':'http://127.1'}]}",
     "c.json:1:21: backends[0].url: \"http://127.1\" is not allowed: an IPv4 address of four "
     "numbers from 0 to 255\n"},
    {"{'backends':[{'url':'http://a b'}]}",
     "c.json:1:21: backends[0].url: \"http://a b\" is not allowed: a host name of letters, "
     "digits, \"-\", \"_\", \".\"\n"},
    {"{'backends':[{'url':'http://-a..b'}]}",
     "c.json:1:21: backends[0].url: \"http://-a..b\" is not allowed: a host name of letters, "
     "digits, \"-\", \"_\", \".\"\n"},
    {"{'backends':[{'url':'http://four.example.'}]}",
     "c.json:1:21: backends[0].url: \"http://four.example.\" is not allowed: a host name of "
     "letters, digits, \"-\", \"_\", \".\"\n"},
    {"{'backends':[{'url':'http+srv://127.0.0.1'}]}",
     "c.json:1:21: backends[0].url: \"http+srv://127.0.0.1\" is not allowed: a name behind "
     "http+srv://, like http+srv://_http._tcp.example.com\n"},
    {"{'backends':[{'url':'http+srv://_http._tcp.example:80'}]}",
     "c.json:1:21: backends[0].url: \"http+srv://_http._tcp.example:80\" is not allowed: a URL "
     "without port behind http+srv://: the SRV records of the name tell the ports\n"},
    {"{'dns':{'servers':['dns.example','1.2.3.4:','::1:x','[::1]','127.1','1.2.3.4/','']}," BACKENDS
     "}",
     "c.json:1:20: dns.servers[0]: \"dns.example\" is not allowed: an address with or without "
     "port, like 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53\n"
     "c.json:1:34: dns.servers[1]: \"1.2.3.4:\" is not allowed: an address with or without "
     "port, like 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53\n"
     "c.json:1:45: dns.servers[2]: \"::1:x\" is not allowed: an address with or without "
     "port, like 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53\n"
     "c.json:1:61: dns.servers[4]: \"127.1\" is not allowed: an address with or without "
     "port, like 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53\n"
     "c.json:1:69: dns.servers[5]: \"1.2.3.4/\" is not allowed: an address with or without "
     "port, like 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53\n"
     "c.json:1:80: dns.servers[6]: \"\" is not allowed: an address with or without "
     "port, like 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53\n"},
    {"{'backends':[{'url':'unix:'}]}",
     "c.json:1:21: backends[0].url: \"unix:\" is not allowed: unix: and an absolute path of at "
     "most 107 bytes, like unix:/run/app.sock\n"},
    {"{'backends':[{'url':'unix:run/x'}]}",
     "c.json:1:21: backends[0].url: \"unix:run/x\" is not allowed: unix: and an absolute path "
     "of at most 107 bytes, like unix:/run/app.sock\n"},
    {"{'backends':[{'url':'unix://run/x:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}]}",
     "c.json:1:21: backends[0].url: "
     "\"unix://run/x:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is "
     "not allowed: unix: and an absolute path of at most 107 bytes, like unix:/run/app.sock\n"},
};

static const struct bad bad_forms[] = {
    {"{'backends':[{'id':'','url':'http://127.0.0.1:1'}]}",
     "c.json:1:20: backends[0].id: \"\" is not allowed: 1 to 64 letters, digits, \"-\", \"_\" "
     "and \".\"\n"},
    {"{'backends':[{'id':'a b','url':'http://127.0.0.1:1'}]}",
     "c.json:1:20: backends[0].id: \"a b\" is not allowed: 1 to 64 letters, digits, \"-\", "
     "\"_\" and \".\"\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'path':'health'}}]}",
     "c.json:1:64: backends[0].healthCheck.path: \"health\" is not allowed: a path that begins "
     "with / and has no white space, of at most 1024 bytes\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'path':'/a b'}}]}",
     "c.json:1:64: backends[0].healthCheck.path: \"/a b\" is not allowed: a path that begins "
     "with / and has no white space, of at most 1024 bytes\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':''}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'20'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"20\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'2000'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"2000\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'200-'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"200-\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'200,'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"200,\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'200,,300'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"200,,300\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'099'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"099\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'600'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"600\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'300-200'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"300-200\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'200-200'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"200-200\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'200 - 300'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"200 - 300\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'expectedStatus':'2xx'}}]}",
     "c.json:1:74: backends[0].healthCheck.expectedStatus: \"2xx\" is not allowed: "
     "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'host':''}}]}",
     "c.json:1:64: backends[0].healthCheck.host: \"\" is not allowed: "
     "a host, with or without a port: 1 to 255 letters, digits, \"-\", \"_\", \".\", "
     "\":\", \"[\" and \"]\"\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'host':'a b'}}]}",
     "c.json:1:64: backends[0].healthCheck.host: \"a b\" is not allowed: "
     "a host, with or without a port: 1 to 255 letters, digits, \"-\", \"_\", \".\", "
     "\":\", \"[\" and \"]\"\n"},
    {"{'backends':[{'url':'http://127.0.0.1:1','healthCheck':{'host':'a/b'}}]}",
     "c.json:1:64: backends[0].healthCheck.host: \"a/b\" is not allowed: "
     "a host, with or without a port: 1 to 255 letters, digits, \"-\", \"_\", \".\", "
     "\":\", \"[\" and \"]\"\n"},
    {"{'loadBalancing':{'stickySession':{'cookieName':'a;b'}}," BACKENDS "}",
     "c.json:1:49: loadBalancing.stickySession.cookieName: \"a;b\" is not allowed: a cookie "
     "name: 1 to 128 letters, digits and !#$%&'*+-.^_`|~\n"},
    {"{'routes':[{'path':''}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"\" is not allowed: a path that begins with /, has no white "
     "space, query or fragment, and at most 1024 bytes\n"},
    {"{'routes':[{'path':'api'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"api\" is not allowed: a path that begins with /, has no "
     "white space, query or fragment, and at most 1024 bytes\n"},
    {"{'routes':[{'path':'/api/'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/api/\" is not allowed: a path without / at its end: "
     "\"/api\" matches /api and all below it\n"},
    {"{'routes':[{'path':'/a//b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a//b\" is not allowed: a path without empty, \".\" or "
     "\"..\" segments\n"},
    {"{'routes':[{'path':'/a/../b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a/../b\" is not allowed: a path without empty, \".\" or "
     "\"..\" segments\n"},
    {"{'routes':[{'path':'/./b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/./b\" is not allowed: a path without empty, \".\" or "
     "\"..\" segments\n"},
    {"{'routes':[{'path':'/a%2f%2E'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a%2f%2E\" is not allowed: a path without empty, \".\" or "
     "\"..\" segments\n"},
    {"{'routes':[{'path':'/a%2f'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a%2f\" is not allowed: a path without / at its end: "
     "\"/api\" matches /api and all below it\n"},
    {"{'routes':[{'path':'/100%'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/100%\" is not allowed: a path in which % is followed by two "
     "hexadecimal digits other than 00\n"},
    {"{'routes':[{'path':'/%0g'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/%0g\" is not allowed: a path in which % is followed by two "
     "hexadecimal digits other than 00\n"},
    {"{'routes':[{'path':'/%00'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/%00\" is not allowed: a path in which % is followed by two "
     "hexadecimal digits other than 00\n"},
    {"{'routes':[{'path':'/a;b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a;b\" is not allowed: a path without ; and \\: what follows "
     "; in a segment is not looked at\n"},
    {"{'routes':[{'path':'/a\\\\b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a\\\\b\" is not allowed: a path without ; and \\: what "
     "follows ; in a segment is not looked at\n"},
    {"{'backends':[{'url':'unix:/run/a\\nb'}]}",
     "c.json:1:21: backends[0].url: \"unix:/run/a\\nb\" is not allowed: a URL without control "
     "characters\n"},
    {"{'routes':[{'path':'/a?b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a?b\" is not allowed: a path that begins with /, has no "
     "white space, query or fragment, and at most 1024 bytes\n"},
    {"{'routes':[{'path':'/a#b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a#b\" is not allowed: a path that begins with /, has no "
     "white space, query or fragment, and at most 1024 bytes\n"},
    {"{'routes':[{'path':'/a b'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/a b\" is not allowed: a path that begins with /, has no "
     "white space, query or fragment, and at most 1024 bytes\n"},
    {"{'routes':[{'path':'/\\u00e4'}]," BACKENDS "}",
     "c.json:1:20: routes[0].path: \"/\\u00E4\" is not allowed: a path that begins with /, has "
     "no white space, query or fragment, and at most 1024 bytes\n"},
    {"{'routes':[{'vHost':''}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"\" is not allowed: a host name like example.com, all "
     "names below one like *.example.com, or * for any host\n"},
    {"{'routes':[{'vHost':'a.example:80'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"a.example:80\" is not allowed: a host name without scheme "
     "and port\n"},
    {"{'routes':[{'vHost':'http://a.example'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"http://a.example\" is not allowed: a host name without "
     "scheme and port\n"},
    {"{'routes':[{'vHost':'a.*.example'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"a.*.example\" is not allowed: * only as the whole first "
     "label, like *.example.com\n"},
    {"{'routes':[{'vHost':'*.'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"*.\" is not allowed: a host name like example.com, all "
     "names below one like *.example.com, or * for any host\n"},
    {"{'routes':[{'vHost':'a..example'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"a..example\" is not allowed: a host name like "
     "example.com, all names below one like *.example.com, or * for any host\n"},
    {"{'routes':[{'vHost':'a_b.example.'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"a_b.example.\" is not allowed: a host name like "
     "example.com, all names below one like *.example.com, or * for any host\n"},
    {"{'routes':[{'vHost':'[::1'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"[::1\" is not allowed: a host name without scheme and "
     "port\n"},
    {"{'routes':[{'vHost':'[1.2.3.4]'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"[1.2.3.4]\" is not allowed: a host name like example.com, "
     "all names below one like *.example.com, or * for any host\n"},
    {"{'routes':[{'vHost':'ex ample'}]," BACKENDS "}",
     "c.json:1:21: routes[0].vHost: \"ex ample\" is not allowed: a host name like example.com, "
     "all names below one like *.example.com, or * for any host\n"},
    {"{'logging':{'errorLog':{'directory':'','filePattern':'a/b'},'accessLog':{'directory':'a\\n"
     "b','filePattern':'..'}}," BACKENDS "}",
     "c.json:1:37: logging.errorLog.directory: \"\" is not allowed: a path of 1 to 1024 bytes "
     "without control characters\n"
     "c.json:1:54: logging.errorLog.filePattern: \"a/b\" is not allowed: a file name of 1 to "
     "128 bytes without / and without . at its beginning\n"
     "c.json:1:86: logging.accessLog.directory: \"a\\nb\" is not allowed: a path of 1 to 1024 "
     "bytes without control characters\n"
     "c.json:1:107: logging.accessLog.filePattern: \"..\" is not allowed: a file name of 1 to "
     "128 bytes without / and without . at its beginning\n"},
    {"{'trustedProxies':['']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"\" is not allowed: a network like 10.0.0.0/8 or "
     "2001:db8::/32, an address, or unix:\n"},
    {"{'trustedProxies':['10.0.0.0/33']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"10.0.0.0/33\" is not allowed: a prefix length from /0 "
     "to /32\n"},
    {"{'trustedProxies':['10.0.0.0/']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"10.0.0.0/\" is not allowed: a prefix length from /0 to "
     "/32\n"},
    {"{'trustedProxies':['10.0.0.0/8x']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"10.0.0.0/8x\" is not allowed: a prefix length from /0 "
     "to /32\n"},
    {"{'trustedProxies':['10.0.0.0/0008']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"10.0.0.0/0008\" is not allowed: a prefix length from /0 "
     "to /32\n"},
    {"{'trustedProxies':['10.0.0.1/8']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"10.0.0.1/8\" is not allowed: a network's first address: "
     "bits behind the prefix must be 0\n"},
    {"{'trustedProxies':['2001:db8::1/32']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"2001:db8::1/32\" is not allowed: a network's first "
     "address: bits behind the prefix must be 0\n"},
    {"{'trustedProxies':['::/129']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"::/129\" is not allowed: a prefix length from /0 to "
     "/128\n"},
    {"{'trustedProxies':['localhost']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"localhost\" is not allowed: a network like 10.0.0.0/8 "
     "or 2001:db8::/32, an address, or unix:\n"},
    {"{'trustedProxies':['[::1]']," BACKENDS "}",
     "c.json:1:20: trustedProxies[0]: \"[::1]\" is not allowed: a network like 10.0.0.0/8 or "
     "2001:db8::/32, an address, or unix:\n"},
    {"{'listeners':[{'address':'localhost'},{'address':'[::1]'},{'unixSocket':'x.sock'},{'unixSo"
     "cket':'/run/x','unixMode':'rw'},{'unixSocket':'/run/y','unixMode':'1777'}]," BACKENDS "}",
     "c.json:1:26: listeners[0].address: \"localhost\" is not allowed: an IPv4 or IPv6 address "
     "of this machine without brackets, or * for all of both\n"
     "c.json:1:50: listeners[1].address: \"[::1]\" is not allowed: an IPv4 or IPv6 address of "
     "this machine without brackets, or * for all of both\n"
     "c.json:1:73: listeners[2].unixSocket: \"x.sock\" is not allowed: an absolute path of at "
     "most 107 bytes, like /run/nextproxy.sock\n"
     "c.json:1:117: listeners[3].unixMode: \"rw\" is not allowed: permission bits as a string "
     "of octal digits, like \"0660\"\n"
     "c.json:1:157: listeners[4].unixMode: \"1777\" is not allowed: permission bits as a string "
     "of octal digits, like \"0660\"\n"},
    {"{'routes':[{'requestHeaders':{'set':{'':'a','a "
     "b':'c','Connection':'x','transfer-encoding':'x','Content-Length':'1'}}}]," BACKENDS "}",
     "c.json:1:38: routes[0].requestHeaders.set[\"\"]: \"\" is not allowed: a field name: 1 to "
     "128 letters, digits and !#$%&'*+-.^_`|~\n"
     "c.json:1:45: routes[0].requestHeaders.set[\"a b\"]: \"a b\" is not allowed: a field name: "
     "1 to 128 letters, digits and !#$%&'*+-.^_`|~\n"
     "c.json:1:55: routes[0].requestHeaders.set.Connection: \"Connection\" is not allowed: a "
     "field that is not about framing or the connection: those belong to the proxy\n"
     "c.json:1:72: routes[0].requestHeaders.set.transfer-encoding: \"transfer-encoding\" is not "
     "allowed: a field that is not about framing or the connection: those belong to the proxy\n"
     "c.json:1:96: routes[0].requestHeaders.set.Content-Length: \"Content-Length\" is not "
     "allowed: a field that is not about framing or the connection: those belong to the proxy\n"},
    {"{'routes':[{'requestHeaders':{'add':{'X-A':' "
     "a','X-B':'a\\r\\nb','X-C':'a\\u007f'},'remove':['Host','Upgrade']}}]," BACKENDS "}",
     "c.json:1:44: routes[0].requestHeaders.add.X-A: this value (not shown) is not allowed: a "
     "string of at most 4096 bytes without control characters or white space at its ends\n"
     "c.json:1:55: routes[0].requestHeaders.add.X-B: this value (not shown) is not allowed: a "
     "string of at most 4096 bytes without control characters or white space at its ends\n"
     "c.json:1:70: routes[0].requestHeaders.add.X-C: this value (not shown) is not allowed: a "
     "string of at most 4096 bytes without control characters or white space at its ends\n"
     "c.json:1:91: routes[0].requestHeaders.remove[0]: \"Host\" is not allowed: another field: "
     "a request without Host is invalid\n"
     "c.json:1:98: routes[0].requestHeaders.remove[1]: \"Upgrade\" is not allowed: a field that "
     "is not about framing or the connection: those belong to the proxy\n"},
    {"{'routes':[{'responseHeaders':{'remove':['Keep-Alive','a:b']}}]," BACKENDS "}",
     "c.json:1:42: routes[0].responseHeaders.remove[0]: \"Keep-Alive\" is not allowed: a field "
     "that is not about framing or the connection: those belong to the proxy\n"
     "c.json:1:55: routes[0].responseHeaders.remove[1]: \"a:b\" is not allowed: a field name: 1 "
     "to 128 letters, digits and !#$%&'*+-.^_`|~\n"},
    {"{'proxy':{'port':'999999999999999999999999999999999999999999999999999999999999999999999999"
     "9999999999999999999999999999'}," BACKENDS "}",
     "c.json:1:18: proxy.port: "
     "\"9999999999999999999999999999999999999999999999999999999999999999999999999999999...\" is "
     "not allowed: a whole number from 0 to 65535\n"},
};

/* clang-format on */

static void test_urls(void **state)
{
    (void)state;
    assert_bad(bad_urls, ARRAY_COUNT(bad_urls), false);
}

static void test_forms(void **state)
{
    (void)state;
    assert_bad(bad_forms, ARRAY_COUNT(bad_forms), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
