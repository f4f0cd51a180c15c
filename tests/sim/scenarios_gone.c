/* Clients that go, or finish, while nobody reads from them: because a backend takes nothing of an
 * upload, or because the client's next requests have come early. */
#include <stdio.h>

#include "line.h"

enum {
    LEN = 4000000, /* more than all windows hold, ours and the backend's */
    TAKEN_LEN = 1500000,
    FIELD_LEN = 7000, /* nearly as much as a head may have */
    NOTICED_MS = 300, /* at the latest; no timeout is so short */
};

static const char queue_config[] =
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'}]," SETTINGS("1", "20") "}";

/* Requests that fill an inbox and more: one in progress has to be over before they are read. */
static void ask_early(struct sim_peer *client, u32 count)
{
    static char field[FIELD_LEN];
    memset(field, 'f', sizeof(field));
    for (u32 i = 0; i < count; i++) {
        char head[64];
        int len = snprintf(head, sizeof(head), "GET /early%u HTTP/1.1\r\nHost: a\r\nX: ", i);
        sim_send(client, head, (usize)len);
        sim_send(client, field, sizeof(field));
        sim_say(client, "\r\n\r\n");
    }
}

/* The beginning of an upload; the framing is one of the two, by chance. */
static void begin_upload(struct sim *sim, struct sim_peer *client, u64 sent)
{
    char head[128];
    bool chunked = sim_chance(sim, 50);
    (void)snprintf(head, sizeof(head), "PUT /0 HTTP/1.1\r\nHost: a\r\n%s",
                   chunked ? "Transfer-Encoding: chunked\r\n\r\n3D0900\r\n"
                           : "Content-Length: 4000000\r\n\r\n");
    sim_say(client, head);
    scenario_send_body(client, 1, 0, sent);
}

/* A backend that has got the head of an upload, and takes next to nothing of the body. */
static struct sim_peer *accept_stuck(struct sim *sim)
{
    struct sim_peer *backend = scenario_accept(sim, 0);
    sim_window(backend, 1000);
    EXPECT_HEAD(sim, backend, "PUT /0 HTTP/1.1");
    return backend;
}

/* It is not read from any more, and perhaps watched by now. */
static void let_it_rest(struct sim *sim)
{
    sim_pass(sim, 1 + sim_random(sim, 250));
}

static void check_within(const struct sim *sim, u64 since_ns, u64 ms)
{
    SIM_CHECK(sim_now_ns(sim) - since_ns < ms * 1000000);
}

/* ---- In a queue: a FIN is enough ---- */

static void gone_in_the_queue(struct sim *sim)
{
    struct line line;
    line_up(sim, &line, 0);
    struct sim_peer *client = line.clients[0] = sim_connect(sim);
    bool upload = sim_chance(sim, 50);
    if (upload) {
        begin_upload(sim, client, sim_chance(sim, 50) ? LEN : LEN - 1);
    } else {
        line_ask(client, 0);
        ask_early(client, 4);
    }
    SIM_UNTIL(sim, sim_counters(sim)->requests == 2);
    let_it_rest(sim);
    u64 since_ns = sim_now_ns(sim);
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 1);
    check_within(sim, since_ns, NOTICED_MS);
    SIM_UNTIL(sim, sim_gone(client));
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"fault\":\"client_gone\"", "\"attempts\":0");
    line_answer(sim, line.backend, line.first);
    sim_pass(sim, 50);
    SIM_CHECK(!sim_accept(sim, 0) && sim_received(line.backend).len == 0);
}

/* ---- With a backend ---- */

/* A reset ends it at once. A FIN may be that of a client that reads on: it has timeouts.halfClose,
 * and once more when the backend has taken some of an upload before. */
static void leave_and_be_noticed(struct sim *sim, struct sim_peer *client, struct sim_peer *backend)
{
    bool reset = sim_chance(sim, 50);
    let_it_rest(sim);
    u64 since_ns = sim_now_ns(sim);
    reset ? sim_reset(client) : sim_close(client);
    SIM_UNTIL(sim, sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 1);
    check_within(sim, since_ns, reset ? NOTICED_MS : 2000 + NOTICED_MS);
    if (!reset)
        SIM_CHECK(sim_now_ns(sim) - since_ns >= 1000000000);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
}

static void gone_in_an_upload(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    begin_upload(sim, client, sim_chance(sim, 50) ? LEN : LEN - 1);
    struct sim_peer *backend = accept_stuck(sim);
    leave_and_be_noticed(sim, client, backend);
    SIM_CHECK(sim_leases_held(sim) == 0);
}

static void gone_with_requests_behind(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 0);
    ask_early(client, 4);
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 0);
    leave_and_be_noticed(sim, client, backend);
    SIM_CHECK(sim_counters(sim)->requests == 1);
}

static void gone_while_connecting(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    begin_upload(sim, client, LEN);
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    let_it_rest(sim);
    u64 since_ns = sim_now_ns(sim);
    sim_reset(client);
    SIM_UNTIL(sim, sim_gone(client) && sim_upstreams(sim) == 0);
    check_within(sim, since_ns, NOTICED_MS);
}

/* ---- Who has only finished gets what it has asked for ---- */

static void finished_behind_requests(struct sim *sim)
{
    enum { EARLY = 4 };
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 0);
    ask_early(client, EARLY);
    sim_finish(client);
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i <= EARLY; i++) {
        char line[32];
        (void)snprintf(line, sizeof(line), i ? "GET /early%u HTTP/1.1" : "GET /0 HTTP/1.1", i - 1);
        backend = scenario_next(sim, backend);
        sim_window(backend, 2 * FIELD_LEN);
        EXPECT_HEAD(sim, backend, line);
        sim_pass(sim, sim_random(sim, 700));
        line_answer(sim, backend, client);
    }
    scenario_expect_end(sim, client, SIM_FIN);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 0);
    SIM_CHECK(sim_counters(sim)->requests == 1 + EARLY);
}

/* The backend takes it in the end, and answers. */
static void finished_behind_an_upload(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "PUT /0 HTTP/1.1\r\nHost: a\r\nContent-Length: 1500000\r\n\r\n");
    scenario_send_body(client, 1, 0, TAKEN_LEN);
    sim_finish(client);
    struct sim_peer *backend = accept_stuck(sim);
    sim_pass(sim, sim_random(sim, 900));
    sim_window(backend, 1 << 20);
    scenario_expect_body(sim, backend, 1, TAKEN_LEN);
    sim_pass(sim, sim_random(sim, 900));
    line_answer(sim, backend, client);
    scenario_expect_end(sim, client, SIM_FIN);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 0);
}

/* That it is cut short shows when all that came is read: the backend must not take it for whole. */
static void finished_within_an_upload(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    begin_upload(sim, client, LEN - 1);
    sim_finish(client);
    struct sim_peer *backend = accept_stuck(sim);
    sim_pass(sim, sim_random(sim, 900));
    sim_window(backend, 1 << 20);
    SIM_UNTIL(sim, (sim_take(backend, sim_received(backend).len), sim_gone(backend)));
    SIM_UNTIL(sim, sim_end(backend) == SIM_RESET);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 1);
    SIM_CHECK(sim_counters(sim)->responses_by_class[2] == 0);
}

/* The other way of reading begins while it is watched, again and again. */
static void pauses_that_end(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    bool chunked = sim_chance(sim, 50);
    sim_say(client, chunked ? "PUT /0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                            : "PUT /0 HTTP/1.1\r\nHost: a\r\nContent-Length: 1500000\r\n\r\n");
    if (chunked)
        scenario_send_chunks(sim, client, 1, TAKEN_LEN, "");
    else
        scenario_send_body(client, 1, 0, TAKEN_LEN);
    struct sim_peer *backend = accept_stuck(sim);
    for (u32 i = 0; i < 10; i++) {
        sim_pass(sim, sim_random(sim, 250));
        sim_window(backend, sim_received(backend).len + sim_random(sim, 300000));
    }
    sim_window(backend, 1 << 20);
    if (chunked)
        scenario_expect_chunks(sim, backend, 1, TAKEN_LEN, "");
    else
        scenario_expect_body(sim, backend, 1, TAKEN_LEN);
    line_answer(sim, backend, client);
    line_ask(client, 7);
    line_expect_asked(sim, scenario_next(sim, backend), 7);
}

/* ---- In a tunnel ---- */

/* The backend gets the FIN behind all bytes, however late it takes them. */
static void finished_in_a_tunnel(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    sim_window(backend, 1000);
    scenario_send_body(client, 1, 0, TAKEN_LEN);
    if (sim_chance(sim, 50)) { /* then it is a FIN of both sides */
        sim_finish(backend);
        scenario_expect_end(sim, client, SIM_FIN);
    }
    sim_finish(client);
    sim_pass(sim, 1 + sim_random(sim, 8000));
    sim_window(backend, 1 << 20);
    scenario_expect_body(sim, backend, 1, TAKEN_LEN);
    scenario_expect_end(sim, backend, SIM_FIN);
}

static void gone_in_a_tunnel(struct sim *sim)
{
    struct sim_peer *client, *backend;
    scenario_tunnel(sim, &client, &backend);
    sim_window(backend, 1000);
    scenario_send_body(client, 1, 0, LEN);
    let_it_rest(sim);
    u64 since_ns = sim_now_ns(sim);
    sim_reset(client);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    check_within(sim, since_ns, NOTICED_MS);
}

/* ---- Many ---- */

/* More than are looked at in one go. */
static void a_crowd_gone(struct sim *sim)
{
    enum { CROWD = 100 };
    struct sim_peer *clients[CROWD];
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    for (u32 i = 0; i < CROWD; i++) {
        clients[i] = sim_connect(sim);
        line_ask(clients[i], i);
        ask_early(clients[i], 2);
    }
    SIM_UNTIL(sim, sim_counters(sim)->requests == CROWD);
    sim_pass(sim, sim_random(sim, 200));
    for (u32 i = 0; i < CROWD; i++)
        sim_reset(clients[i]);
    SIM_UNTIL(sim, sim_upstreams(sim) == 0);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_GONE] == CROWD);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"gone in the queue", gone_in_the_queue, queue_config, 0, 0},
        {"gone in an upload", gone_in_an_upload, NULL, 0, 0},
        {"gone with requests behind", gone_with_requests_behind, NULL, 0, 0},
        {"gone while connecting", gone_while_connecting, NULL, 0, 0},
        {"finished behind requests", finished_behind_requests, NULL, 0, 0},
        {"finished behind an upload", finished_behind_an_upload, NULL, 0, 0},
        {"finished within an upload", finished_within_an_upload, NULL, 0, 0},
        {"pauses that end", pauses_that_end, NULL, 0, 0},
        {"finished in a tunnel", finished_in_a_tunnel, NULL, 0, 0},
        {"gone in a tunnel", gone_in_a_tunnel, NULL, 0, 0},
        {"a crowd gone", a_crowd_gone, NULL, 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
