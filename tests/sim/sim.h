/*
 * The simulator: one worker's real code on a simulated kernel.
 *
 *   programs (with a main)       the worlds: scripted clients and backends, and what they check
 *   src/worker down to src/ring  real, down to liburing's submissions and completions
 *   sim_uring.c, sim_op.c        liburing's calls: the kernel's side of the ring
 *   sim_socket.c, sim_pipe.c     the functions of src/ring/socket.c, and the peers of the sockets
 *   sim_listen.c                 listening sockets, and clients that come
 *   sim_machine.c                what happens to the machine as a whole
 *   sim_team.c                   another worker, its mate
 *   sim_world.c                  the worker's loop in steps, and the virtual clock
 *
 * Everything happens in one thread and depends on the seed alone. The seed decides what the kernel
 * has to offer (multishot, bundles, a buffer ring or none), how bytes are cut into pieces, when
 * they become visible, the order of completions, who wins the race with a cancellation, and how
 * late everything is; and how many completions its queue takes before it overflows.
 *
 * What is checked all the time, in whatever world: the bytes of a pending send stay as they were;
 * no lease is used after its return; one send and one receive at a time on a socket; no descriptor
 * is used after it was closed, or closed while an op is armed on it. At the end nothing is left:
 * leases, sockets, ops, slots, counts of active requests.
 */
#ifndef NEXTPROXY_SIM_H
#define NEXTPROXY_SIM_H

#include "base/hash.h"
#include "base/slice.h"
#include "proxy.h"
#include "state/hedges.h"

struct sim;

enum {
    SIM_BACKENDS_MAX = 8,
    SIM_BACKEND_PORT = 9000, /* backend i of a configuration is 127.0.0.1:9000+i, or ... */
};
#define SIM_BACKEND_PATH "/sim/backend-" /* ... a unix socket of this name and i */

struct sim_options {
    u64 seed;
    const char *config; /* JSON, 'single' quotes allowed; NULL = SIM_CONFIG_ONE */
    u32 leases;         /* a power of two; 0 = as many as the configuration asks for */
    u32 completions;    /* of the kernel's queue, a power of two; 0 = the seed decides */
    bool logs;          /* records are written, and read by the simulator */
};

/* Short timeouts and small limits, behind the backends. */
#define SIM_SETTINGS                                                                               \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'upstream':{'maxConnections':256,'idleTimeout':20000},"                                       \
    "'timeouts':{'connect':1000,'requestHead':2000,'requestBodyIdle':3000,'responseHead':4000,"    \
    "'responseIdle':5000,'keepAlive':6000,'tunnelIdle':10000,'drain':8000}"
#define SIM_CONFIG_ONE "{'backends':[{'url':'http://127.0.0.1:9000'}]," SIM_SETTINGS "}"
#define SIM_CONFIG_THREE                                                                           \
    "{'backends':[{'url':'http://127.0.0.1:9000'},{'url':'http://127.0.0.1:9001'},"                \
    "{'url':'http://127.0.0.1:9002'}]," SIM_SETTINGS "}"

/* ---- Running ---- */

struct sim *sim_create(const struct sim_options *options);
/* Stops the worker, and checks that nothing is left. Peers may be in any state. */
void sim_destroy(struct sim *sim);
/* One turn of the worker's loop. Time passes only when nothing can happen otherwise. */
void sim_step(struct sim *sim);
/* Lets that much virtual time pass. */
void sim_pass(struct sim *sim, u64 ms);
/* SIGTERM; another engine has taken over; a second SIGTERM. */
void sim_command_drain(struct sim *sim);
void sim_command_retire(struct sim *sim);
void sim_command_stop(struct sim *sim);
/* The worker has drained or stopped: its loop is over. */
bool sim_finished(const struct sim *sim);

/* Steps until the condition holds; virtual minutes without it fail the run. */
#define SIM_UNTIL(sim, condition)                                                                  \
    do {                                                                                           \
        u64 given_up_ns = sim_now_ns(sim) + SIM_PATIENCE_S * 1000000000ull;                        \
        while (!(condition)) {                                                                     \
            if (sim_now_ns(sim) > given_up_ns)                                                     \
                sim_fail("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);          \
            sim_step(sim);                                                                         \
        }                                                                                          \
    } while (0)
enum { SIM_PATIENCE_S = 1200 };

#define SIM_CHECK(condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition);                       \
    } while (0)

u64 sim_now_ns(const struct sim *sim);
/* In [0, bound), from the seed. */
u32 sim_random(struct sim *sim, u32 bound);
bool sim_chance(struct sim *sim, u32 percent);
const struct proxy_counters *sim_counters(const struct sim *sim);
u32 sim_leases_held(const struct sim *sim);
/* The most leases held at the end of a turn so far. */
u32 sim_leases_held_max(const struct sim *sim);
u32 sim_upstreams(const struct sim *sim);
/* Clients with a request in progress, or that have yet to send their first one. */
u32 sim_busy(const struct sim *sim);
enum overload_stage sim_overload(const struct sim *sim);
/* What the worker is told of descriptors and memory. */
void sim_budget(struct sim *sim, struct overload_budget budget);
/* How many turns ended with completions that the queue had no room for. */
u64 sim_overflows(const struct sim *sim);
/* What was written to a log since the start, as far as it is remembered: whole lines, the last
 * ones. Empty when the run has no logs. */
struct slice sim_log(const struct sim *sim, enum log_file file);
bool sim_has_logs(const struct sim *sim);

/* The seeds to run: $SEED alone, or those from 1 to $SEEDS, or to `count`. */
struct sim_seeds {
    u64 first;
    u64 last;
};
struct sim_seeds sim_seeds(u64 count);

/* Ends the process with the message, the seed and the last events. */
__attribute__((noreturn)) void sim_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* Remembers an event for sim_fail: a string literal and two values. */
void sim_trace(const char *event, u64 a, u64 b);
/* What sim_fail names beside the seed: the scenario. */
void sim_set_title(const char *title, u64 seed);
/* The same for a failing ASSERT of the proxy, or a sanitizer's finding. */
void sim_print_on_abort(void);

/* ---- What happens to the machine ---- */

/* Somebody sets the wall clock, by so much. */
void sim_set_clock(struct sim *sim, i64 ms);
/* Nobody takes what is logged, as with a full disk; or somebody does again. */
void sim_logs_stand(struct sim *sim, bool stand);
/* Records for which there was no room. */
u64 sim_log_dropped(const struct sim *sim, enum log_file file);
/* accept(2) fails with EMFILE from now on, or works again. Returns how often it has failed so. */
u64 sim_accepts_fail(struct sim *sim, bool fail);

/* ---- The mate: another worker of the same process, which is the world's ---- */

/* So many of its clients have something to do; it has as many slots for them as the worker. */
void sim_mate_joins(struct sim *sim, u32 busy, u32 idle);
/* Those that it has been given since, which it takes by itself, have nothing to do any more. */
void sim_mate_rests(struct sim *sim);
/* Connections that it was given. */
u32 sim_mate_served(const struct sim *sim);
struct sim_peer;
/* Gives a client that came aside to the worker; false when it takes none any more. */
bool sim_mate_gives(struct sim *sim, struct sim_peer *client, bool proxy_header);

/* ---- Peers: who is at the other end of the proxy's sockets ---- */

enum sim_end {
    SIM_OPEN,
    SIM_FIN,   /* the proxy has finished sending */
    SIM_RESET, /* the connection is broken; bytes under way may be lost */
};

struct sim_peer;

/* A client: its connection waits at the first listener. */
struct sim_peer *sim_connect(struct sim *sim);
/* The same at any listener of the configuration, and from any address: "192.0.2.1", "2001:db8::1",
 * or NULL for 127.x.y.z. At a unix socket clients have none. */
struct sim_peer *sim_connect_to(struct sim *sim, u32 listener, const char *address);
/* The same, but the worker's own listening socket does not get it. */
struct sim_peer *sim_connect_aside(struct sim *sim, u32 listener, const char *address);
/* The oldest connection of a backend that was not handed out yet, or NULL. */
struct sim_peer *sim_accept(struct sim *sim, u32 backend);

/* Whose connection it is. */
u32 sim_backend(const struct sim_peer *peer);

/* Bytes for the proxy. After the peer's own end, or a reset, they go nowhere. */
void sim_send(struct sim_peer *peer, const void *data, usize len);
void sim_say(struct sim_peer *peer, const char *text);
/* All that came from the proxy and was not taken yet. */
struct slice sim_received(const struct sim_peer *peer);
void sim_take(struct sim_peer *peer, usize len);
enum sim_end sim_end(const struct sim_peer *peer);
/* FIN: the peer has said all, and goes on listening. */
void sim_finish(struct sim_peer *peer);
/* close(2): whatever still comes is answered with RST, and sim_end() says so already. */
void sim_close(struct sim_peer *peer);
/* RST at once. A unix socket has none: there it is the same as sim_close(). */
void sim_reset(struct sim_peer *peer);
/* One of these three ways, whichever the number says. */
void sim_leave(struct sim_peer *peer, u32 way);
/* How many bytes it lets lie unread: a slow reader has a small window and does not take. */
void sim_window(struct sim_peer *peer, usize bytes);
/* A client's own IPv4 address is 127.x.y.z with this number. */
u32 sim_number(const struct sim_peer *peer);
/* True when the proxy has closed its socket. */
bool sim_gone(const struct sim_peer *peer);

/* What happens to connections to a backend from now on. */
enum sim_connect {
    SIM_CONNECT_ACCEPTED,
    SIM_CONNECT_REFUSED,
    SIM_CONNECT_LOST, /* no answer at all */
    SIM_CONNECT_UNREACHABLE,
    SIM_CONNECT_RESET,
    SIM_CONNECT_TIMED_OUT, /* by the kernel */
};
void sim_backend_set(struct sim *sim, u32 backend, enum sim_connect connect);
/* What the health checks say of a backend. */
/* Control has read another configuration, with the same limits: what was served by
 * the earlier one is freed as soon as nobody uses it. */
void sim_reload(struct sim *sim, const char *config);
/* Earlier configurations that are still used. */
u32 sim_earlier(const struct sim *sim);
/* Marks a backend of the newest configuration, when it has that many. */
void sim_backend_usable(struct sim *sim, u32 backend, bool usable);
/* From now on a request of a hedged route is late when its response takes longer than this, nearly.
 */
void sim_late_after(struct sim *sim, u64 us);
/* Of all routes of the newest configuration. */
u64 sim_hedges(const struct sim *sim, enum state_hedge_count what);
/* All its marks: enum state_mark, as a set. */
u32 sim_marks(const struct sim *sim, u32 backend);
/* ring_socket() fails from now on with EMFILE, or works again. */
void sim_sockets_fail(struct sim *sim, bool fail);

#endif
