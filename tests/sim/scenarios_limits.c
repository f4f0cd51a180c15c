/* Everything has an end: leases, slots, patience. And so has the worker: drain and stop. */
#include <stdio.h>

#include "scenario.h"

#define CONFIG_SMALL                                                                               \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],"                                               \
    "'limits':{'clients':6,'exchanges':3,'headBytes':1024,'targetBytes':64,'bodyBytes':5000},"     \
    "'upstream':{'maxConnections':2,'idleConnections':1}}"

/* ---- Leases ---- */

static void slow_reader_holds_little(struct sim *sim)
{
    enum { LEN = 3000000, READERS = 4 };
    struct sim_peer *clients[READERS];
    for (u32 i = 0; i < READERS; i++) {
        clients[i] = sim_connect(sim);
        sim_window(clients[i], 4096);
        struct sim_peer *backend = scenario_get(sim, clients[i]);
        sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
        scenario_send_body(backend, i, 0, LEN);
    }
    sim_pass(sim, 1000);
    SIM_CHECK(sim_leases_held_max(sim) <= 64 * READERS); /* 1 MB each, of 3 */
    for (u32 i = 0; i < READERS; i++) {
        sim_window(clients[i], 1 << 20);
        EXPECT_HEAD(sim, clients[i], "HTTP/1.1 200 OK");
        scenario_expect_body(sim, clients[i], i, LEN);
    }
}

/* Who pipelines without reading the answers is held back by TCP. */
static void pipelining_without_reading(struct sim *sim)
{
    enum { REQUESTS = 20000 };
    struct sim_peer *client = sim_connect(sim);
    sim_window(client, 1000);
    for (u32 i = 0; i < REQUESTS; i++)
        sim_say(client, "GET /pipelined HTTP/1.1\r\nHost: a\r\nX-Padding: 0123456789\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n");
    scenario_send_body(backend, 1, 0, 4000);
    sim_pass(sim, 1000);
    SIM_CHECK(sim_end(client) == SIM_OPEN);
    SIM_CHECK(sim_leases_held_max(sim) < 64);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect_body(sim, client, 1, 4000);
    sim_reset(client);
}

enum { STARVING = 200, STARVED_BODY = 9000 };

struct starved {
    struct sim_peer *client;
    struct sim_peer *backend;
    u64 up;   /* bytes that the backend has got */
    u64 down; /* bytes that the client has got */
    bool answered;
    bool refused;
    bool headed;
};

static bool whole_head(struct sim_peer *peer, usize *len)
{
    struct slice received = sim_received(peer);
    const char *end = memmem(received.data, received.len, "\r\n\r\n", 4);
    *len = end ? (usize)(end - received.data) + 4 : 0;
    return end != NULL;
}

static void check_bytes(struct sim_peer *peer, u32 stream, u64 *at)
{
    struct slice received = sim_received(peer);
    for (u32 i = 0; i < received.len; i++)
        if (received.data[i] != scenario_byte(stream, *at + i))
            sim_fail("byte %llu of stream %u to peer %u is wrong: %.*s",
                     (unsigned long long)(*at + i), stream, sim_number(peer),
                     (int)min_u32(received.len - i, 60), received.data + i);
    *at += received.len;
    sim_take(peer, received.len);
}

static bool starved_done(struct starved *one)
{
    return one->refused || one->down == STARVED_BODY;
}

static void starved_client(struct starved *one, u32 stream)
{
    usize len = 0;
    if (starved_done(one))
        return;
    if (!one->headed && whole_head(one->client, &len)) {
        one->headed = true;
        one->refused = memcmp(sim_received(one->client).data, "HTTP/1.1 200 ", 13) != 0;
        sim_take(one->client, len);
    }
    if (one->headed && !one->refused)
        check_bytes(one->client, stream, &one->down);
    if (sim_end(one->client) != SIM_OPEN && !starved_done(one))
        one->refused = true;
    if (one->refused)
        sim_close(one->client);
}

/* The backend learns from the target whose request it has got. */
static void starved_backend(struct starved *all, struct sim_peer **backend)
{
    usize len = 0;
    if (!whole_head(*backend, &len))
        return;
    u32 stream = 0;
    SIM_CHECK(memcmp(sim_received(*backend).data, "PUT /", 5) == 0);
    for (const char *at = sim_received(*backend).data + 5; *at != ' '; at++)
        stream = stream * 10 + (u32)(*at - '0');
    SIM_CHECK(stream < STARVING && !all[stream].backend);
    all[stream].backend = *backend;
    sim_take(*backend, len);
    *backend = NULL;
}

static void starved_answer(struct starved *one, u32 stream)
{
    if (!one->backend || one->answered)
        return;
    check_bytes(one->backend, stream, &one->up);
    if (one->up < STARVED_BODY)
        return;
    one->answered = true;
    sim_say(one->backend, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n");
    scenario_send_body(one->backend, stream, 0, STARVED_BODY);
}

/* Sixty-four leases for two hundred clients: slow, but nobody gets a wrong byte, and nobody is
 * forgotten. */
static void starvation(struct sim *sim)
{
    static struct starved all[STARVING];
    struct sim_peer *unknown[STARVING] = {NULL};
    u32 unknown_count = 0;
    memset(all, 0, sizeof(all));
    for (u32 i = 0; i < STARVING; i++) {
        char head[128];
        int len = snprintf(head, sizeof(head),
                           "PUT /%u HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n", i);
        all[i].client = sim_connect(sim);
        sim_send(all[i].client, head, (usize)len);
        scenario_send_body(all[i].client, i, 0, STARVED_BODY);
    }
    u32 done = 0;
    for (u64 end_ns = sim_now_ns(sim) + 300 * 1000000000ull; done < STARVING;) {
        SIM_CHECK(sim_now_ns(sim) < end_ns);
        sim_step(sim);
        for (struct sim_peer *peer; (peer = sim_accept(sim, 0)) != NULL;)
            unknown[unknown_count++] = peer;
        for (u32 i = 0; i < unknown_count; i++)
            if (unknown[i])
                starved_backend(all, &unknown[i]);
        done = 0;
        for (u32 i = 0; i < STARVING; i++) {
            starved_answer(&all[i], i);
            starved_client(&all[i], i);
            done += starved_done(&all[i]);
        }
    }
}

/* ---- Slots ---- */

static void too_many_clients(struct sim *sim)
{
    struct sim_peer *clients[6];
    for (u32 i = 0; i < 6; i++)
        clients[i] = sim_connect(sim);
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == 6);
    struct sim_peer *refused = sim_connect(sim);
    scenario_expect_end(sim, refused, SIM_RESET);
    SIM_CHECK(sim_counters(sim)->clients_refused >= 1); /* failed accepts count too */
    sim_close(clients[0]);
    SIM_UNTIL(sim, sim_gone(clients[0]));
    (void)scenario_get(sim, sim_connect(sim)); /* there is room again */
}

static void too_many_exchanges(struct sim *sim)
{
    struct sim_peer *clients[4];
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    for (u32 i = 0; i < 4; i++) {
        clients[i] = sim_connect(sim);
        sim_say(clients[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        if (i < 3)
            SIM_UNTIL(sim,
                      sim_counters(sim)->requests == i + 1 || sim_received(clients[i]).len > 0);
    }
    scenario_expect_page(sim, clients[3], "503");
    scenario_expect_end(sim, clients[3], SIM_FIN);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] >= 1);
    SIM_CHECK(sim_counters(sim)->responses_by_class[5] >= 1);
}

/* Many more than there are exchanges, all at once and with bodies: each gets its answer. */
static void crowd(struct sim *sim)
{
    enum { CROWD = 200, FILLING = 3 };
    struct sim_peer *clients[FILLING + CROWD];
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    for (u32 i = 0; i < FILLING + CROWD; i++) {
        clients[i] = sim_connect(sim);
        if (i < FILLING)
            sim_say(clients[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        if (i == FILLING - 1)
            SIM_UNTIL(sim, sim_counters(sim)->requests == FILLING);
    }
    for (u32 i = FILLING; i < FILLING + CROWD; i++) {
        sim_say(clients[i], "POST / HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\n"
                            "Content-Length: 100\r\n\r\n");
        scenario_send_body(clients[i], i, 0, sim_random(sim, 101));
    }
    for (u32 i = FILLING; i < FILLING + CROWD; i++) {
        EXPECT_HEAD(sim, clients[i], "HTTP/1.1 503 Service Unavailable", "Connection: close",
                    "X-Request-ID: mine");
        scenario_drop(sim, clients[i]);
        SIM_CHECK(sim_end(clients[i]) == SIM_FIN);
        sim_close(clients[i]);
    }
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] == CROWD);
    SIM_CHECK(sim_counters(sim)->responses_by_class[5] == CROWD);
}

static void too_many_upstreams(struct sim *sim)
{
    struct sim_peer *clients[3];
    for (u32 i = 0; i < 2; i++) {
        clients[i] = sim_connect(sim);
        (void)scenario_get(sim, clients[i]);
    }
    clients[2] = sim_connect(sim);
    sim_say(clients[2], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, clients[2], "503");
    sim_reset(clients[0]);
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    (void)scenario_get(sim, sim_connect(sim));
}

static void no_sockets(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_sockets_fail(sim, true);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, "503");
    sim_sockets_fail(sim, false);
    (void)scenario_get(sim, sim_connect(sim));
}

/* More idle connections than may be kept are closed. */
static void idle_upstreams(struct sim *sim)
{
    struct sim_peer *clients[2], *backends[2];
    for (u32 i = 0; i < 2; i++) {
        clients[i] = sim_connect(sim);
        backends[i] = scenario_get(sim, clients[i]);
    }
    for (u32 i = 0; i < 2; i++) {
        sim_say(backends[i], "HTTP/1.1 204 Fine\r\n\r\n");
        EXPECT_HEAD(sim, clients[i], "HTTP/1.1 204 Fine");
    }
    SIM_UNTIL(sim, sim_upstreams(sim) <= 1);
}

/* What is too large is refused at once, whatever comes behind it. */
static void too_large(struct sim *sim)
{
    static const struct {
        const char *start;
        const char *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", "431"},
        {"GET /", "414"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5001\r\n\r\n", "413"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4E20\r\n", "413"},
    };
    u32 which = sim_random(sim, ARRAY_COUNT(rows));
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, rows[which].start);
    scenario_send_body(client, 1, 0, 6000);
    scenario_expect_page(sim, client, rows[which].status);
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
    SIM_UNTIL(sim, sim_gone(client) && sim_upstreams(sim) == 0);
}

static const struct scenario scenarios[] = {
    {"slow readers hold little", slow_reader_holds_little, NULL, 0},
    {"pipelining without reading", pipelining_without_reading, NULL, 0},
    {"64 leases for 200 clients", starvation,
     "{'backends':[{'url':'http://127.0.0.1:9000'}],'limits':{'headBytes':8192},"
     "'timeouts':{'requestHead':200000,'requestBodyIdle':200000,'responseHead':200000,"
     "'responseIdle':200000,'connect':200000}}",
     64},
    {"too many clients", too_many_clients, CONFIG_SMALL, 0},
    {"too many exchanges", too_many_exchanges, CONFIG_SMALL, 0},
    {"a crowd beyond the exchanges", crowd,
     "{'backends':[{'url':'http://127.0.0.1:9000'}],'limits':{'clients':210,'exchanges':3},"
     "'timeouts':{'requestHead':200000,'connect':200000}}",
     0},
    {"too many upstreams", too_many_upstreams, CONFIG_SMALL, 0},
    {"no sockets", no_sockets, CONFIG_SMALL, 0},
    {"idle upstreams", idle_upstreams, CONFIG_SMALL, 0},
    {"too large", too_large, CONFIG_SMALL, 0},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
