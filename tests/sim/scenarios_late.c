/* What comes to a removed backend after it was removed: an exchange of an earlier configuration
 * that is tried again, hedged, or has waited for its turn. And of two attempts, only one is
 * removed. */
#include <stdio.h>

#include "base/clock.h"
#include "scenario.h"

enum { LIMIT_MS = 3000, LATE_US = 20000 };

#define SETTINGS                                                                                   \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':256,'idleTimeout':20000},"                                       \
    "'passiveCheck':{'enabled':false},"                                                            \
    "'retry':{'backoff':60000,'maxBackoff':60000,'hedge':{'enabled':true,'delayMin':50}},"         \
    "'timeouts':{'connect':600000,'responseHead':600000,'queue':600000,'tunnelIdle':600000,"       \
    "'keepAlive':600000,'removedDrain':3000}"
#define CONFIG(settings, backends) "{" settings "'backends':[" backends "]," SETTINGS "}"
#define MEMBER(i) "{'id':'" i "','url':'http://127.0.0.1:900" i "'}"
#define THREE MEMBER("0") "," MEMBER("1") "," MEMBER("2")

/* These of the three are configured, as a set; when none is, another one. */
static void reload(struct sim *sim, u32 members)
{
    static const char *const at[] = {MEMBER("0"), MEMBER("1"), MEMBER("2")};
    char json[1024], list[256] = "";
    usize len = 0;
    for (u32 i = 0; i < ARRAY_COUNT(at); i++)
        if ((members >> i & 1) != 0)
            len +=
                (usize)snprintf(list + len, sizeof(list) - len, "%s%s", len > 0 ? "," : "", at[i]);
    (void)snprintf(json, sizeof(json), CONFIG("", "%s"), len > 0 ? list : MEMBER("7"));
    sim_reload(sim, json);
    sim_step(sim);
}

static u32 bit_of(const struct sim_peer *backend)
{
    return 1u << sim_backend(backend);
}

static struct sim_peer *asked(struct sim *sim)
{
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1");
    return backend;
}

static struct sim_peer *ask(struct sim *sim, struct sim_peer **client)
{
    *client = sim_connect(sim);
    sim_say(*client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return asked(sim);
}

static u64 removed(struct sim *sim)
{
    return sim_counters(sim)->faults[FAULT_REMOVED];
}

/* ---- Tried again ---- */

static void after_the_time_nobody_is_asked(struct sim *sim)
{
    struct sim_peer *client, *backend = ask(sim, &client);
    reload(sim, bit_of(backend));
    sim_pass(sim, LIMIT_MS + 500);
    scenario_end(sim, backend);
    scenario_expect_page(sim, client, "502");
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
    SIM_CHECK(removed(sim) == 0);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

/* Whoever stays is asked, in time and after it. */
static void who_stays_is_asked(struct sim *sim)
{
    struct sim_peer *client, *backend = ask(sim, &client);
    u32 stays = (sim_backend(backend) + 1 + sim_random(sim, 2)) % 3;
    reload(sim, sim_chance(sim, 50) ? 1u << stays : 1u << stays | bit_of(backend));
    if (sim_chance(sim, 50))
        sim_pass(sim, LIMIT_MS - 500);
    else if (sim_chance(sim, 50)) {
        reload(sim, 1u << stays | bit_of(backend)); /* its own is there (again) */
        sim_pass(sim, LIMIT_MS + 500);
    }
    scenario_end(sim, backend);
    backend = asked(sim);
    SIM_CHECK(sim_backend(backend) == stays);
    sim_pass(sim, LIMIT_MS + 500);
    scenario_answer(sim, client, backend);
    SIM_CHECK(removed(sim) == 0);
}

/* When there is nobody else, in time: until the time is over. */
static void in_time_they_are_asked(struct sim *sim)
{
    struct sim_peer *client, *backend = ask(sim, &client);
    reload(sim, bit_of(backend) | 1u << (sim_backend(backend) + 1) % 3);
    if (sim_chance(sim, 50)) { /* by then the timer has seen that nothing is on the first */
        sim_pass(sim, LIMIT_MS - 500);
        reload(sim, bit_of(backend));
        sim_pass(sim, LIMIT_MS - 500);
    } else {
        reload(sim, bit_of(backend));
    }
    scenario_end(sim, backend);
    backend = asked(sim);
    if (sim_chance(sim, 30)) {
        scenario_answer(sim, client, backend);
        return;
    }
    sim_pass(sim, LIMIT_MS);
    scenario_expect_page(sim, client, "503");
    scenario_expect_end(sim, backend, SIM_RESET);
    SIM_CHECK(removed(sim) == 1);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

/* It was chosen before, and has its time as if it were connected. */
static void in_its_pause(struct sim *sim)
{
    struct sim_peer *client, *backend = ask(sim, &client);
    scenario_end(sim, backend);
    backend = asked(sim);
    for (u32 i = 0; i < 3; i++)
        sim_backend_set(sim, i, SIM_CONNECT_LOST);
    scenario_end(sim, backend);
    SIM_UNTIL(sim, sim_counters(sim)->retries == 2);
    reload(sim, 0);
    sim_pass(sim, LIMIT_MS + 500);
    scenario_expect_page(sim, client, "503");
    SIM_CHECK(removed(sim) == 1);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

#define TEN(i)                                                                                     \
    ALIAS(i "0")                                                                                   \
    "," ALIAS(i "1") "," ALIAS(i "2") "," ALIAS(i "3") "," ALIAS(i "4") "," ALIAS(                 \
        i "5") "," ALIAS(i "6") "," ALIAS(i "7") "," ALIAS(i "8") "," ALIAS(i "9")
#define ALIAS(id) "{'id':'" id "','url':'http://127.0.0.1:9001'}"
#define MANY MEMBER("0") "," MEMBER("2") "," TEN("1") "," TEN("2") "," TEN("3") "," TEN("4")

/* However many are removed, the one that stays is found. */
static void one_among_many_stays(struct sim *sim)
{
    struct sim_peer *client, *backend = ask(sim, &client);
    while (sim_backend(backend) == 1)
        backend = ask(sim, &client);
    u32 own = sim_backend(backend), other = own == 0 ? 2 : 0;
    reload(sim, 1u << own | 1u << other);
    sim_pass(sim, LIMIT_MS + 500);
    scenario_end(sim, backend);
    backend = asked(sim);
    SIM_CHECK(sim_backend(backend) == other);
    scenario_answer(sim, client, backend);
}

/* Whoever comes back may be asked again. */
static void back_in_between(struct sim *sim)
{
    struct sim_peer *client, *backend = ask(sim, &client);
    reload(sim, bit_of(backend));
    sim_pass(sim, LIMIT_MS + 500);
    reload(sim, 7);
    scenario_end(sim, backend);
    backend = asked(sim);
    sim_pass(sim, LIMIT_MS + 500);
    scenario_answer(sim, client, backend);
    SIM_CHECK(removed(sim) == 0);
}

/* ---- Queued ---- */

#define ROUTE(settings)                                                                            \
    "'reqActiveLength':1,'reqQueueLength':5,'loadBalancing':{'stickySession':{'enabled':" settings \
    "}},"
#define CANNOT_FOLLOW CONFIG(ROUTE("true"), MEMBER("7"))

/* One runs, and one waits that cannot go on by the next configuration. */
struct pair {
    struct sim_peer *runs;
    struct sim_peer *waits;
    struct sim_peer *backend;
};

static struct pair line_up(struct sim *sim)
{
    struct pair pair = {.waits = sim_connect(sim)};
    pair.backend = ask(sim, &pair.runs);
    sim_say(pair.waits, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->requests == 2);
    sim_reload(sim, CANNOT_FOLLOW);
    sim_step(sim);
    return pair;
}

static void its_turn_comes_in_time(struct sim *sim)
{
    struct pair pair = line_up(sim);
    scenario_answer(sim, pair.runs, pair.backend);
    struct sim_peer *backend = asked(sim);
    if (sim_chance(sim, 50)) {
        scenario_answer(sim, pair.waits, backend);
        return;
    }
    sim_pass(sim, LIMIT_MS + 500);
    scenario_expect_page(sim, pair.waits, "503");
    SIM_CHECK(removed(sim) == 1);
}

/* With the end of the one that runs. */
static void its_turn_comes_too_late(struct sim *sim)
{
    struct pair pair = line_up(sim);
    sim_pass(sim, LIMIT_MS + 500);
    scenario_expect_page(sim, pair.runs, "503");
    scenario_expect_page(sim, pair.waits, "503");
    SIM_CHECK(removed(sim) == 1);
    SIM_CHECK(sim_counters(sim)->faults[FAULT_NO_BACKEND] == 1);
    SIM_CHECK(sim_counters(sim)->upstreams_opened == 1);
}

/* ---- Two attempts ---- */

struct race {
    struct sim_peer *client;
    struct sim_peer *going;
    struct sim_peer *staying;
};

static struct race begin(struct sim *sim)
{
    struct race race;
    sim_late_after(sim, LATE_US);
    struct sim_peer *first = ask(sim, &race.client), *second = asked(sim);
    bool of_first = sim_chance(sim, 50);
    race.going = of_first ? first : second;
    race.staying = of_first ? second : first;
    return race;
}

/* Something happens to an attempt, so that it is the exchange's; or not. */
static void stir(struct sim *sim, struct race race)
{
    struct sim_peer *backend = sim_chance(sim, 50) ? race.going : race.staying;
    if (sim_chance(sim, 30))
        return;
    sim_say(backend, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    EXPECT_HEAD(sim, race.client, "HTTP/1.1 103 Early Hints");
}

static void only_one_ends(struct sim *sim)
{
    struct race race = begin(sim);
    reload(sim, bit_of(race.staying));
    stir(sim, race);
    sim_pass(sim, LIMIT_MS + 500);
    SIM_UNTIL(sim, sim_gone(race.going));
    scenario_expect_end(sim, race.going, SIM_RESET);
    EXPECT_RECORD(sim, LOG_FILE_ERROR, "\"error\":\"removed\"");
    stir(sim, (struct race){race.client, race.staying, race.staying});
    sim_pass(sim, LIMIT_MS);
    scenario_answer(sim, race.client, race.staying);
    SIM_CHECK(removed(sim) == 0);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

static void both_end(struct sim *sim)
{
    struct race race = begin(sim);
    bool at_once = sim_chance(sim, 50);
    if (!at_once) {
        reload(sim, 7 & ~bit_of(race.going));
        sim_pass(sim, 1000);
    }
    stir(sim, race);
    reload(sim, 7 & ~bit_of(race.going) & ~bit_of(race.staying));
    sim_pass(sim, LIMIT_MS - 500);
    if (!at_once) {
        SIM_UNTIL(sim, sim_gone(race.going));
        SIM_CHECK(!sim_gone(race.staying));
    }
    SIM_CHECK(removed(sim) == 0);
    sim_pass(sim, 1000);
    scenario_expect_page(sim, race.client, "503");
    SIM_CHECK(removed(sim) == 1);
    SIM_UNTIL(sim, sim_earlier(sim) == 0);
}

/* A response that has begun is the only one, and the backend that it comes from counts. */
static void one_has_won(struct sim *sim)
{
    struct race race = begin(sim);
    reload(sim, bit_of(race.staying));
    struct sim_peer *winner = sim_chance(sim, 50) ? race.going : race.staying;
    sim_say(winner, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    EXPECT_HEAD(sim, race.client, "HTTP/1.1 200 OK");
    scenario_expect(sim, race.client, "half");
    sim_pass(sim, LIMIT_MS + 500);
    if (winner == race.going) {
        scenario_expect_end(sim, race.client, SIM_RESET);
    } else {
        sim_say(winner, "half");
        scenario_expect(sim, race.client, "half");
    }
    SIM_CHECK(removed(sim) == (winner == race.going));
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"a retry after the time", after_the_time_nobody_is_asked, CONFIG("", THREE), 0, 0},
        {"a retry where one stays", who_stays_is_asked, CONFIG("", THREE), 0, 0},
        {"a retry where one of many stays", one_among_many_stays, CONFIG("", MANY), 0, 0},
        {"a retry in time", in_time_they_are_asked, CONFIG("", THREE), 0, 0},
        {"a retry that pauses", in_its_pause, CONFIG("", THREE), 0, 0},
        {"a retry on one that is back", back_in_between, CONFIG("", THREE), 0, 0},
        {"queued, and served in time", its_turn_comes_in_time, CONFIG(ROUTE("false"), THREE), 0, 0},
        {"queued for too long", its_turn_comes_too_late, CONFIG(ROUTE("false"), THREE), 0, 0},
        {"one of two attempts", only_one_ends, CONFIG("", THREE), 0, 0},
        {"both attempts", both_end, CONFIG("", THREE), 0, 0},
        {"one of two has won", one_has_won, CONFIG("", THREE), 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
