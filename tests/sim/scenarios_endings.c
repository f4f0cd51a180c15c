/* Messages that do not end well: clients and backends that go, in each phase, and malformed ones.
 */
#include <stdio.h>

#include "scenario.h"

/* ---- The client goes ---- */

static void client_gone_in_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\nHos");
    if (sim_chance(sim, 50))
        sim_pass(sim, 10);
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client));
    SIM_CHECK(sim_counters(sim)->requests == 0);
    SIM_CHECK(sim_upstreams(sim) == 0);
}

static void client_gone_while_connecting(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    sim_backend_set(sim, 0, sim_chance(sim, 50) ? SIM_CONNECT_ACCEPTED : SIM_CONNECT_LOST);
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client) && sim_upstreams(sim) == 0);
}

static void client_gone_waiting_for_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_CLIENT_GONE] == 1);
}

static void client_gone_in_request_body(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    bool chunked = sim_chance(sim, 50);
    sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\n");
    sim_say(client, chunked ? "Transfer-Encoding: chunked\r\n\r\n30D40\r\n"
                            : "Content-Length: 200000\r\n\r\n");
    scenario_send_body(client, 1, 0, 100000);
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "PUT / HTTP/1.1");
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client) && sim_gone(backend));
    SIM_CHECK(sim_received(backend).len <= 100007);
}

static void client_gone_in_response_body(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    bool ended = sim_chance(sim, 50); /* the backend has sent all of it already */
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
    scenario_send_body(backend, 2, 0, ended ? 300000 : 200000);
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect_body(sim, client, 2, 100);
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client) && sim_leases_held(sim) == 0);
}

/* ---- The backend goes ---- */

static void backend_gone_before_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->faults[FAULT_UPSTREAM_RESET] == 1);
    (void)scenario_get(sim, client); /* the connection can go on */
}

static void backend_gone_in_head(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Le");
    if (sim_chance(sim, 50))
        sim_pass(sim, 1);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
}

/* Whatever the framing, the client must see that something is missing. */
static void backend_gone_in_body(struct sim *sim)
{
    static const char *const framings[] = {"Content-Length: 100000\r\n\r\n",
                                           "Transfer-Encoding: chunked\r\n\r\n186A0\r\n"};
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    u32 sent = sim_random(sim, 99000);
    sim_say(backend, "HTTP/1.1 200 OK\r\n");
    sim_say(backend, framings[sim_random(sim, ARRAY_COUNT(framings))]);
    scenario_send_body(backend, 5, 0, sent);
    scenario_end(sim, backend);
    usize got = 0;
    do {
        got += sim_received(client).len;
        sim_take(client, sim_received(client).len);
        SIM_UNTIL(sim, sim_received(client).len > 0 || sim_end(client) != SIM_OPEN);
    } while (sim_received(client).len > 0);
    SIM_CHECK(got < 99500); /* with the head */
    SIM_CHECK(sim_counters(sim)->faults[FAULT_RESPONSE_CUT] == 1 ||
              sim_counters(sim)->faults[FAULT_UPSTREAM_RESET] == 1);
}

/* A body until the close that ends with a reset, and a chunked one for an HTTP/1.0 client that is
 * cut: only a reset can tell the client. */
static void cut_without_framing(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    bool old = sim_chance(sim, 50);
    sim_say(client,
            old ? "GET / HTTP/1.0\r\nHost: a\r\n\r\n" : "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 0);
    (void)scenario_head(sim, backend);
    sim_say(backend, old ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
                         : "HTTP/1.1 200 OK\r\n\r\nhello");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "!Content-Length:");
    scenario_expect(sim, client, "hello");
    old ? sim_close(backend) : sim_reset(backend);
    scenario_expect_end(sim, client, SIM_RESET);
}

static void backend_gone_after_response(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    if (sim_chance(sim, 30))
        sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"); /* nobody asked */
    else
        scenario_end(sim, backend);
    SIM_UNTIL(sim, sim_gone(backend));
    struct sim_peer *next = scenario_get(sim, client);
    sim_say(next, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "good");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

/* More than the response that was asked for: the rest must not answer the next request. */
static void bytes_behind_response(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend,
            sim_chance(sim, 50)
                ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\n\r\nevil"
                : "HTTP/1.1 204 OK\r\n\r\nevil");
    (void)scenario_head(sim, client);
    struct sim_peer *next = NULL;
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, (next = sim_accept(sim, 0)) != NULL);
    SIM_UNTIL(sim, sim_gone(backend));
    EXPECT_HEAD(sim, next, "GET / HTTP/1.1");
    SIM_CHECK(!memmem(sim_received(client).data, sim_received(client).len, "evil", 4));
}

/* What comes while a page is on its way is the next request, not the rest of the refused one. */
static void request_behind_page(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_window(client, 10);
    sim_backend_set(sim, 0, SIM_CONNECT_REFUSED);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_received(client).len == 10); /* of the page */
    sim_backend_set(sim, 0, SIM_CONNECT_ACCEPTED);
    sim_say(client, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    sim_pass(sim, 10);
    sim_window(client, 4096);
    scenario_expect_page(sim, client, "502");
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "GET /next HTTP/1.1", "Host: a");
}

/* ---- Malformed ---- */

static void malformed_responses(struct sim *sim)
{
    static const char *const responses[] = {
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\nEvil: b\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 99 What\r\n\r\n",
    };
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, responses[sim_random(sim, ARRAY_COUNT(responses))]);
    scenario_expect_page(sim, client, "502");
    SIM_UNTIL(sim, sim_gone(backend));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_BAD_RESPONSE] == 1);
    (void)scenario_get(sim, client);
}

static void malformed_chunks_from_backend(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n0\r\n\r\n");
    usize got = 0;
    do { /* either nothing of it was sent yet, or the last chunk is missing */
        SIM_CHECK(!memmem(sim_received(client).data, sim_received(client).len, "\r\n0\r\n", 5));
        got = sim_received(client).len;
        SIM_UNTIL(sim, sim_received(client).len > got || sim_end(client) != SIM_OPEN ||
                           memmem(sim_received(client).data, sim_received(client).len, " 502 ", 5));
    } while (sim_received(client).len > got);
    SIM_UNTIL(sim, sim_gone(backend));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_BAD_RESPONSE] == 1);
}

static const struct {
    const char *request;
    const char *status;
} malformed[] = {
    {"GET /\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\nHost: a\n\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", "400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     "400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
    {"POST / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\nContent-Length: 3\r\n\r\n", "417"},
    {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "501"},
};

static void malformed_requests(struct sim *sim)
{
    u32 which = sim_random(sim, ARRAY_COUNT(malformed));
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, malformed[which].request);
    sim_say(client, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, malformed[which].status);
    scenario_expect_end(sim, client, SIM_FIN);
    SIM_CHECK(sim_upstreams(sim) == 0);
    scenario_end(sim, client);
    SIM_UNTIL(sim, sim_gone(client));
}

static void malformed_chunks_from_client(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello");
    if (sim_chance(sim, 50))
        sim_pass(sim, 5);
    sim_say(client, "\r\nnot a size\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, "400");
    scenario_expect_end(sim, client, SIM_FIN);
    sim_close(client);
    SIM_UNTIL(sim, sim_gone(client) && sim_upstreams(sim) == 0);
}

/* The backend has heard enough: it answers and closes. The answer counts, unless its reset took
 * some of it: then the client sees a page or a cut. */
static void backend_answers_and_closes(struct sim *sim)
{
    static const char answer[] = "HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno";
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    scenario_send_body(client, 7, 0, 500000);
    struct sim_peer *backend = scenario_accept(sim, 0);
    sim_say(backend, answer);
    sim_close(backend);
    SIM_UNTIL(sim, sim_end(client) != SIM_OPEN);
    struct slice got = sim_received(client);
    bool whole = got.len > 2 && memcmp(got.data + got.len - 2, "no", 2) == 0;
    bool page = slice_starts_with(got, SLICE("HTTP/1.1 502 "));
    SIM_CHECK(whole || page || sim_counters(sim)->faults[FAULT_RESPONSE_CUT] == 1);
    SIM_CHECK(page || slice_starts_with(SLICE("HTTP/1.1 413 Too much\r\n"), got) ||
              slice_starts_with(got, SLICE("HTTP/1.1 413 Too much\r\n")));
    sim_close(client);
    SIM_UNTIL(sim, sim_gone(client) && sim_upstreams(sim) == 0);
}

static const struct scenario scenarios[] = {
    {.name = "client gone in its head", .run = client_gone_in_head},
    {.name = "client gone while connecting", .run = client_gone_while_connecting},
    {.name = "client gone before the response", .run = client_gone_waiting_for_head},
    {.name = "client gone in its body", .run = client_gone_in_request_body},
    {.name = "client gone in the response", .run = client_gone_in_response_body},
    {.name = "backend gone before its head", .run = backend_gone_before_head},
    {.name = "backend gone in its head", .run = backend_gone_in_head},
    {.name = "backend gone in its body", .run = backend_gone_in_body},
    {.name = "a cut that no framing shows", .run = cut_without_framing},
    {.name = "backend gone after its response", .run = backend_gone_after_response},
    {.name = "bytes behind a response", .run = bytes_behind_response},
    {.name = "a request behind a page", .run = request_behind_page},
    {.name = "malformed responses", .run = malformed_responses},
    {.name = "malformed chunks from a backend", .run = malformed_chunks_from_backend},
    {.name = "malformed requests", .run = malformed_requests},
    {.name = "malformed chunks from a client", .run = malformed_chunks_from_client},
    {.name = "a backend that answers early and closes", .run = backend_answers_and_closes},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
