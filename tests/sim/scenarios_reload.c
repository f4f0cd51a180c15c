/* Another configuration takes over: what runs goes on as it began, what comes follows the new one.
 * Earlier configurations are freed as soon as nobody uses them (sim_earlier). */
#include "scenario.h"

#define ONE(name, port) "{'id':'" name "','url':'http://127.0.0.1:" port "'}"
#define CONFIG(backends) "{'backends':[" backends "]," SIM_SETTINGS "}"
#define FIRST CONFIG(ONE("a", "9000"))
#define SECOND CONFIG(ONE("b", "9001"))
#define BOTH CONFIG(ONE("a", "9000") "," ONE("b", "9001"))

static struct sim_peer *ask(struct sim *sim, struct sim_peer *client, u32 backend)
{
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *peer = scenario_accept(sim, backend);
    EXPECT_HEAD(sim, peer, "GET / HTTP/1.1");
    return peer;
}

static void answer(struct sim *sim, struct sim_peer *backend, struct sim_peer *client)
{
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "ok");
}

static void new_requests_follow(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    answer(sim, ask(sim, client, 0), client);
    sim_reload(sim, SECOND);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
    answer(sim, ask(sim, client, 1), client);
}

/* Whatever the exchange was waiting for when its backend was removed. */
static void running_ones_go_on(struct sim *sim)
{
    enum { REQUEST_BYTES = 30000, RESPONSE_BYTES = 90000 };
    u32 when = sim_random(sim, 4);
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    if (when == 0)
        sim_reload(sim, SECOND);
    EXPECT_HEAD(sim, backend, "POST / HTTP/1.1");
    scenario_send_body(client, 1, 0, REQUEST_BYTES / 2);
    if (when == 1)
        sim_reload(sim, SECOND);
    scenario_send_body(client, 1, REQUEST_BYTES / 2, REQUEST_BYTES / 2);
    scenario_expect_body(sim, backend, 1, REQUEST_BYTES);
    if (when == 2)
        sim_reload(sim, SECOND);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n");
    scenario_send_body(backend, 2, 0, RESPONSE_BYTES / 3);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    if (when == 3)
        sim_reload(sim, SECOND);
    SIM_CHECK(sim_earlier(sim) == 1);
    scenario_send_body(backend, 2, RESPONSE_BYTES / 3, RESPONSE_BYTES - RESPONSE_BYTES / 3);
    scenario_expect_body(sim, client, 2, RESPONSE_BYTES);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
    scenario_expect_end(sim, backend, SIM_FIN); /* it is not pooled any more */
    answer(sim, ask(sim, client, 1), client);
}

static void tunnels_stay(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    sim_say(backend,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 101 Switching Protocols");
    for (u32 i = 0; i < 5; i++) {
        sim_reload(sim, i % 2 == 0 ? SECOND : BOTH);
        sim_say(client, "ping");
        scenario_expect(sim, backend, "ping");
        sim_say(backend, "pong");
        scenario_expect(sim, client, "pong");
    }
    SIM_UNTIL(sim, sim_earlier(sim) == 1); /* only what the tunnel began with */
    sim_finish(client);
    sim_finish(backend);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

static void connections_stay(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = ask(sim, client, 0);
    answer(sim, backend, client);
    sim_reload(sim,
               CONFIG(ONE("a", "9000") ",{'id':'c','url':'http://127.0.0.1:9002','weight':0}"));
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1"); /* on the same connection */
    answer(sim, backend, client);
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* A retry follows the configuration that the request began with: it may go to a backend that is
 * not configured any more, but never to the wrong one. */
static void retries_keep_theirs(struct sim *sim)
{
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    sim_backend_set(sim, 1, SIM_CONNECT_LOST);
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->upstreams_opened == 1);
    sim_reload(sim, CONFIG(ONE("c", "9002")));
    SIM_UNTIL(sim, sim_counters(sim)->upstreams_opened == 2);
    scenario_expect_page(sim, client, "504");
    answer(sim, ask(sim, client, 2), client);
}

/* Snapshots that no worker has looked at are superseded. */
static void many_at_once(struct sim *sim)
{
    for (u32 i = 0; i < 20; i++)
        sim_reload(sim, i % 2 == 0 ? SECOND : FIRST);
    sim_reload(sim, SECOND);
    struct sim_peer *client = sim_connect(sim);
    answer(sim, ask(sim, client, 1), client);
    SIM_CHECK(sim_earlier(sim) == 0);
}

#define LISTENERS(one, other)                                                                      \
    "{'listeners':[{'port':" one "},{'port':" other                                                \
    "}],'backends':[" ONE("a", "9000") "]," SIM_SETTINGS "}"

static struct sim_peer *serve_next(struct sim *sim, struct sim_peer *client,
                                   struct sim_peer *backend)
{
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    backend = scenario_next(sim, backend);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    answer(sim, backend, client);
    return backend;
}

/* Whoever has come to a listener that goes is served, also when it was still in the queue. */
static void listeners_come_and_go(struct sim *sim)
{
    struct sim_peer *waiting[5], *backend = NULL;
    struct sim_peer *early = sim_connect_to(sim, 1, NULL);
    backend = serve_next(sim, early, backend);
    for (u32 i = 0; i < ARRAY_COUNT(waiting); i++)
        waiting[i] = sim_connect_to(sim, 1, NULL);
    sim_reload(sim, LISTENERS("1", "3"));
    for (u32 i = 0; i < ARRAY_COUNT(waiting); i++)
        backend = serve_next(sim, waiting[i], backend);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
    struct sim_peer *late = sim_connect_to(sim, 1, NULL);
    backend = serve_next(sim, late, backend);
    backend = serve_next(sim, early, backend);
    sim_reload(sim, LISTENERS("2", "3"));
    sim_reload(sim, LISTENERS("2", "1"));
    (void)serve_next(sim, sim_connect_to(sim, 0, NULL), backend);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

static void stop_behind_listeners(struct sim *sim)
{
    for (u32 i = 0; i < 5; i++) {
        (void)sim_connect_to(sim, 1, NULL);
        sim_reload(sim, i % 2 == 0 ? LISTENERS("1", "3") : LISTENERS("2", "3"));
        if (sim_chance(sim, 50))
            sim_step(sim);
    }
    scenario_drain_or_stop(sim);
    SIM_UNTIL(sim, sim_finished(sim));
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"new requests follow", new_requests_follow, FIRST, 0, 0},
        {"running ones go on", running_ones_go_on, FIRST, 0, 0},
        {"tunnels stay", tunnels_stay, FIRST, 0, 0},
        {"connections stay", connections_stay, FIRST, 0, 0},
        {"retries keep theirs", retries_keep_theirs, BOTH, 0, 0},
        {"many at once", many_at_once, FIRST, 0, 0},
        {"listeners come and go", listeners_come_and_go, LISTENERS("1", "2"), 0, 0},
        {"a stop behind other listeners", stop_behind_listeners, LISTENERS("1", "2"), 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
