/* Where clients and backends are: behind a PROXY protocol header, at unix sockets, at IPv6. */
#include <stdio.h>

#include "scenario.h"

/* Listener 0 wants a PROXY header from its network alone, 1 is a unix socket, 2 is IPv6. */
#define CONFIG_LISTENERS(backends)                                                                 \
    "{'listeners':[{'address':'127.0.0.1','port':1,'proxyProtocolFrom':['10.0.0.0/8']},"           \
    "{'unixSocket':'/sim/listener'},{'address':'::1','port':2}],"                                  \
    "'backends':[" backends "]," SIM_SETTINGS "}"
#define CONFIG_TCP CONFIG_LISTENERS("{'url':'http://127.0.0.1:9000'}")
#define CONFIG_UNIX CONFIG_LISTENERS("{'url':'unix:" SIM_BACKEND_PATH "0'}")
#define CONFIG_MIXED                                                                               \
    CONFIG_LISTENERS("{'url':'unix:" SIM_BACKEND_PATH "0'},{'url':'http://[::1]:9001'},"           \
                     "{'url':'http://127.0.0.1:9002'}")

/* Two routes have ideas of their own about who the client is. */
#define CONFIG_EDITED                                                                              \
    "{'trustedProxies':['10.0.0.0/8'],'loadBalancing':{'strategy':'ip-hash'},"                     \
    "'routes':[{'path':'/removed','requestHeaders':{'remove':['X-Real-IP']}},"                     \
    "{'path':'/set','requestHeaders':{'set':{'x-real-ip':'nobody'}}}],"                            \
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                 \
    "{'url':'http://127.0.0.1:9002'}]," SIM_SETTINGS "}"

enum { LISTENER_PROXY, LISTENER_UNIX, LISTENER_V6 };

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) text, sizeof(text) - 1

/* ---- PROXY protocol ---- */

struct header {
    const char *bytes;
    usize len;
    const char *client; /* whom the backend is told of */
};

static const struct header headers[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1"},
    {BYTES("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n"), "2001:db8::7"},
    {BYTES("PROXY UNKNOWN\r\n"), "10.1.2.3"},
    {BYTES("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "10.1.2.3"},
    {BYTES(V2_SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\xdc\x04\x01\xbb"),
     "192.0.2.9"},
    {BYTES(V2_SIGNATURE "\x21\x21\0\x24 \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05"
                        " \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\x01\xbb"),
     "2001:db8::5"},
    /* LOCAL, unspecified, and an address with a TLV behind it */
    {BYTES(V2_SIGNATURE "\x20\0\0\0"), "10.1.2.3"},
    {BYTES(V2_SIGNATURE "\x21\0\0\x03xyz"), "10.1.2.3"},
    {BYTES(V2_SIGNATURE "\x21\x11\0\x10\xc0\0\x02\x09\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\0\x01p"),
     "192.0.2.9"},
};

static struct sim_peer *from_balancer(struct sim *sim)
{
    return sim_connect_to(sim, LISTENER_PROXY, "10.1.2.3");
}

static void expect_request_of(struct sim *sim, struct sim_peer *client, const char *address)
{
    char real[80], forwarded[80];
    (void)snprintf(real, sizeof(real), "X-Real-IP: %s", address);
    (void)snprintf(forwarded, sizeof(forwarded), "X-Forwarded-For: %s", address);
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "Host: a", real, forwarded);
    scenario_answer(sim, client, backend);
    (void)snprintf(real, sizeof(real), "\"clientIp\":\"%s\"", address);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, real);
}

static const struct header *any_header(struct sim *sim)
{
    return &headers[sim_random(sim, ARRAY_COUNT(headers))];
}

static void header_with_request(struct sim *sim)
{
    const struct header *header = any_header(sim);
    struct sim_peer *client = from_balancer(sim);
    sim_send(client, header->bytes, header->len);
    sim_say(client, REQUEST);
    expect_request_of(sim, client, header->client);
    sim_say(client, REQUEST); /* the header holds for the whole connection */
    SIM_UNTIL(sim, sim_counters(sim)->requests == 2);
}

static void header_alone(struct sim *sim)
{
    const struct header *header = any_header(sim);
    struct sim_peer *client = from_balancer(sim);
    sim_send(client, header->bytes, header->len);
    sim_pass(sim, 100);
    SIM_CHECK(sim_end(client) == SIM_OPEN);
    sim_say(client, REQUEST);
    expect_request_of(sim, client, header->client);
}

static void header_byte_by_byte(struct sim *sim)
{
    const struct header *header = any_header(sim);
    struct sim_peer *client = from_balancer(sim);
    for (usize i = 0; i < header->len; i++) {
        sim_send(client, header->bytes + i, 1);
        sim_pass(sim, 1);
    }
    for (const char *at = REQUEST; *at; at++) {
        sim_send(client, at, 1);
        sim_pass(sim, 1);
    }
    expect_request_of(sim, client, header->client);
}

/* Requests in a row behind the header, more than one receive and one inbox hold. */
static void header_and_pipeline(struct sim *sim)
{
    enum { REQUESTS = 300 };
    const struct header *header = any_header(sim);
    struct sim_peer *client = from_balancer(sim);
    sim_send(client, header->bytes, header->len);
    for (u32 i = 0; i < REQUESTS; i++)
        sim_say(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n"
                        "GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n");
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i < REQUESTS; i++) {
        backend = scenario_next(sim, backend);
        EXPECT_HEAD(sim, backend, "POST /x HTTP/1.1", "Host: a");
        scenario_expect(sim, backend, "GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n");
        scenario_answer(sim, client, backend);
    }
}

/* From all others it is not accepted: there it is a request, and a bad one. */
static void header_from_stranger(struct sim *sim)
{
    const struct header *header = any_header(sim);
    struct sim_peer *client = sim_connect_to(sim, LISTENER_PROXY, "192.0.2.66");
    sim_send(client, header->bytes, header->len);
    sim_say(client, REQUEST);
    scenario_expect_page(sim, client, "400");
    scenario_expect_end(sim, client, SIM_FIN);
    SIM_CHECK(sim_upstreams(sim) == 0);
    struct sim_peer *honest = sim_connect_to(sim, LISTENER_PROXY, "192.0.2.66");
    sim_say(honest, REQUEST);
    expect_request_of(sim, honest, "192.0.2.66");
}

static void header_malformed(struct sim *sim)
{
    static const struct header malformed[] = {
        {BYTES(REQUEST), NULL},
        {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"), NULL},
        {BYTES("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n"), NULL},
        {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n"), NULL},
        {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n"), NULL},
        {BYTES("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n"), NULL},
        {BYTES("PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), NULL},
        {BYTES(V2_SIGNATURE "\x11\x11\0\x0c"), NULL},
        {BYTES(V2_SIGNATURE "\x22\x11\0\x0c"), NULL},
        {BYTES(V2_SIGNATURE "\x21\x11\xff\xff"), NULL},
        {BYTES(V2_SIGNATURE "\x21\x11\0\x04\xc0\0\x02\x09"), NULL},
        {BYTES("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), NULL},
    };
    const struct header *header = &malformed[sim_random(sim, ARRAY_COUNT(malformed))];
    struct sim_peer *client = from_balancer(sim);
    sim_send(client, header->bytes, header->len);
    scenario_send_body(client, 1, 0, 600); /* a version 1 line without an end */
    scenario_expect_end(sim, client, SIM_RESET);
    SIM_UNTIL(sim, sim_gone(client));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_PROXY_HEADER] == 1);
    SIM_CHECK(sim_counters(sim)->requests == 0);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "proxy_header", "\"clientIp\":\"10.1.2.3\"");
}

/* The clock of the first request covers it: a byte now and then does not help. */
static void header_timeout(struct sim *sim)
{
    struct sim_peer *client = from_balancer(sim);
    u64 since_ns = sim_now_ns(sim);
    bool silent = sim_chance(sim, 30);
    sim_say(client, silent ? "" : "PROXY UNKNOWN ");
    while (sim_end(client) == SIM_OPEN) {
        sim_say(client, silent ? "" : "f");
        sim_pass(sim, 40);
    }
    scenario_check_after(sim, since_ns, 2000);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_PROXY_HEADER] == 1);
}

static void gone_in_header(struct sim *sim)
{
    const struct header *header = any_header(sim);
    struct sim_peer *client = from_balancer(sim);
    sim_send(client, header->bytes, sim_random(sim, (u32)header->len));
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client));
    SIM_CHECK(sim_counters(sim)->requests == 0);
}

/* ---- Trusted proxies ---- */

/* Asks for the path on behalf of a client, whose address must be logged: which backend gets it. */
static u32 ask_for(struct sim *sim, const char *path, u32 host, const char *real_ip)
{
    char head[160], first[64], logged[48];
    struct sim_peer *balancer = sim_connect_to(sim, LISTENER_PROXY, "10.1.2.3");
    (void)snprintf(head, sizeof(head),
                   "GET %s HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.%u\r\n\r\n", path, host);
    sim_say(balancer, head);
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    u32 index = sim_backend(backend);
    (void)snprintf(first, sizeof(first), "GET %s HTTP/1.1", path);
    EXPECT_HEAD(sim, backend, first, real_ip);
    sim_say(backend, "HTTP/1.1 204 Fine\r\nConnection: close\r\n\r\n");
    EXPECT_HEAD(sim, balancer, "HTTP/1.1 204 Fine");
    (void)snprintf(logged, sizeof(logged), "\"clientIp\":\"192.0.2.%u\"", host);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, path, logged);
    return index;
}

/* What a route tells its backends of X-Real-IP says nothing about who the client is. */
static void real_ip_edited(struct sim *sim)
{
    enum { CLIENTS = 12 };
    u32 used = 0;
    for (u32 host = 1; host <= CLIENTS; host++) {
        char line[32];
        (void)snprintf(line, sizeof(line), "X-Real-IP: 192.0.2.%u", host);
        u32 backend = ask_for(sim, "/", host, line);
        SIM_CHECK(ask_for(sim, "/removed", host, "!X-Real-IP:") == backend);
        SIM_CHECK(ask_for(sim, "/set", host, "x-real-ip: nobody") == backend);
        used |= 1u << backend;
    }
    SIM_CHECK(used == 7);
}

/* ---- Unix sockets ---- */

/* A large body both ways, between whatever sockets: all of these ways lead to the same end. */
static void carry(struct sim *sim, struct sim_peer *client, u32 len)
{
    char head[128];
    int head_len = snprintf(head, sizeof(head),
                            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", len);
    sim_send(client, head, (usize)head_len);
    scenario_send_body(client, 1, 0, len);
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1", "Host: a");
    scenario_expect_body(sim, backend, 1, len);
    head_len =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", len + 7);
    sim_send(backend, head, (usize)head_len);
    scenario_send_body(backend, 2, 0, len + 7);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect_body(sim, client, 2, len + 7);
}

static void all_kinds(struct sim *sim)
{
    struct sim_peer *clients[] = {
        sim_connect_to(sim, LISTENER_PROXY, NULL),
        sim_connect_to(sim, LISTENER_UNIX, NULL),
        sim_connect_to(sim, LISTENER_V6, "::1"),
    };
    for (u32 i = 0; i < ARRAY_COUNT(clients); i++)
        carry(sim, clients[i], sim_random(sim, 300000) + 1);
}

/* Everything stops in time, and the listening unix socket is left to control, which closes it. */
static void unix_drain(struct sim *sim)
{
    struct sim_peer *idle = sim_connect_to(sim, LISTENER_UNIX, NULL);
    struct sim_peer *busy = sim_connect_to(sim, LISTENER_UNIX, NULL);
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == 2);
    struct sim_peer *backend = scenario_get(sim, busy);
    sim_command_drain(sim);
    scenario_expect_end(sim, idle, SIM_FIN);
    sim_say(backend, "HTTP/1.1 204 Fine\r\n\r\n");
    EXPECT_HEAD(sim, busy, "HTTP/1.1 204 Fine", "Connection: close");
    scenario_expect_end(sim, busy, SIM_FIN);
    sim_close(busy);
    SIM_UNTIL(sim, sim_finished(sim));
}

/* Its file is not there, nobody listens, it is forbidden, too many wait: all of it is a 502. */
static void unix_connect_fails(struct sim *sim)
{
    struct sim_peer *client = sim_connect_to(sim, LISTENER_UNIX, NULL);
    sim_backend_set(sim, 0, SIM_CONNECT_REFUSED + sim_random(sim, SIM_CONNECT_TIMED_OUT));
    sim_say(client, REQUEST);
    const char *head = scenario_head(sim, client);
    SIM_CHECK(strncmp(head, "HTTP/1.1 502", 12) == 0 || strncmp(head, "HTTP/1.1 504", 12) == 0);
    SIM_UNTIL(sim, sim_upstreams(sim) == 0);
}

/* There is no RST that would lose bytes: what was sent before the end arrives. */
static void unix_answer_and_close(struct sim *sim)
{
    struct sim_peer *client = sim_connect_to(sim, LISTENER_UNIX, NULL);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    scenario_send_body(client, 7, 0, 500000);
    struct sim_peer *backend = scenario_accept(sim, 0);
    SIM_UNTIL(sim, sim_received(backend).len > 0);
    sim_say(backend, "HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno");
    sim_close(backend);
    EXPECT_HEAD(sim, client, "HTTP/1.1 413 Too much");
    scenario_expect(sim, client, "no");
    SIM_UNTIL(sim, sim_end(client) != SIM_OPEN);
    sim_close(client);
    SIM_UNTIL(sim, sim_gone(client) && sim_upstreams(sim) == 0);
}

static void unix_client_gone(struct sim *sim)
{
    struct sim_peer *client = sim_connect_to(sim, LISTENER_UNIX, NULL);
    sim_window(client, 5000);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
    scenario_send_body(backend, 2, 0, 200000);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend) && sim_leases_held(sim) == 0);
}

static void unix_client_stalled(struct sim *sim)
{
    struct sim_peer *client = sim_connect_to(sim, LISTENER_UNIX, NULL);
    sim_window(client, 40000);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n");
    scenario_send_body(backend, 1, 0, 400000);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_STALLED] == 1);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    SIM_CHECK(sim_leases_held(sim) == 0);
}

static const struct scenario scenarios[] = {
    {.name = "PROXY header, with the request", .run = header_with_request, .config = CONFIG_TCP},
    {.name = "PROXY header, alone", .run = header_alone, .config = CONFIG_TCP},
    {.name = "PROXY header, byte by byte", .run = header_byte_by_byte, .config = CONFIG_TCP},
    {.name = "PROXY header, then a pipeline", .run = header_and_pipeline, .config = CONFIG_TCP},
    {.name = "PROXY header from a stranger", .run = header_from_stranger, .config = CONFIG_TCP},
    {.name = "PROXY header, malformed", .run = header_malformed, .config = CONFIG_TCP},
    {.name = "PROXY header that does not end", .run = header_timeout, .config = CONFIG_TCP},
    {.name = "client gone in its PROXY header", .run = gone_in_header, .config = CONFIG_TCP},
    {.name = "X-Real-IP is the route's to say", .run = real_ip_edited, .config = CONFIG_EDITED},
    {.name = "all kinds of sockets", .run = all_kinds, .config = CONFIG_MIXED},
    {.name = "unix: drain", .run = unix_drain, .config = CONFIG_UNIX},
    {.name = "unix: connecting fails", .run = unix_connect_fails, .config = CONFIG_UNIX},
    {.name = "unix: an early answer", .run = unix_answer_and_close, .config = CONFIG_UNIX},
    {.name = "unix: client gone", .run = unix_client_gone, .config = CONFIG_UNIX},
    {.name = "unix: client stops reading", .run = unix_client_stalled, .config = CONFIG_UNIX},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
