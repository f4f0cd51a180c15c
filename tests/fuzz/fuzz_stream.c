/*
 * The whole proxy on the simulated kernel: the input says what clients and backends do. Nothing may
 * crash or fail an ASSERT, no contract of the ring may be broken, and in the end nothing is left.
 *
 * The input: one byte for the seed of the kernel's manners, then commands, each a letter and its
 * data up to a byte 0xff. The letters are those of `commands`.
 */
#include "sim.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { CLIENTS_MAX = 4, BACKENDS_MAX = 32, COMMANDS_MAX = 64, STEPS = 4, INPUT_BYTES_MAX = 16384 };

enum { LISTENERS = 3 };
static const char config[] =
    "{'listeners':[{'port':1},{'address':'127.0.0.1','port':2,'proxyProtocolFrom':['127.0.0.0/8']},"
    "{'unixSocket':'/sim/listener'}],"
    "'backends':[{'url':'http://127.0.0.1:9000'},{'url':'unix:" SIM_BACKEND_PATH "1'}],"
    "'limits':{'clients':8,'exchanges':4,'headBytes':1024,'bodyBytes':20000,'targetBytes':256},"
    "'upstream':{'maxConnections':4,'idleConnections':2},"
    "'timeouts':{'connect':1000,'requestHead':2000,'requestBodyIdle':3000,'responseHead':4000,"
    "'responseIdle':5000,'keepAlive':6000,'tunnelIdle':10000,'drain':8000}}";

struct stage {
    struct sim *sim;
    struct sim_peer *clients[CLIENTS_MAX];
    struct sim_peer *backends[BACKENDS_MAX]; /* their connections, as they came */
    u32 backend_count;
    u32 client; /* the one that acts */
    u32 backend;
};

static void take_all(struct sim_peer *peer)
{
    sim_take(peer, sim_received(peer).len);
}

static void step(struct stage *stage)
{
    sim_step(stage->sim);
    for (u32 i = 0; i < 2; i++) {
        struct sim_peer *peer;
        while (stage->backend_count < BACKENDS_MAX && (peer = sim_accept(stage->sim, i)) != NULL) {
            stage->backend = stage->backend_count;
            stage->backends[stage->backend_count++] = peer;
        }
    }
    for (u32 i = 0; i < CLIENTS_MAX; i++)
        if (stage->clients[i])
            take_all(stage->clients[i]);
    for (u32 i = 0; i < stage->backend_count; i++)
        take_all(stage->backends[i]);
}

static struct sim_peer *acting_client(struct stage *stage)
{
    struct sim_peer **client = &stage->clients[stage->client];
    if (!*client)
        *client = sim_connect(stage->sim);
    return *client;
}

static struct sim_peer *acting_backend(struct stage *stage)
{
    return stage->backend_count > 0 ? stage->backends[stage->backend] : NULL;
}

static u32 first_byte(struct slice data)
{
    return data.len > 0 ? (u8)data.data[0] : 0;
}

static void client_sends(struct stage *stage, struct slice data)
{
    sim_send(acting_client(stage), data.data, data.len);
}

static void client_ends(struct stage *stage, struct slice data)
{
    sim_leave(acting_client(stage), first_byte(data));
}

static void client_begins(struct stage *stage, struct slice data)
{
    stage->client = first_byte(data) % CLIENTS_MAX;
    if (data.len > 1) /* a new connection in its place */
        stage->clients[stage->client] =
            sim_connect_to(stage->sim, (u8)data.data[1] % LISTENERS, NULL);
}

static void client_window(struct stage *stage, struct slice data)
{
    sim_window(acting_client(stage), 16 * first_byte(data));
}

static void backend_sends(struct stage *stage, struct slice data)
{
    if (acting_backend(stage))
        sim_send(acting_backend(stage), data.data, data.len);
}

static void backend_ends(struct stage *stage, struct slice data)
{
    if (acting_backend(stage))
        sim_leave(acting_backend(stage), first_byte(data));
}

static void backend_chosen(struct stage *stage, struct slice data)
{
    if (stage->backend_count > 0)
        stage->backend = first_byte(data) % stage->backend_count;
}

static void backend_connects(struct stage *stage, struct slice data)
{
    u32 byte = first_byte(data);
    sim_backend_set(stage->sim, byte & 1,
                    (enum sim_connect)(byte / 2 % (SIM_CONNECT_TIMED_OUT + 1)));
}

static void backend_usable(struct stage *stage, struct slice data)
{
    sim_backend_usable(stage->sim, first_byte(data) & 1, first_byte(data) & 2);
}

static void time_passes(struct stage *stage, struct slice data)
{
    sim_pass(stage->sim, 50 * first_byte(data));
}

static void sockets_fail(struct stage *stage, struct slice data)
{
    sim_sockets_fail(stage->sim, first_byte(data) & 1);
}

static void drains(struct stage *stage, struct slice data)
{
    (void)data;
    sim_command_drain(stage->sim);
}

static const struct {
    char letter;
    void (*run)(struct stage *stage, struct slice data);
} commands[] = {
    {'c', client_sends},   {'x', client_ends},  {'n', client_begins},  {'w', client_window},
    {'b', backend_sends},  {'y', backend_ends}, {'m', backend_chosen}, {'k', backend_connects},
    {'u', backend_usable}, {'t', time_passes},  {'f', sockets_fail},   {'d', drains},
};

static void run_command(struct stage *stage, struct slice command)
{
    for (u32 i = 0; i < ARRAY_COUNT(commands); i++)
        if (command.data[0] == commands[i].letter)
            commands[i].run(stage, slice_of(command.data + 1, command.len - 1));
    for (u32 i = 0; i < STEPS; i++)
        step(stage);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    if (size < 2 || size > INPUT_BYTES_MAX)
        return 0;
    sim_set_title("fuzz_stream", data[0]);
    struct stage stage = {
        .sim = sim_create(&(struct sim_options){
            .seed = data[0], .config = config, .leases = 64, .logs = data[0] & 1}),
    };
    struct slice rest = slice_of((const char *)data + 1, size - 1);
    for (u32 i = 0; i < COMMANDS_MAX && rest.len > 0; i++) {
        const char *end = memchr(rest.data, 0xff, rest.len);
        u32 len = end ? (u32)(end - rest.data) : rest.len;
        if (len > 0)
            run_command(&stage, slice_of(rest.data, len));
        u32 skipped = end ? len + 1 : len;
        rest = slice_of(rest.data + skipped, rest.len - skipped);
    }
    sim_destroy(stage.sim);
    return 0;
}
