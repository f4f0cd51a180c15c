/* Everything has an end: each row of the memory plan (src/README.md), used up and free again; and
 * what is too large. Leases that are used up: scenarios_scarcity.c, scenarios_crowd.c. */
#include <stdio.h>

#include "scenario.h"

#define CONFIG_SMALL                                                                               \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],"                                               \
    "'limits':{'clients':6,'exchanges':3,'headBytes':1024,'targetBytes':64,'bodyBytes':5000},"     \
    "'upstream':{'maxConnections':2,'idleConnections':1}}"

#define CONFIG_EXCHANGES                                                                           \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],'limits':{'clients':6,'exchanges':3},"          \
    "'upstream':{'maxConnections':8}}"
#define CONFIG_CROWD                                                                               \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],'limits':{'clients':210,'exchanges':3},"        \
    "'timeouts':{'requestHead':200000,'connect':200000}}"
#define CONFIG_INBOXES                                                                             \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],"                                               \
    "'limits':{'clients':2,'exchanges':2,'headBytes':1024},'upstream':{'maxConnections':8}}"

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

/* ---- Slots ---- */

static void too_many_clients(struct sim *sim)
{
    struct sim_peer *clients[6];
    for (u32 i = 0; i < 6; i++)
        clients[i] = sim_connect(sim);
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == 6);
    struct sim_peer *refused = sim_connect(sim);
    scenario_expect_end(sim, refused, SIM_RESET);
    SIM_CHECK(sim_counters(sim)->clients_refused == 1);
    sim_close(clients[0]);
    SIM_UNTIL(sim, sim_gone(clients[0]));
    (void)scenario_get(sim, sim_connect(sim)); /* there is room again */
}

static void too_many_exchanges(struct sim *sim)
{
    struct sim_peer *clients[3], *backends[3];
    for (u32 i = 0; i < 3; i++) {
        clients[i] = sim_connect(sim);
        backends[i] = scenario_get(sim, clients[i]);
    }
    struct sim_peer *refused = sim_connect(sim);
    sim_say(refused, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, refused, "503");
    scenario_expect_end(sim, refused, SIM_FIN);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] == 1);
    u32 over = sim_random(sim, 3);
    scenario_answer(sim, clients[over], backends[over]);
    sim_say(clients[over], "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); /* there is room again */
    SIM_UNTIL(sim, sim_counters(sim)->requests == 5);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] == 1);
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
    /* In a world with little memory the crowd is an overload besides. */
    const u64 *faults = sim_counters(sim)->faults;
    SIM_CHECK(faults[FAULT_EXHAUSTED] + faults[FAULT_OVERLOADED] == CROWD);
    SIM_CHECK(sim_counters(sim)->responses_by_class[5] == CROWD);
}

/* A client whose request and response both stop within their trailers: it takes two inboxes, and
 * the configuration has two. */
static struct sim_peer *take_inboxes(struct sim *sim, struct sim_peer *client)
{
    sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nhello\r\n0\r\nX-Sum: ");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
    scenario_expect(sim, backend, "5\r\nhello\r\n");
    sim_say(backend, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "2\r\nok\r\n0\r\nX-Sum: ");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "2\r\nok\r\n");
    sim_pass(sim, 50);
    return backend;
}

/* Who cannot do without an inbox is closed: a head in pieces without a word, trailers with a page.
 */
static void too_many_inboxes(struct sim *sim)
{
    struct sim_peer *first = sim_connect(sim), *second = sim_connect(sim);
    struct sim_peer *backend = take_inboxes(sim, first);
    bool trailers = sim_chance(sim, 50);
    sim_say(second, trailers ? "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             : "GET / HTTP");
    sim_pass(sim, 50);
    sim_say(second, trailers ? "0\r\nX-Sum: " : "/1.1\r\nHost: a\r\n");
    SIM_UNTIL(sim, sim_end(second) != SIM_OPEN);
    struct slice got = sim_received(second);
    SIM_CHECK(got.len == 0 || (trailers && slice_starts_with(got, SLICE("HTTP/1.1 503 "))));
    sim_close(second);
    SIM_UNTIL(sim, sim_gone(second) && sim_upstreams(sim) == 1);
    while (sim_accept(sim, 0)) /* the second's, if it came so far */
        continue;
    sim_say(first, "1\r\n\r\n");
    scenario_expect(sim, backend, "0\r\nX-Sum: 1\r\n\r\n");
    sim_say(backend, "2\r\n\r\n");
    scenario_expect(sim, first, "0\r\nX-Sum: 2\r\n\r\n");
    struct sim_peer *third = sim_connect(sim);
    sim_say(third, "GET / HTTP"); /* there are inboxes again */
    sim_pass(sim, 50);
    sim_say(third, "/1.1\r\nHost: a\r\n\r\n");
    backend = scenario_next(sim, backend);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "Host: a");
    scenario_answer(sim, third, backend);
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
    {.name = "slow readers hold little", .run = slow_reader_holds_little},
    {.name = "pipelining without reading", .run = pipelining_without_reading},
    {.name = "too many clients", .run = too_many_clients, .config = CONFIG_SMALL},
    {.name = "too many exchanges", .run = too_many_exchanges, .config = CONFIG_EXCHANGES},
    {.name = "a crowd beyond the exchanges", .run = crowd, .config = CONFIG_CROWD},
    {.name = "too many inboxes", .run = too_many_inboxes, .config = CONFIG_INBOXES},
    {.name = "too many upstreams", .run = too_many_upstreams, .config = CONFIG_SMALL},
    {.name = "no sockets", .run = no_sockets, .config = CONFIG_SMALL},
    {.name = "idle upstreams", .run = idle_upstreams, .config = CONFIG_SMALL},
    {.name = "too large", .run = too_large, .config = CONFIG_SMALL},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
