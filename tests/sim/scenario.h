/*
 * Scenarios: a few lines each that say who sends what, and what the other side must get.
 *
 *   scenarios_messages.c   messages that end well
 *   scenarios_splice.c     long bodies, through pipes
 *   scenarios_tunnels.c    what follows an upgrade
 *   scenarios_origins.c    who the client is: PROXY protocol, unix sockets, IPv6
 *   scenarios_endings.c    clients and backends that go, in each phase, and malformed messages
 *   scenarios_gone.c       clients that go while nobody reads from them
 *   scenarios_retry.c      what is tried again, where, and how often
 *   scenarios_failover.c   what a backend may have begun, and another one does again
 *   scenarios_hedge.c      a second attempt while the first one still waits
 *   scenarios_unhedged.c   when there is none
 *   scenarios_choice.c     each strategy: backends that are down, and up again
 *   scenarios_sticky.c     clients that stay with their backends
 *   scenarios_limits.c     what is used up, row by row of the memory plan, and what is too large
 *   scenarios_overload.c   what goes when much is used up, and that it comes back
 *   scenarios_crowd.c      many clients at once: few leases, a completion queue that overflows
 *   scenarios_scarcity.c   few leases, and many who would hold all of them
 *   scenarios_time.c       each timeout
 *   scenarios_machine.c    what happens to the machine: network, clock, disk, descriptors
 *   scenarios_stop.c       drain and stop
 *   scenarios_team.c       another worker gives and takes connections
 *   scenarios_reload.c     another configuration takes over
 *   scenarios_removal.c    what runs on backends and routes that it has not
 *   scenarios_late.c       what comes to them after that
 *   scenarios_queue.c      routes with limits: who waits, and whose turn it is
 *   scenarios_room.c       backends with maxConnections
 *   scenarios_uploads.c    clients that are slow with their requests, and what they keep from
 * others scenarios_adaptive.c   a limit that follows the latency, at three times the capacity
 *   scenarios_priority.c   who goes first there, and who is turned away
 *
 * To add one: write a function that takes the sim (sim.h says what peers can do, the functions
 * below what they may expect), and give it a row in the table at the end of the file where it
 * belongs. A new file needs nothing but a table and a main() like the others'. It runs under many
 * seeds, each another kernel; what does not matter to the scenario is left to chance with
 * sim_chance(). It need not clean up: connections may be in any state when it returns.
 *
 *   make sim                                all of them
 *   SEED=7 build/sim/scenarios_retry        one file under one seed, as a failure names it
 */
#ifndef NEXTPROXY_SCENARIO_H
#define NEXTPROXY_SCENARIO_H

#include "sim.h"

struct scenario {
    const char *name;
    void (*run)(struct sim *sim);
    const char *config; /* NULL = SIM_CONFIG_ONE */
    u32 leases;         /* 0 = as many as the configuration asks for */
    u32 completions;    /* room in the completion queue; 0 = the seed decides */
};

/* Runs each under the seeds 1 to $SEEDS, or only under $SEED, and reports in TAP. */
int scenarios_run(const struct scenario *scenarios, usize count);

/* ---- What peers expect ---- */

/* Waits for a head (up to and with its empty line) and takes it. NUL-terminated, valid until the
 * next call. */
const char *scenario_head(struct sim *sim, struct sim_peer *peer);
/* Bytes of the head that was received, with its empty line; 0 while it is not there. */
usize scenario_head_len(const struct sim_peer *peer);
/* Waits for exactly these bytes and takes them. */
void scenario_expect(struct sim *sim, struct sim_peer *peer, const char *text);
/* Waits for a head with this first line, in which each of the lines stands; one that begins with
 * '!' must not be there, a name with its colon is enough for that. */
void scenario_expect_head(struct sim *sim, struct sim_peer *peer, const char *const *lines);
#define EXPECT_HEAD(sim, peer, ...)                                                                \
    scenario_expect_head(sim, peer, (const char *const[]){__VA_ARGS__, NULL})
/* Waits for an error page with this status, and takes it. */
void scenario_expect_page(struct sim *sim, struct sim_peer *peer, const char *status);
/* Waits for the end; nothing may come before it. */
void scenario_expect_end(struct sim *sim, struct sim_peer *peer, enum sim_end end);
/* Waits until the proxy has ended the connection in whatever way, dropping what comes. */
void scenario_drop(struct sim *sim, struct sim_peer *peer);
/* The next connection of a backend; of any of the three when `backend` is SIM_BACKENDS_MAX. */
struct sim_peer *scenario_accept(struct sim *sim, u32 backend);
#define ANY_BACKEND SIM_BACKENDS_MAX
/* The connection on which the next request arrives at backend 0: this one, which may be NULL, or a
 * new one. An upstream whose response was seen before the end of its send is not used again. */
struct sim_peer *scenario_next(struct sim *sim, struct sim_peer *backend);

/* A GET from a client, and the backend's connection that got it; `client` is one that is idle. */
struct sim_peer *scenario_get(struct sim *sim, struct sim_peer *client);
/* The same with 200 and a body of 2 bytes: afterwards both connections are idle. */
struct sim_peer *scenario_warm(struct sim *sim, struct sim_peer **client);
/* Answers what scenario_get() has sent with 200 and a body of 2 bytes, which the client gets. */
void scenario_answer(struct sim *sim, struct sim_peer *client, struct sim_peer *backend);
/* The two ends of a tunnel through a new client; nothing has gone through it yet. */
void scenario_tunnel(struct sim *sim, struct sim_peer **client, struct sim_peer **backend);
/* Ends a connection from the peer's side in one of the ways there are: FIN, close or reset. */
void scenario_end(struct sim *sim, struct sim_peer *peer);

/* ---- What else there is to see ---- */

/* Fails when it is not `ms` since then, but for what a timer may be late. */
void scenario_check_after(struct sim *sim, u64 since_ns, u64 ms);
/* The last line of a log must have each of these in it. Without logs, under every second seed,
 * there is nothing to see. */
void scenario_expect_record(struct sim *sim, enum log_file file, const char *const *parts);
#define EXPECT_RECORD(sim, file, ...)                                                              \
    scenario_expect_record(sim, file, (const char *const[]){__VA_ARGS__, NULL})

/* ---- Bodies: bytes that depend on their place, so that a lost or moved one shows ---- */

char scenario_byte(u32 stream, u64 at);
/* Sends `len` bytes of a stream from `at` on. */
void scenario_send_body(struct sim_peer *peer, u32 stream, u64 at, u64 len);
/* Takes up to `len` bytes of what is there, and returns how many; they must be those from `at` on.
 */
u64 scenario_take_body(struct sim_peer *peer, u32 stream, u64 at, u64 len);
/* Waits for them, taking them as they come. */
void scenario_expect_body(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len);
/* The same in chunks of random sizes, with trailers (each with its CRLF) and the end. */
void scenario_send_chunks(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len,
                          const char *trailers);
void scenario_expect_chunks(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len,
                            const char *trailers);

/* A drain or a stop, by chance. */
void scenario_drain_or_stop(struct sim *sim);

#endif
