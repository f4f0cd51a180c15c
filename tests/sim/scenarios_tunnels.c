/* What follows an upgrade: bytes both ways until each side has finished, or one of them is gone. */
#include <stdio.h>

#include "scenario.h"

enum { LEN = 300000 };

/* Bytes right behind the request and right behind the 101 belong to the tunnel already. */
static void first_bytes(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(
        client,
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
    EXPECT_HEAD(sim, backend, "GET /ws HTTP/1.1", "Connection: upgrade", "Upgrade: websocket");
    sim_say(backend, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\n\r\nsecond");
    EXPECT_HEAD(sim, client, "HTTP/1.1 101 Switching Protocols", "Connection: upgrade",
                "Upgrade: websocket");
    scenario_expect(sim, client, "second");
    scenario_expect(sim, backend, "first");
}

static void both_ways(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    scenario_send_body(client, 6, 0, LEN);
    scenario_send_body(backend, 7, 0, LEN);
    scenario_expect_body(sim, client, 7, LEN);
    scenario_expect_body(sim, backend, 6, LEN);
    struct sim_peer *first = sim_chance(sim, 50) ? client : backend;
    struct sim_peer *second = first == client ? backend : client;
    sim_finish(first);
    scenario_expect_end(sim, second, SIM_FIN);
    scenario_send_body(second, 8, 0, LEN); /* one half is closed: the other still works */
    scenario_expect_body(sim, first, 8, LEN);
    sim_finish(second);
    scenario_expect_end(sim, first, SIM_FIN);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"statusCode\":101");
}

/* A side that finishes with its last byte: nothing of it is lost, however slow the other reads. */
static void last_bytes(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    struct sim_peer *first = sim_chance(sim, 50) ? client : backend;
    struct sim_peer *second = first == client ? backend : client;
    sim_window(second, 3000);
    scenario_send_body(first, 1, 0, LEN);
    sim_finish(first);
    sim_finish(second);
    scenario_expect_body(sim, second, 1, LEN);
    scenario_expect_end(sim, second, SIM_FIN);
    scenario_expect_end(sim, first, SIM_FIN);
}

static void one_side_gone(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    scenario_send_body(backend, 3, 0, LEN);
    scenario_send_body(client, 4, 0, LEN);
    struct sim_peer *gone = sim_chance(sim, 50) ? client : backend;
    struct sim_peer *other = gone == client ? backend : client;
    sim_chance(sim, 50) ? sim_reset(gone) : sim_close(gone);
    scenario_drop(sim, other);
    sim_close(other);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
}

/* The other one has finished before, and still listens when its peer goes. */
static void gone_after_half_close(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    struct sim_peer *first = sim_chance(sim, 50) ? client : backend;
    struct sim_peer *second = first == client ? backend : client;
    sim_finish(first);
    scenario_expect_end(sim, second, SIM_FIN);
    scenario_send_body(second, 5, 0, LEN);
    sim_reset(sim_chance(sim, 50) ? first : second);
    scenario_drop(sim, first);
    sim_close(first);
    sim_close(second);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
}

static void declined(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client,
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    EXPECT_HEAD(sim, backend, "GET /ws HTTP/1.1", "Upgrade: websocket");
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "!Upgrade:");
    scenario_expect(sim, client, "no");
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
}

/* A byte in either direction keeps it alive. */
static void idle(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    for (u32 i = 0; i < 4; i++) {
        struct sim_peer *from = i % 2 ? client : backend;
        sim_pass(sim, 9000);
        sim_say(from, "ping");
        scenario_expect(sim, from == client ? backend : client, "ping");
    }
    u64 since_ns = sim_now_ns(sim);
    scenario_drop(sim, client);
    scenario_check_after(sim, since_ns, 10000);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_TUNNEL_IDLE] == 1);
}

/* The half that is still open is not kept for ever by the one that has ended. */
static void idle_half(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    sim_finish(sim_chance(sim, 50) ? client : backend);
    SIM_UNTIL(sim, sim_end(client) == SIM_FIN || sim_end(backend) == SIM_FIN);
    u64 since_ns = sim_now_ns(sim);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    scenario_check_after(sim, since_ns, 10000);
}

/* The drain gives it its time: what is said within it goes through, and then it is cut. */
static void drained(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    u64 since_ns = sim_now_ns(sim);
    sim_command_drain(sim);
    for (u32 i = 0; i < 3; i++) {
        sim_pass(sim, 2000);
        sim_say(i % 2 ? client : backend, "still here");
        scenario_expect(sim, i % 2 ? backend : client, "still here");
    }
    SIM_UNTIL(sim, sim_finished(sim));
    scenario_check_after(sim, since_ns, 8000);
}

/* ... and is not waited for when both sides end by themselves. */
static void drained_early(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    u64 since_ns = sim_now_ns(sim);
    sim_command_drain(sim);
    sim_say(client, "bye");
    sim_finish(client);
    scenario_expect(sim, backend, "bye");
    scenario_expect_end(sim, backend, SIM_FIN);
    sim_finish(backend);
    scenario_expect_end(sim, client, SIM_FIN);
    SIM_UNTIL(sim, sim_finished(sim));
    SIM_CHECK(sim_now_ns(sim) - since_ns < 3000000000ull);
}

static const struct scenario scenarios[] = {
    {.name = "bytes right behind the heads", .run = first_bytes},
    {.name = "both ways, with half-close", .run = both_ways},
    {.name = "the last bytes of a side that finishes", .run = last_bytes},
    {.name = "one side gone", .run = one_side_gone},
    {.name = "one side gone after half-close", .run = gone_after_half_close},
    {.name = "an upgrade that is declined", .run = declined},
    {.name = "an idle tunnel", .run = idle},
    {.name = "an idle half", .run = idle_half},
    {.name = "a drain gives a tunnel its time", .run = drained},
    {.name = "a drain does not wait for an ended tunnel", .run = drained_early},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
