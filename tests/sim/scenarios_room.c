/* Backends with maxConnections: who is full is left out, and when all are, requests wait. */
#include "line.h"

#define BACKEND(id, port, most)                                                                    \
    "{'id':'" id "','url':'http://127.0.0.1:" port "','maxConnections':" most "}"
#define REST                                                                                       \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},'proxy':{'retries':1},"             \
    "'timeouts':{'connect':1000,'responseHead':60000,'queue':3000,'keepAlive':60000}"
#define CONFIG(queue, backends) "{'reqQueueLength':" queue ",'backends':[" backends "]," REST "}"
#define ONE_EACH BACKEND("a", "9000", "1") "," BACKEND("b", "9001", "1")
#define ROUTE(id, queue, backends)                                                                 \
    "{'id':'" id "','path':'/" id "','reqQueueLength':" queue ",'backends':[" backends "]}"

static struct sim_peer *ask(struct sim *sim, const char *text)
{
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, text);
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
    return client;
}

static struct sim_peer *ask_number(struct sim *sim, u32 number)
{
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, number);
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
    return client;
}

/* The one that is full is left out, whatever the strategy would say. */
static void full_ones_are_left_out(struct sim *sim)
{
    for (u32 i = 0; i < 6; i++)
        (void)ask_number(sim, i);
    (void)scenario_accept(sim, 0);
    for (u32 i = 0; i < 5; i++) /* it has no limit */
        (void)scenario_accept(sim, 1);
    SIM_CHECK(!sim_accept(sim, 0));
}

static void nobody_waits_without_a_queue(struct sim *sim)
{
    struct sim_peer *first = ask_number(sim, 0), *second = ask_number(sim, 1);
    struct sim_peer *a = scenario_accept(sim, 0), *b = scenario_accept(sim, 1);
    struct sim_peer *refused = ask_number(sim, 2);
    line_expect_refused(sim, refused);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_BACKENDS_FULL] == 1);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"error\":\"backends_full\"");
    (void)first, (void)second, (void)b;
    scenario_end(sim, a);
    SIM_UNTIL(sim, sim_gone(a));
    (void)ask_number(sim, 3);
    (void)scenario_accept(sim, 0);
}

/* Whichever becomes free takes the one that waits longest. */
static void those_that_wait_are_served_in_turn(struct sim *sim)
{
    struct sim_peer *clients[10], *backends[2] = {NULL, NULL};
    u32 runs[2];
    for (u32 i = 0; i < 10; i++) {
        clients[i] = ask_number(sim, i);
        if (i >= 2)
            continue;
        struct sim_peer *peer = scenario_accept(sim, ANY_BACKEND);
        line_expect_asked(sim, peer, i);
        backends[sim_backend(peer)] = peer;
        runs[sim_backend(peer)] = i;
    }
    for (u32 next = 2; next < 10; next++) {
        u32 free = sim_random(sim, 2);
        sim_say(backends[free],
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        EXPECT_HEAD(sim, clients[runs[free]], "HTTP/1.1 200 OK");
        backends[free] = scenario_accept(sim, free);
        line_expect_asked(sim, backends[free], next);
        runs[free] = next;
    }
}

/* Two routes share a backend, and one has another beside it: each room goes to who can use it. */
static void routes_share_a_backend(struct sim *sim)
{
    (void)ask(sim, "GET /x/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *a = scenario_accept(sim, 0);
    (void)ask(sim, "GET /y/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *b = scenario_accept(sim, 1);
    (void)ask(sim, "GET /x/2 HTTP/1.1\r\nHost: a\r\n\r\n"); /* a only */
    (void)ask(sim, "GET /y/2 HTTP/1.1\r\nHost: a\r\n\r\n"); /* a or b */
    sim_pass(sim, 100);
    SIM_CHECK(!sim_accept(sim, 0) && !sim_accept(sim, 1));
    scenario_end(sim, b);
    struct sim_peer *next = scenario_accept(sim, 1);
    EXPECT_HEAD(sim, next, "GET /y/2 HTTP/1.1"); /* the first cannot use it */
    scenario_end(sim, a);
    next = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, next, "GET /x/2 HTTP/1.1");
}

static void gone_while_waiting(struct sim *sim)
{
    struct sim_peer *first = ask_number(sim, 0), *second = ask_number(sim, 1);
    struct sim_peer *a = scenario_accept(sim, 0), *b = scenario_accept(sim, 1);
    struct sim_peer *gone = ask_number(sim, 2), *stays = ask_number(sim, 3);
    scenario_end(sim, gone);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 1);
    (void)first, (void)second, (void)stays;
    scenario_end(sim, sim_chance(sim, 50) ? a : b);
    line_expect_asked(sim, scenario_accept(sim, ANY_BACKEND), 3);
}

static void waited_too_long(struct sim *sim)
{
    (void)ask_number(sim, 0);
    (void)ask_number(sim, 1);
    (void)scenario_accept(sim, 0);
    (void)scenario_accept(sim, 1);
    u64 since_ns = sim_now_ns(sim);
    struct sim_peer *late = ask_number(sim, 2);
    line_expect_refused(sim, late);
    scenario_check_after(sim, since_ns, 3000);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_QUEUE_TIMEOUT] == 1);
}

/* One that comes back from being down has room. */
static void room_at_one_that_is_up_again(struct sim *sim)
{
    sim_backend_usable(sim, 1, false);
    (void)ask_number(sim, 0);
    (void)scenario_accept(sim, 0);
    (void)ask_number(sim, 1);
    sim_pass(sim, 100);
    SIM_CHECK(!sim_accept(sim, 1));
    sim_backend_usable(sim, 1, true);
    line_expect_asked(sim, scenario_accept(sim, 1), 1);
}

/* ... and when all are down there is nothing to wait for. */
static void all_down_while_waiting(struct sim *sim)
{
    (void)ask_number(sim, 0);
    (void)ask_number(sim, 1);
    (void)scenario_accept(sim, 0);
    (void)scenario_accept(sim, 1);
    struct sim_peer *waiting = ask_number(sim, 2);
    sim_backend_usable(sim, 0, false);
    sim_backend_usable(sim, 1, false);
    scenario_expect_page(sim, waiting, "503");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_NO_BACKEND] == 1);
}

/* A retry does not go to one that is full, and does not wait. */
static void retries_respect_the_limit(struct sim *sim)
{
    struct sim_peer *first = ask_number(sim, 0);
    struct sim_peer *busy = scenario_accept(sim, ANY_BACKEND);
    sim_backend_set(sim, 1 - sim_backend(busy), SIM_CONNECT_REFUSED);
    struct sim_peer *failed = ask_number(sim, 1);
    scenario_expect_page(sim, failed, "502");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 2);
    (void)first;
}

/* A request whose connection was stale keeps its place: nobody gets in between. */
static void stale_connection(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 0);
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 0);
    line_answer(sim, backend, client);
    sim_pass(sim, 50);
    line_ask(client, 1);
    SIM_UNTIL(sim, sim_counters(sim)->requests == 2);
    struct sim_peer *waiting = ask_number(sim, 2);
    scenario_end(sim, backend);
    struct sim_peer *next = scenario_accept(sim, 0);
    const char *head = scenario_head(sim, next);
    SIM_CHECK(head[5] == '1' || head[5] == '2'); /* the end may have been seen first */
    SIM_CHECK(!sim_accept(sim, 0));
    (void)waiting;
}

/* The limit is new: those that run already count, and make room when they end. */
static void limit_by_a_reload(struct sim *sim)
{
    struct sim_peer *first = ask_number(sim, 0), *second = ask_number(sim, 1);
    struct sim_peer *a = scenario_accept(sim, 0), *b = scenario_accept(sim, 0);
    sim_reload(sim, CONFIG("20", BACKEND("a", "9000", "2")));
    SIM_UNTIL(sim, sim_earlier(sim) == 1);
    struct sim_peer *waiting = ask_number(sim, 2);
    sim_pass(sim, 100);
    SIM_CHECK(!sim_accept(sim, 0));
    (void)first, (void)second, (void)waiting, (void)b;
    scenario_end(sim, a);
    line_expect_asked(sim, scenario_accept(sim, 0), 2);
}

/* Who waits goes to a backend that has come since, and then only who runs needs the old
 * configuration. */
static void another_one_by_a_reload(struct sim *sim)
{
    (void)ask_number(sim, 0);
    (void)scenario_accept(sim, 0);
    (void)ask_number(sim, 1);
    (void)ask_number(sim, 2);
    sim_reload(sim, CONFIG("20", ONE_EACH));
    struct sim_peer *other = scenario_accept(sim, 1);
    line_expect_asked(sim, other, 1);
    SIM_CHECK(sim_earlier(sim) == 1);
    scenario_end(sim, other);
    line_expect_asked(sim, scenario_accept(sim, 1), 2);
}

static void stopped(struct sim *sim)
{
    for (u32 i = 0; i < 8; i++)
        (void)ask_number(sim, i);
    sim_command_stop(sim);
    SIM_UNTIL(sim, sim_finished(sim));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_STOPPING] == 8);
}

#define CALM                                                                                       \
    "{'reqQueueLength':20,'loadBalancing':{'panicThreshold':0},'backends':[" ONE_EACH "]," REST "}"
#define SHARED                                                                                     \
    "{'backends':[" ONE_EACH "],'routes':[" ROUTE("x", "9", "'a'") "," ROUTE(                      \
        "y", "9", "'a','b'") "],'loadBalancing':{'strategy':'least-connections'}," REST "}"

int main(void)
{
    static const struct scenario scenarios[] = {
        {"full ones are left out", full_ones_are_left_out,
         CONFIG("0", BACKEND("a", "9000", "1") "," BACKEND("b", "9001", "0")), 0, 0},
        {"nobody waits without a queue", nobody_waits_without_a_queue, CONFIG("0", ONE_EACH), 0, 0},
        {"those that wait are served in turn", those_that_wait_are_served_in_turn,
         CONFIG("20", ONE_EACH), 0, 0},
        {"routes share a backend", routes_share_a_backend, SHARED, 0, 0},
        {"gone while waiting", gone_while_waiting, CONFIG("20", ONE_EACH), 0, 0},
        {"waited too long", waited_too_long, CONFIG("20", ONE_EACH), 0, 0},
        {"room at one that is up again", room_at_one_that_is_up_again, CONFIG("20", ONE_EACH), 0,
         0},
        {"all down while waiting", all_down_while_waiting, CALM, 0, 0},
        {"retries respect the limit", retries_respect_the_limit, CONFIG("20", ONE_EACH), 0, 0},
        {"stale connection", stale_connection, CONFIG("20", BACKEND("a", "9000", "1")), 0, 0},
        {"limit by a reload", limit_by_a_reload, CONFIG("20", BACKEND("a", "9000", "0")), 0, 0},
        {"another one by a reload", another_one_by_a_reload,
         CONFIG("20", BACKEND("a", "9000", "1")), 0, 0},
        {"stopped", stopped, CONFIG("20", ONE_EACH), 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
