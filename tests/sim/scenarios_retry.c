/* What is tried again, where, and how often: RFC 9110 §9.2.2, and src/proxy/fault.c. */
#include <stdio.h>

#include "scenario.h"

/* ---- A reused connection dies before the response ---- */

static void stale_get(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)scenario_head(sim, backend);
    scenario_end(sim, backend);
    struct sim_peer *fresh = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, fresh, "GET /x HTTP/1.1", "Host: a");
    if (sim_chance(sim, 50)) {
        sim_say(fresh, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
        scenario_expect(sim, client, "ok");
    } else { /* once is enough */
        scenario_end(sim, fresh);
        scenario_expect_page(sim, client, "502");
    }
    SIM_CHECK(sim_counters(sim)->retries == 1);
}

static void stale_put(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    (void)scenario_head(sim, backend);
    scenario_end(sim, backend);
    struct sim_peer *fresh = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, fresh, "PUT /x HTTP/1.1");
    scenario_expect(sim, fresh, "hello");
    sim_say(fresh, "HTTP/1.1 204 OK\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 OK");
}

static void stale_post(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    (void)scenario_head(sim, backend);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

/* A body in chunks is kept as it was sent, and sent so again. */
static void stale_chunks(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nhello\r\n0\r\n\r\n");
    (void)scenario_head(sim, backend);
    scenario_end(sim, backend);
    struct sim_peer *fresh = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, fresh, "PUT /x HTTP/1.1", "Transfer-Encoding: chunked");
    scenario_expect(sim, fresh, "5\r\nhello\r\n0\r\n\r\n");
    scenario_answer(sim, client, fresh);
    SIM_CHECK(sim_counters(sim)->retries == 1);
}

/* One that is too large to be kept cannot be sent again. */
static void stale_large(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    scenario_send_body(client, 1, 0, 100000);
    (void)scenario_head(sim, backend);
    scenario_expect_body(sim, backend, 1, 100000);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

/* It is not known what the other side of a tunnel has done already. */
static void stale_upgrade(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    (void)scenario_head(sim, backend);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

/* Once a byte of the response has come, the backend has done its work: not again. */
static void stale_after_first_byte(struct sim *sim)
{
    struct sim_peer *client;
    struct sim_peer *backend = scenario_warm(sim, &client);
    sim_say(client, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)scenario_head(sim, backend);
    bool interim = sim_chance(sim, 50);
    sim_say(backend, interim ? "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" : "HTTP/1.1 2");
    if (interim)
        EXPECT_HEAD(sim, client, "HTTP/1.1 103 Early Hints");
    else
        SIM_UNTIL(sim, sim_leases_held(sim) > 0);
    sim_finish(backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

/* The fresh connection is refused: now another backend may help. */
static void stale_then_refused(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backends[3], *clients[3];
    for (u32 i = 0; i < 3; i++) { /* an idle connection to each */
        clients[i] = i == 0 ? client : sim_connect(sim);
        backends[i] = scenario_get(sim, clients[i]);
    }
    for (u32 i = 0; i < 3; i++)
        scenario_answer(sim, clients[i], backends[i]);
    sim_say(client, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    u32 at = 0;
    SIM_UNTIL(sim, sim_received(backends[at = (at + 1) % 3]).len > 0);
    EXPECT_HEAD(sim, backends[at], "GET /x HTTP/1.1");
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_REFUSED);
    scenario_end(sim, backends[at]);
    u32 next = at;
    SIM_UNTIL(sim, (next = (next + 1) % 3) != at && sim_received(backends[next]).len > 0);
    EXPECT_HEAD(sim, backends[next], "GET /x HTTP/1.1");
    scenario_answer(sim, client, backends[next]);
    SIM_CHECK(sim_counters(sim)->retries == 2);
}

/* ---- Connecting fails ---- */

static enum sim_connect bad_connect(struct sim *sim)
{
    return SIM_CONNECT_REFUSED + sim_random(sim, SIM_CONNECT_TIMED_OUT);
}

static void other_backend(struct sim *sim)
{
    u32 good = sim_random(sim, 3);
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, i == good ? SIM_CONNECT_ACCEPTED : bad_connect(sim));
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    scenario_send_body(client, 6, 0, 100000);
    struct sim_peer *backend = scenario_accept(sim, good);
    EXPECT_HEAD(sim, backend, "POST / HTTP/1.1");
    scenario_expect_body(sim, backend, 6, 100000);
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "ok");
}

static void no_backend_connects(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, bad_connect(sim));
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *head = scenario_head(sim, client);
    SIM_CHECK(strncmp(head, "HTTP/1.1 50", 11) == 0 && (head[11] == '2' || head[11] == '4'));
    SIM_CHECK(sim_counters(sim)->retries == 2);
    SIM_UNTIL(sim, sim_upstreams(sim) == 0);
}

static void retries_allowed(struct sim *sim, u32 attempts)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_REFUSED);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, "502");
    char line[32];
    (void)snprintf(line, sizeof(line), "\"attempts\":%u", attempts);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, line, "\"fault\":\"connect_refused\"");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == attempts);
    SIM_CHECK(sim_counters(sim)->retries == attempts - 1);
}

static void no_retries(struct sim *sim)
{
    retries_allowed(sim, 1);
}

static void one_retry(struct sim *sim)
{
    retries_allowed(sim, 2);
}

/* There is nobody else to be tried, however many retries are allowed: nobody is tried twice. */
static void single_backend(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_backend_set(sim, 0, bad_connect(sim));
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)scenario_head(sim, client);
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* The first does not answer the connect: another one does, a timeout later. */
static void connect_timeout(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_LOST);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    u64 since_ns = sim_now_ns(sim);
    SIM_UNTIL(sim, sim_counters(sim)->retries == 1);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_ACCEPTED);
    struct sim_peer *backend;
    do { /* the first may get its connection yet, when nobody wants it any more */
        backend = scenario_accept(sim, ANY_BACKEND);
        SIM_UNTIL(sim, sim_received(backend).len > 0 || sim_end(backend) != SIM_OPEN);
    } while (sim_end(backend) != SIM_OPEN);
    scenario_check_after(sim, since_ns, 1000);
    EXPECT_HEAD(sim, backend, "POST / HTTP/1.1");
    scenario_expect(sim, backend, "hello");
    scenario_answer(sim, client, backend);
}

/* A backend that does not answer may be at work: nobody else is asked to do the same. */
static void response_timeout(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    scenario_expect_page(sim, client, "504");
    SIM_UNTIL(sim, sim_gone(backend));
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":1", "\"fault\":\"response_timeout\"");
}

/* A request has arrived on a fresh connection: whether it was read before the end is unknown. */
static void fresh_and_gone(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    (void)scenario_head(sim, backend);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* Who stops does not begin anything new. */
static void not_while_draining(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_LOST);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    sim_command_drain(sim);
    scenario_expect_page(sim, client, "504");
    SIM_CHECK(sim_counters(sim)->retries == 0);
    sim_close(client);
    SIM_UNTIL(sim, sim_finished(sim));
}

/* Whose clients are only to go elsewhere tries as hard as ever. */
static void while_retiring(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_LOST);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    sim_command_retire(sim);
    scenario_expect_page(sim, client, "504");
    SIM_CHECK(sim_counters(sim)->retries > 0);
    sim_close(client);
    SIM_UNTIL(sim, sim_finished(sim));
}

#define CONFIG_RETRIES(count)                                                                      \
    "{'proxy':{'retries':" count "},'backends':[{'url':'http://127.0.0.1:9000'},"                  \
    "{'url':'http://127.0.0.1:9001'},{'url':'http://127.0.0.1:9002'}]," SIM_SETTINGS "}"

static const struct scenario scenarios[] = {
    {.name = "a stale connection: GET again", .run = stale_get},
    {.name = "a stale connection: PUT again", .run = stale_put},
    {.name = "a stale connection: POST never again", .run = stale_post},
    {.name = "a stale connection: chunks again", .run = stale_chunks},
    {.name = "a stale connection: a large body never again", .run = stale_large},
    {.name = "a stale connection: an upgrade never again", .run = stale_upgrade},
    {.name = "a stale connection: not after the first byte", .run = stale_after_first_byte},
    {.name = "a stale connection, then a refusal",
     .run = stale_then_refused,
     .config = SIM_CONFIG_THREE},
    {.name = "another backend when connecting fails",
     .run = other_backend,
     .config = SIM_CONFIG_THREE},
    {.name = "no backend can be connected to",
     .run = no_backend_connects,
     .config = SIM_CONFIG_THREE},
    {.name = "no retries", .run = no_retries, .config = CONFIG_RETRIES("0")},
    {.name = "one retry", .run = one_retry, .config = CONFIG_RETRIES("1")},
    {.name = "nobody else to try", .run = single_backend},
    {.name = "a connect timeout", .run = connect_timeout, .config = SIM_CONFIG_THREE},
    {.name = "a response timeout", .run = response_timeout, .config = SIM_CONFIG_THREE},
    {.name = "a fresh connection that ends", .run = fresh_and_gone, .config = SIM_CONFIG_THREE},
    {.name = "not while draining", .run = not_while_draining, .config = SIM_CONFIG_THREE},
    {.name = "while retiring", .run = while_retiring, .config = SIM_CONFIG_THREE},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
