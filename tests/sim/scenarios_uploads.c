/* Clients that are slow with their requests, and what they keep from others meanwhile: places on a
 * route, room at a backend, the trial of an ejected one. */
#include <stdio.h>

#include "line.h"

#define TIMES                                                                                      \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'timeouts':{'connect':3000,'requestBodyIdle':100000,'responseHead':100000,"                   \
    "'responseIdle':100000,'queue':60000,'keepAlive':100000}"
#define CONFIG(active, queue, more)                                                                \
    "{'reqActiveLength':" active ",'reqQueueLength':" queue ",'backends':[{'id':'a','url':"        \
    "'http://127.0.0.1:9000'" more "}]," TIMES "}"
#define TWO_BACKENDS                                                                               \
    "{'proxy':{'retries':1},'passiveCheck':{'consecutiveFailures':1,'ejectionTime':1000},"         \
    "'loadBalancing':{'strategy':'ROUND_ROBIN'},"                                                  \
    "'backends':[{'id':'a','url':'http://127.0.0.1:9000'},"                                        \
    "{'id':'b','url':'http://127.0.0.1:9001'}]," TIMES "}"

enum { LEN = 20000, PATIENCE_MS = 5000, LOOK_MS = 1000 };

struct upload {
    struct sim_peer *client;
    struct sim_peer *backend;
    u64 sent;
};

static struct sim_peer *begin(struct sim *sim)
{
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
    return client;
}

static void upload_begin(struct sim *sim, struct upload *upload)
{
    upload->client = begin(sim);
    upload->backend = scenario_accept(sim, ANY_BACKEND);
    upload->sent = 0;
    EXPECT_HEAD(sim, upload->backend, "POST /up HTTP/1.1");
}

static void send_some(struct upload *upload, u64 bytes)
{
    scenario_send_body(upload->client, 1, upload->sent, bytes);
    upload->sent += bytes;
}

static void finish(struct sim *sim, struct upload *upload)
{
    send_some(upload, LEN - upload->sent);
    scenario_expect_body(sim, upload->backend, 1, LEN);
    line_answer(sim, upload->backend, upload->client);
}

/* So many seconds in which each sends so much. */
static void drip(struct sim *sim, struct upload *uploads, u32 count, u32 seconds, u64 bytes)
{
    for (u32 s = 0; s < seconds; s++) {
        for (u32 i = 0; i < count; i++)
            send_some(&uploads[i], bytes);
        sim_pass(sim, 1000);
    }
}

static u64 ended(const struct sim *sim)
{
    return sim_counters(sim)->faults[FAULT_BODY_SLOW];
}

/* ---- Places ---- */

/* One that waits needs one place: that of the slow client that came first. */
static void slow_ones_make_room(struct sim *sim)
{
    struct upload slow[3];
    for (u32 i = 0; i < 3; i++)
        upload_begin(sim, &slow[i]);
    drip(sim, slow, 3, 3, 1);
    SIM_CHECK(ended(sim) == 0);
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 7);
    drip(sim, slow, 3, 2, 1);
    SIM_CHECK(ended(sim) == 0 && !sim_accept(sim, 0));
    scenario_expect_page(sim, slow[0].client, "408");
    EXPECT_RECORD(sim, LOG_FILE_ACCESS, "\"fault\":\"body_slow\"", "\"statusCode\":408");
    SIM_CHECK(ended(sim) == 1);
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 7);
    drip(sim, &slow[1], 2, 10, 1);
    SIM_CHECK(ended(sim) == 1);
    line_answer(sim, backend, client);
    finish(sim, &slow[1]);
    finish(sim, &slow[2]);
}

/* However slow, whether or not all places are taken: nobody is waiting. */
static void nobody_waits(struct sim *sim)
{
    struct upload slow[3];
    for (u32 i = 0; i < 3; i++)
        upload_begin(sim, &slow[i]);
    drip(sim, slow, 3, 40, 1);
    SIM_CHECK(ended(sim) == 0);
    for (u32 i = 0; i < 3; i++)
        finish(sim, &slow[i]);
}

/* Where nobody may wait, one place is kept free for the next one to come. */
static void nobody_may_wait(struct sim *sim)
{
    struct upload slow[3];
    for (u32 i = 0; i < 3; i++)
        upload_begin(sim, &slow[i]);
    drip(sim, slow, 3, 20, 1);
    SIM_CHECK(ended(sim) == 1);
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 7);
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 7);
    line_answer(sim, backend, client);
}

/* 500 bytes per second are enough, evenly or after a pause; and who has sent all waits for its
 * backend and not the other way round. */
static void fast_enough(struct sim *sim)
{
    struct upload uploads[2];
    upload_begin(sim, &uploads[0]);
    upload_begin(sim, &uploads[1]);
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 7);
    drip(sim, uploads, 2, 10, 520);
    sim_pass(sim, PATIENCE_MS - LOOK_MS);
    drip(sim, uploads, 2, 4, 1000);
    sim_pass(sim, PATIENCE_MS - LOOK_MS);
    for (u32 i = 0; i < 2; i++)
        send_some(&uploads[i], LEN - uploads[i].sent);
    sim_pass(sim, 20000);
    SIM_CHECK(ended(sim) == 0 && !sim_accept(sim, 0));
    for (u32 i = 0; i < 2; i++) {
        scenario_expect_body(sim, uploads[i].backend, 1, LEN);
        line_answer(sim, uploads[i].backend, uploads[i].client);
    }
    line_expect_asked(sim, scenario_next(sim, uploads[0].backend), 7);
}

/* A backend that takes nothing is none of its client's fault. */
static void slow_backend(struct sim *sim)
{
    enum { LARGE = 20000000 };
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = sim_connect(sim), *other = sim_connect(sim);
    sim_say(client, "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "POST /up HTTP/1.1");
    sim_window(backend, 1000);
    scenario_send_body(client, 1, 0, LARGE);
    line_ask(other, 7);
    sim_pass(sim, 30000);
    SIM_CHECK(ended(sim) == 0);
    sim_reset(backend);
    line_expect_asked(sim, scenario_accept(sim, 0), 7);
}

/* ... nor is one that has not said yet that it wants the body. */
static void not_invited(struct sim *sim)
{
    u64 before = sim_counters(sim)->requests;
    struct sim_peer *client = sim_connect(sim), *other = sim_connect(sim);
    sim_say(client, "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                    "Expect: 100-continue\r\n\r\n");
    SIM_UNTIL(sim, sim_counters(sim)->requests == before + 1);
    struct sim_peer *backend = scenario_accept(sim, 0);
    EXPECT_HEAD(sim, backend, "POST /up HTTP/1.1");
    line_ask(other, 7);
    sim_pass(sim, 20000);
    SIM_CHECK(ended(sim) == 0);
    sim_say(backend, "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_HEAD(sim, client, "HTTP/1.1 100 Continue");
    scenario_expect_page(sim, client, "408");
    SIM_CHECK(ended(sim) == 1);
    line_expect_asked(sim, scenario_accept(sim, 0), 7);
}

/* A backend that answers before it has the request does not make its client's silence better; but
 * as long as the answer flows, something is going on. */
static void answered_early(struct sim *sim)
{
    struct upload upload;
    upload_begin(sim, &upload);
    struct sim_peer *other = sim_connect(sim);
    line_ask(other, 7);
    sim_say(upload.backend, "HTTP/1.1 200 OK\r\nContent-Length: 20001\r\n\r\n");
    EXPECT_HEAD(sim, upload.client, "HTTP/1.1 200 OK");
    for (u64 sent = 0, taken = 0; sent < LEN; sent += 1000) {
        scenario_send_body(upload.backend, 2, sent, 1000);
        sim_pass(sim, 1000);
        taken += scenario_take_body(upload.client, 2, taken, LEN);
    }
    SIM_CHECK(ended(sim) == 0);
    drip(sim, &upload, 1, PATIENCE_MS / 1000 + 2, 1);
    SIM_CHECK(ended(sim) == 1);
    scenario_drop(sim, upload.client);
    line_expect_asked(sim, scenario_accept(sim, 0), 7);
}

/* ---- Room ---- */

static void room_at_a_backend(struct sim *sim)
{
    struct upload slow;
    upload_begin(sim, &slow);
    struct sim_peer *client = sim_connect(sim);
    line_ask(client, 7);
    drip(sim, &slow, 1, 4, 1);
    SIM_CHECK(ended(sim) == 0 && !sim_accept(sim, 0));
    scenario_expect_page(sim, slow.client, "408");
    struct sim_peer *backend = scenario_accept(sim, 0);
    line_expect_asked(sim, backend, 7);
    line_answer(sim, backend, client);
}

/* ---- Trials ---- */

static bool is_out(const struct sim *sim, u32 backend)
{
    return (sim_marks(sim, backend) & (STATE_EJECTED | STATE_ON_TRIAL)) != 0;
}

/* Backend 0 refuses once, is ejected, and may be tried again. */
static void eject(struct sim *sim)
{
    sim_backend_set(sim, 0, SIM_CONNECT_REFUSED);
    while (!is_out(sim, 0)) {
        struct sim_peer *client = sim_connect(sim);
        struct sim_peer *backend = scenario_get(sim, client);
        scenario_answer(sim, client, backend);
        sim_close(client);
        sim_close(backend);
    }
    sim_backend_set(sim, 0, SIM_CONNECT_ACCEPTED);
    sim_pass(sim, 1500);
}

/* The upload that is its trial; others go to backend 1. */
static struct upload begin_trial(struct sim *sim)
{
    struct upload upload;
    do {
        upload_begin(sim, &upload);
    } while (sim_backend(upload.backend) != 0);
    return upload;
}

/* How many of some requests come to backend 0; they are answered. */
static u32 asked_of_it(struct sim *sim)
{
    u32 count = 0;
    for (u32 i = 0; i < 8; i++) {
        struct sim_peer *client = sim_connect(sim);
        struct sim_peer *backend = scenario_get(sim, client);
        count += sim_backend(backend) == 0;
        scenario_answer(sim, client, backend);
        sim_close(client);
        sim_close(backend);
    }
    return count;
}

static void a_slow_trial_is_passed_on(struct sim *sim)
{
    eject(sim);
    struct upload upload = begin_trial(sim);
    drip(sim, &upload, 1, 2, 1);
    SIM_CHECK(asked_of_it(sim) == 0 && is_out(sim, 0));
    drip(sim, &upload, 1, 3, 1);
    SIM_CHECK(asked_of_it(sim) > 0 && !is_out(sim, 0));
    finish(sim, &upload);
    SIM_CHECK(!is_out(sim, 0));
}

/* Where all requests are slow uploads, one of them brings it back. */
static void a_late_trial_counts(struct sim *sim)
{
    eject(sim);
    struct upload upload = begin_trial(sim);
    drip(sim, &upload, 1, 6, 1);
    if (sim_chance(sim, 50)) {
        (void)begin_trial(sim); /* it is the next one's now */
        SIM_CHECK(asked_of_it(sim) == 0);
    }
    SIM_CHECK(is_out(sim, 0));
    finish(sim, &upload);
    SIM_CHECK(!is_out(sim, 0));
}

/* It failed, but not as a trial: the next one decides. */
static void a_late_trial_that_fails(struct sim *sim)
{
    eject(sim);
    struct upload upload = begin_trial(sim);
    drip(sim, &upload, 1, 6, 1);
    sim_reset(upload.backend);
    scenario_drop(sim, upload.client);
    SIM_CHECK((sim_marks(sim, 0) & (STATE_EJECTED | STATE_ON_TRIAL)) == STATE_ON_TRIAL);
    SIM_CHECK(asked_of_it(sim) > 0 && !is_out(sim, 0));
}

int main(void)
{
    static const struct scenario scenarios[] = {
        {"slow ones make room", slow_ones_make_room, CONFIG("3", "20", ""), 0, 0},
        {"nobody waits", nobody_waits, CONFIG("3", "20", ""), 0, 0},
        {"nobody may wait", nobody_may_wait, CONFIG("3", "0", ""), 0, 0},
        {"fast enough", fast_enough, CONFIG("2", "20", ""), 0, 0},
        {"slow backend", slow_backend, CONFIG("1", "20", ""), 0, 0},
        {"not invited", not_invited, CONFIG("1", "20", ""), 0, 0},
        {"answered early", answered_early, CONFIG("1", "20", ""), 0, 0},
        {"room at a backend", room_at_a_backend, CONFIG("0", "20", ",'maxConnections':1"), 0, 0},
        {"a slow trial is passed on", a_slow_trial_is_passed_on, TWO_BACKENDS, 0, 0},
        {"a late trial counts", a_late_trial_counts, TWO_BACKENDS, 0, 0},
        {"a late trial that fails", a_late_trial_that_fails, TWO_BACKENDS, 0, 0},
    };
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
