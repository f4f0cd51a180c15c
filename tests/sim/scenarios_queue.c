/* Routes with limits: who waits, whose turn it is, and what becomes of the others. */
#include <string.h>

#include "line.h"

#define CONFIG(active, queue)                                                                      \
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'}]," SETTINGS(active, queue) "}"

static void first_come_first_served(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, QUEUED_MAX);
    for (u32 i = 0; i < QUEUED_MAX; i++) {
        SIM_CHECK(!sim_accept(sim, 0)); /* one at a time */
        line_serve_next(sim, &line, i);
    }
    line_answer(sim, line.backend, line.first);
    SIM_CHECK(sim_counters(sim)->responses_by_class[2] == QUEUED_MAX + 1);
}

/* Two run at a time, and whichever ends makes room for the one that waits longest. */
static void several_places(struct sim *sim)
{
    struct sim_peer *clients[6], *backends[6];
    for (u32 i = 0; i < 6; i++) {
        clients[i] = sim_connect(sim);
        line_ask(clients[i], i);
        SIM_UNTIL(sim, sim_counters(sim)->requests == i + 1);
        if (i < 2) {
            backends[i] = scenario_accept(sim, 0);
            line_expect_asked(sim, backends[i], i);
        }
    }
    u32 ends[2] = {0, 1};
    for (u32 next = 2; next < 6; next++) {
        u32 which = sim_random(sim, 2);
        struct sim_peer *backend = backends[ends[which]];
        line_answer(sim, backend, clients[ends[which]]);
        backends[next] = scenario_next(sim, backend);
        line_expect_asked(sim, backends[next], next);
        ends[which] = next;
    }
}

/* Whoever goes while it waits leaves its place in the queue to others, in whatever way it goes. */
static void gone_while_waiting(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 6);
    u32 gone = sim_random(sim, 6);
    scenario_end(sim, line.clients[gone]);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 1);
    SIM_UNTIL(sim, sim_gone(line.clients[gone]));
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"statusCode\":0", "\"fault\":\"client_gone\"",
                  "\"attempts\":0", "\"backendId\":null");
    for (u32 i = 0; i < 6; i++)
        if (i != gone)
            line_serve_next(sim, &line, i);
    line_answer(sim, line.backend, line.first);
}

static void all_gone(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 6);
    for (u32 i = 0; i < 6; i++)
        scenario_end(sim, line.clients[i]);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 6);
    line_answer(sim, line.backend, line.first);
    line.count = 0;
    struct sim_peer *client = sim_connect(sim); /* nobody is before it */
    line_ask(client, 7);
    line.backend = scenario_next(sim, line.backend);
    line_expect_asked(sim, line.backend, 7);
}

/* The connection is sound: the client may ask again. */
static void waited_too_long(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 0);
    u64 since_ns = sim_now_ns(sim);
    line_add(sim, &line);
    line_expect_refused(sim, line.clients[0]);
    scenario_check_after(sim, since_ns, 3000);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"fault\":\"queue_timeout\"", "\"queueUs\":30");
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"error\":\"queue_timeout\"");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_QUEUE_TIMEOUT] == 1);
    line_ask(line.clients[0], 0);
    SIM_UNTIL(sim, sim_counters(sim)->requests == 3);
    line_serve_next(sim, &line, 0);
    line_answer(sim, line.backend, line.first);
}

static void no_room_to_wait(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 3);
    struct sim_peer *refused = sim_connect(sim);
    line_ask(refused, 3);
    line_expect_refused(sim, refused);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_QUEUE_FULL] == 1);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"error\":\"queue_full\"");
    for (u32 i = 0; i < 3; i++)
        line_serve_next(sim, &line, i);
    line_answer(sim, line.backend, line.first);
}

/* Nobody could tell whether it is gone: it is served if it can be at once. */
static void finished_before_waiting(struct sim *sim)
{
    struct sim_peer *served = sim_connect(sim);
    line_ask(served, 1);
    sim_finish(served);
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 1);
    struct sim_peer *refused = sim_connect(sim);
    line_ask(refused, 2);
    sim_finish(refused);
    SIM_UNTIL(sim, sim_gone(refused));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_ROUTE_FULL] +
                  sim_counters(sim)->faults[FAULT_CLIENT_GONE] ==
              1);
}

/* Its body comes while it waits, as far as there is room, and is whole in the end. */
static void body_while_waiting(struct sim *sim)
{
    enum { LEN = 3000000 };
    struct line line;
    line_up(sim, &line, 0);
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    scenario_send_body(client, 3, 0, LEN);
    sim_pass(sim, 1000);
    SIM_CHECK(sim_leases_held_max(sim) <= 64);
    line_answer(sim, line.backend, line.first);
    struct sim_peer *backend = scenario_next(sim, line.backend);
    EXPECT_HEAD(sim, backend, "POST /body HTTP/1.1", "Content-Length: 3000000");
    scenario_expect_body(sim, backend, 3, LEN);
    line_answer(sim, backend, client);
}

/* What is wrong with the body shows before its turn has come. */
static void bad_body_while_waiting(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 1);
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->requests == 3);
    sim_say(client, "not a chunk\r\n");
    scenario_expect_page(sim, client, "400");
    line_add(sim, &line);
    line_serve_next(sim, &line, 0);
    line_serve_next(sim, &line, 1);
}

/* An exchange that fails makes room as well. */
static void failures_make_room(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 3);
    sim_backend_set(sim, 0, SIM_CONNECT_REFUSED);
    scenario_end(sim, line.first);
    for (u32 i = 0; i < 3; i++)
        scenario_expect_page(sim, line.clients[i], "502");
    sim_backend_set(sim, 0, SIM_CONNECT_ACCEPTED);
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 9);
    line_expect_asked(sim, scenario_accept(sim, 0), 9);
}

/* One client's requests wait like others', in its order. */
static void pipelined(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim), *other = sim_connect(sim);
    line_ask(client, 1);
    line_ask(client, 2);
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 1);
    line_ask(other, 3);
    SIM_UNTIL(sim, sim_counters(sim)->requests == 2);
    line_answer(sim, backend, client);
    backend = scenario_next(sim, backend);
    line_expect_asked(sim, backend, 3); /* it came when the client's second was not begun */
    line_answer(sim, backend, other);
    backend = scenario_next(sim, backend);
    line_expect_asked(sim, backend, 2);
    line_answer(sim, backend, client);
}

/* ---- Another configuration ---- */

/* New connections need not come about in the order of their beginning. Returns the bit set of the
 * clients whose requests came. */
static u32 expect_several(struct sim *sim, u32 count)
{
    u32 seen = 0;
    for (u32 i = 0; i < count; i++) {
        const char *head = scenario_head(sim, scenario_accept(sim, 0));
        SIM_CHECK(strncmp(head, "GET /", 5) == 0);
        seen |= 1u << (head[5] - '0');
    }
    sim_pass(sim, 100);
    SIM_CHECK(!sim_accept(sim, 0));
    return seen;
}

static void more_places(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 4);
    sim_reload(sim, CONFIG("3", "20"));
    SIM_CHECK(expect_several(sim, 2) == 3);
    line_serve_next(sim, &line, 2);
    line_serve_next(sim, &line, 3);
}

static void fewer_places(struct sim *sim)
{
    struct sim_peer *running[2], *backends[2];
    for (u32 i = 0; i < 2; i++) {
        running[i] = sim_connect(sim);
        line_ask(running[i], 10 + i);
        backends[i] = scenario_accept(sim, 0);
        line_expect_asked(sim, backends[i], 10 + i);
    }
    struct line line = {.first = running[1], .backend = backends[1]};
    line_add(sim, &line);
    sim_reload(sim, CONFIG("1", "20"));
    line_answer(sim, backends[0], running[0]);
    sim_pass(sim, 100);
    SIM_CHECK(!sim_accept(sim, 0) && sim_received(backends[0]).len == 0); /* one runs still */
    sim_close(backends[0]);
    line_serve_next(sim, &line, 0);
}

static void no_limit_any_more(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 3);
    sim_reload(sim, CONFIG("0", "0"));
    SIM_CHECK(expect_several(sim, 3) == 7);
    line_answer(sim, line.backend, line.first);
}

#define ROUTED(routes)                                                                             \
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'}],'routes':[" routes "],"                \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'timeouts':{'connect':1000,'responseHead':60000,'queue':3000}}"
#define LIMITED "{'id':'r','path':'/','reqActiveLength':1,'reqQueueLength':20}"

/* Who waits on a route that is gone waits on, and is served as it was. */
static void route_gone(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 2);
    sim_reload(sim, ROUTED(""));
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 50);
    line_expect_asked(sim, scenario_accept(sim, 0), 50); /* on the default route */
    SIM_CHECK(sim_earlier(sim) == 1);
    line_serve_next(sim, &line, 0);
    line_serve_next(sim, &line, 1);
    line_answer(sim, line.backend, line.first);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

/* ---- The end ---- */

static void drained(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 2);
    sim_command_drain(sim);
    sim_pass(sim, 50);
    for (u32 i = 0; i < 2; i++) {
        sim_say(line.backend, "HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n");
        EXPECT_HEAD(sim, line.first, "HTTP/1.1 204 OK", "Connection: close");
        sim_close(line.first);
        line.backend = scenario_accept(sim, 0);
        line_expect_asked(sim, line.backend, i);
        line.first = line.clients[i];
    }
    sim_say(line.backend, "HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n");
    EXPECT_HEAD(sim, line.first, "HTTP/1.1 204 OK", "Connection: close");
    sim_close(line.first);
    SIM_UNTIL(sim, sim_finished(sim));
}

static void stopped(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 5);
    sim_command_stop(sim);
    SIM_UNTIL(sim, sim_finished(sim));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_STOPPING] == 6);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"first come, first served", first_come_first_served, CONFIG("1", "20"), 0, 0},
        {"several places", several_places, CONFIG("2", "20"), 0, 0},
        {"gone while waiting", gone_while_waiting, CONFIG("1", "20"), 0, 0},
        {"all gone", all_gone, CONFIG("1", "20"), 0, 0},
        {"waited too long", waited_too_long, CONFIG("1", "20"), 0, 0},
        {"no room to wait", no_room_to_wait, CONFIG("1", "3"), 0, 0},
        {"finished before waiting", finished_before_waiting, CONFIG("1", "3"), 0, 0},
        {"body while waiting", body_while_waiting, CONFIG("1", "20"), 0, 0},
        {"bad body while waiting", bad_body_while_waiting, CONFIG("1", "20"), 0, 0},
        {"failures make room", failures_make_room, CONFIG("1", "20"), 0, 0},
        {"pipelined", pipelined, CONFIG("1", "20"), 0, 0},
        {"more places", more_places, CONFIG("1", "20"), 0, 0},
        {"fewer places", fewer_places, CONFIG("2", "20"), 0, 0},
        {"no limit any more", no_limit_any_more, CONFIG("1", "20"), 0, 0},
        {"route gone", route_gone, ROUTED(LIMITED), 0, 0},
        {"drained", drained, CONFIG("1", "20"), 0, 0},
        {"stopped", stopped, CONFIG("1", "20"), 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
