/* Backends and routes that are removed while something runs on them: it has timeouts.removedDrain.
 * What comes to them later is in scenarios_late.c. */
#include "base/clock.h"
#include "scenario.h"

enum { LIMIT_MS = 3000 };

#define TIMES(limit)                                                                               \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':256,'idleTimeout':20000},"                                       \
    "'timeouts':{'responseHead':600000,'tunnelIdle':600000,'drain':8000,"                          \
    "'keepAlive':600000,'removedDrain':" limit "}"
#define ONE(id, port) "{'id':'" id "','url':'http://127.0.0.1:" port "'}"
#define CONFIG(backends, limit) "{'backends':[" backends "]," TIMES(limit) "}"
#define FIRST CONFIG(ONE("a", "9000"), "3000")
#define SECOND CONFIG(ONE("b", "9001"), "3000")
#define RENAMED CONFIG(ONE("b", "9001") "," ONE("c", "9000"), "3000")
#define UNLIMITED CONFIG(ONE("b", "9001"), "0")
#define SHORT CONFIG(ONE("b", "9001"), "10")

struct tunnel {
    struct sim_peer *client;
    struct sim_peer *backend;
};

static struct tunnel open_tunnel(struct sim *sim, const char *path)
{
    struct tunnel tunnel = {.client = sim_connect(sim)};
    char line[64];
    (void)snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\nHost: a\r\n", path);
    sim_say(tunnel.client, line);
    sim_say(tunnel.client, "Connection: upgrade\r\nUpgrade: x\r\n\r\n");
    tunnel.backend = scenario_accept(sim, 0);
    (void)snprintf(line, sizeof(line), "GET %s HTTP/1.1", path);
    EXPECT_HEAD(sim, tunnel.backend, line);
    sim_say(tunnel.backend,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    EXPECT_HEAD(sim, tunnel.client, "HTTP/1.1 101 Switching Protocols");
    return tunnel;
}

static void expect_alive(struct sim *sim, struct tunnel tunnel)
{
    sim_say(tunnel.client, "ping");
    scenario_expect(sim, tunnel.backend, "ping");
    sim_say(tunnel.backend, "pong");
    scenario_expect(sim, tunnel.client, "pong");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_REMOVED] == 0);
}

static void expect_cut(struct sim *sim, struct tunnel tunnel)
{
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_REMOVED] == 1);
    scenario_expect_end(sim, tunnel.client, SIM_RESET);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

static void tunnels_have_their_time(struct sim *sim)
{
    struct tunnel tunnel = open_tunnel(sim, "/");
    sim_reload(sim, SECOND);
    sim_pass(sim, LIMIT_MS - 500);
    expect_alive(sim, tunnel);
    expect_cut(sim, tunnel);
}

/* What a client still waits for it is told in words. */
static void those_that_wait_get_an_answer(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    sim_reload(sim, SECOND);
    sim_pass(sim, LIMIT_MS + 500);
    scenario_expect_page(sim, client, "503");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_REMOVED] == 1);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

/* Later reloads neither shorten nor lengthen it. */
static void reloads_go_on(struct sim *sim)
{
    struct tunnel tunnel = open_tunnel(sim, "/");
    for (u32 i = 0; i < 5; i++) {
        sim_reload(sim, SECOND);
        sim_pass(sim, LIMIT_MS / 6);
        expect_alive(sim, tunnel);
    }
    u64 before_ns = sim_now_ns(sim);
    expect_cut(sim, tunnel);
    SIM_CHECK(sim_now_ns(sim) - before_ns < LIMIT_MS * NS_PER_MS);
}

/* Its URL counts: ids may be numbers, which others get. */
static void who_stays_is_not_touched(struct sim *sim)
{
    struct tunnel tunnel = open_tunnel(sim, "/");
    for (u32 i = 0; i < 5; i++) {
        sim_reload(sim, i % 2 == 0 ? RENAMED : FIRST);
        sim_pass(sim, 2 * LIMIT_MS);
        expect_alive(sim, tunnel);
    }
}

static void who_comes_back_is_not_touched(struct sim *sim)
{
    struct tunnel tunnel = open_tunnel(sim, "/");
    sim_reload(sim, SECOND);
    sim_pass(sim, LIMIT_MS - 500);
    sim_reload(sim, sim_chance(sim, 50) ? FIRST : RENAMED);
    sim_pass(sim, 2 * LIMIT_MS);
    expect_alive(sim, tunnel);
    sim_reload(sim, SECOND); /* and has its whole time when it goes again */
    sim_pass(sim, LIMIT_MS - 500);
    expect_alive(sim, tunnel);
    expect_cut(sim, tunnel);
}

static void there_may_be_no_limit(struct sim *sim)
{
    struct tunnel tunnel = open_tunnel(sim, "/");
    sim_reload(sim, UNLIMITED);
    sim_pass(sim, 10 * LIMIT_MS);
    expect_alive(sim, tunnel);
    sim_reload(sim, SHORT); /* counted from the removal on */
    expect_cut(sim, tunnel);
}

#define ROUTES(path)                                                                               \
    "{'backends':[" ONE("a", "9000") "],'routes':[{'id':'r','path':'" path "'}]," TIMES("3000") "}"

/* A route is where it is; its backend stays, and what others run on that. */
static void routes_are_removed_too(struct sim *sim)
{
    struct tunnel other = open_tunnel(sim, "/"), tunnel = open_tunnel(sim, "/r");
    sim_reload(sim, ROUTES("/r"));
    sim_pass(sim, 2 * LIMIT_MS);
    expect_alive(sim, tunnel);
    sim_reload(sim, ROUTES("/s"));
    sim_pass(sim, LIMIT_MS - 500);
    expect_alive(sim, tunnel);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_REMOVED] == 1);
    scenario_expect_end(sim, tunnel.client, SIM_RESET);
    sim_say(other.client, "ping");
    scenario_expect(sim, other.backend, "ping");
}

static void a_stop_comes_first(struct sim *sim)
{
    struct tunnel tunnel = open_tunnel(sim, "/");
    sim_reload(sim, SECOND);
    sim_step(sim);
    sim_command_drain(sim);
    sim_command_stop(sim);
    scenario_expect_end(sim, tunnel.client, SIM_RESET);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_REMOVED] == 0);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"tunnels on a backend that was removed", tunnels_have_their_time, FIRST, 0, 0},
        {"exchanges on a backend that was removed", those_that_wait_get_an_answer, FIRST, 0, 0},
        {"further reloads meanwhile", reloads_go_on, FIRST, 0, 0},
        {"a backend that stays", who_stays_is_not_touched, FIRST, 0, 0},
        {"a backend that comes back", who_comes_back_is_not_touched, FIRST, 0, 0},
        {"timeouts.removedDrain 0, and another", there_may_be_no_limit, FIRST, 0, 0},
        {"a route that was removed", routes_are_removed_too, ROUTES("/r"), 0, 0},
        {"a stop meanwhile", a_stop_comes_first, FIRST, 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
