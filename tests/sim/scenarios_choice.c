/* Which backends take requests, for each strategy: one that is down takes none, and is back as soon
 * as it is up again. */
#include <stdio.h>

#include "scenario.h"

enum { BACKENDS = 3, REQUESTS = 60 };

static void set_all(struct sim *sim, bool usable)
{
    for (u32 i = 0; i < BACKENDS; i++)
        sim_backend_usable(sim, i, usable);
}

/* Asks from new clients, each with another address, without an answer: counts who is asked. */
static void ask_many(struct sim *sim, u32 counts[BACKENDS])
{
    memset(counts, 0, BACKENDS * sizeof(u32));
    for (u32 i = 0; i < REQUESTS; i++)
        counts[sim_backend(scenario_get(sim, sim_connect(sim)))]++;
}

static void down_is_skipped(struct sim *sim)
{
    u32 counts[BACKENDS], down = sim_random(sim, BACKENDS);
    sim_backend_usable(sim, down, false);
    ask_many(sim, counts);
    SIM_CHECK(counts[down] == 0);
    for (u32 i = 0; i < BACKENDS; i++)
        SIM_CHECK(i == down || counts[i] > 0);
    sim_backend_usable(sim, down, true);
    ask_many(sim, counts);
    SIM_CHECK(counts[down] > 0);
}

static void one_is_left(struct sim *sim)
{
    u32 counts[BACKENDS], up = sim_random(sim, BACKENDS);
    set_all(sim, false);
    sim_backend_usable(sim, up, true);
    ask_many(sim, counts);
    SIM_CHECK(counts[up] == REQUESTS);
}

/* The client is told, and the logs are; its connection is sound, and is served when one is up. */
static void none_is_left(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *warm = scenario_warm(sim, &client);
    set_all(sim, false);
    sim_say(client, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, "503");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_NO_BACKEND] == 1);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"path\":\"/none\"", "\"statusCode\":503",
                  "\"fault\":\"no_backend\"", "\"attempts\":0");
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"level\":\"error\"", "\"error\":\"no_backend\"");
    u32 idle = sim_backend(warm), up = (idle + 1 + sim_random(sim, BACKENDS - 1)) % BACKENDS;
    sim_backend_usable(sim, up, true);
    struct sim_peer *backend = scenario_get(sim, client);
    SIM_CHECK(sim_backend(backend) == up);
    scenario_answer(sim, client, backend);
}

struct running {
    struct sim_peer *clients[REQUESTS];
    struct sim_peer *backends[REQUESTS];
};

/* A connection of this backend has a request. */
static bool is_asked(struct sim *sim, const struct running *running, u32 backend)
{
    for (u32 i = 0; i < REQUESTS; i++)
        if (sim_backend(running->backends[i]) == backend &&
            sim_received(running->backends[i]).len > 0)
            return true;
    return sim_accept(sim, backend) != NULL;
}

static void ask_again(struct sim *sim, const struct running *running)
{
    for (u32 i = 0; i < REQUESTS; i++)
        sim_say(running->clients[i], "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
}

/* What is running is not touched, what comes next goes elsewhere: idle connections to the backend
 * that is down are not used. When it is up again, they are. */
static void down_while_running(struct sim *sim)
{
    struct running running;
    for (u32 i = 0; i < REQUESTS; i++) {
        running.clients[i] = sim_connect(sim);
        running.backends[i] = scenario_get(sim, running.clients[i]);
    }
    u32 down = sim_backend(running.backends[sim_random(sim, REQUESTS)]);
    sim_backend_usable(sim, down, false);
    for (u32 i = 0; i < REQUESTS; i++)
        scenario_answer(sim, running.clients[i], running.backends[i]);
    ask_again(sim, &running);
    const struct proxy_counters *counters = sim_counters(sim);
    SIM_UNTIL(sim, counters->upstreams_opened + counters->upstreams_reused == 2 * REQUESTS);
    sim_pass(sim, 100);
    SIM_CHECK(!is_asked(sim, &running, down));
    sim_backend_usable(sim, down, true);
    for (u32 i = 0; i < REQUESTS; i++)
        sim_say(sim_connect(sim), "GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, is_asked(sim, &running, down));
}

/* The one to be tried next must be up when its turn comes. */
static void down_while_connecting(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < BACKENDS; i++)
        sim_backend_set(sim, i, SIM_CONNECT_LOST);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    set_all(sim, false);
    scenario_expect_page(sim, client, "504");
    SIM_CHECK(sim_counters(sim)->retries == 0);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CONNECT_TIMEOUT] == 1);
    SIM_UNTIL(sim, sim_upstreams(sim) == 0);
    set_all(sim, true);
    for (u32 i = 0; i < BACKENDS; i++)
        sim_backend_set(sim, i, SIM_CONNECT_ACCEPTED);
    scenario_answer(sim, client, scenario_get(sim, client));
}

#define CONFIG(strategy)                                                                           \
    "{'loadBalancing':{'strategy':'" strategy                                                      \
    "','panicThreshold':0},'backends':[{'url':'http://127.0.0.1:9000'},"                           \
    "{'url':'http://127.0.0.1:9001'},{'url':'http://127.0.0.1:9002'}]," SIM_SETTINGS "}"
#define ROWS(strategy)                                                                             \
    {.name = strategy ": one down", .run = down_is_skipped, .config = CONFIG(strategy)},           \
        {.name = strategy ": one left", .run = one_is_left, .config = CONFIG(strategy)},           \
        {.name = strategy ": none left", .run = none_is_left, .config = CONFIG(strategy)},         \
        {.name = strategy ": down while running",                                                  \
         .run = down_while_running,                                                                \
         .config = CONFIG(strategy)},                                                              \
    {                                                                                              \
        .name = strategy ": down while connecting", .run = down_while_connecting,                  \
        .config = CONFIG(strategy)                                                                 \
    }

static const struct scenario scenarios[] = {
    ROWS("round-robin"),       ROWS("random"),        ROWS("power-of-two-choices"), ROWS("ip-hash"),
    ROWS("least-connections"), ROWS("least-latency"),
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
