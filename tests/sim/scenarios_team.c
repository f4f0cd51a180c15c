/* Two workers: who serves a connection, and that none is lost on its way. */
#include "scenario.h"

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define CONFIG_PROXY                                                                               \
    "{'listeners':[{'address':'127.0.0.1','port':1,'proxyProtocolFrom':['10.0.0.0/8']}],"          \
    "'backends':[{'url':'http://127.0.0.1:9000'}]," SIM_SETTINGS "}"

#define CONFIG_CLIENTS(count)                                                                      \
    "{'limits':{'clients':" count "},'overload':{'dropKeepAlive':0,'closeIdle':0,'refuse':0,"      \
    "'stopAccepting':100},'backends':[{'url':'http://127.0.0.1:9000'}]}"
#define CONFIG_MANY CONFIG_CLIENTS("512")
#define CONFIG_FEW CONFIG_CLIENTS("40")

static u64 kept(const struct sim *sim)
{
    return sim_counters(sim)->clients_accepted;
}

/* All that wait at the listener have gone one way or the other. */
static void spread(struct sim *sim, u32 clients)
{
    u64 before = kept(sim);
    for (u32 i = 0; i < clients; i++) {
        (void)sim_connect(sim);
        if (sim_chance(sim, 50))
            sim_step(sim);
    }
    SIM_UNTIL(sim, kept(sim) - before + sim_mate_served(sim) == clients);
    SIM_CHECK(sim_counters(sim)->clients_given == sim_mate_served(sim));
}

static void eight_at_one(struct sim *sim)
{
    sim_mate_joins(sim, 0, 0);
    spread(sim, 8);
    SIM_CHECK(kept(sim) >= 3 && kept(sim) <= 5);
}

/* A request of this client, who stays. */
static struct sim_peer *ask(struct sim *sim, struct sim_peer *client, struct sim_peer *backend)
{
    sim_say(client, REQUEST);
    backend = scenario_next(sim, backend);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    scenario_answer(sim, client, backend);
    SIM_UNTIL(sim, sim_busy(sim) == 0);
    return backend;
}

static void warm(struct sim *sim, u32 clients)
{
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i < clients; i++)
        backend = ask(sim, sim_connect(sim), backend);
}

/* What counts is who is busy, wherever the idle ones are. */
static void eight_beside_idle_ones(struct sim *sim)
{
    enum { IDLE = 200 };
    u32 here = sim_random(sim, 3) * (IDLE / 2);
    warm(sim, here);
    sim_mate_joins(sim, 0, IDLE - here);
    spread(sim, 8);
    SIM_CHECK(sim_mate_served(sim) >= 3 && sim_mate_served(sim) <= 5);
}

/* As long as nobody is busy, idle ones are spread as well: they will be busy one day. */
static void idle_ones(struct sim *sim)
{
    struct sim_peer *backend = NULL;
    sim_mate_joins(sim, 0, 0);
    for (u32 i = 1; i <= 100; i++) {
        u64 before = kept(sim);
        struct sim_peer *client = sim_connect(sim);
        SIM_UNTIL(sim, kept(sim) + sim_mate_served(sim) == i);
        if (kept(sim) > before)
            backend = ask(sim, client, backend);
        sim_mate_rests(sim);
    }
    SIM_CHECK(kept(sim) >= 45 && kept(sim) <= 55);
}

/* All slots are taken by idle clients: a mate that is busy but has room gets what comes. */
static void full_of_idle_ones(struct sim *sim)
{
    warm(sim, 40);
    sim_mate_joins(sim, 30, 0);
    spread(sim, 10);
    SIM_CHECK(sim_mate_served(sim) == 10);
    (void)sim_connect(sim); /* now nobody has any */
    sim_pass(sim, 1000);
    SIM_CHECK(kept(sim) == 40 && sim_mate_served(sim) == 10);
    SIM_CHECK(sim_counters(sim)->clients_refused == 0);
}

/* It has nothing to do, and yet it is given no more than it has slots for. */
static void a_mate_full_of_idle_ones(struct sim *sim)
{
    sim_mate_joins(sim, 0, 38);
    spread(sim, 20);
    SIM_CHECK(sim_mate_served(sim) == 2);
}

static void alone(struct sim *sim)
{
    spread(sim, 20);
    SIM_CHECK(kept(sim) == 20);
}

static void a_busy_mate(struct sim *sim)
{
    sim_mate_joins(sim, 30, 0);
    spread(sim, 20);
    SIM_CHECK(kept(sim) == 20);
}

static void until_both_are_busy(struct sim *sim)
{
    sim_mate_joins(sim, 0, 0);
    spread(sim, 100);
    SIM_CHECK(kept(sim) >= 45 && kept(sim) <= 55);
}

/* A client that another worker has accepted. */
static struct sim_peer *given(struct sim *sim, const char *address, bool proxy_header)
{
    struct sim_peer *client = sim_connect_aside(sim, 0, address);
    SIM_CHECK(sim_mate_gives(sim, client, proxy_header));
    return client;
}

static void served_like_any_other(struct sim *sim)
{
    sim_mate_joins(sim, 5, 0);
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i < 5; i++) {
        struct sim_peer *client = given(sim, NULL, false);
        sim_say(client, REQUEST);
        backend = scenario_next(sim, backend);
        EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
        scenario_answer(sim, client, backend);
    }
    SIM_CHECK(sim_counters(sim)->clients_taken == 5 && kept(sim) == 5);
}

static void behind_a_balancer(struct sim *sim)
{
    sim_mate_joins(sim, 5, 0);
    struct sim_peer *client = given(sim, "10.1.2.3", true);
    sim_say(client, "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n" REQUEST);
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "X-Real-IP: 192.0.2.1");
    scenario_answer(sim, client, backend);
    client = given(sim, "192.0.2.7", false);
    sim_say(client, REQUEST);
    backend = scenario_next(sim, backend);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "X-Real-IP: 192.0.2.7");
    scenario_answer(sim, client, backend);
}

/* What was given before the worker left is its own to end; afterwards it takes nothing. */
static void on_its_way_when_all_ends(struct sim *sim)
{
    sim_mate_joins(sim, 5, 0);
    struct sim_peer *before = given(sim, NULL, false);
    scenario_drain_or_stop(sim);
    if (sim_chance(sim, 50))
        (void)given(sim, NULL, false);
    SIM_UNTIL(sim, sim_finished(sim));
    SIM_CHECK(sim_gone(before));
    struct sim_peer *late = sim_connect_aside(sim, 0, NULL);
    SIM_CHECK(!sim_mate_gives(sim, late, false));
}

/* Whoever comes while the worker leaves is given away, closed, or not taken at all. */
static void accepted_at_the_end(struct sim *sim)
{
    sim_mate_joins(sim, 0, 0);
    spread(sim, 8);
    sim_command_drain(sim);
    for (u32 i = 0; i < 4; i++)
        (void)sim_connect(sim);
    SIM_UNTIL(sim, sim_finished(sim));
}

static const struct scenario scenarios[] = {
    {.name = "team: eight connections at one of two workers", .run = eight_at_one},
    {.name = "team: eight beside idle ones", .run = eight_beside_idle_ones, .config = CONFIG_MANY},
    {.name = "team: idle ones", .run = idle_ones, .config = CONFIG_MANY},
    {.name = "team: full of idle ones", .run = full_of_idle_ones, .config = CONFIG_FEW},
    {.name = "team: a mate full of idle ones",
     .run = a_mate_full_of_idle_ones,
     .config = CONFIG_FEW},
    {.name = "team: alone it keeps them all", .run = alone},
    {.name = "team: a busy mate gets none", .run = a_busy_mate},
    {.name = "team: it gives until both are as busy", .run = until_both_are_busy},
    {.name = "team: what it is given it serves", .run = served_like_any_other},
    {.name = "team: PROXY protocol", .run = behind_a_balancer, .config = CONFIG_PROXY},
    {.name = "team: on its way when all ends", .run = on_its_way_when_all_ends},
    {.name = "team: accepted at the end", .run = accepted_at_the_end},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
