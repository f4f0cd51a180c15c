/*
 * A limit that follows the latency, in front of a backend that can do so much and no more: requests
 * come three times as fast, whatever becomes of the earlier ones. (Issue: "at 3x the origin's
 * capacity, goodput stays >= 90 % of capacity and admitted p99 <= 3x the unloaded one".) And what
 * the limit makes of clients that do not wait for their answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

#define CONFIG                                                                                     \
    "{'adaptive':{'enabled':true,'max':200},'backends':[{'url':'http://127.0.0.1:9000'}],"         \
    "'limits':{'clients':512,'exchanges':512,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':512,'idleConnections':256,'idleTimeout':600000},"                \
    "'timeouts':{'keepAlive':600000,'responseHead':60000}}"

enum {
    SERVERS = 5,
    SERVICE_MS = 100,
    CAPACITY = SERVERS * 1000 / SERVICE_MS, /* requests in a second */
    STEP_MS = 5,
    CLIENTS = 256,
    CONNECTIONS_MAX = 4096,
    SAMPLES_MAX = 8192,
};

struct client {
    struct sim_peer *peer;
    u64 asked_ns; /* 0 = idle */
};

struct connection {
    struct sim_peer *peer;
    u64 done_ns; /* when its answer is due; 0 = it has nothing to do */
};

struct world {
    struct sim *sim;
    struct client clients[CLIENTS];
    struct connection connections[CONNECTIONS_MAX];
    u64 free_ns[SERVERS]; /* when each has time again */
    u32 connection_count;
    u32 due; /* hundredths of requests that are still to be made */
    u32 served;
    u32 refused;
    u32 given_up;
    u32 patience_ms; /* of the clients; 0 = they wait */
    bool frozen;     /* the backend takes requests, and does not answer */
    u32 missed;      /* no client was idle */
    u32 latencies_us[SAMPLES_MAX];
};

/* ---- The backend: servers that take one request at a time, in order ---- */

static void take_request(struct world *world, struct connection *connection)
{
    u32 first = 0;
    for (u32 i = 1; i < SERVERS; i++)
        if (world->free_ns[i] < world->free_ns[first])
            first = i;
    u64 now_ns = sim_now_ns(world->sim);
    u64 start_ns = world->free_ns[first] > now_ns ? world->free_ns[first] : now_ns;
    world->free_ns[first] = connection->done_ns = start_ns + SERVICE_MS * 1000000ull;
}

static void serve(struct world *world)
{
    struct sim_peer *peer;
    while ((peer = sim_accept(world->sim, 0)) != NULL) {
        SIM_CHECK(world->connection_count < CONNECTIONS_MAX);
        world->connections[world->connection_count++].peer = peer;
    }
    for (u32 i = 0; i < world->connection_count; i++) {
        struct connection *connection = &world->connections[i];
        usize head = scenario_head_len(connection->peer);
        if (connection->done_ns == 0 && head > 0) {
            sim_take(connection->peer, head);
            take_request(world, connection);
        } else if (connection->done_ns != 0 && !world->frozen &&
                   connection->done_ns <= sim_now_ns(world->sim)) {
            connection->done_ns = 0;
            sim_say(connection->peer, "HTTP/1.1 204 OK\r\n\r\n");
        }
    }
}

/* ---- The clients ---- */

static void ask(struct world *world)
{
    for (u32 i = 0; i < CLIENTS; i++) {
        struct client *client = &world->clients[i];
        if (client->asked_ns != 0)
            continue;
        if (!client->peer)
            client->peer = sim_connect(world->sim);
        client->asked_ns = sim_now_ns(world->sim);
        sim_say(client->peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        return;
    }
    world->missed++;
}

/* Pages are taken whole: their length is behind the head. */
static bool take_page(struct sim_peer *peer, usize head)
{
    struct slice text = sim_received(peer);
    const char *length = memmem(text.data, head, "Content-Length: ", 16);
    SIM_CHECK(length);
    usize whole = head + strtoul(length + 16, NULL, 10);
    if (text.len < whole)
        return false;
    sim_take(peer, whole);
    return true;
}

static void take_answer(struct world *world, struct client *client)
{
    usize head = client->asked_ns != 0 ? scenario_head_len(client->peer) : 0;
    if (head == 0)
        return;
    if (memcmp(sim_received(client->peer).data, "HTTP/1.1 204", 12) == 0) {
        u64 latency_us = (sim_now_ns(world->sim) - client->asked_ns) / 1000;
        SIM_CHECK(world->served < SAMPLES_MAX);
        world->latencies_us[world->served++] = (u32)latency_us;
        sim_take(client->peer, head);
    } else if (take_page(client->peer, head)) {
        world->refused++;
    } else {
        return;
    }
    client->asked_ns = 0;
}

static void lose_patience(struct world *world)
{
    u64 patience_ns = world->patience_ms * 1000000ull, now_ns = sim_now_ns(world->sim);
    for (u32 i = 0; i < CLIENTS && world->patience_ms > 0; i++) {
        struct client *client = &world->clients[i];
        if (client->asked_ns == 0 || now_ns < client->asked_ns + patience_ns)
            continue;
        sim_reset(client->peer);
        *client = (struct client){0};
        world->given_up++;
    }
}

/* At so many percent of what the backend can do. */
static void run(struct world *world, u32 load_percent, u32 seconds)
{
    world->served = world->refused = 0;
    for (u32 ms = 0; ms < seconds * 1000; ms += STEP_MS) {
        world->due += load_percent * CAPACITY * STEP_MS / 1000;
        for (; world->due >= 100; world->due -= 100)
            ask(world);
        sim_pass(world->sim, STEP_MS);
        serve(world);
        for (u32 i = 0; i < CLIENTS; i++)
            take_answer(world, &world->clients[i]);
        lose_patience(world);
    }
}

static int compare(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return (x > y) - (x < y);
}

static u32 p99_us(struct world *world)
{
    qsort(world->latencies_us, world->served, sizeof(u32), compare);
    return world->latencies_us[world->served * 99 / 100];
}

static void overload(u64 seed)
{
    static struct world world;
    struct sim *sim = sim_create(&(struct sim_options){.seed = seed, .config = CONFIG});
    sim_set_title("overload", seed);
    world = (struct world){.sim = sim};
    run(&world, 300, 40); /* it has never seen the backend without load */
    enum { SECONDS = 40 };
    run(&world, 300, SECONDS);
    u32 served = world.served, p99 = p99_us(&world);
    SIM_CHECK(world.missed == 0 && world.refused > 0);
    run(&world, 0, 2);
    run(&world, 20, 40);
    SIM_CHECK(world.refused == 0);
    u32 unloaded_us = p99_us(&world);
    printf("# seed %llu: %u of %u served, p99 %u us, unloaded %u us\n", (unsigned long long)seed,
           served, SECONDS * CAPACITY, p99, unloaded_us);
    SIM_CHECK(served >= SECONDS * CAPACITY * 9 / 10);
    SIM_CHECK(p99 <= 3 * unloaded_us);
    sim_destroy(sim);
}

/* Requests that the proxy has let through and that the backend owes an answer. */
static u32 at_backend(const struct world *world)
{
    u32 count = 0;
    for (u32 i = 0; i < world->connection_count; i++)
        count += world->connections[i].done_ns != 0 && !sim_gone(world->connections[i].peer);
    return count;
}

/* No request is answered any more, and nobody waits for that: the limit falls all the same, so that
 * the backend is not busy with what nobody wants. */
static void impatient(u64 seed)
{
    static struct world world;
    struct sim *sim = sim_create(&(struct sim_options){.seed = seed, .config = CONFIG});
    sim_set_title("impatient", seed);
    world = (struct world){.sim = sim};
    run(&world, 80, 20);
    world.frozen = true;
    world.patience_ms = 1000;
    run(&world, 400, 3);
    u32 before = at_backend(&world);
    run(&world, 400, 40);
    u32 after = at_backend(&world);
    printf("# seed %llu: %u given up, %u then %u at the backend\n", (unsigned long long)seed,
           world.given_up, before, after);
    SIM_CHECK(world.given_up > 100 && before > 12 && after <= 10);
    sim_destroy(sim);
}

int main(void)
{
    enum { SEEDS_DEFAULT = 4 };
    struct sim_seeds seeds = sim_seeds(SEEDS_DEFAULT);
    sim_print_on_abort();
    static const struct {
        const char *name;
        void (*run)(u64 seed);
    } rows[] = {{"overload", overload}, {"impatient clients", impatient}};
    printf("1..%zu\n", ARRAY_COUNT(rows));
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        for (u64 seed = seeds.first; seed <= seeds.last; seed++)
            rows[i].run(seed);
        printf("ok %zu - %s\n", i + 1, rows[i].name);
    }
    return 0;
}
