/* Too many clients, too few descriptors, too little memory: what goes and what stays, and that it
 * ends. */
#include "scenario.h"

#define LIMITS                                                                                     \
    "'limits':{'clients':40,'exchanges':128,'headBytes':8192},"                                    \
    "'upstream':{'maxConnections':256,'idleTimeout':20000},"                                       \
    "'timeouts':{'connect':1000,'requestHead':20000,'requestBodyIdle':3000,'responseHead':40000,"  \
    "'responseIdle':5000,'keepAlive':60000,'tunnelIdle':10000,'drain':8000}"
#define CONFIG(overload)                                                                           \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],'overload':{" overload "}," LIMITS "}"
#define ONLY_IDLE "'dropKeepAlive':0,'refuse':0,'stopAccepting':0"
#define ONLY_ACCEPT "'dropKeepAlive':0,'closeIdle':0,'refuse':0"

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { LIMIT = 40, CROWD = 120 };

static bool calm(struct sim *sim)
{
    return sim_overload(sim) == OVERLOAD_NONE;
}

/* Idle clients that have had an answer. Returns the backend's last connection. */
static struct sim_peer *warm(struct sim *sim, struct sim_peer *clients[], u32 count)
{
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i < count; i++) {
        clients[i] = sim_connect(sim);
        sim_say(clients[i], REQUEST);
        backend = scenario_next(sim, backend);
        EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
        scenario_answer(sim, clients[i], backend);
    }
    return backend;
}

/* The backend answers whatever has come. */
static void answer_some(struct sim *sim, struct sim_peer *backends[], u32 *count)
{
    struct sim_peer *fresh = sim_accept(sim, 0);
    if (fresh) {
        SIM_CHECK(*count < CROWD);
        backends[(*count)++] = fresh;
    }
    for (u32 i = 0; i < *count; i++) {
        usize len = scenario_head_len(backends[i]);
        if (len == 0 || sim_chance(sim, 30))
            continue;
        sim_take(backends[i], len);
        sim_say(backends[i], RESPONSE);
    }
}

/* What a client got: a status, or 0 while there is none. */
static u32 status_of(const struct sim_peer *client)
{
    struct slice got = sim_received(client);
    if (scenario_head_len(client) == 0)
        return 0;
    return memcmp(got.data, "HTTP/1.1 200", 12) == 0 ? 200 : 503;
}

/* Three times as many as there is room for, at once: each is answered, or it was silent for long
 * enough to be closed. Nobody is reset. */
static void crowd(struct sim *sim)
{
    struct sim_peer *clients[CROWD], *backends[CROWD];
    u32 backend_count = 0, answered = 0, turned_away = 0;
    for (u32 i = 0; i < CROWD; i++) {
        clients[i] = sim_connect(sim);
        sim_say(clients[i], REQUEST);
    }
    u64 since_ns = sim_now_ns(sim);
    while (answered < CROWD) {
        SIM_CHECK(sim_now_ns(sim) - since_ns < 600 * 1000000000ull);
        sim_step(sim);
        answer_some(sim, backends, &backend_count);
        for (u32 i = 0; i < CROWD; i++) {
            if (!clients[i] || (status_of(clients[i]) == 0 && sim_end(clients[i]) == SIM_OPEN))
                continue;
            turned_away += status_of(clients[i]) == 0;
            answered++;
            sim_close(clients[i]);
            clients[i] = NULL;
        }
    }
    SIM_CHECK(sim_counters(sim)->clients_refused == 0);
    SIM_CHECK(turned_away <= sim_counters(sim)->clients_shed);
    SIM_UNTIL(sim, calm(sim));
    struct sim_peer *after = sim_connect(sim);
    sim_say(after, REQUEST);
    while (status_of(after) == 0) {
        sim_step(sim);
        answer_some(sim, backends, &backend_count);
    }
    SIM_CHECK(status_of(after) == 200);
}

/* As many idle clients as there are, some for longer than others. */
static void oldest_idle_first(struct sim *sim)
{
    struct sim_peer *old[20], *young[18];
    (void)warm(sim, old, 20);
    sim_pass(sim, 4000);
    for (u32 i = 0; i < 18; i++)
        young[i] = sim_connect(sim);
    SIM_UNTIL(sim, sim_counters(sim)->clients_shed > 0 && calm(sim));
    u32 gone = 0;
    for (u32 i = 0; i < 20; i++)
        gone += sim_gone(old[i]);
    SIM_CHECK(gone == sim_counters(sim)->clients_shed);
    for (u32 i = 0; i < 18; i++)
        SIM_CHECK(!sim_gone(young[i]));
}

/* Nothing is taken from the queue until there is room. */
static void accepting_stops(struct sim *sim)
{
    struct sim_peer *clients[LIMIT];
    for (u32 i = 0; i < LIMIT; i++) {
        clients[i] = sim_connect(sim);
        SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == i + 1);
    }
    SIM_CHECK(sim_overload(sim) == OVERLOAD_NO_ACCEPT);
    sim_pass(sim, 100);
    struct sim_peer *late = sim_connect(sim);
    sim_pass(sim, 5000);
    SIM_CHECK(sim_counters(sim)->clients_accepted == LIMIT);
    for (u32 i = 0; i < 5; i++)
        scenario_end(sim, clients[i]);
    struct sim_peer *backend = scenario_get(sim, late);
    scenario_answer(sim, late, backend);
    SIM_CHECK(calm(sim));
}

/* All at once: as many are taken as there is room for, and each of the others when its turn comes.
 */
static void a_burst_waits(struct sim *sim)
{
    struct sim_peer *clients[CROWD];
    for (u32 i = 0; i < CROWD; i++)
        clients[i] = sim_connect(sim);
    SIM_UNTIL(sim, sim_overload(sim) == OVERLOAD_NO_ACCEPT);
    sim_pass(sim, 1000);
    SIM_CHECK(sim_counters(sim)->clients_accepted == LIMIT);
    for (u32 i = 0; i < CROWD; i++) {
        SIM_UNTIL(sim, sim_counters(sim)->clients_accepted > i);
        scenario_end(sim, clients[i]);
        SIM_UNTIL(sim, sim_gone(clients[i]));
    }
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == CROWD && calm(sim));
    SIM_CHECK(sim_counters(sim)->clients_refused == 0);
}

/* Heads that do not come to their end make room before idle clients do. */
static void partial_heads_go_first(struct sim *sim)
{
    struct sim_peer *idle[10], *partial[25];
    (void)warm(sim, idle, 10);
    sim_pass(sim, 20000); /* longer than any of them will be allowed to be idle */
    for (u32 i = 0; i < 25; i++) {
        partial[i] = sim_connect(sim);
        sim_say(partial[i], "G");
    }
    SIM_UNTIL(sim, sim_counters(sim)->clients_accepted == 35);
    sim_pass(sim, 1500);
    for (u32 i = 0; i < 3; i++)
        (void)sim_connect(sim);
    SIM_UNTIL(sim, sim_counters(sim)->clients_shed > 0 && calm(sim));
    u32 gone = 0;
    for (u32 i = 0; i < 25; i++)
        gone += sim_gone(partial[i]);
    SIM_CHECK(gone == sim_counters(sim)->clients_shed);
    for (u32 i = 0; i < 10; i++)
        SIM_CHECK(!sim_gone(idle[i]));
}

/* Descriptors that are few, and then many again. */
static void few_files(struct sim *sim)
{
    struct sim_peer *clients[10];
    (void)warm(sim, clients, 10);
    sim_budget(sim, (struct overload_budget){.files = 20});
    (void)sim_connect(sim);
    SIM_UNTIL(sim, calm(sim) || sim_overload(sim) > OVERLOAD_NONE);
    for (u32 i = 0; i < 10; i++)
        (void)sim_connect(sim);
    SIM_UNTIL(sim, sim_overload(sim) > OVERLOAD_NONE);
    sim_budget(sim, (struct overload_budget){.files = 2000});
    SIM_UNTIL(sim, calm(sim));
}

/* Memory that is used up by others: idle clients go, then nothing more is served; until it is
 * there again. */
static void no_memory(struct sim *sim)
{
    struct sim_peer *clients[10];
    struct sim_peer *backend = warm(sim, clients, 10);
    sim_budget(sim, (struct overload_budget){.memory_permille = 910});
    SIM_UNTIL(sim, sim_counters(sim)->clients_shed == 10);
    sim_budget(sim, (struct overload_budget){.memory_permille = 960});
    struct sim_peer *client = sim_connect(sim);
    SIM_UNTIL(sim, sim_overload(sim) == OVERLOAD_REFUSE);
    sim_say(client, REQUEST);
    SIM_UNTIL(sim, sim_gone(client) || status_of(client) != 0);
    SIM_CHECK(sim_gone(client) || status_of(client) == 503);
    sim_budget(sim, (struct overload_budget){.memory_permille = 990});
    SIM_UNTIL(sim, sim_overload(sim) == OVERLOAD_NO_ACCEPT);
    struct sim_peer *late = sim_connect(sim);
    sim_budget(sim, (struct overload_budget){.memory_permille = 500});
    SIM_UNTIL(sim, calm(sim));
    sim_say(late, REQUEST);
    backend = scenario_next(sim, backend);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    scenario_answer(sim, late, backend);
}

/* The end comes while nothing is accepted. */
static void stop_while_full(struct sim *sim)
{
    for (u32 i = 0; i < LIMIT + 5; i++)
        (void)sim_connect(sim);
    SIM_UNTIL(sim, sim_overload(sim) == OVERLOAD_NO_ACCEPT);
    if (sim_chance(sim, 50))
        sim_step(sim);
    scenario_drain_or_stop(sim);
    SIM_UNTIL(sim, sim_finished(sim));
}

static const struct scenario scenarios[] = {
    {.name = "overload: a crowd", .run = crowd, .config = CONFIG("")},
    {.name = "overload: the oldest idle first",
     .run = oldest_idle_first,
     .config = CONFIG(ONLY_IDLE)},
    {.name = "overload: accepting stops", .run = accepting_stops, .config = CONFIG(ONLY_ACCEPT)},
    {.name = "overload: a burst waits", .run = a_burst_waits, .config = CONFIG(ONLY_ACCEPT)},
    {.name = "overload: partial heads go first",
     .run = partial_heads_go_first,
     .config = CONFIG(ONLY_IDLE)},
    {.name = "overload: few descriptors", .run = few_files, .config = CONFIG("")},
    {.name = "overload: no memory", .run = no_memory, .config = CONFIG("")},
    {.name = "overload: a stop while full", .run = stop_while_full, .config = CONFIG(ONLY_ACCEPT)},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
