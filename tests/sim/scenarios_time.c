/* Timeouts, by the virtual clock: each of them, and that none comes early. */
#include <stdio.h>

#include "scenario.h"

static void no_request(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_end(sim, client, SIM_FIN);
    scenario_check_after(sim, since_ns, 2000);
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
    scenario_check_after(sim, since_ns, 2000);
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
    scenario_check_after(sim, since_ns, 3000);
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
    scenario_check_after(sim, since_ns, 4000);
    SIM_UNTIL(sim, sim_gone(backend));
    (void)scenario_get(sim, client); /* the client's connection is sound */
}

/* However many interim ones come before it. */
static void response_head_behind_others(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    u64 since_ns = sim_now_ns(sim);
    for (u32 i = 0; i < 3; i++) {
        sim_say(backend, "HTTP/1.1 102 Processing\r\n\r\n");
        EXPECT_HEAD(sim, client, "HTTP/1.1 102 Processing");
        sim_pass(sim, 1000);
    }
    scenario_expect_page(sim, client, "504");
    scenario_check_after(sim, since_ns, 4000);
}

/* Its body may be what the backend waits for, which is not to blame then: it stays in use. */
static void uninvited_body(struct sim *sim)
{
    enum { OFTEN = 10 };
    for (u32 i = 0; i < OFTEN; i++) {
        struct sim_peer *client = sim_connect(sim);
        sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 5\r\n\r\n");
        struct sim_peer *backend = scenario_accept(sim, 0);
        EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
        u64 since_ns = sim_now_ns(sim);
        scenario_expect_page(sim, client, "504");
        scenario_check_after(sim, since_ns, 4000);
        scenario_drop(sim, backend);
        SIM_CHECK(sim_marks(sim, 0) == 0);
    }
    SIM_CHECK(sim_counters(sim)->faults[FAULT_RESPONSE_TIMEOUT] == OFTEN);
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

static void body_idle_in_a_response(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "abc");
    u64 since_ns = sim_now_ns(sim);
    scenario_drop(sim, client);
    scenario_check_after(sim, since_ns, 5000);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_BODY_TIMEOUT] == 1);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_RESPONSE_STALLED] == 0);
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
    scenario_check_after(sim, since_ns, 5000);
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
    scenario_check_after(sim, since_ns, 6000);
    SIM_UNTIL(sim, sim_gone(client));
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
    scenario_check_after(sim, since_ns, 2000);
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
    scenario_check_after(sim, since_ns, 3000); /* three backends, a second each */
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
    SIM_CHECK(passed_ms >= 19900 && passed_ms <= 21100); /* looked at once a second */
}

static const struct scenario scenarios[] = {
    {.name = "no request", .run = no_request},
    {.name = "a head that does not end", .run = slow_head},
    {.name = "a request body that stops", .run = body_idle},
    {.name = "a response that does not begin", .run = response_head},
    {.name = "interim responses without a final one", .run = response_head_behind_others},
    {.name = "a request body that nobody asks for", .run = uninvited_body},
    {.name = "a request body that stops in a response", .run = body_idle_in_a_response},
    {.name = "a response body that stops", .run = response_idle},
    {.name = "a client that stops reading", .run = client_stalled},
    {.name = "a slow reader", .run = slow_reader},
    {.name = "an idle client", .run = keep_alive_idle},
    {.name = "a client that does not close", .run = lingering},
    {.name = "backends that do not answer a connect",
     .run = connect_timeout,
     .config = SIM_CONFIG_THREE},
    {.name = "an idle upstream", .run = upstream_idle},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
