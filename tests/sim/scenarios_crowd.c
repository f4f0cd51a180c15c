/* Many clients at once, each with a body both ways: slow with few leases, and harder still when the
 * completion queue overflows. Nobody gets a wrong byte, and nobody is forgotten. */
#include <stdio.h>

#include "scenario.h"

enum { CROWD = 200, BODY_BYTES = 9000, WAITING_S = 300 };

/* One of the crowd, and the connection of the backend that has got its request. */
struct member {
    struct sim_peer *client;
    struct sim_peer *backend;
    u64 up;   /* bytes that the backend has got */
    u64 down; /* bytes that the client has got */
    bool answered;
    bool refused;
    bool headed;
    bool left; /* by itself */
};

struct crowd {
    struct sim *sim;
    struct member members[CROWD];
    struct sim_peer *unknown[CROWD]; /* connections of the backend without a head yet */
    u32 unknown_count;
};

static bool is_done(const struct member *member)
{
    return member->refused || member->left || member->down == BODY_BYTES;
}

static void ask(struct crowd *crowd, u32 number)
{
    char head[128];
    int len = snprintf(head, sizeof(head),
                       "PUT /%u HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n", number);
    struct sim_peer *client = sim_connect(crowd->sim);
    crowd->members[number].client = client;
    sim_send(client, head, (usize)len);
    scenario_send_body(client, number, 0, BODY_BYTES);
}

static void client_acts(struct member *member, u32 number)
{
    if (is_done(member))
        return;
    usize len = member->headed ? 0 : scenario_head_len(member->client);
    if (len > 0) {
        member->headed = true;
        member->refused = memcmp(sim_received(member->client).data, "HTTP/1.1 200 ", 13) != 0;
        sim_take(member->client, len);
    }
    if (member->headed && !member->refused)
        member->down += scenario_take_body(member->client, number, member->down, UINT64_MAX);
    if (sim_end(member->client) != SIM_OPEN && !is_done(member))
        member->refused = true;
    if (member->refused)
        sim_close(member->client);
}

/* The backend learns from the target whose request it has got. */
static void read_head(struct crowd *crowd, struct sim_peer **backend)
{
    usize len = *backend ? scenario_head_len(*backend) : 0;
    if (len == 0)
        return;
    u32 number = 0;
    SIM_CHECK(memcmp(sim_received(*backend).data, "PUT /", 5) == 0);
    for (const char *at = sim_received(*backend).data + 5; *at != ' '; at++)
        number = number * 10 + (u32)(*at - '0');
    SIM_CHECK(number < CROWD && !crowd->members[number].backend);
    crowd->members[number].backend = *backend;
    sim_take(*backend, len);
    *backend = NULL;
}

static void backend_acts(struct member *member, u32 number)
{
    if (!member->backend || member->answered)
        return;
    member->up += scenario_take_body(member->backend, number, member->up, UINT64_MAX);
    if (member->up < BODY_BYTES)
        return;
    member->answered = true;
    sim_say(member->backend,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n");
    scenario_send_body(member->backend, number, 0, BODY_BYTES);
}

static void step(struct crowd *crowd)
{
    sim_step(crowd->sim);
    for (struct sim_peer *peer; (peer = sim_accept(crowd->sim, 0)) != NULL;)
        crowd->unknown[crowd->unknown_count++] = peer;
    for (u32 i = 0; i < crowd->unknown_count; i++)
        read_head(crowd, &crowd->unknown[i]);
    for (u32 i = 0; i < CROWD; i++) {
        backend_acts(&crowd->members[i], i);
        client_acts(&crowd->members[i], i);
    }
}

static u32 count_done(const struct crowd *crowd)
{
    u32 done = 0;
    for (u32 i = 0; i < CROWD; i++)
        done += is_done(&crowd->members[i]);
    return done;
}

static u32 count_refused(const struct crowd *crowd)
{
    u32 refused = 0;
    for (u32 i = 0; i < CROWD; i++)
        refused += crowd->members[i].refused;
    return refused;
}

static struct crowd *gather(struct sim *sim)
{
    static struct crowd crowd;
    crowd = (struct crowd){.sim = sim};
    for (u32 i = 0; i < CROWD; i++)
        ask(&crowd, i);
    return &crowd;
}

static void serve_all(struct crowd *crowd)
{
    u64 end_ns = sim_now_ns(crowd->sim) + WAITING_S * 1000000000ull;
    while (count_done(crowd) < CROWD) {
        SIM_CHECK(sim_now_ns(crowd->sim) < end_ns);
        step(crowd);
    }
}

static bool all_gone(const struct crowd *crowd)
{
    for (u32 i = 0; i < CROWD; i++)
        if (!sim_gone(crowd->members[i].client))
            return false;
    return sim_upstreams(crowd->sim) == 0 && sim_leases_held(crowd->sim) == 0;
}

/* When they are gone, one client alone is served as if nothing had been. */
static void check_recovered(struct crowd *crowd)
{
    struct sim *sim = crowd->sim;
    for (u32 i = 0; i < CROWD; i++)
        sim_close(crowd->members[i].client);
    SIM_UNTIL(sim, all_gone(crowd));
    while (sim_accept(sim, 0)) /* whose client left early */
        continue;
    struct sim_peer *client = sim_connect(sim);
    scenario_answer(sim, client, scenario_get(sim, client));
}

/* Some are refused: those whose bytes would have to be kept and cannot. All others wait. */
static void few_leases(struct sim *sim)
{
    struct crowd *crowd = gather(sim);
    serve_all(crowd);
    SIM_CHECK(sim_leases_held_max(sim) <= 64);
    check_recovered(crowd);
}

/* The kernel keeps what has no room and multishot ops end: nobody notices but by the figure. */
static void overflow(struct sim *sim)
{
    struct crowd *crowd = gather(sim);
    serve_all(crowd);
    if (count_refused(crowd) != 0)
        sim_fail("%u requests were refused", count_refused(crowd));
    SIM_CHECK(sim_overflows(sim) > 0);
    check_recovered(crowd);
}

static void overflow_and_endings(struct sim *sim)
{
    struct crowd *crowd = gather(sim);
    while (count_done(crowd) < CROWD) {
        step(crowd);
        struct member *member = &crowd->members[sim_random(sim, CROWD)];
        if (is_done(member) || !sim_chance(sim, 30))
            continue;
        member->left = true;
        scenario_end(sim, member->client);
    }
    SIM_CHECK(sim_overflows(sim) > 0);
    check_recovered(crowd);
}

static void overflow_and_drain(struct sim *sim)
{
    struct crowd *crowd = gather(sim);
    for (u32 i = sim_random(sim, 200); i > 0; i--)
        step(crowd);
    sim_command_drain(sim);
    for (u32 i = 0; !sim_finished(sim); i++) {
        SIM_CHECK(i < 100000);
        step(crowd);
    }
    SIM_CHECK(sim_overflows(sim) > 0);
}

/* Nothing ends early by a timeout, however long it takes. */
#define CONFIG_PATIENT                                                                             \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],'limits':{'headBytes':8192},"                   \
    "'timeouts':{'requestHead':200000,'requestBodyIdle':200000,'responseHead':200000,"             \
    "'responseIdle':200000,'connect':200000}}"

static const struct scenario scenarios[] = {
    {.name = "64 leases", .run = few_leases, .config = CONFIG_PATIENT, .leases = 64},
    {.name = "overflow", .run = overflow, .config = CONFIG_PATIENT, .completions = 2},
    {.name = "overflow, 64 leases",
     .run = few_leases,
     .config = CONFIG_PATIENT,
     .leases = 64,
     .completions = 2},
    {.name = "overflow, clients that go",
     .run = overflow_and_endings,
     .config = CONFIG_PATIENT,
     .completions = 2},
    {.name = "overflow, drain",
     .run = overflow_and_drain,
     .config = CONFIG_PATIENT,
     .completions = 2},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
