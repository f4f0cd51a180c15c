/* When no second attempt is made, however long the first one waits: src/proxy/hedge.c. */
#include "scenario.h"

enum { DELAY_MS = 50, LATE_US = 20000 };

#define THREE                                                                                      \
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                 \
    "{'url':'http://127.0.0.1:9002'}],"
#define HEDGE "'hedge':{'enabled':true,'delayMin':50}"
#define HEDGED(retry, backends) "{'retry':{" retry HEDGE "}," backends SIM_SETTINGS "}"

static struct sim_peer *send_first(struct sim *sim, struct sim_peer *client, const char *request)
{
    sim_say(client, request);
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    (void)scenario_head(sim, backend);
    return backend;
}

static void expect_none(struct sim *sim, struct sim_peer *client, struct sim_peer *backend)
{
    sim_pass(sim, 10 * DELAY_MS);
    SIM_CHECK(sim_upstreams(sim) == 1);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_STARTED) == 0);
    scenario_answer(sim, client, backend);
    if (sim_has_logs(sim)) /* no word of it */
        SIM_CHECK(!memmem(sim_log(sim, LOG_FILE_ACCESS).data, sim_log(sim, LOG_FILE_ACCESS).len,
                          "hedge", 5));
}

static void never_with(struct sim *sim, const char *request)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    expect_none(sim, client, send_first(sim, client, request));
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_DENIED_BACKEND) == 0);
}

static void other_methods(struct sim *sim)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    };
    never_with(sim, requests[sim_random(sim, ARRAY_COUNT(requests))]);
}

static void plain_get(struct sim *sim)
{
    never_with(sim, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void nothing_known(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    expect_none(sim, client, send_first(sim, client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
}

static void no_budget(struct sim *sim)
{
    plain_get(sim);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_DENIED_BUDGET) == 1);
}

/* What was tried elsewhere already is not sent to two at once. */
static void tried_before(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    scenario_end(sim, scenario_get(sim, client));
    struct sim_peer *second = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, second, "GET / HTTP/1.1");
    expect_none(sim, client, second);
}

static void nobody_else(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    struct sim_peer *first = scenario_get(sim, client);
    for (u32 i = 0; i < 3; i++)
        if (i != sim_backend(first))
            sim_backend_usable(sim, i, false);
    expect_none(sim, client, first);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_DENIED_BACKEND) == 1);
}

/* The other one has as many requests as it may. */
static void nobody_has_room(struct sim *sim)
{
    struct sim_peer *clients[2], *backends[2];
    for (u32 i = 0; i < 2; i++) {
        clients[i] = sim_connect(sim);
        backends[i] =
            send_first(sim, clients[i], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    }
    scenario_answer(sim, clients[0], backends[0]);
    sim_late_after(sim, LATE_US);
    sim_say(clients[0], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_hedges(sim, STATE_HEDGE_DENIED_BACKEND) == 1);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_STARTED) == 0);
}

static void while_draining(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    struct sim_peer *first = scenario_get(sim, client);
    if (sim_chance(sim, 50))
        sim_command_drain(sim);
    else
        sim_command_retire(sim);
    sim_pass(sim, 10 * DELAY_MS);
    SIM_CHECK(sim_upstreams(sim) == 1);
    sim_say(first, "HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 OK", "Connection: close");
    sim_close(client);
    SIM_UNTIL(sim, sim_finished(sim));
}

#define CONFIG HEDGED("", THREE)
#define ROOM_FOR_ONE                                                                               \
    "'backends':[{'url':'http://127.0.0.1:9000','maxConnections':1},"                              \
    "{'url':'http://127.0.0.1:9001','maxConnections':1}],"
#define STICKY "'loadBalancing':{'stickySession':{'enabled':true}},"

static const struct scenario scenarios[] = {
    {.name = "other requests", .run = other_methods, .config = CONFIG},
    {.name = "not enabled", .run = plain_get, .config = SIM_CONFIG_THREE},
    {.name = "no retries",
     .run = plain_get,
     .config = "{'proxy':{'retries':0},'retry':{" HEDGE "}," THREE SIM_SETTINGS "}"},
    {.name = "sticky sessions",
     .run = plain_get,
     .config = "{'retry':{" HEDGE "}," STICKY THREE SIM_SETTINGS "}"},
    {.name = "nothing is known yet", .run = nothing_known, .config = CONFIG},
    {.name = "an empty budget",
     .run = no_budget,
     .config = HEDGED("'budget':0,'minBudget':0,", THREE)},
    {.name = "it was tried before", .run = tried_before, .config = CONFIG},
    {.name = "nobody else", .run = nobody_else, .config = CONFIG},
    {.name = "nobody has room", .run = nobody_has_room, .config = HEDGED("", ROOM_FOR_ONE)},
    {.name = "while draining", .run = while_draining, .config = CONFIG},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
