/* See ring_fixture.h. */
#include "ring_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring/probe.h"

#define WITHOUT(suffix) (1u << RING_CAP_##suffix)

const struct ring_variant ring_variants[] = {
    {"all", 0},
    {"no multishot_recv", WITHOUT(MULTISHOT_RECV)},
    {"no bundle", WITHOUT(BUNDLE)},
    {"no multishot_recv, bundle", WITHOUT(MULTISHOT_RECV) | WITHOUT(BUNDLE)},
    {"no buffer_ring", WITHOUT(BUFFER_RING)},
    {"no multishot_accept", WITHOUT(MULTISHOT_ACCEPT)},
    {"no defer_taskrun", WITHOUT(DEFER_TASKRUN)},
    {"no single_issuer", WITHOUT(SINGLE_ISSUER)},
    {"no single_issuer, coop_taskrun", WITHOUT(SINGLE_ISSUER) | WITHOUT(COOP_TASKRUN)},
    {"no registered_ring", WITHOUT(REGISTERED_RING)},
    {"no no_iowait", WITHOUT(NO_IOWAIT)},
    {"no splice", WITHOUT(SPLICE)},
    {"no restrictions", WITHOUT(RESTRICTIONS)},
    {"nothing", (1u << RING_CAP_COUNT) - 1},
};
const u32 ring_variant_count = ARRAY_COUNT(ring_variants);

int ring_variants_run(const char *group, const struct CMUnitTest *tests, usize count)
{
    usize total = count * ring_variant_count;
    struct CMUnitTest *each = calloc(total, sizeof(*each));
    char(*names)[128] = calloc(total, sizeof(*names));
    int failed = 1;
    if (each && names) {
        for (usize i = 0; i < total; i++) {
            const struct ring_variant *variant = &ring_variants[i / count];
            each[i] = tests[i % count];
            each[i].initial_state = (void *)(uintptr_t)variant; /* cmocka's state is not const */
            (void)snprintf(names[i], sizeof(names[i]), "%s [%s]", each[i].name, variant->name);
            each[i].name = names[i];
        }
        failed = _cmocka_run_group_tests(group, each, total, NULL, NULL);
    }
    free(each);
    free(names);
    return failed;
}

static u32 kernel_capabilities(void)
{
    static struct ring_probe probe;
    if (!probe.usable)
        ring_probe_run(&probe);
    return probe.capabilities;
}

struct ring *ring_fixture_create(const struct ring_variant *variant, u32 leases)
{
    char why[256] = "";
    u32 wanted = ring_capabilities_reduce(kernel_capabilities() & ~variant->disabled);
    struct ring_options options = {.leases = leases, .entries = 256, .disabled = ~wanted};
    struct ring *ring = ring_create(&options, why, sizeof(why));
    if (!ring)
        fail_msg("no ring: %s", why);
    return ring;
}

void ring_settle(struct ring *ring)
{
    enum { QUIET_TURNS = 5 };
    struct ring_stats before, after;
    u64 given_up_ns = clock_monotonic_ns() + RING_FIXTURE_WAIT_S * NS_PER_S;
    for (u32 quiet = 0; quiet < QUIET_TURNS;) {
        if (clock_monotonic_ns() >= given_up_ns)
            fail_msg("after %u s something still completes", RING_FIXTURE_WAIT_S);
        ring_stats(ring, &before);
        ring_turn(ring, 0);
        ring_stats(ring, &after);
        quiet = after.completions == before.completions ? quiet + 1 : 0;
    }
}

static void set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

int tcp_listener(struct sockaddr_in *address)
{
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

void tcp_pair(int pair[2])
{
    struct sockaddr_in address;
    int on = 1;
    int listener = tcp_listener(&address);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(pair[0] >= 0);
    assert_int_equal(connect(pair[0], (const struct sockaddr *)&address, sizeof(address)), 0);
    pair[1] = accept(listener, NULL, NULL);
    assert_true(pair[1] >= 0);
    close(listener);
    for (u32 i = 0; i < 2; i++) {
        set_nonblocking(pair[i]);
        assert_int_equal(setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    }
}

static char pattern_byte(u32 seed, u64 at)
{
    return (char)((at + seed) * 2654435761u >> 13);
}

void pattern_fill(char *out, usize len, u32 seed, u64 at)
{
    for (usize i = 0; i < len; i++)
        out[i] = pattern_byte(seed, at + i);
}

void pattern_check(const char *data, usize len, u32 seed, u64 at)
{
    for (usize i = 0; i < len; i++)
        if (data[i] != pattern_byte(seed, at + i))
            fail_msg("stream %u: byte %llu is %02x, not %02x", seed, (unsigned long long)(at + i),
                     (u8)data[i], (u8)pattern_byte(seed, at + i));
}

usize pattern_send(int fd, usize len, u32 seed, u64 at)
{
    char piece[4096];
    usize sent = 0;
    while (sent < len) {
        usize part = min_u64(len - sent, sizeof(piece));
        pattern_fill(piece, part, seed, at + sent);
        ssize_t taken = send(fd, piece, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0) {
            assert_int_equal(errno, EAGAIN);
            break;
        }
        sent += (usize)taken;
    }
    return sent;
}

void close_with_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
}
