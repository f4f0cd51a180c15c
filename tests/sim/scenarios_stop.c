/* Graceful drain and stop, in each phase of a client's life. */
#include <stdio.h>

#include "scenario.h"

/* The proxy has nobody left: checked by sim_destroy(), too, but here without its stop. */
static void expect_over(struct sim *sim)
{
    SIM_UNTIL(sim, sim_finished(sim));
}

static void check_within_drain(struct sim *sim, u64 since_ns)
{
    u64 passed_ms = (sim_now_ns(sim) - since_ns) / 1000000;
    SIM_CHECK(passed_ms <= 8000 + 3000); /* timeouts.drain, and what lingers */
}

static void idle_clients(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_command_drain(sim);
    sim_pass(sim, 900); /* less than timeouts.drainIdle */
    SIM_CHECK(sim_end(client) == SIM_OPEN && sim_end(backend) == SIM_FIN);
    expect_over(sim);
    SIM_UNTIL(sim, sim_end(client) == SIM_FIN);
}

/* The next request was on its way: it is answered, and the answer says that it is the last. */
static void idle_client_asks(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_command_drain(sim);
    if (sim_chance(sim, 50))
        sim_pass(sim, 500);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    backend = scenario_next(sim, backend);
    (void)scenario_head(sim, backend);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Connection: close");
    scenario_expect(sim, client, "ok");
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
    expect_over(sim);
}

/* A request that was begun is finished, and its answer says that it is the last. */
static void in_exchange(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    scenario_send_body(client, 1, 0, 50000);
    (void)scenario_head(sim, backend);
    sim_command_drain(sim);
    sim_pass(sim, 500);
    scenario_send_body(client, 1, 50000, 50000);
    scenario_expect_body(sim, backend, 1, 100000);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n");
    scenario_send_body(backend, 2, 0, 50000);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Connection: close");
    scenario_expect_body(sim, client, 2, 50000);
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
    expect_over(sim);
}

static void in_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == 1);
    sim_pass(sim, 100);
    sim_command_drain(sim);
    sim_say(client, "Host: a\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    sim_say(backend, "HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 OK", "Connection: close");
    sim_close(client);
    expect_over(sim);
}

/* No new connection is taken. */
static void new_clients(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_command_drain(sim);
    sim_pass(sim, 200);
    struct sim_peer *late = sim_connect(sim);
    sim_say(late, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    sim_pass(sim, 200);
    SIM_CHECK(sim_received(late).len == 0 && sim_counters(sim)->requests == 1);
    sim_say(backend, "HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 OK");
    sim_close(client);
    expect_over(sim);
}

/* What does not end by itself is cut when the drain timeout is over. */
static void stuck(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    u32 phase = sim_random(sim, 5);
    if (phase == 0) {
        sim_say(client, "GET / HT");
    } else if (phase == 1) {
        sim_backend_set(sim, 0, SIM_CONNECT_LOST);
        sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    } else if (phase == 2) {
        (void)scenario_get(sim, client);
    } else if (phase == 3) {
        sim_window(client, 1000);
        sim_say(scenario_get(sim, client), "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx");
    } else {
        struct sim_peer *backend;
        scenario_tunnel(sim, &client, &backend);
    }
    sim_pass(sim, 50);
    u64 since_ns = sim_now_ns(sim);
    sim_command_drain(sim);
    expect_over(sim);
    check_within_drain(sim, since_ns);
}

/* A second signal does not wait. */
static void stop_at_once(struct sim *sim)
{
    struct sim_peer *clients[8];
    for (u32 i = 0; i < 8; i++) {
        clients[i] = sim_connect(sim);
        struct sim_peer *backend = scenario_get(sim, clients[i]);
        sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        scenario_send_body(backend, i, 0, sim_random(sim, 100000));
    }
    u64 since_ns = sim_now_ns(sim);
    if (sim_chance(sim, 50))
        sim_command_drain(sim);
    sim_step(sim);
    sim_command_stop(sim);
    expect_over(sim);
    SIM_CHECK(sim_now_ns(sim) - since_ns < 1000000000ull);
}

/* The answer came early and the client left: nothing may keep the worker from ending. */
static void after_early_response(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client,
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    (void)scenario_head(sim, backend);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
    scenario_send_body(backend, 1, 0, 300000);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect_body(sim, client, 1, 300000);
    sim_close(client);
    u64 since_ns = sim_now_ns(sim);
    sim_command_drain(sim);
    expect_over(sim);
    check_within_drain(sim, since_ns);
}

/* ---- Another engine has taken over ---- */

/* Nobody is closed in the moment in which they ask: the answer sends them away. */
static void retire_idle_clients(struct sim *sim)
{
    struct sim_peer *client;
    (void)scenario_warm(sim, &client);
    struct sim_peer *fresh = sim_connect(sim);
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == 2);
    sim_command_retire(sim);
    sim_pass(sim, sim_random(sim, 500));
    struct sim_peer *const both[] = {client, fresh};
    for (u32 i = 0; i < 2; i++) {
        SIM_CHECK(!sim_finished(sim) && sim_end(both[i]) == SIM_OPEN);
        sim_say(scenario_get(sim, both[i]), "HTTP/1.1 204 OK\r\n\r\n");
        EXPECT_HEAD(sim, both[i], "HTTP/1.1 204 OK", "Connection: close");
        scenario_expect_end(sim, both[i], SIM_FIN);
        sim_close(both[i]);
    }
    expect_over(sim);
}

/* Who asks nothing is left alone until the drain timeout, and goes in order. */
static void retire_silent_client(struct sim *sim)
{
    struct sim_peer *client;
    (void)scenario_warm(sim, &client);
    u64 since_ns = sim_now_ns(sim);
    sim_command_retire(sim);
    expect_over(sim);
    check_within_drain(sim, since_ns);
    SIM_UNTIL(sim, sim_end(client) == SIM_FIN);
}

/* A response that has promised to keep the connection is followed by one that does not. */
static void retire_in_response(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n");
    scenario_send_body(backend, 1, 0, 20000);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    sim_command_retire(sim);
    sim_pass(sim, 100);
    scenario_send_body(backend, 1, 20000, 30000);
    scenario_expect_body(sim, client, 1, 50000);
    sim_pass(sim, 100);
    SIM_CHECK(sim_end(client) == SIM_OPEN);
    sim_say(scenario_get(sim, client), "HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 OK", "Connection: close");
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
    expect_over(sim);
}

static void retire_stuck(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    if (sim_chance(sim, 50)) {
        struct sim_peer *backend;
        scenario_tunnel(sim, &client, &backend);
    } else {
        (void)scenario_get(sim, client);
    }
    u64 since_ns = sim_now_ns(sim);
    sim_command_retire(sim);
    if (sim_chance(sim, 50))
        sim_command_stop(sim);
    expect_over(sim);
    check_within_drain(sim, since_ns);
}

static const struct scenario scenarios[] = {
    {.name = "drain: idle connections are closed", .run = idle_clients},
    {.name = "drain: an idle client may ask once more", .run = idle_client_asks},
    {.name = "drain: an exchange is finished", .run = in_exchange},
    {.name = "drain: a request that is arriving is served", .run = in_head},
    {.name = "drain: nobody new", .run = new_clients},
    {.name = "drain: what is stuck is cut in time", .run = stuck},
    {.name = "stop: at once", .run = stop_at_once},
    {.name = "drain: after an early response", .run = after_early_response},
    {.name = "retire: an idle client has one more answer", .run = retire_idle_clients},
    {.name = "retire: a silent client goes in time", .run = retire_silent_client},
    {.name = "retire: a promise to keep is kept", .run = retire_in_response},
    {.name = "retire: what is stuck is cut in time", .run = retire_stuck},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
