/* What a backend may have begun, and another one does again: src/proxy/retry.c and replay.c. */
#include <stdio.h>

#include "scenario.h"

#define THREE                                                                                      \
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                 \
    "{'url':'http://127.0.0.1:9002'}],"
#define WITH(settings) "{" settings "," THREE SIM_SETTINGS "}"
#define WITH_PER_TRY(backends)                                                                     \
    "{" backends "'timeouts':{'connect':1000,'responseHead':4000,'perTry':300}}"

enum failure { FAILS_WITH_STATUS, FAILS_WITH_CUT_HEAD, FAILS_WITHOUT_ANSWER, FAILURES };

/* The backend that has got a request fails, in some way that is no answer. */
static void fail(struct sim *sim, struct sim_peer *backend)
{
    switch ((enum failure)sim_random(sim, FAILURES)) {
    case FAILS_WITH_STATUS:
        sim_say(backend, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
        break;
    case FAILS_WITH_CUT_HEAD:
        sim_say(backend, "HTTP/1.1 20");
        sim_finish(backend);
        break;
    case FAILS_WITHOUT_ANSWER:
        scenario_end(sim, backend);
        break;
    case FAILURES:
        SIM_CHECK(false);
    }
}

/* Whoever gets it next: it has this first line. */
static struct sim_peer *asked(struct sim *sim, const char *line)
{
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, backend, line);
    return backend;
}

static u64 denied(const struct sim *sim, enum retry_denial denial)
{
    return sim_counters(sim)->retries_denied[denial];
}

static void say_get(struct sim_peer *client)
{
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

/* ---- Which failures ---- */

static void any_failure(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    struct sim_peer *first = asked(sim, "GET / HTTP/1.1");
    fail(sim, first);
    struct sim_peer *second = asked(sim, "GET / HTTP/1.1");
    SIM_CHECK(sim_backend(second) != sim_backend(first));
    scenario_answer(sim, client, second);
    SIM_CHECK(sim_counters(sim)->retries == 1);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"statusCode\":200");
}

/* The last one's answer is passed on as it came, however many said the same before. */
static void everybody_fails(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    for (u32 i = 0; i < 3; i++) {
        struct sim_peer *backend = asked(sim, "GET / HTTP/1.1");
        sim_say(backend, "HTTP/1.1 503 Busy\r\nX-From: me\r\nContent-Length: 4\r\n\r\nbusy");
    }
    EXPECT_HEAD(sim, client, "HTTP/1.1 503 Busy", "X-From: me");
    scenario_expect(sim, client, "busy");
    SIM_CHECK(sim_counters(sim)->retries == 2);
    SIM_CHECK(denied(sim, RETRY_DENIED_BACKEND) == 1);
}

static void nobody_else(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_say(backend, "HTTP/1.1 502 Oh\r\nContent-Length: 2\r\n\r\noh");
    EXPECT_HEAD(sim, client, "HTTP/1.1 502 Oh");
    scenario_expect(sim, client, "oh");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

static void other_status(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    sim_say(asked(sim, "GET / HTTP/1.1"), "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 500 Oh");
}

static void own_statuses(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    sim_say(asked(sim, "GET / HTTP/1.1"), "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n");
    sim_say(asked(sim, "GET / HTTP/1.1"), "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 503 Busy");
}

/* Interim responses are with the client already: that is no answer yet. */
static void after_an_interim_response(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    struct sim_peer *first = asked(sim, "GET / HTTP/1.1");
    sim_say(first, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    if (sim_chance(sim, 50))
        EXPECT_HEAD(sim, client, "HTTP/1.1 103 Early Hints");
    sim_say(first, "HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\nbus");
    struct sim_peer *second = asked(sim, "GET / HTTP/1.1");
    sim_say(second, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (strncmp(scenario_head(sim, client), "HTTP/1.1 103", 12) == 0)
        (void)scenario_head(sim, client);
    scenario_expect(sim, client, "ok");
}

/* The connection of a dropped answer that had come whole goes on. */
static void connection_kept(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    struct sim_peer *first = asked(sim, "GET / HTTP/1.1");
    sim_say(first, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    scenario_answer(sim, client, asked(sim, "GET / HTTP/1.1"));
    sim_pass(sim, 100);
    SIM_CHECK(sim_end(first) == SIM_OPEN || sim_upstreams(sim) == 1);
}

/* ---- Which requests ---- */

static void post_only_once(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    struct sim_peer *backend = asked(sim, "POST / HTTP/1.1");
    scenario_expect(sim, backend, "hi");
    sim_say(backend, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    EXPECT_HEAD(sim, client, "HTTP/1.1 503 Busy");
    scenario_expect(sim, client, "busy");
    SIM_CHECK(denied(sim, RETRY_DENIED_METHOD) == 1);
}

static void post_that_may(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    struct sim_peer *backend = asked(sim, "POST / HTTP/1.1");
    scenario_expect(sim, backend, "hi");
    fail(sim, backend);
    backend = asked(sim, "POST / HTTP/1.1");
    scenario_expect(sim, backend, "hi");
    scenario_answer(sim, client, backend);
}

/* ---- Bodies ---- */

static void say_put(struct sim *sim, struct sim_peer *client, u32 len, bool chunks)
{
    char head[128];
    (void)snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: a\r\n%s%u\r\n\r\n",
                   chunks ? "Transfer-Encoding: chunked\r\nX-Len: " : "Content-Length: ", len);
    sim_say(client, head);
    if (chunks)
        scenario_send_chunks(sim, client, 5, len, "X-Sum: 1\r\n");
    else
        scenario_send_body(client, 5, 0, len);
}

static void expect_put(struct sim *sim, struct sim_peer *backend, u32 len, bool chunks)
{
    if (chunks)
        scenario_expect_chunks(sim, backend, 5, len, "X-Sum: 1\r\n");
    else
        scenario_expect_body(sim, backend, 5, len);
}

static void body_again(struct sim *sim)
{
    u32 len = sim_random(sim, 60000);
    bool chunks = sim_chance(sim, 50);
    struct sim_peer *client = sim_connect(sim);
    say_put(sim, client, len, chunks);
    for (u32 tries = 0; tries < 2; tries++) {
        struct sim_peer *backend = asked(sim, "PUT / HTTP/1.1");
        if (sim_chance(sim, 70)) /* it fails when it has it all, or before */
            expect_put(sim, backend, len, chunks);
        fail(sim, backend);
    }
    struct sim_peer *backend = asked(sim, "PUT / HTTP/1.1");
    expect_put(sim, backend, len, chunks);
    scenario_answer(sim, client, backend);
    SIM_CHECK(sim_counters(sim)->retries == 2);
}

/* The backend is gone when only a part has come from the client. */
static void body_that_still_flows(struct sim *sim)
{
    enum { LEN = 50000 };
    struct sim_peer *client = sim_connect(sim);
    u32 part = 1 + sim_random(sim, LEN - 1);
    sim_say(client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    scenario_send_body(client, 5, 0, part);
    struct sim_peer *backend = asked(sim, "PUT / HTTP/1.1");
    scenario_expect_body(sim, backend, 5, part);
    scenario_end(sim, backend);
    if (sim_chance(sim, 50))
        sim_pass(sim, 20);
    scenario_send_body(client, 5, part, LEN - part);
    backend = asked(sim, "PUT / HTTP/1.1");
    scenario_expect_body(sim, backend, 5, LEN);
    scenario_answer(sim, client, backend);
    SIM_CHECK(sim_counters(sim)->retries == 1);
}

static void body_too_large(struct sim *sim)
{
    bool chunks = sim_chance(sim, 50);
    struct sim_peer *client = sim_connect(sim);
    say_put(sim, client, 100000, chunks);
    struct sim_peer *backend = asked(sim, "PUT / HTTP/1.1");
    expect_put(sim, backend, 100000, chunks);
    sim_say(backend, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    EXPECT_HEAD(sim, client, "HTTP/1.1 503 Busy");
    scenario_expect(sim, client, "busy");
    SIM_CHECK(denied(sim, RETRY_DENIED_BODY) == 1);
}

/* As long as the operator allows it, a long one is kept, too. */
static void long_body_again(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_put(sim, client, 400000, false);
    struct sim_peer *backend = asked(sim, "PUT / HTTP/1.1");
    scenario_expect_body(sim, backend, 5, 100000 + sim_random(sim, 300000));
    scenario_end(sim, backend);
    backend = asked(sim, "PUT / HTTP/1.1");
    scenario_expect_body(sim, backend, 5, 400000);
    scenario_answer(sim, client, backend);
}

/* All places for bodies are taken: the next one is sent once only. */
static void bodies_used_up(struct sim *sim)
{
    struct sim_peer *clients[2], *backends[2];
    for (u32 i = 0; i < 2; i++) {
        clients[i] = sim_connect(sim);
        say_put(sim, clients[i], 20000, false);
        backends[i] = asked(sim, "PUT / HTTP/1.1");
        expect_put(sim, backends[i], 20000, false);
    }
    scenario_end(sim, backends[1]);
    scenario_expect_page(sim, clients[1], "502");
    SIM_CHECK(denied(sim, RETRY_DENIED_BODY) == 1);
    scenario_end(sim, backends[0]);
    struct sim_peer *other = asked(sim, "PUT / HTTP/1.1");
    expect_put(sim, other, 20000, false);
    scenario_answer(sim, clients[0], other);
}

/* The next request of the same connection waits for its turn. */
static void pipelined(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nGET /x"
                    "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *backend = asked(sim, "PUT /1 HTTP/1.1");
    scenario_expect(sim, backend, "GET /x");
    scenario_end(sim, backend);
    backend = asked(sim, "PUT /1 HTTP/1.1");
    scenario_expect(sim, backend, "GET /x");
    sim_say(backend, "HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 204 OK");
    scenario_answer(sim, client, asked(sim, "GET /2 HTTP/1.1"));
}

/* ---- How often ---- */

static void budget_used_up(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    sim_say(asked(sim, "GET / HTTP/1.1"),
            "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 503 Busy");
    SIM_CHECK(denied(sim, RETRY_DENIED_BUDGET) == 1);
    for (u32 i = 0; i < 3; i++) /* what was never sent costs nothing of it */
        sim_backend_set(sim, i, i > 0 ? SIM_CONNECT_REFUSED : SIM_CONNECT_ACCEPTED);
    struct sim_peer *other = sim_connect(sim);
    say_get(other);
    scenario_answer(sim, other, asked(sim, "GET / HTTP/1.1"));
}

/* One at a time: the second is refused while the first is on, and allowed afterwards. */
static void budget_of_one(struct sim *sim)
{
    struct sim_peer *first = sim_connect(sim), *second = sim_connect(sim);
    say_get(first);
    scenario_end(sim, asked(sim, "GET / HTTP/1.1"));
    struct sim_peer *retried = asked(sim, "GET / HTTP/1.1");
    say_get(second);
    scenario_end(sim, asked(sim, "GET / HTTP/1.1"));
    scenario_expect_page(sim, second, "502");
    SIM_CHECK(denied(sim, RETRY_DENIED_BUDGET) == 1);
    scenario_answer(sim, first, retried);
    sim_reset(retried); /* its idle connection does not serve the next one */
    sim_pass(sim, 50);
    say_get(second);
    scenario_end(sim, asked(sim, "GET / HTTP/1.1"));
    scenario_answer(sim, second, asked(sim, "GET / HTTP/1.1"));
}

/* ---- When ---- */

/* The second retry waits; the first does not. */
static struct sim_peer *pausing(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    u64 since_ns = sim_now_ns(sim);
    scenario_end(sim, asked(sim, "GET / HTTP/1.1"));
    scenario_end(sim, asked(sim, "GET / HTTP/1.1"));
    SIM_UNTIL(sim, sim_counters(sim)->retries == 2);
    SIM_CHECK(sim_now_ns(sim) - since_ns < 1000000000ull);
    return client;
}

static void pause(struct sim *sim)
{
    struct sim_peer *client = pausing(sim);
    if (sim_chance(sim, 50))
        sim_finish(client); /* it still wants its response */
    if (sim_chance(sim, 50))
        sim_say(client, "GET /next HTTP/1.1\r\n"); /* not its turn yet */
    struct sim_peer *backend = asked(sim, "GET / HTTP/1.1");
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "ok");
}

static void gone_while_pausing(struct sim *sim)
{
    struct sim_peer *client = pausing(sim);
    sim_reset(client);
    sim_pass(sim, 70000);
    SIM_CHECK(sim_upstreams(sim) <= 1);
}

static void stopped_while_pausing(struct sim *sim)
{
    struct sim_peer *client = pausing(sim);
    if (sim_chance(sim, 50)) {
        sim_command_stop(sim);
        scenario_drop(sim, client);
    } else {
        sim_command_drain(sim);
    }
    SIM_UNTIL(sim, sim_finished(sim));
}

static void per_try(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    struct sim_peer *slow = asked(sim, "GET / HTTP/1.1");
    u64 since_ns = sim_now_ns(sim);
    struct sim_peer *backend = asked(sim, "GET / HTTP/1.1");
    scenario_check_after(sim, since_ns, 300);
    SIM_UNTIL(sim, sim_gone(slow));
    scenario_answer(sim, client, backend);
}

/* Without anybody else it is no reason to give up. */
static void per_try_alone(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, client);
    sim_pass(sim, 2000);
    scenario_answer(sim, client, backend);
    SIM_CHECK(denied(sim, RETRY_DENIED_BACKEND) == 1);
}

/* A backend that does not answer at all, and others that do not either. */
static void nobody_answers(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    say_get(client);
    u64 since_ns = sim_now_ns(sim);
    for (u32 i = 0; i < 3; i++)
        (void)asked(sim, "GET / HTTP/1.1");
    scenario_expect_page(sim, client, "504");
    SIM_CHECK(sim_now_ns(sim) - since_ns >= 12000000000ull);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":3", "\"fault\":\"response_timeout\"");
}

#define PAUSES WITH("'retry':{'backoff':60000,'maxBackoff':60000}")

static const struct scenario scenarios[] = {
    {"any failure", any_failure, SIM_CONFIG_THREE, 0, 0},
    {"everybody fails", everybody_fails, SIM_CONFIG_THREE, 0, 0},
    {"nobody else", nobody_else, NULL, 0, 0},
    {"another status", other_status, SIM_CONFIG_THREE, 0, 0},
    {"own statuses", own_statuses, WITH("'retry':{'statuses':'429'}"), 0, 0},
    {"no statuses", nobody_else, WITH("'retry':{'statuses':'none'}"), 0, 0},
    {"no retries", nobody_else, WITH("'proxy':{'retries':0}"), 0, 0},
    {"after an interim response", after_an_interim_response, SIM_CONFIG_THREE, 0, 0},
    {"the connection of a dropped answer", connection_kept, SIM_CONFIG_THREE, 0, 0},
    {"POST only once", post_only_once, SIM_CONFIG_THREE, 0, 0},
    {"POST that may be repeated", post_that_may, WITH("'retry':{'methods':'all'}"), 0, 0},
    {"a body again", body_again, SIM_CONFIG_THREE, 0, 0},
    {"a body that still flows", body_that_still_flows, SIM_CONFIG_THREE, 0, 0},
    {"a body that is too large", body_too_large, SIM_CONFIG_THREE, 0, 0},
    {"pipelined requests", pipelined, SIM_CONFIG_THREE, 0, 0},
    {"the budget is used up", budget_used_up, WITH("'retry':{'budget':0,'minBudget':0}"), 0, 0},
    {"a budget of one", budget_of_one, WITH("'retry':{'budget':0,'minBudget':1}"), 0, 0},
    {"a pause", pause, PAUSES, 0, 0},
    {"gone while pausing", gone_while_pausing, PAUSES, 0, 0},
    {"stopped while pausing", stopped_while_pausing, PAUSES, 0, 0},
    {"timeouts.perTry", per_try, WITH_PER_TRY(THREE), 0, 0},
    {"timeouts.perTry without anybody else", per_try_alone,
     WITH_PER_TRY("'backends':[{'url':'http://127.0.0.1:9000'}],"), 0, 0},
    {"nobody answers", nobody_answers, SIM_CONFIG_THREE, 0, 0},
    {"a long body again", long_body_again,
     "{" THREE "'limits':{'clients':256,'exchanges':128,'headBytes':8192,'replays':2,"
     "'replayBytes':500000},'timeouts':{'connect':1000}}",
     0, 0},
    {"places for bodies are used up", bodies_used_up,
     "{" THREE "'limits':{'clients':256,'exchanges':128,'headBytes':8192,'replays':1},"
     "'timeouts':{'connect':1000}}",
     0, 0},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
