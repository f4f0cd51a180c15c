/* Rings for tests: the same test under every capability forced off, socket pairs, and waiting. */
#ifndef NEXTPROXY_TEST_RING_FIXTURE_H
#define NEXTPROXY_TEST_RING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <netinet/in.h>

#include "base/clock.h"
#include "ring.h"

/* A kernel that lacks something. */
struct ring_variant {
    const char *name;
    u32 disabled;
};

/* The first one lacks nothing. */
extern const struct ring_variant ring_variants[];
extern const u32 ring_variant_count;

/* Runs every test under every variant, which is the test's *state. Returns the failures. */
int ring_variants_run(const char *group, const struct CMUnitTest *tests, usize count);
/* Also without what this machine's kernel lacks. Fails the test when there can be no ring. */
struct ring *ring_fixture_create(const struct ring_variant *variant, u32 leases);

enum { RING_FIXTURE_WAIT_S = 60 };

/* Turns the ring until the condition holds. Each turn may wait as long as the whole test: what
 * should have woken the ring and did not fails here instead of being found by a poll. */
#define TURN_UNTIL(ring, condition)                                                                \
    do {                                                                                           \
        u64 given_up_ns = clock_monotonic_ns() + RING_FIXTURE_WAIT_S * NS_PER_S;                   \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ns() >= given_up_ns)                                               \
                fail_msg("%s:%d: waited in vain for %s", __FILE__, __LINE__, #condition);          \
            ring_turn(ring, given_up_ns);                                                          \
        }                                                                                          \
    } while (0)

/* Turns without waiting until nothing completes any more, which it has to in time. */
void ring_settle(struct ring *ring);

/* Two connected TCP sockets on the loopback, both non-blocking. */
void tcp_pair(int pair[2]);
/* A listening TCP socket on a free port of the loopback. */
int tcp_listener(struct sockaddr_in *address);
/* Bytes that depend on their position, so that a lost or repeated byte shows: stream `seed`, from
 * position `at` on. */
void pattern_fill(char *out, usize len, u32 seed, u64 at);
void pattern_check(const char *data, usize len, u32 seed, u64 at);
/* What the non-blocking socket takes of that stream, at most `len`; how much it was. */
usize pattern_send(int fd, usize len, u32 seed, u64 at);
/* Closes with RST instead of FIN. */
void close_with_reset(int fd);

#endif
