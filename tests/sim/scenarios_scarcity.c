/* Few leases, and many who would hold all of them: uploads that wait for a connection, for a place
 * or for their backend, and readers that take nothing. Others are served meanwhile, and soon; who
 * is not ended for that gets all its bytes, in order. */
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"

#define CONFIG(more)                                                                               \
    "{'backends':[{'id':'a','url':'http://127.0.0.1:9000'},"                                       \
    "{'id':'b','url':'http://127.0.0.1:9001'}],"                                                   \
    "'routes':[{'id':'ra','path':'/a','backends':['a']" more "},"                                  \
    "{'id':'rb','path':'/b','backends':['b']}],"                                                   \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':256},"                                                           \
    "'timeouts':{'connect':200000,'requestHead':200000,'requestBodyIdle':200000,"                  \
    "'responseHead':200000,'responseIdle':200000,'queue':200000}}"

enum { LEASES = 64, CROWD = 60, LEN = 100000, OTHERS = 10, SOON_MS = 1000 };

/* ---- The others ---- */

static void serve_one(struct sim *sim)
{
    u64 since_ns = sim_now_ns(sim);
    struct sim_peer *client = sim_connect(sim);
    sim_say(client, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, 1);
    EXPECT_HEAD(sim, backend, "GET /b HTTP/1.1");
    sim_say(backend, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    scenario_expect(sim, client, "ok");
    SIM_CHECK(sim_now_ns(sim) - since_ns < SOON_MS * 1000000ull);
    sim_close(client);
}

static void serve_others(struct sim *sim)
{
    for (u32 i = 0; i < OTHERS; i++)
        serve_one(sim);
}

/* ---- Uploads ---- */

static void begin_upload(struct sim_peer *client, u32 number)
{
    char head[96];
    (void)snprintf(head, sizeof(head), "PUT /a/%u HTTP/1.1\r\nHost: a\r\n", number);
    sim_say(client, head);
}

static struct sim_peer *upload(struct sim *sim, u32 number)
{
    struct sim_peer *client = sim_connect(sim);
    begin_upload(client, number);
    if (sim_chance(sim, 50)) {
        sim_say(client, "Content-Length: 100000\r\n\r\n");
        scenario_send_body(client, number, 0, LEN);
    } else {
        sim_say(client, "Transfer-Encoding: chunked\r\n\r\n");
        scenario_send_chunks(sim, client, number, LEN, "");
    }
    return client;
}

static void upload_all(struct sim *sim, struct sim_peer *clients[])
{
    for (u32 i = 0; i < CROWD; i++) {
        clients[i] = upload(sim, i);
        if (sim_chance(sim, 30))
            sim_pass(sim, sim_random(sim, 20));
    }
    sim_pass(sim, 500);
}

static void uploads_wait_for_a_connection(struct sim *sim)
{
    struct sim_peer *clients[CROWD];
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    upload_all(sim, clients);
    serve_others(sim);
}

static void uploads_wait_for_a_place(struct sim *sim)
{
    struct sim_peer *clients[CROWD];
    upload_all(sim, clients);
    serve_others(sim);
}

/* Single bytes, or a part and then nothing. */
static void uploads_that_come_in_pieces(struct sim *sim)
{
    struct sim_peer *clients[CROWD];
    u64 sent[CROWD] = {0};
    sim_backend_set(sim, 0, SIM_CONNECT_LOST);
    for (u32 i = 0; i < CROWD; i++) {
        clients[i] = sim_connect(sim);
        sim_say(clients[i], "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    }
    for (u32 round = 0; round < 20; round++) {
        for (u32 i = 0; i < CROWD; i++) {
            u64 len = 1 + sim_random(sim, 6000);
            scenario_send_body(clients[i], i, sent[i], len);
            sent[i] += len;
        }
        sim_pass(sim, 5);
    }
    serve_others(sim);
}

/* The number of the upload that has come; CROWD when it was ended before. */
static u32 number_of(struct sim *sim, struct sim_peer *backend)
{
    SIM_UNTIL(sim, scenario_head_len(backend) > 0 || sim_end(backend) != SIM_OPEN);
    if (scenario_head_len(backend) == 0)
        return CROWD;
    const char *head = scenario_head(sim, backend);
    SIM_CHECK(strncmp(head, "PUT /a/", 7) == 0);
    return (u32)strtoul(head + 7, NULL, 10);
}

static void uploads_to_a_backend_that_takes_nothing(struct sim *sim)
{
    struct sim_peer *clients[CROWD], *backends[CROWD];
    u32 taken = 0, whole = 0;
    for (u32 i = 0; i < CROWD; i++) {
        clients[i] = sim_connect(sim);
        begin_upload(clients[i], i);
        sim_say(clients[i], "Content-Length: 100000\r\n\r\n");
        scenario_send_body(clients[i], i, 0, 1);
        backends[i] = scenario_accept(sim, 0);
        sim_window(backends[i], 1000);
    }
    for (u32 i = 0; i < CROWD; i++)
        scenario_send_body(clients[i], i, 1, LEN - 1);
    sim_pass(sim, 500);
    serve_others(sim);
    for (u32 i = 0; i < CROWD; i++) {
        sim_window(backends[i], 1 << 20);
        u32 number = number_of(sim, backends[i]);
        u64 got = 0;
        while (number < CROWD && got < LEN && sim_end(backends[i]) == SIM_OPEN) {
            sim_step(sim);
            got += scenario_take_body(backends[i], number, got, LEN - got);
        }
        whole += got == LEN;
        taken += got < LEN;
    }
    SIM_CHECK(whole > 0);
    SIM_CHECK(taken == sim_counters(sim)->faults[FAULT_EXHAUSTED]);
}

/* ---- Readers ---- */

static void answer_at_length(struct sim_peer *backend, u32 number)
{
    sim_say(backend, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n");
    scenario_send_body(backend, number, 0, LEN);
}

/* What one that was slow gets when it reads on: all, or a cut, or word that it was not to be. */
static bool reads_all(struct sim *sim, struct sim_peer *client, u32 number)
{
    u64 got = 0;
    sim_window(client, 1 << 20);
    SIM_UNTIL(sim, scenario_head_len(client) > 0 || sim_end(client) != SIM_OPEN);
    if (scenario_head_len(client) == 0 ||
        memcmp(sim_received(client).data, "HTTP/1.1 503", 12) == 0)
        return false;
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK");
    while (got < LEN && (sim_end(client) == SIM_OPEN || sim_received(client).len > 0)) {
        got += scenario_take_body(client, number, got, LEN - got);
        if (got < LEN)
            sim_step(sim);
    }
    return got == LEN;
}

static void readers_that_take_nothing(struct sim *sim)
{
    struct sim_peer *readers[CROWD], *backends[CROWD];
    u32 whole = 0;
    for (u32 i = 0; i < CROWD; i++) {
        readers[i] = sim_connect(sim);
        sim_say(readers[i], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        backends[i] = scenario_accept(sim, 0);
        EXPECT_HEAD(sim, backends[i], "GET /a HTTP/1.1");
        sim_window(readers[i], 10);
    }
    for (u32 i = 0; i < CROWD; i++)
        answer_at_length(backends[i], i);
    sim_pass(sim, 500);
    SIM_CHECK(sim_leases_held(sim) >= LEASES / 2); /* kept as long as nobody lacks them */
    serve_others(sim);
    for (u32 i = 0; i < CROWD; i++)
        whole += reads_all(sim, readers[i], i);
    SIM_CHECK(whole > 0);
    SIM_CHECK(whole + sim_counters(sim)->faults[FAULT_EXHAUSTED] == CROWD);
    SIM_UNTIL(sim, sim_leases_held(sim) == 0);
}

/* As many as there is room for: nobody is ended. */
static void fewer_readers(struct sim *sim)
{
    enum { READERS = 10, MANY_LEASES = 256 };
    struct sim_peer *readers[READERS];
    for (u32 i = 0; i < READERS; i++) {
        readers[i] = sim_connect(sim);
        sim_say(readers[i], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        struct sim_peer *backend = scenario_accept(sim, 0);
        EXPECT_HEAD(sim, backend, "GET /a HTTP/1.1");
        sim_window(readers[i], 10);
        answer_at_length(backend, i);
    }
    sim_pass(sim, 5000);
    SIM_CHECK(sim_leases_held_max(sim) <= MANY_LEASES - MANY_LEASES / 8);
    serve_others(sim);
    for (u32 i = 0; i < READERS; i++)
        SIM_CHECK(reads_all(sim, readers[i], i));
    SIM_CHECK(sim_counters(sim)->faults[FAULT_EXHAUSTED] == 0);
}

static const struct scenario scenarios[] = {
    {"uploads that wait for a connection", uploads_wait_for_a_connection, CONFIG(""), LEASES, 0},
    {"uploads that wait for a place", uploads_wait_for_a_place,
     CONFIG(",'reqActiveLength':1,'reqQueueLength':100"), LEASES, 0},
    {"uploads that come in pieces", uploads_that_come_in_pieces, CONFIG(""), LEASES, 0},
    {"uploads to a backend that takes nothing", uploads_to_a_backend_that_takes_nothing, CONFIG(""),
     LEASES, 0},
    {"readers that take nothing", readers_that_take_nothing, CONFIG(""), LEASES, 0},
    {"fewer readers", fewer_readers, CONFIG(""), 256, 0},
};

int main(void)
{
    return scenarios_run(scenarios, ARRAY_COUNT(scenarios));
}
