/* What happens to the machine: the network to a backend is cut, the clock is set, nobody takes what
 * is logged any more, descriptors have run out. Requests go on. */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define FINE "HTTP/1.1 204 Fine\r\n\r\n"

/* ---- Backends that answer by themselves ---- */

enum { CONNECTIONS_MAX = 64 };

struct answering {
    struct sim_peer *connections[CONNECTIONS_MAX];
    u32 count;
    u32 answers[3];
    bool cut[3]; /* its packets vanish, both ways */
};

static void take_connections(struct sim *sim, struct answering *all)
{
    for (u32 i = 0; i < 3; i++)
        for (struct sim_peer *peer = sim_accept(sim, i); peer; peer = sim_accept(sim, i)) {
            SIM_CHECK(all->count < CONNECTIONS_MAX);
            all->connections[all->count++] = peer;
        }
}

static void answer_all(struct sim *sim, struct answering *all)
{
    take_connections(sim, all);
    for (u32 i = 0; i < all->count; i++) {
        struct sim_peer *peer = all->connections[i];
        u32 backend = sim_backend(peer);
        usize len = all->cut[backend] ? 0 : scenario_head_len(peer);
        if (len == 0 || sim_end(peer) != SIM_OPEN)
            continue;
        sim_take(peer, len);
        sim_say(peer, FINE);
        all->answers[backend]++;
    }
}

/* One request, which must be answered well. */
static void ask(struct sim *sim, struct sim_peer *client, struct answering *all)
{
    sim_say(client, GET);
    SIM_UNTIL(sim, (answer_all(sim, all), scenario_head_len(client) > 0));
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 Fine");
}

static void set_cut(struct sim *sim, struct answering *all, u32 backend, bool cut)
{
    all->cut[backend] = cut;
    sim_backend_set(sim, backend, cut ? SIM_CONNECT_LOST : SIM_CONNECT_ACCEPTED);
}

/* ---- The network ---- */

/* First what is open never answers, then connecting takes for ever. After that nobody has to wait
 * for it, until it is back. */
static void line_is_cut(struct sim *sim)
{
    struct answering all = {.count = 0};
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 12; i++)
        ask(sim, client, &all);
    SIM_CHECK(all.answers[0] >= 3);
    set_cut(sim, &all, 0, true);
    for (u32 i = 0; i < 30; i++)
        ask(sim, client, &all);
    SIM_CHECK(sim_marks(sim, 0) != 0);
    u64 retries = sim_counters(sim)->retries;
    SIM_CHECK(retries > 0);
    for (u32 i = 0; i < 12; i++)
        ask(sim, client, &all);
    SIM_CHECK(sim_counters(sim)->retries == retries);
    set_cut(sim, &all, 0, false);
    u32 before = all.answers[0];
    for (u32 i = 0; i < 100 && all.answers[0] == before; i++) {
        sim_pass(sim, 1000);
        ask(sim, client, &all);
    }
    SIM_CHECK(all.answers[0] > before && sim_marks(sim, 0) == 0);
    SIM_CHECK(sim_counters(sim)->responses_by_class[5] == 0);
}

/* The only backend there is: it is told, and what comes after the cut is served again. */
static void line_to_the_only_one(struct sim *sim)
{
    struct answering all = {.count = 0};
    struct sim_peer *client = sim_connect(sim);
    ask(sim, client, &all);
    set_cut(sim, &all, 0, true);
    sim_say(client, GET);
    scenario_expect_page(sim, client, "504");
    set_cut(sim, &all, 0, false);
    ask(sim, client, &all);
}

/* ---- The clock ---- */

#define HOUR_MS (3600 * 1000ll)

/* Requests that a backend has and does not answer. */
static u32 pending(struct sim *sim, struct answering *all)
{
    u32 count = 0;
    take_connections(sim, all);
    for (u32 i = 0; i < all->count; i++)
        count +=
            scenario_head_len(all->connections[i]) > 0 && sim_end(all->connections[i]) == SIM_OPEN;
    return count;
}

/* A request that is at the backend, which says nothing. */
static struct sim_peer *begin(struct sim *sim, struct answering *all)
{
    struct sim_peer *client = sim_connect(sim);
    all->cut[0] = true;
    sim_say(client, GET);
    SIM_UNTIL(sim, pending(sim, all) == 1);
    return client;
}

/* In both directions: what waits is answered, and deadlines are neither early nor late. */
static void clock_is_set(struct sim *sim)
{
    static const i64 steps_ms[] = {24 * HOUR_MS, -25 * HOUR_MS, HOUR_MS, 366 * 24 * HOUR_MS, -1};
    struct answering all = {.count = 0};
    struct sim_peer *idle = sim_connect(sim);
    ask(sim, idle, &all);
    for (u32 i = 0; i < ARRAY_COUNT(steps_ms); i++) {
        struct sim_peer *client = begin(sim, &all);
        sim_set_clock(sim, steps_ms[i]);
        sim_pass(sim, 1000);
        all.cut[0] = false;
        SIM_UNTIL(sim, (answer_all(sim, &all), scenario_head_len(client) > 0));
        EXPECT_HEAD(sim, client, "HTTP/1.1 204 Fine");
        client = begin(sim, &all);
        u64 since_ns = sim_now_ns(sim);
        sim_set_clock(sim, steps_ms[i] / 2);
        scenario_expect_page(sim, client, "504");
        scenario_check_after(sim, since_ns, 4000);
        SIM_UNTIL(sim, pending(sim, &all) == 0);
        all.cut[0] = false;
        ask(sim, idle, &all);
    }
}

/* Records have the time that it is, half a second late at most. */
static void records_follow_the_clock(struct sim *sim)
{
    struct answering all = {.count = 0};
    struct sim_peer *client = sim_connect(sim);
    ask(sim, client, &all);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"timestamp\":\"2025-");
    sim_set_clock(sim, 365 * 24 * HOUR_MS);
    sim_pass(sim, 1000);
    ask(sim, client, &all);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"timestamp\":\"2026-");
    sim_set_clock(sim, -730 * 24 * HOUR_MS);
    sim_pass(sim, 1000);
    ask(sim, client, &all);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"timestamp\":\"2024-");
}

/* ---- The logs ---- */

static u64 lines_of(const struct sim *sim, enum log_file file)
{
    struct slice text = sim_log(sim, file);
    u64 lines = 0;
    for (usize i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

/* Requests do not wait for them; each record is there whole, or counted. */
static void nobody_takes_the_logs(struct sim *sim)
{
    enum { REQUESTS = 400 };
    struct answering all = {.count = 0};
    struct sim_peer *client = sim_connect(sim);
    sim_logs_stand(sim, true);
    for (u32 i = 0; i < REQUESTS; i++)
        ask(sim, client, &all);
    bool logs = sim_has_logs(sim);
    u64 dropped = logs ? sim_log_dropped(sim, LOG_FILE_ACCESS) : 0;
    SIM_CHECK(!logs || (dropped > 0 && dropped < REQUESTS));
    sim_logs_stand(sim, false);
    ask(sim, client, &all);
    SIM_UNTIL(sim, !logs || lines_of(sim, LOG_FILE_ACCESS) + dropped == REQUESTS + 1);
    SIM_CHECK(!logs || sim_log_dropped(sim, LOG_FILE_ACCESS) == dropped);
}

/* ---- Descriptors ---- */

/* Who comes waits, who is there is served, and the worker does not spin: it tries twenty times a
 * second. */
static void accepting_fails(struct sim *sim)
{
    struct answering all = {.count = 0};
    struct sim_peer *client = sim_connect(sim);
    ask(sim, client, &all);
    (void)sim_accepts_fail(sim, true);
    struct sim_peer *late = sim_connect(sim);
    sim_say(late, GET);
    for (u32 i = 0; i < 5; i++) {
        sim_pass(sim, 1000);
        ask(sim, client, &all);
    }
    u64 failures = sim_accepts_fail(sim, false);
    SIM_CHECK(failures >= 50 && failures <= 5 * 21);
    SIM_UNTIL(sim, (answer_all(sim, &all), scenario_head_len(late) > 0));
    EXPECT_HEAD(sim, late, "HTTP/1.1 204 Fine");
    SIM_CHECK(sim_counters(sim)->clients_refused == 0);
}

/* Neither clients nor upstreams: kept connections go on being used, the rest is told. */
static void no_descriptors_at_all(struct sim *sim)
{
    struct answering all = {.count = 0};
    struct sim_peer *client = sim_connect(sim), *second = sim_connect(sim);
    ask(sim, client, &all);
    ask(sim, second, &all);
    SIM_UNTIL(sim, sim_upstreams(sim) >= 1);
    (void)sim_accepts_fail(sim, true);
    sim_sockets_fail(sim, true);
    u32 refused = 0;
    for (u32 i = 0; i < 10; i++) {
        sim_say(client, GET);
        SIM_UNTIL(sim, (answer_all(sim, &all), scenario_head_len(client) > 0));
        bool well = memcmp(sim_received(client).data, "HTTP/1.1 204", 12) == 0;
        refused += !well;
        if (well)
            EXPECT_HEAD(sim, client, "HTTP/1.1 204 Fine");
        else
            scenario_expect_page(sim, client, "503");
    }
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] == refused);
    (void)sim_accepts_fail(sim, false);
    sim_sockets_fail(sim, false);
    ask(sim, second, &all);
    struct sim_peer *third = sim_connect(sim);
    ask(sim, third, &all);
}

#define CONFIG_ELSEWHERE                                                                           \
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'},"                                       \
    "{'id':'b','url':'http://127.0.0.1:9001'},{'id':'c','url':'http://127.0.0.1:9002'}],"          \
    "'routes':[{'path':'/a','backends':['a']},{'path':'/b','backends':['b','c']}],"                \
    "'timeouts':{'connect':1,'keepAlive':600000},'proxy':{'retries':2}}"

/* Backend 0 has idle connections, of which one after the other is closed for a new one to another
 * backend; but each descriptor is somebody else's by then. However long that takes, it is not the
 * backend's fault, and no other one can help. */
static void descriptors_that_others_take(struct sim *sim)
{
    enum { IDLE = 100 };
    struct sim_peer *clients[IDLE], *backends[IDLE], *client = sim_connect(sim);
    for (u32 i = 0; i < IDLE; i++) {
        clients[i] = sim_connect(sim);
        sim_say(clients[i], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        backends[i] = scenario_accept(sim, 0);
        (void)scenario_head(sim, backends[i]);
    }
    for (u32 i = 0; i < IDLE; i++)
        scenario_answer(sim, clients[i], backends[i]);
    sim_sockets_fail(sim, true);
    sim_say(client, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, "503");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] == 1);
    SIM_CHECK(sim_counters(sim)->retries == 0);
    for (u32 i = 1; i <= 2; i++)
        SIM_CHECK((sim_marks(sim, i) & STATE_FAILING) == 0);
}

#define CONFIG_PATIENT                                                                             \
    "{'backends':[{'url':'http://127.0.0.1:9000'}],"                                               \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'timeouts':{'responseHead':4000,'keepAlive':600000}}"

static const struct scenario scenarios[] = {
    {.name = "the line to a backend is cut", .run = line_is_cut, .config = SIM_CONFIG_THREE},
    {.name = "the line to the only backend is cut", .run = line_to_the_only_one},
    {.name = "the clock is set", .run = clock_is_set, .config = CONFIG_PATIENT},
    {.name = "records follow the clock", .run = records_follow_the_clock, .config = CONFIG_PATIENT},
    {.name = "nobody takes the logs", .run = nobody_takes_the_logs, .config = CONFIG_PATIENT},
    {.name = "accepting fails", .run = accepting_fails, .config = CONFIG_PATIENT},
    {.name = "descriptors that others take",
     .run = descriptors_that_others_take,
     .config = CONFIG_ELSEWHERE},
    {.name = "no descriptors at all", .run = no_descriptors_at_all, .config = CONFIG_PATIENT},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
