/* Messages that end well: keep-alive, pipelining, all framings, 1xx, early answers. */
#include <stdio.h>

#include "scenario.h"

static void keep_alive(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    for (u32 i = 0; i < 5; i++) {
        sim_say(client, "GET /again HTTP/1.1\r\nHost: a\r\nX-Count: 1\r\n\r\n");
        EXPECT_HEAD(sim, backend, "GET /again HTTP/1.1", "Host: a", "X-Count: 1",
                    "X-Forwarded-Proto: http", "!Connection:");
        sim_say(backend, "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\n\r\nhello");
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 Fine", "Content-Length: 5");
        scenario_expect(sim, client, "hello");
    }
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
    SIM_CHECK(sim_counters(sim)->requests == 6);
}

/* Answers come in the order of the requests, whatever their bodies. */
static void pipelining(struct sim *sim)
{
    enum { REQUESTS = 40 };
    struct sim_peer *client = sim_connect(sim);
    char line[128];
    for (u32 i = 0; i < REQUESTS; i++) {
        int len =
            snprintf(line, sizeof(line),
                     "POST /%u HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", i, i * 100);
        sim_send(client, line, (usize)len);
        scenario_send_body(client, i, 0, i * 100);
    }
    struct sim_peer *backend = NULL;
    for (u32 i = 0; i < REQUESTS; i++) {
        backend = scenario_next(sim, backend);
        (void)snprintf(line, sizeof(line), "POST /%u HTTP/1.1", i);
        EXPECT_HEAD(sim, backend, line, "Host: a");
        scenario_expect_body(sim, backend, i, i * 100);
        SIM_CHECK(sim_received(backend).len == 0); /* one request at a time */
        int len =
            snprintf(line, sizeof(line), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", i * 300);
        sim_send(backend, line, (usize)len);
        scenario_send_body(backend, 100 + i, 0, i * 300);
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
        scenario_expect_body(sim, client, 100 + i, i * 300);
    }
    SIM_CHECK(sim_counters(sim)->requests == REQUESTS);
}

static const u32 sizes[] = {1, 4095, 4096, 4097, 16383, 16384, 16385, 131072, 131073, 700000};

static void length_both_ways(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    for (u32 i = 0; i < 4; i++) {
        u32 up = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
        u32 down = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
        char head[128];
        int len = snprintf(head, sizeof(head),
                           "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", up);
        sim_send(client, head, (usize)len);
        scenario_send_body(client, 1, 0, up);
        EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1", "Host: a");
        scenario_expect_body(sim, backend, 1, up);
        len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", down);
        sim_send(backend, head, (usize)len);
        scenario_send_body(backend, 2, 0, down);
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
        scenario_expect_body(sim, client, 2, down);
    }
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

static void chunked_both_ways(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    for (u32 i = 0; i < 3; i++) {
        u32 up = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
        u32 down = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
        const char *trailers = i == 1 ? "X-Sum: 1\r\n" : "";
        sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        scenario_send_chunks(sim, client, 1, up, trailers);
        EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1", "Transfer-Encoding: chunked",
                    "!Content-Length:");
        scenario_expect_chunks(sim, backend, 1, up, trailers);
        sim_say(backend, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        scenario_send_chunks(sim, backend, 2, down, trailers);
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Transfer-Encoding: chunked");
        scenario_expect_chunks(sim, client, 2, down, trailers);
    }
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* The client can only see the end of such a body by the end of its connection. */
static void until_close(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    u32 len = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)scenario_head(sim, backend);
    sim_say(backend, "HTTP/1.1 200 OK\r\n\r\n");
    scenario_send_body(backend, 3, 0, len);
    sim_finish(backend);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Connection: close");
    scenario_expect_body(sim, client, 3, len);
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
}

/* An HTTP/1.0 client is given the payload alone, and the end of the connection. */
static void chunked_to_old_client(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    u32 len = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
    sim_say(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "Host: 127.0.0.1:9000", "Via: 1.0 nextproxy");
    sim_say(backend, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    scenario_send_chunks(sim, backend, 4, len, "X-Sum: 1\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "!Transfer-Encoding:", "Connection: close");
    scenario_expect_body(sim, client, 4, len);
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
}

static void no_body_in_answers(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_HEAD(sim, backend, "HEAD / HTTP/1.1");
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Content-Length: 1000");
    static const char *const statuses[] = {"204 No Content", "304 Not Modified"};
    for (u32 i = 0; i < ARRAY_COUNT(statuses); i++) {
        char line[64];
        sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
        (void)snprintf(line, sizeof(line), "HTTP/1.1 %s", statuses[i]);
        sim_say(backend, line);
        sim_say(backend, "\r\nX-A: b\r\n\r\n");
        EXPECT_HEAD(sim, client, line, "X-A: b");
    }
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

static void interim_responses(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client,
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    EXPECT_HEAD(sim, backend, "POST / HTTP/1.1", "Expect: 100-continue");
    sim_say(backend, "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 100 Continue", "!Connection:");
    sim_say(client, "hello");
    scenario_expect(sim, backend, "hello");
    sim_say(backend, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
                     "Link: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    EXPECT_HEAD(sim, client, "HTTP/1.1 103 Early Hints", "Link: </a>");
    EXPECT_HEAD(sim, client, "HTTP/1.1 103 Early Hints", "Link: </b>");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "x");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* The answer is complete while the request is not: the client gets it all, then the end. */
static void early_response(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    u32 len = sizes[sim_random(sim, ARRAY_COUNT(sizes))];
    char head[128];
    bool chunked = sim_chance(sim, 50);
    sim_say(client,
            chunked
                ? "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
                : "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
    int head_len =
        snprintf(head, sizeof(head), "HTTP/1.1 403 No\r\nContent-Length: %u\r\n\r\n", len);
    sim_send(backend, head, (usize)head_len);
    scenario_send_body(backend, 5, 0, len);
    EXPECT_HEAD(sim, client, "HTTP/1.1 403 No");
    scenario_expect_body(sim, client, 5, len);
    scenario_expect_end(sim, client, SIM_FIN);
    sim_say(client, "more of the body");
    sim_close(client);
    scenario_drop(sim, backend);
}

/* What an event source sends arrives at once, though its answer never ends. */
static void events_at_once(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)scenario_head(sim, backend);
    sim_say(backend, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    for (u32 i = 0; i < 20; i++) {
        sim_say(backend, "6\r\nevent\n\r\n");
        scenario_expect(sim, client, "6\r\nevent\n\r\n");
        sim_pass(sim, 1000);
    }
}

/* All of the response is for a client that has said all it had to say, however slowly it reads. */
static void slow_half_closed_reader(struct sim *sim)
{
    enum { LEN = 700000 };
    struct sim_peer *client = sim_connect(sim);
    sim_window(client, 5000);
    struct sim_peer *backend = scenario_get(sim, client);
    if (sim_chance(sim, 50))
        sim_finish(client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n");
    scenario_send_body(backend, 3, 0, LEN);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    sim_finish(client);
    sim_pass(sim, 3000); /* longer than timeouts.halfClose, shorter than timeouts.responseIdle */
    scenario_expect_body(sim, client, 3, LEN);
    scenario_expect_end(sim, client, SIM_FIN);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 0);
}

/* Pipelined requests, then FIN: all are answered. */
static void half_close_behind_requests(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 4; i++)
        sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    sim_finish(client);
    struct sim_peer *backend = scenario_accept(sim, 0);
    for (u32 i = 0; i < 4; i++) {
        struct sim_peer *fresh = NULL;
        SIM_UNTIL(sim, sim_received(backend).len > 0 || (fresh = sim_accept(sim, 0)) != NULL);
        backend = fresh ? fresh : backend;
        EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
        sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", i < 3 ? "!Connection:" : "Content-Length: 2");
        scenario_expect(sim, client, "ok");
    }
    scenario_expect_end(sim, client, SIM_FIN);
}

/* The answer is there before the kernel says that all of the request is sent: both connections go
 * on. */
static void answered_while_sending(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_window(backend, 20);
    sim_say(client, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_received(backend).len > 0);
    if (sim_chance(sim, 50))
        sim_pass(sim, 20);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Content-Length: 2", "!Connection:");
    scenario_expect(sim, client, "ok");
    sim_window(backend, 1 << 20);
    EXPECT_HEAD(sim, backend, "GET /first HTTP/1.1");
    sim_pass(sim, 100);
    sim_say(client, "GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_HEAD(sim, backend, "GET /second HTTP/1.1");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* ... but it is not waited for, when the backend does not read on. */
static void answered_and_not_read(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_window(backend, 20);
    sim_say(client, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_received(backend).len > 0);
    sim_pass(sim, 20);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "ok");
    SIM_UNTIL(sim, sim_gone(backend) && sim_upstreams(sim) == 0);
}

static const struct scenario scenarios[] = {
    {.name = "an answer while the request is sent", .run = answered_while_sending},
    {.name = "an answer to a request that is not read", .run = answered_and_not_read},
    {.name = "keep-alive on both sides", .run = keep_alive},
    {.name = "pipelined requests", .run = pipelining},
    {.name = "bodies with a length", .run = length_both_ways},
    {.name = "bodies in chunks", .run = chunked_both_ways},
    {.name = "a body until the close", .run = until_close},
    {.name = "chunks for an HTTP/1.0 client", .run = chunked_to_old_client},
    {.name = "answers without a body", .run = no_body_in_answers},
    {.name = "interim responses", .run = interim_responses},
    {.name = "an early response", .run = early_response},
    {.name = "events arrive at once", .run = events_at_once},
    {.name = "a slow reader that has half-closed", .run = slow_half_closed_reader},
    {.name = "half-close behind pipelined requests", .run = half_close_behind_requests},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
