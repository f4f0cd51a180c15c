/* A second attempt while the first one still waits: src/proxy/hedge.c. */
#include <stdio.h>

#include "scenario.h"

enum { DELAY_MS = 50, LATE_US = 20000 };

#define THREE                                                                                      \
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                 \
    "{'url':'http://127.0.0.1:9002'}],"
#define HEDGE "'hedge':{'enabled':true,'delayMin':50}"
#define HEDGED(retry, backends) "{'retry':{" retry HEDGE "}," backends SIM_SETTINGS "}"

/* A request that two backends have got. */
struct race {
    struct sim_peer *client;
    struct sim_peer *first;
    struct sim_peer *second;
};

static struct sim_peer *asked(struct sim *sim, const char *line)
{
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, backend, line);
    return backend;
}

static struct race begin(struct sim *sim, const char *method)
{
    char line[64], request[128];
    struct race race = {.client = sim_connect(sim)};
    (void)snprintf(line, sizeof(line), "%s /x HTTP/1.1", method);
    (void)snprintf(request, sizeof(request), "%s\r\nHost: a\r\n\r\n", line);
    sim_late_after(sim, LATE_US);
    sim_say(race.client, request);
    race.first = asked(sim, line);
    u64 since_ns = sim_now_ns(sim);
    race.second = asked(sim, line);
    scenario_check_after(sim, since_ns, DELAY_MS);
    SIM_CHECK(sim_backend(race.second) != sim_backend(race.first));
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
    return race;
}

static void say_answer(struct sim_peer *backend, const char *body)
{
    char response[128];
    (void)snprintf(response, sizeof(response), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    sim_say(backend, response);
}

static void expect_answer(struct sim *sim, struct sim_peer *client, const char *body)
{
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, body);
}

/* Whoever was not fast enough is ended by a reset, and nothing is held against anybody. */
static void expect_ended(struct sim *sim, struct sim_peer *loser)
{
    SIM_UNTIL(sim, sim_gone(loser));
    scenario_expect_end(sim, loser, SIM_RESET);
    for (u32 i = 0; i < 3; i++)
        SIM_CHECK(sim_marks(sim, i) == 0);
}

/* The client can go on. */
static void ask_again(struct sim *sim, struct sim_peer *client, struct sim_peer *winner)
{
    sim_say(client, "POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    struct sim_peer *fresh = NULL;
    SIM_UNTIL(sim, sim_received(winner).len > 0 || (fresh = sim_accept(sim, 0)) != NULL ||
                       (fresh = sim_accept(sim, 1)) != NULL ||
                       (fresh = sim_accept(sim, 2)) != NULL);
    struct sim_peer *backend = fresh ? fresh : winner;
    EXPECT_HEAD(sim, backend, "POST /y HTTP/1.1");
    say_answer(backend, "next");
    expect_answer(sim, client, "next");
}

/* ---- Who wins ---- */

static void second_wins(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    say_answer(race.second, "second");
    expect_answer(sim, race.client, "second");
    expect_ended(sim, race.first);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"hedge\":\"won\"",
                  "\"statusCode\":200");
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_WON) == 1);
    SIM_CHECK(sim_counters(sim)->retries == 0);
    ask_again(sim, race.client, race.second);
}

static void first_wins(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    say_answer(race.first, "first");
    expect_answer(sim, race.client, "first");
    expect_ended(sim, race.second);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"hedge\":\"lost\"");
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_WON) == 0);
    ask_again(sim, race.client, race.first);
}

/* Each with a body of its own: the client gets one of them, whole. */
static void both_answer(struct sim *sim)
{
    enum { LENGTH = 50000 };
    struct race race = begin(sim, "GET");
    struct sim_peer *backends[] = {race.first, race.second};
    for (u32 i = 0; i < 2; i++) {
        char head[96];
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\nX-Stream: %u\r\nContent-Length: %u\r\n\r\n", i, LENGTH);
        sim_say(backends[i], head);
        scenario_send_body(backends[i], i, 0, LENGTH);
    }
    u32 stream = strstr(scenario_head(sim, race.client), "X-Stream: 1") != NULL;
    scenario_expect_body(sim, race.client, stream, LENGTH);
    SIM_UNTIL(sim, sim_gone(backends[1 - stream]));
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_WON) == stream);
    ask_again(sim, race.client, backends[stream]);
}

static void head_request(struct sim *sim)
{
    struct race race = begin(sim, "HEAD");
    sim_say(race.second, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_HEAD(sim, race.client, "HTTP/1.1 200 OK", "Content-Length: 5");
    expect_ended(sim, race.first);
    ask_again(sim, race.client, race.second);
}

/* Interim responses of both go through; the final one is of one of them. */
static void interim_responses(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    bool of_first = sim_chance(sim, 50);
    struct sim_peer *hints = of_first ? race.first : race.second;
    struct sim_peer *winner = of_first ? race.second : race.first;
    sim_say(hints, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    EXPECT_HEAD(sim, race.client, "HTTP/1.1 103 Early Hints", "Link: </a>");
    say_answer(winner, "final");
    expect_answer(sim, race.client, "final");
    expect_ended(sim, hints);
}

/* A part of a head is nothing yet. */
static void head_in_pieces(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    bool of_first = sim_chance(sim, 50);
    struct sim_peer *begins = of_first ? race.first : race.second;
    struct sim_peer *other = of_first ? race.second : race.first;
    sim_say(begins, "HTTP/1.1 200 OK\r\nContent-Le");
    SIM_UNTIL(sim, sim_leases_held(sim) > 0);
    if (sim_chance(sim, 50)) {
        say_answer(other, "other");
        expect_answer(sim, race.client, "other");
        expect_ended(sim, begins);
    } else {
        sim_say(other, "HTTP/1.1 20");
        sim_say(begins, "ngth: 6\r\n\r\nbegins");
        expect_answer(sim, race.client, "begins");
        expect_ended(sim, other);
    }
}

static void pipelined(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    sim_say(race.client, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *winner = sim_chance(sim, 50) ? race.first : race.second;
    say_answer(winner, "one");
    expect_answer(sim, race.client, "one");
    struct sim_peer *backend = NULL;
    SIM_UNTIL(sim, sim_received(winner).len > 0 || (backend = sim_accept(sim, 0)) ||
                       (backend = sim_accept(sim, 1)) || (backend = sim_accept(sim, 2)));
    backend = backend ? backend : winner;
    EXPECT_HEAD(sim, backend, "GET /next HTTP/1.1");
    say_answer(backend, "two");
    expect_answer(sim, race.client, "two");
}

/* ---- One of them fails ---- */

static void second_refused(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    struct sim_peer *first = scenario_get(sim, client);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_REFUSED);
    SIM_UNTIL(sim, sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
    sim_pass(sim, 200);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"attempt\":2", "ECONNREFUSED");
    scenario_answer(sim, client, first);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"hedge\":\"lost\"");
    SIM_CHECK(sim_counters(sim)->retries == 0);
}

static void fail(struct sim *sim, struct sim_peer *backend)
{
    if (sim_chance(sim, 30))
        sim_say(backend, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    else if (sim_chance(sim, 30))
        sim_say(backend, "What?\r\n\r\n");
    else
        scenario_end(sim, backend);
}

static void one_fails(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    bool of_first = sim_chance(sim, 50);
    fail(sim, of_first ? race.first : race.second);
    if (sim_chance(sim, 50))
        sim_pass(sim, 100);
    struct sim_peer *other = of_first ? race.second : race.first;
    say_answer(other, "other");
    expect_answer(sim, race.client, "other");
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2",
                  of_first ? "\"hedge\":\"won\"" : "\"hedge\":\"lost\"");
    SIM_CHECK(sim_counters(sim)->retries == 0);
    ask_again(sim, race.client, other);
}

/* Then the ordinary rules hold again: the third is asked, and nobody twice. */
static void both_fail(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    fail(sim, race.first);
    fail(sim, race.second);
    struct sim_peer *third = asked(sim, "GET /x HTTP/1.1");
    SIM_CHECK(sim_backend(third) != sim_backend(race.first));
    SIM_CHECK(sim_backend(third) != sim_backend(race.second));
    say_answer(third, "third");
    expect_answer(sim, race.client, "third");
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":3", "\"hedge\":\"lost\"");
    SIM_CHECK(sim_counters(sim)->retries == 1);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
}

/* A hedge is one of the retries: here the only one. */
static void only_retry(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    scenario_end(sim, race.second);
    sim_pass(sim, 100);
    scenario_end(sim, race.first);
    scenario_expect_page(sim, race.client, "502");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 2);
}

/* Each has its own timeouts: the first's are over first, and the other goes on. */
static void first_times_out(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    SIM_UNTIL(sim, sim_gone(race.first));
    SIM_CHECK(!sim_gone(race.second));
    say_answer(race.second, "second");
    expect_answer(sim, race.client, "second");
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"hedge\":\"won\"");
}

static void both_time_out(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    u64 since_ns = sim_now_ns(sim);
    scenario_expect_page(sim, race.client, "504");
    scenario_check_after(sim, since_ns, 4000);
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"fault\":\"response_timeout\"");
}

static void no_socket(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    struct sim_peer *first = scenario_get(sim, client);
    sim_sockets_fail(sim, true);
    SIM_UNTIL(sim, sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
    scenario_answer(sim, client, first);
    sim_sockets_fail(sim, false);
}

/* An idle connection that had died is no better than any other failure: the first goes on. */
static void second_stale(struct sim *sim)
{
    struct sim_peer *clients[3], *backends[3];
    for (u32 i = 0; i < 3; i++) {
        clients[i] = sim_connect(sim);
        backends[i] = scenario_get(sim, clients[i]);
    }
    for (u32 i = 0; i < 3; i++)
        scenario_answer(sim, clients[i], backends[i]);
    sim_late_after(sim, LATE_US);
    sim_say(clients[0], "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    u32 first = 0, second = 0;
    SIM_UNTIL(sim, sim_received(backends[first = (first + 1) % 3]).len > 0);
    EXPECT_HEAD(sim, backends[first], "GET /x HTTP/1.1");
    SIM_UNTIL(sim, sim_received(backends[second = (second + 1) % 3]).len > 0);
    SIM_CHECK(second != first);
    scenario_end(sim, backends[second]);
    sim_pass(sim, 100);
    scenario_answer(sim, clients[0], backends[first]);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
    for (u32 i = 0; i < 3; i++)
        SIM_CHECK(sim_marks(sim, i) == 0);
}

/* The first is not even connected. */
static void first_unconnected(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    sim_backend_usable(sim, 1, false);
    sim_backend_usable(sim, 2, false);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_upstreams(sim) == 1);
    sim_backend_usable(sim, 1, true);
    struct sim_peer *backend = scenario_accept(sim, 1);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    scenario_answer(sim, client, backend);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
}

/* The percentile is another one while a request waits: it is late when that says so. */
static void percentile_moves(struct sim *sim)
{
    struct sim_peer *client = sim_connect(sim);
    sim_late_after(sim, LATE_US);
    struct sim_peer *first = scenario_get(sim, client);
    u64 since_ns = sim_now_ns(sim);
    sim_late_after(sim, 500000);
    SIM_UNTIL(sim, sim_hedges(sim, STATE_HEDGE_STARTED) == 1);
    SIM_CHECK(sim_now_ns(sim) - since_ns > 350000000);
    SIM_CHECK(sim_now_ns(sim) - since_ns < 700000000);
    scenario_answer(sim, client, first);
}

/* ---- Everything ends ---- */

static void client_gone(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    if (sim_chance(sim, 50))
        sim_say(race.second, "HTTP/1.1 200 O");
    sim_reset(race.client);
    SIM_UNTIL(sim, sim_gone(race.first) && sim_gone(race.second));
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"attempts\":2", "\"fault\":\"client_gone\"");
    for (u32 i = 0; i < 3; i++)
        SIM_CHECK(sim_marks(sim, i) == 0);
}

/* It may be gone: patience is short for both. */
static void client_finishes(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    sim_finish(race.client);
    if (sim_chance(sim, 50)) {
        say_answer(race.second, "second");
        expect_answer(sim, race.client, "second");
        SIM_UNTIL(sim, sim_gone(race.first));
    } else {
        SIM_UNTIL(sim, sim_gone(race.first) && sim_gone(race.second));
    }
}

/* The first's own timeout would be over while the client may still be patient. */
static void client_finishes_late(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    sim_pass(sim, 3500);
    sim_finish(race.client);
    u64 since_ns = sim_now_ns(sim);
    if (sim_chance(sim, 50)) {
        SIM_UNTIL(sim, sim_gone(race.first) && sim_gone(race.second));
        scenario_check_after(sim, since_ns, 1500);
    } else {
        sim_pass(sim, 1000);
        say_answer(race.second, "second");
        expect_answer(sim, race.client, "second");
    }
}

static void drains_meanwhile(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    sim_command_drain(sim);
    struct sim_peer *winner = sim_chance(sim, 50) ? race.first : race.second;
    say_answer(winner, "last");
    expect_answer(sim, race.client, "last");
    sim_close(race.client);
    SIM_UNTIL(sim, sim_finished(sim));
}

static void stops_meanwhile(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    sim_command_stop(sim);
    SIM_UNTIL(sim, sim_finished(sim));
    SIM_CHECK(sim_gone(race.first) && sim_gone(race.second));
}

/* What both were chosen from is not there any more. */
static void reload_meanwhile(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    sim_reload(sim, "{'backends':[{'id':'new','url':'http://127.0.0.1:9007'}]," SIM_SETTINGS "}");
    sim_pass(sim, 100);
    struct sim_peer *winner = sim_chance(sim, 50) ? race.first : race.second;
    say_answer(winner, "kept");
    expect_answer(sim, race.client, "kept");
    SIM_UNTIL(sim, sim_gone(race.first) && sim_gone(race.second));
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

/* ---- The budget's place is given back ---- */

/* Only one request at a time may be hedged; when the race is over, the next one is. */
static void budget_of_one(struct sim *sim)
{
    struct race race = begin(sim, "GET");
    struct sim_peer *other = sim_connect(sim);
    sim_say(other, "GET /z HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *alone = asked(sim, "GET /z HTTP/1.1");
    sim_pass(sim, 10 * DELAY_MS);
    SIM_CHECK(sim_hedges(sim, STATE_HEDGE_DENIED_BUDGET) == 1);
    say_answer(alone, "alone");
    expect_answer(sim, other, "alone");
    bool fails = sim_chance(sim, 50);
    if (fails) /* the hedge itself: the request goes on without one */
        scenario_end(sim, race.second);
    else /* the rest of the response may take its time */
        sim_say(race.first, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
    sim_pass(sim, 100);
    sim_say(other, "GET /z HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_hedges(sim, STATE_HEDGE_STARTED) == 2);
}

#define CONFIG HEDGED("", THREE)
#define TWO "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'}],"
#define LENIENT "'passiveCheck':{'enabled':false},"

static const struct scenario scenarios[] = {
    {.name = "the second wins", .run = second_wins, .config = CONFIG},
    {.name = "the first wins", .run = first_wins, .config = CONFIG},
    {.name = "both answer at once", .run = both_answer, .config = CONFIG},
    {.name = "HEAD", .run = head_request, .config = CONFIG},
    {.name = "interim responses of one, the final one of the other",
     .run = interim_responses,
     .config = CONFIG},
    {.name = "a head in pieces", .run = head_in_pieces, .config = CONFIG},
    {.name = "the next request is there already", .run = pipelined, .config = CONFIG},
    {.name = "the second is refused", .run = second_refused, .config = HEDGED("", LENIENT THREE)},
    {.name = "one fails, the other goes on", .run = one_fails, .config = CONFIG},
    {.name = "both fail", .run = both_fail, .config = CONFIG},
    {.name = "it is the only retry",
     .run = only_retry,
     .config = "{'proxy':{'retries':1},'retry':{" HEDGE "}," THREE SIM_SETTINGS "}"},
    {.name = "the first times out", .run = first_times_out, .config = CONFIG},
    {.name = "perTry: the first's is over",
     .run = first_times_out,
     .config = "{'retry':{" HEDGE "}," THREE "'timeouts':{'perTry':300,'responseHead':4000}}"},
    {.name = "both time out", .run = both_time_out, .config = HEDGED("", TWO)},
    {.name = "no socket for the second", .run = no_socket, .config = CONFIG},
    {.name = "the second's connection had died", .run = second_stale, .config = CONFIG},
    {.name = "the first is not connected", .run = first_unconnected, .config = CONFIG},
    {.name = "the percentile moves", .run = percentile_moves, .config = CONFIG},
    {.name = "the client goes", .run = client_gone, .config = CONFIG},
    {.name = "the client finishes", .run = client_finishes, .config = CONFIG},
    {.name = "the client finishes when time is nearly over",
     .run = client_finishes_late,
     .config = "{'retry':{" HEDGE "}," THREE "'timeouts':{'responseHead':4000,'halfClose':1500}}"},
    {.name = "a drain meanwhile", .run = drains_meanwhile, .config = CONFIG},
    {.name = "a stop meanwhile", .run = stops_meanwhile, .config = CONFIG},
    {.name = "a reload meanwhile", .run = reload_meanwhile, .config = CONFIG},
    {.name = "one at a time",
     .run = budget_of_one,
     .config = HEDGED("'budget':0,'minBudget':1,", THREE)},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
