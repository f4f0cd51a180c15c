/* Passive checks, trials, panic and slow start: who is asked after something has failed, in virtual
 * time. */
#include <stdio.h>

#include "scenario.h"

enum { BACKENDS = 3, EJECTION_MS = 1000, SLOW_START_MS = 10000, REQUESTS_MAX = 80 };

/* A request from a client of its own, and the backend that got it. */
struct asked {
    struct sim_peer *client;
    struct sim_peer *backend;
};

static struct asked ask(struct sim *sim)
{
    struct asked asked = {.client = sim_connect(sim)};
    asked.backend = scenario_get(sim, asked.client);
    return asked;
}

/* The backend keeps no connection, so that each request comes on one of its own. */
static void answer(struct sim *sim, struct asked asked, const char *status)
{
    char response[128], line[64];
    (void)snprintf(response, sizeof(response),
                   "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status);
    (void)snprintf(line, sizeof(line), "HTTP/1.1 %s", status);
    sim_say(asked.backend, response);
    EXPECT_HEAD(sim, asked.client, line);
    sim_close(asked.client);
}

static void answer_well(struct sim *sim, struct asked asked)
{
    answer(sim, asked, "200 OK");
}

/* With a page that says what went wrong. */
static void ask_in_vain(struct sim *sim, const char *status)
{
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scenario_expect_page(sim, client, status);
    sim_close(client);
}

/* Asks that often without an answer: how many each backend got. Then the clients lose patience,
 * which says nothing about the backends. */
static void ask_many(struct sim *sim, u32 requests, u32 counts[BACKENDS])
{
    struct sim_peer *clients[REQUESTS_MAX];
    SIM_CHECK(requests <= REQUESTS_MAX);
    memset(counts, 0, BACKENDS * sizeof(u32));
    for (u32 i = 0; i < requests; i++) {
        struct asked asked = ask(sim);
        clients[i] = asked.client;
        counts[sim_backend(asked.backend)]++;
    }
    for (u32 i = 0; i < requests; i++)
        sim_reset(clients[i]);
    sim_pass(sim, 50);
}

static bool is_ejected(const struct sim *sim, u32 backend)
{
    return (sim_marks(sim, backend) & STATE_EJECTED) != 0;
}

static u32 count_ejected(const struct sim *sim)
{
    u32 count = 0;
    for (u32 i = 0; i < BACKENDS; i++)
        count += (sim_marks(sim, i) & (STATE_EJECTED | STATE_ON_TRIAL)) != 0;
    return count;
}

/* Some backend that refuses, and is ejected after the one request that it gets; the client of that
 * gets its answer from another. */
static u32 refuse(struct sim *sim)
{
    u32 refusing = sim_random(sim, BACKENDS);
    sim_backend_set(sim, refusing, SIM_CONNECT_REFUSED);
    while (!is_ejected(sim, refusing)) {
        struct asked asked = ask(sim);
        SIM_CHECK(sim_backend(asked.backend) != refusing);
        answer_well(sim, asked);
    }
    SIM_CHECK(sim_counters(sim)->retries == 1);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"type\":\"passive_check\"", "\"level\":\"warn\"",
                  "ejected for 1.000 s", "ECONNREFUSED");
    return refusing;
}

static void one_refused_request_ejects(struct sim *sim)
{
    u32 counts[BACKENDS], refusing = refuse(sim);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[refusing] == 0);
    SIM_CHECK(sim_counters(sim)->retries == 1);
}

/* Until its time is over and a good trial has come back, nobody else is sent there. */
static void a_good_trial_brings_it_back(struct sim *sim)
{
    u32 counts[BACKENDS], refusing = refuse(sim);
    struct asked trial;
    sim_backend_set(sim, refusing, SIM_CONNECT_ACCEPTED);
    sim_pass(sim, EJECTION_MS / 2);
    ask_many(sim, 12, counts);
    SIM_CHECK(counts[refusing] == 0);
    sim_pass(sim, EJECTION_MS);
    do {
        trial = ask(sim);
    } while (sim_backend(trial.backend) != refusing);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[refusing] == 0);
    answer_well(sim, trial);
    SIM_CHECK((sim_marks(sim, refusing) & (STATE_EJECTED | STATE_ON_TRIAL)) == 0);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[refusing] > 0);
}

/* How long it is away when its trials fail: twice as long each time, up to the limit. */
static void failed_trials_take_longer_and_longer(struct sim *sim)
{
    static const u32 times_ms[] = {1000, 2000, 4000, 4000};
    u32 refusing = refuse(sim);
    for (u32 i = 0; i < ARRAY_COUNT(times_ms); i++) {
        SIM_CHECK(is_ejected(sim, refusing));
        sim_pass(sim, times_ms[i] - 200);
        SIM_CHECK(is_ejected(sim, refusing));
        sim_pass(sim, 400);
        SIM_CHECK(!is_ejected(sim, refusing));
        u64 retries = sim_counters(sim)->retries;
        while (!is_ejected(sim, refusing)) {
            struct asked asked = ask(sim);
            answer_well(sim, asked);
        }
        SIM_CHECK(sim_counters(sim)->retries == retries + 1);
    }
}

/* A client that goes away decides nothing: the next request is the trial. */
static void a_trial_whose_client_goes_is_made_again(struct sim *sim)
{
    u32 refusing = refuse(sim);
    sim_backend_set(sim, refusing, SIM_CONNECT_ACCEPTED);
    sim_pass(sim, EJECTION_MS + 100);
    for (u32 i = 0; i < 3; i++) {
        struct asked trial;
        do {
            trial = ask(sim);
        } while (sim_backend(trial.backend) != refusing);
        SIM_CHECK(is_ejected(sim, refusing));
        sim_reset(trial.client);
        SIM_UNTIL(sim, !is_ejected(sim, refusing));
        SIM_CHECK((sim_marks(sim, refusing) & STATE_ON_TRIAL) != 0);
    }
}

/* All refuse: as many are ejected as may be, at whatever moment one looks. */
static void no_more_than_the_share_is_ejected(struct sim *sim)
{
    for (u32 i = 0; i < BACKENDS; i++)
        sim_backend_set(sim, i, SIM_CONNECT_REFUSED);
    for (u32 i = 0; i < 40; i++) {
        ask_in_vain(sim, "502");
        SIM_CHECK(count_ejected(sim) == 2); /* two thirds */
        sim_pass(sim, sim_random(sim, 500));
    }
    for (u32 i = 0; i < BACKENDS; i++)
        sim_backend_set(sim, i, SIM_CONNECT_ACCEPTED);
    sim_pass(sim, 5000);
    u64 given_up_ns = sim_now_ns(sim) + 60000000000ull;
    while (count_ejected(sim) > 0) { /* the trials of both go well */
        struct asked asked = ask(sim);
        answer_well(sim, asked);
        SIM_CHECK(sim_now_ns(sim) < given_up_ns);
    }
}

/* The only backend of a pool is never ejected. */
static void the_last_one_goes_on(struct sim *sim)
{
    sim_backend_set(sim, 0, SIM_CONNECT_REFUSED);
    for (u32 i = 0; i < 20; i++)
        ask_in_vain(sim, "502");
    SIM_CHECK(!is_ejected(sim, 0));
    sim_backend_set(sim, 0, SIM_CONNECT_ACCEPTED);
    struct asked asked = ask(sim);
    answer_well(sim, asked);
}

/* `failures` statuses from one backend, each time `good` ones in between; others answer well. */
static void fail_by_status(struct sim *sim, u32 failing, u32 failures, bool good_between)
{
    for (u32 failed = 0, turn = 0; failed < failures;) {
        struct asked asked = ask(sim);
        bool bad = sim_backend(asked.backend) == failing && !(good_between && turn++ % 3 == 2);
        answer(sim, asked, bad ? "503 Service Unavailable" : "404 Not Found");
        failed += bad;
    }
}

static void statuses_in_a_row_eject(struct sim *sim)
{
    u32 failing = sim_random(sim, BACKENDS);
    fail_by_status(sim, failing, 12, true);
    SIM_CHECK(!is_ejected(sim, failing));
    struct asked good;
    do {
        good = ask(sim);
        answer(sim, good, "404 Not Found");
        sim_pass(sim, 20);
    } while (sim_backend(good.backend) != failing);
    fail_by_status(sim, failing, 4, false);
    SIM_CHECK(!is_ejected(sim, failing));
    fail_by_status(sim, failing, 1, false);
    SIM_CHECK(is_ejected(sim, failing));
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"type\":\"passive_check\"", "5 requests failed in a row",
                  "status 503");
}

/* A connection that ends in the middle of its answer counts as well, and a timeout. */
static void resets_and_timeouts_eject(struct sim *sim)
{
    u32 failing = sim_random(sim, BACKENDS);
    for (u32 failed = 0; failed < 5;) {
        struct asked asked = ask(sim);
        if (sim_backend(asked.backend) != failing) {
            answer_well(sim, asked);
            continue;
        }
        SIM_CHECK(!is_ejected(sim, failing));
        if (sim_chance(sim, 30)) {
            scenario_expect_page(sim, asked.client, "504");
        } else {
            sim_say(asked.backend, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            EXPECT_HEAD(sim, asked.client, "HTTP/1.1 200 OK");
            sim_reset(asked.backend);
            scenario_drop(sim, asked.client);
        }
        failed++;
    }
    SIM_CHECK(is_ejected(sim, failing));
}

static void set_down(struct sim *sim, u32 count)
{
    for (u32 i = 0; i < BACKENDS; i++)
        sim_backend_usable(sim, i, i >= count);
}

/* Two of three are down: with a threshold of half of them, all are used; one more, and only those
 * that are up. */
static void panic_uses_all(struct sim *sim)
{
    u32 counts[BACKENDS];
    set_down(sim, 1);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[0] == 0 && counts[1] > 0 && counts[2] > 0);
    set_down(sim, 2);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[0] > 0 && counts[1] > 0 && counts[2] > 0);
    set_down(sim, 3);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[0] > 0 && counts[1] > 0 && counts[2] > 0);
    set_down(sim, 1);
    ask_many(sim, 30, counts);
    SIM_CHECK(counts[0] == 0 && counts[1] > 0 && counts[2] > 0);
}

/* A backend that is back gets little at first, by whatever strategy, and then its share. */
static void slow_start(struct sim *sim)
{
    u32 counts[BACKENDS], back = sim_random(sim, BACKENDS);
    ask_many(sim, REQUESTS_MAX, counts);
    SIM_CHECK(counts[back] > 0); /* at the start everybody has its share */
    sim_backend_usable(sim, back, false);
    sim_backend_usable(sim, back, true);
    ask_many(sim, REQUESTS_MAX, counts);
    SIM_CHECK(counts[back] < REQUESTS_MAX / 4);
    sim_pass(sim, SLOW_START_MS);
    ask_many(sim, REQUESTS_MAX, counts);
    SIM_CHECK(counts[back] > REQUESTS_MAX / 8);
    SIM_CHECK((sim_marks(sim, back) & STATE_RAMPING) == 0);
}

/* Nobody else is there: it has to do. */
static void all_start_slowly(struct sim *sim)
{
    u32 counts[BACKENDS];
    set_down(sim, 3);
    set_down(sim, 0);
    ask_many(sim, 60, counts);
    for (u32 i = 0; i < BACKENDS; i++)
        SIM_CHECK(counts[i] > 0);
}

#define BACKEND_LIST                                                                               \
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                 \
    "{'url':'http://127.0.0.1:9002'}]"
#define PASSIVE                                                                                    \
    BACKEND_LIST ",'passiveCheck':{'ejectionTime':1000,'maxEjectionTime':4000,'window':60000}"     \
                 "," SIM_SETTINGS
#define CONFIG "{'loadBalancing':{'maxEjectionPercent':67}," PASSIVE "}"
#define CONFIG_ONCE "{'proxy':{'retries':0},'loadBalancing':{'maxEjectionPercent':67}," PASSIVE "}"
#define CONFIG_ALONE                                                                               \
    "{'backends':[{'url':'http://"                                                                 \
    "127.0.0.1:9000'}],'passiveCheck':{'ejectionTime':1000}," SIM_SETTINGS "}"
#define CONFIG_PANIC "{'loadBalancing':{'panicThreshold':50}," BACKEND_LIST "," SIM_SETTINGS "}"
#define CONFIG_SLOW(strategy)                                                                      \
    "{'loadBalancing':{'slowStart':10000,'strategy':'" strategy "'}," BACKEND_LIST                 \
    "," SIM_SETTINGS "}"
#define SLOW(strategy)                                                                             \
    {                                                                                              \
        .name = strategy ": slow start", .run = slow_start, .config = CONFIG_SLOW(strategy)        \
    }

static const struct scenario scenarios[] = {
    {.name = "one refused request ejects", .run = one_refused_request_ejects, .config = CONFIG},
    {.name = "a good trial brings it back", .run = a_good_trial_brings_it_back, .config = CONFIG},
    {.name = "failed trials take longer and longer",
     .run = failed_trials_take_longer_and_longer,
     .config = CONFIG},
    {.name = "a trial whose client goes is made again",
     .run = a_trial_whose_client_goes_is_made_again,
     .config = CONFIG},
    {.name = "no more than the share is ejected",
     .run = no_more_than_the_share_is_ejected,
     .config = CONFIG},
    {.name = "the last one goes on", .run = the_last_one_goes_on, .config = CONFIG_ALONE},
    {.name = "statuses in a row eject", .run = statuses_in_a_row_eject, .config = CONFIG_ONCE},
    {.name = "resets and timeouts eject", .run = resets_and_timeouts_eject, .config = CONFIG_ONCE},
    {.name = "panic uses all", .run = panic_uses_all, .config = CONFIG_PANIC},
    SLOW("round-robin"),
    SLOW("random"),
    SLOW("power-of-two-choices"),
    SLOW("ip-hash"),
    SLOW("least-connections"),
    SLOW("least-latency"),
    {.name = "all start slowly", .run = all_start_slowly, .config = CONFIG_SLOW("round-robin")},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
