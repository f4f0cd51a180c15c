/* Scenarios: a few lines each that say who sends what, and what the other side must get. */
#ifndef NEXTPROXY_SCENARIO_H
#define NEXTPROXY_SCENARIO_H

#include "sim.h"

struct scenario {
    const char *name;
    void (*run)(struct sim *sim);
    const char *config; /* NULL = SIM_CONFIG_ONE */
    u32 leases;         /* 0 = as many as the configuration asks for */
};

/* Runs each under the seeds 1 to $SEEDS, or only under $SEED, and reports in TAP. */
int scenarios_run(const struct scenario *scenarios, usize count);

/* ---- What peers expect ---- */

/* Waits for a head (up to and with its empty line) and takes it. NUL-terminated, valid until the
 * next call. */
const char *scenario_head(struct sim *sim, struct sim_peer *peer);
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

/* A GET from a client, and the backend's connection that got it; `client` is one that is idle. */
struct sim_peer *scenario_get(struct sim *sim, struct sim_peer *client);
/* The same with 200 and a body of 2 bytes: afterwards both connections are idle. */
struct sim_peer *scenario_warm(struct sim *sim, struct sim_peer **client);

/* ---- Bodies: bytes that depend on their place, so that a lost or moved one shows ---- */

char scenario_byte(u32 stream, u64 at);
/* Sends `len` bytes of a stream from `at` on. */
void scenario_send_body(struct sim_peer *peer, u32 stream, u64 at, u64 len);
/* Waits for them, taking them as they come. */
void scenario_expect_body(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len);
/* The same in chunks of random sizes, with trailers (each with its CRLF) and the end. */
void scenario_send_chunks(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len,
                          const char *trailers);
void scenario_expect_chunks(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len,
                            const char *trailers);

#endif
