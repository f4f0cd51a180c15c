/* Long bodies, most of which go through a pipe where the kernel has splice(2). */
#include <stdio.h>

#include "scenario.h"

enum { LONG = 700000, PART = 500000 };

static void send_head(struct sim_peer *peer, const char *first_line, u32 length)
{
    char head[128];
    int len = snprintf(head, sizeof(head), "%s\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
                       first_line, length);
    sim_send(peer, head, (usize)len);
}

/* Both connections serve another request. */
static void go_on(struct sim *sim, struct sim_peer *client, struct sim_peer *backend)
{
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    backend = scenario_next(sim, backend);
    (void)scenario_head(sim, backend);
    scenario_answer(sim, client, backend);
}

/* What comes behind a body is none of it: the next requests are there already. */
static void long_requests_in_a_row(struct sim *sim)
{
    enum { REQUESTS = 3 };
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i < REQUESTS; i++) {
        send_head(client, "PUT / HTTP/1.1", LONG + i);
        scenario_send_body(client, i, 0, LONG + i);
    }
    for (u32 i = 0; i < REQUESTS; i++) {
        backend = scenario_next(sim, backend);
        EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
        scenario_expect_body(sim, backend, i, LONG + i);
        SIM_CHECK(sim_received(backend).len == 0);
        sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
        scenario_expect(sim, client, "ok");
    }
    SIM_CHECK(sim_counters(sim)->bytes_from_clients > REQUESTS * (u64)LONG);
}

/* All is counted and recorded, whichever way it went. */
static void long_responses_in_a_row(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    for (u32 i = 0; i < 3; i++) {
        sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)scenario_head(sim, backend);
        send_head(backend, "HTTP/1.1 200 OK", LONG + i);
        scenario_send_body(backend, i, 0, LONG + i);
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
        scenario_expect_body(sim, client, i, LONG + i);
    }
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
    SIM_CHECK(sim_counters(sim)->bytes_to_clients > 3 * (u64)LONG);
}

/* It comes in small pieces with pauses: nothing is to get stuck between the two ways. */
static void a_source_that_trickles(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    send_head(backend, "HTTP/1.1 200 OK", LONG);
    scenario_send_body(backend, 1, 0, PART);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    u64 got = 0;
    while (got < PART) {
        got += scenario_take_body(client, 1, got, PART - got);
        sim_step(sim);
    }
    for (u64 sent = PART; sent < LONG;) {
        u64 piece = min_u64(LONG - sent, 1 + sim_random(sim, 20000));
        scenario_send_body(backend, 1, sent, piece);
        sent += piece;
        while (got < sent) {
            got += scenario_take_body(client, 1, got, sent - got);
            sim_step(sim);
        }
    }
    go_on(sim, client, backend);
}

static void the_client_goes(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    bool all = sim_chance(sim, 50);
    send_head(backend, "HTTP/1.1 200 OK", LONG);
    scenario_send_body(backend, 2, 0, all ? LONG : PART);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    for (u64 got = 0; got < 200000;) {
        got += scenario_take_body(client, 2, got, 200000 - got);
        sim_step(sim);
    }
    if (sim_chance(sim, 50))
        sim_pass(sim, 10); /* the pipe fills */
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client) && (all || sim_gone(backend)));
    SIM_CHECK(sim_leases_held(sim) == 0);
}

/* All that was sent before may arrive; that it is not all is to be seen. */
static void the_backend_goes(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    send_head(backend, "HTTP/1.1 200 OK", LONG);
    scenario_send_body(backend, 3, 0, PART);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    if (sim_chance(sim, 50))
        sim_pass(sim, 10);
    scenario_end(sim, backend);
    u64 got = 0;
    do {
        got += scenario_take_body(client, 3, got, LONG - got);
        SIM_UNTIL(sim, sim_received(client).len > 0 || sim_end(client) != SIM_OPEN);
    } while (sim_received(client).len > 0);
    SIM_CHECK(got <= PART);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_RESPONSE_CUT] == 1);
}

/* The backend answers and closes before it has read the body. */
static void the_backend_does_not_want_it(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    send_head(client, "PUT / HTTP/1.1", LONG);
    scenario_send_body(client, 4, 0, PART);
    struct sim_peer *backend = scenario_accept(sim, 0);
    (void)scenario_head(sim, backend);
    if (sim_chance(sim, 50))
        sim_pass(sim, 10);
    if (sim_chance(sim, 50)) {
        sim_say(backend, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
        EXPECT_HEAD(sim, client, "HTTP/1.1 413 No");
        scenario_expect(sim, client, "no");
    }
    scenario_end(sim, backend);
    SIM_UNTIL(sim, sim_gone(backend));
    sim_close(client);
}

/* A reader that stops is cut off by timeouts.responseIdle; one that is slow is not. */
static void a_slow_reader(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    bool stalls = sim_chance(sim, 50);
    sim_window(client, 5000);
    struct sim_peer *backend = scenario_get(sim, client);
    send_head(backend, "HTTP/1.1 200 OK", LONG);
    scenario_send_body(backend, 5, 0, LONG);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    if (!stalls) {
        scenario_expect_body(sim, client, 5, LONG);
        go_on(sim, client, backend);
        return;
    }
    SIM_UNTIL(sim, sim_gone(client));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_STALLED] == 1);
}

/* Without descriptors for a pipe it is copied. */
static void no_pipe(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_sockets_fail(sim, true);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)scenario_head(sim, backend);
    send_head(backend, "HTTP/1.1 200 OK", LONG);
    scenario_send_body(backend, 6, 0, LONG);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect_body(sim, client, 6, LONG);
}

static const struct scenario scenarios[] = {
    {.name = "long requests in a row", .run = long_requests_in_a_row},
    {.name = "long responses in a row", .run = long_responses_in_a_row},
    {.name = "a source that trickles", .run = a_source_that_trickles},
    {.name = "the client goes", .run = the_client_goes},
    {.name = "the backend goes", .run = the_backend_goes},
    {.name = "the backend does not want it", .run = the_backend_does_not_want_it},
    {.name = "a slow reader", .run = a_slow_reader},
    {.name = "no pipe", .run = no_pipe},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
