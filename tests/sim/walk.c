/*
 * A random walk: clients and backends that do anything, and a model that knows what may come of it.
 *
 * Every request has a number, which is in its target and comes back in its response; the bytes of
 * both bodies follow from it. So each side can tell what it gets without having seen the other:
 *  - a client gets its answers in order, each whole and byte by byte what its number says, or a
 *    page of the proxy's own, or the visible cut of its connection;
 *  - a backend gets whole requests with bytes of one number only, or a visible cut;
 *  - through a tunnel each side gets the bytes of the other's body and its FIN, or a cut;
 *  - in the end nothing is left (sim_destroy).
 *
 * SEED=n repeats a walk, SEEDS=n takes as many.
 */
#include <stdio.h>

#include "walk.h"

enum { SEEDS_DEFAULT = 600, CLIENTS_MAX = 24, BACKENDS_MAX = 400, STEPS_MAX = 200000 };

struct walk {
    struct sim *sim;
    struct walk_client clients[CLIENTS_MAX];
    struct walk_backend backends[BACKENDS_MAX];
    u32 client_count;
    u32 backend_count;
    u32 numbers; /* requests so far */
    struct walk_mood mood;
};

/* Behind two listeners: at one port, and at a unix socket. */
#define CONFIG_LOCAL                                                                               \
    "{'listeners':[{'port':1},{'unixSocket':'/sim/listener'}],"                                    \
    "'backends':[{'url':'unix:" SIM_BACKEND_PATH "0'},{'url':'http://[::1]:9001'},"                \
    "{'url':'http://127.0.0.1:9002'}]," SIM_SETTINGS "}"

/* Few may run at a time: most requests wait for their turn. */
#define CONFIG_LIMITED                                                                             \
    "{'reqActiveLength':3,'reqQueueLength':100,'backends':["                                       \
    "{'url':'http://127.0.0.1:9000','maxConnections':1},"                                          \
    "{'url':'http://127.0.0.1:9001','maxConnections':1},"                                          \
    "{'url':'http://127.0.0.1:9002'}],"                                                            \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':256,'idleTimeout':20000},"                                       \
    "'timeouts':{'connect':1000,'requestHead':2000,'requestBodyIdle':3000,'responseHead':4000,"    \
    "'responseIdle':5000,'keepAlive':6000,'tunnelIdle':10000,'drain':8000,'queue':600000}}"
#define CONFIG_ROOMS                                                                               \
    "{'reqQueueLength':100,'backends':["                                                           \
    "{'url':'http://127.0.0.1:9000','maxConnections':2},"                                          \
    "{'url':'http://127.0.0.1:9001','maxConnections':1}],"                                         \
    "'routes':[{'path':'/1','reqQueueLength':100,'backends':['backend-1']}],"                      \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':256,'idleTimeout':20000},"                                       \
    "'timeouts':{'connect':1000,'requestHead':2000,'requestBodyIdle':3000,'responseHead':4000,"    \
    "'responseIdle':5000,'keepAlive':6000,'tunnelIdle':10000,'drain':8000,'queue':600000}}"

static void add_client(struct walk *walk)
{
    if (walk->client_count == CLIENTS_MAX)
        return;
    struct walk_client *client = &walk->clients[walk->client_count++];
    walk_client_init(client, walk->sim, walk->mood);
}

static void add_backends(struct walk *walk)
{
    for (u32 i = 0; i < 3; i++) {
        struct sim_peer *peer;
        while (walk->backend_count < BACKENDS_MAX && (peer = sim_accept(walk->sim, i)) != NULL)
            walk_backend_init(&walk->backends[walk->backend_count++], walk->sim, peer, walk->mood);
    }
}

/* What a walk may change to: other backends, routes and strategies, behind the same listeners. */
#define LOCAL_LISTENERS "'listeners':[{'port':1},{'unixSocket':'/sim/listener'}],"
#define BACKEND_A(url) "{'id':'a','url':'" url "'}"
#define BACKEND_B "{'id':'b','url':'http://127.0.0.1:9001'}"
#define BACKEND_C "{'id':'c','url':'http://127.0.0.1:9002'}"
#define ROUTED(strategy)                                                                           \
    "'loadBalancing':{'strategy':'" strategy "'},"                                                 \
    "'routes':[{'id':'some','path':'/1','backends':['b'],"                                         \
    "'responseHeaders':{'set':{'X-Version':'" strategy "'}}}],"
#define CONFIGS(listeners, a)                                                                      \
    {                                                                                              \
        "{" listeners "'backends':[" BACKEND_C "]," SIM_SETTINGS "}",                              \
            "{" listeners "'backends':[" BACKEND_A(a) "," BACKEND_C "]," SIM_SETTINGS "}",         \
            "{" listeners ROUTED("least-connections") "'backends':[" BACKEND_B                     \
                                                      "," BACKEND_A(a) "]," SIM_SETTINGS "}",      \
            "{" listeners ROUTED("ip-hash") "'backends':[" BACKEND_A(a) "," BACKEND_B              \
                                                                        "," BACKEND_C              \
                                                                        "]," SIM_SETTINGS "}",     \
            "{" listeners "'reqActiveLength':2,'reqQueueLength':4,'adaptive':{'enabled':true},'"   \
            "backends':[" BACKEND_A(a) "," BACKEND_C "]," SIM_SETTINGS "}",                        \
    }
enum { CONFIGS_COUNT = 5 };

/* The configuration of a walk, in which requests may be hedged. */
static const char *in_mood(struct walk_mood mood, const char *config)
{
    static char hedged[4096];
    int len = snprintf(hedged, sizeof(hedged),
                       "{'retry':{'hedge':{'enabled':true,'delayMin':0}},%s", config + 1);
    SIM_CHECK(len > 0 && (usize)len < sizeof(hedged));
    return mood.hedged ? hedged : config;
}

/* Requests are late after anything up to a second. */
static void change_percentile(struct walk *walk)
{
    sim_late_after(walk->sim, sim_random(walk->sim, 1u << sim_random(walk->sim, 20)));
}

static void reload(struct walk *walk)
{
    static const char *const plain[CONFIGS_COUNT] = CONFIGS("", "http://127.0.0.1:9000");
    static const char *const local[CONFIGS_COUNT] =
        CONFIGS(LOCAL_LISTENERS, "unix:" SIM_BACKEND_PATH "0");
    u32 which = sim_random(walk->sim, CONFIGS_COUNT);
    sim_reload(walk->sim, in_mood(walk->mood, walk->mood.local ? local[which] : plain[which]));
}

static void change_weather(struct walk *walk)
{
    struct sim *sim = walk->sim;
    u32 backend = sim_random(sim, 3);
    u32 connect = sim_random(sim, 12);
    sim_backend_set(sim, backend,
                    connect <= SIM_CONNECT_TIMED_OUT ? (enum sim_connect)connect
                                                     : SIM_CONNECT_ACCEPTED);
    sim_backend_usable(sim, sim_random(sim, 3), sim_chance(sim, 70));
    if (sim_chance(sim, 20))
        reload(walk);
    sim_sockets_fail(sim, sim_chance(sim, 2));
    if (sim_chance(sim, 10))
        sim_pass(sim, 1 + sim_random(sim, 3000));
}

static bool all_over(const struct walk *walk)
{
    for (u32 i = 0; i < walk->client_count; i++)
        if (!walk->clients[i].over)
            return false;
    return true;
}

static void step(struct walk *walk)
{
    sim_step(walk->sim);
    add_backends(walk);
    for (u32 i = 0; i < walk->client_count; i++)
        walk_client_act(&walk->clients[i], &walk->numbers);
    for (u32 i = 0; i < walk->backend_count; i++)
        walk_backend_act(&walk->backends[i]);
    if (walk->mood.trouble && sim_chance(walk->sim, 1))
        change_weather(walk);
    if (walk->mood.hedged && sim_chance(walk->sim, 1))
        change_percentile(walk);
}

static void run(u64 seed)
{
    static struct walk walk;
    static const u32 leases[] = {64, 256, 0, 0};
    sim_set_title("walk", seed);
    bool local = seed % 5 == 0;
    const char *plain = seed % 5 == 1   ? CONFIG_LIMITED
                        : seed % 5 == 2 ? CONFIG_ROOMS
                                        : SIM_CONFIG_THREE;
    struct walk_mood mood = {.local = local, .hedged = seed % 7 < 3};
    struct sim *sim =
        sim_create(&(struct sim_options){.seed = seed,
                                         .config = in_mood(mood, local ? CONFIG_LOCAL : plain),
                                         .leases = leases[seed % 4],
                                         .logs = seed % 3 == 0});
    mood.trouble = sim_chance(sim, 80);
    walk = (struct walk){.sim = sim, .mood = mood};
    if (mood.hedged)
        change_percentile(&walk);
    u32 wanted = 1 + sim_random(sim, CLIENTS_MAX);
    u32 drain_at = sim_chance(sim, 20) ? sim_random(sim, 600) : STEPS_MAX;
    walk.mood.calm = !walk.mood.trouble && drain_at == STEPS_MAX && leases[seed % 4] == 0;
    for (u32 i = 0; i < STEPS_MAX && !(walk.client_count == wanted && all_over(&walk)); i++) {
        if (walk.client_count < wanted && sim_chance(sim, 10))
            add_client(&walk);
        if (i == drain_at)
            sim_command_drain(sim);
        step(&walk);
        if (sim_finished(sim))
            break;
    }
    for (u32 i = 0; walk.mood.calm && i < walk.client_count; i++)
        walk_client_check_served(&walk.clients[i]);
    sim_destroy(sim);
}

int main(void)
{
    struct sim_seeds seeds = sim_seeds(SEEDS_DEFAULT);
    sim_print_on_abort();
    printf("1..1\n");
    for (u64 seed = seeds.first; seed <= seeds.last; seed++)
        run(seed);
    printf("ok 1 - %llu walks\n", (unsigned long long)(seeds.last - seeds.first + 1));
    return 0;
}
