/* Timeouts, by the virtual clock: each of them, and that none comes early. */
#include <stdio.h>

#include "scenario.h"

/* Late: the wheel's slot, and what the turns take. Early: the peer learns a little later than the
 * proxy that the time has begun. */
enum { LATE_MS = 100, EARLY_MS = 20 };

static void check_after(struct sim *sim, u64 since_ns, u64 ms)
{
    u64 passed_ms = (sim_now_ns(sim) - since_ns) / 1000000;
    if (passed_ms + EARLY_MS < ms || passed_ms > ms + LATE_MS)
        sim_fail("after %llu ms instead of %llu", (unsigned long long)passed_ms,
                 (unsigned long long)ms);
}

static void no_request(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_end(sim, client, SIM_FIN);
    check_after(sim, since_ns, 2000);
    SIM_UNTIL(sim, sim_gone(client));
}

/* One byte now and then does not help: the head has to be complete in time. */
static void slow_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    u64 since_ns = sim_now_ns(sim);
    sim_say(client, "GET / HTTP/1.1\r\nX: ");
    while (sim_received(client).len == 0) {
        sim_say(client, "a");
        sim_pass(sim, 20);
    }
    check_after(sim, since_ns, 2000);
    scenario_expect_page(sim, client, "408");
    scenario_expect_end(sim, client, SIM_FIN);
}

static void body_idle(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
    for (u32 i = 0; i < 3; i++) { /* as long as something comes, it may take its time */
        sim_pass(sim, 2500);
        sim_say(client, "abc");
        scenario_expect(sim, backend, "abc");
    }
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_page(sim, client, "408");
    check_after(sim, since_ns, 3000);
    scenario_expect_end(sim, client, SIM_FIN);
    scenario_drop(sim, backend);
}

static void response_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    u64 since_ns = sim_now_ns(sim);
    if (sim_chance(sim, 50))
        sim_say(backend, "HTTP/1.1 200 OK\r\nX: ");
    scenario_expect_page(sim, client, "504");
    check_after(sim, since_ns, 4000);
    SIM_UNTIL(sim, sim_gone(backend));
    (void)scenario_get(sim, client); /* the client's connection is sound */
}

static void response_idle(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    for (u32 i = 0; i < 3; i++) {
        sim_pass(sim, 4500);
        sim_say(backend, "abc");
        scenario_expect(sim, client, "abc");
    }
    u64 since_ns = sim_now_ns(sim);
    scenario_drop(sim, client);
    check_after(sim, since_ns, 5000);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_RESPONSE_STALLED] == 1);
    SIM_UNTIL(sim, sim_gone(backend));
}

/* A client that stops reading is given up, and everything that waits for it is free again. */
static void client_stalled(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_window(client, 5000);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
    scenario_send_body(backend, 1, 0, 2000000);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_STALLED] == 1);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    SIM_CHECK(sim_leases_held(sim) == 0);
    SIM_UNTIL(sim, sim_end(client) == SIM_RESET);
}

/* A slow reader who takes something now and then is not stalled. */
static void slow_reader(struct sim *sim)
{
    enum { LEN = 600000, STEP = 60000 };
    struct sim_peer *client = sim_connect(sim);
    sim_window(client, STEP);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n");
    scenario_send_body(backend, 1, 0, LEN);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    for (u32 at = 0; at < LEN;) {
        sim_pass(sim, 3000);
        u32 there = sim_received(client).len;
        for (u32 i = 0; i < there; i++)
            SIM_CHECK(sim_received(client).data[i] == scenario_byte(1, at + i));
        sim_take(client, there);
        at += there;
        SIM_CHECK(sim_end(client) == SIM_OPEN);
    }
}

static void keep_alive_idle(struct sim *sim)
{
    struct sim_peer *client;
    (void)scenario_warm(sim, &client);
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_end(sim, client, SIM_FIN);
    check_after(sim, since_ns, 6000);
    SIM_UNTIL(sim, sim_gone(client));
}

static void tunnel_idle(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    (void)scenario_head(sim, backend);
    sim_say(backend, "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    (void)scenario_head(sim, client);
    for (u32 i = 0; i < 4; i++) {
        struct sim_peer *from = i % 2 ? client : backend;
        sim_pass(sim, 9000);
        sim_say(from, "ping");
        scenario_expect(sim, from == client ? backend : client, "ping");
    }
    u64 since_ns = sim_now_ns(sim);
    scenario_drop(sim, client);
    check_after(sim, since_ns, 10000);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
}

/* A client that does not close its side is not waited for without end. */
static void lingering(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "nonsense\r\n\r\n");
    scenario_expect_page(sim, client, "400");
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_end(sim, client, SIM_FIN);
    while (!sim_gone(client)) {
        sim_say(client, "and so on");
        sim_pass(sim, 20);
    }
    check_after(sim, since_ns, 2000);
}

static void connect_timeout(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_LOST);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_page(sim, client, "504");
    check_after(sim, since_ns, 3000); /* three backends, a second each */
    SIM_UNTIL(sim, sim_upstreams(sim) == 0);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CONNECT_TIMEOUT] >= 1);
}

static void upstream_idle(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_end(sim, backend, SIM_FIN);
    u64 passed_ms = (sim_now_ns(sim) - since_ns) / 1000000;
    SIM_CHECK(passed_ms + EARLY_MS >= 20000 &&
              passed_ms <= 21000 + LATE_MS); /* looked at once a second */
}

static const struct scenario scenarios[] = {
    {"no request", no_request, NULL, 0},
    {"a head that does not end", slow_head, NULL, 0},
    {"a request body that stops", body_idle, NULL, 0},
    {"a response that does not begin", response_head, NULL, 0},
    {"a response body that stops", response_idle, NULL, 0},
    {"a client that stops reading", client_stalled, NULL, 0},
    {"a slow reader", slow_reader, NULL, 0},
    {"an idle client", keep_alive_idle, NULL, 0},
    {"an idle tunnel", tunnel_idle, NULL, 0},
    {"a client that does not close", lingering, NULL, 0},
    {"backends that do not answer a connect", connect_timeout, SIM_CONFIG_THREE, 0},
    {"an idle upstream", upstream_idle, NULL, 0},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
