/* One worker's upstreams without a proxy: two backends that only listen, and users that note what
 * they hear. */
#ifndef NEXTPROXY_TEST_UPSTREAM_FIXTURE_H
#define NEXTPROXY_TEST_UPSTREAM_FIXTURE_H

#include "upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config_fixture.h"
#include "ring_fixture.h"
#include "state.h"
#include "state/connections.h"

enum { LEASES = 64, BACKENDS = 2, FDS_MAX = 64, SLOT_FIRST = 5 };

/* One worker's share of a proxy, without the proxy: two backends that only listen. */
struct lab {
    struct ring *ring;
    struct wheel wheel;
    struct transport_reaper reaper;
    struct arena arena;
    struct state *state; /* worker 0 is the lab's; there is a worker 1, too */
    struct config *config;
    struct upstreams *upstreams;
    struct sockaddr_in addresses[BACKENDS];
    int listeners[BACKENDS];
};

/* What a user of an upstream heard. */
struct user {
    struct upstream *upstream;
    struct ring_done done;
    u32 begun, connected, ended, lost;
    u64 received;
};

static struct user *user_of(struct transport *transport)
{
    struct user *user = container_of(transport, struct upstream, transport)->user;
    assert_non_null(user);
    return user;
}

static void on_connected(struct upstream *upstream, struct ring_done done)
{
    struct user *user = upstream->user;
    assert_ptr_equal(user->upstream, upstream);
    user->connected++;
    user->done = done;
}

static void on_begun(struct upstream *upstream)
{
    struct user *user = upstream->user;
    assert_ptr_equal(user->upstream, upstream);
    assert_int_equal(user->connected, 0);
    user->begun++;
}

static void on_data(struct transport *transport, struct lease_chain *data)
{
    user_of(transport)->received += data->bytes;
    ring_chain_return(transport->ring, data);
}

static void on_end(struct transport *transport)
{
    user_of(transport)->ended++;
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    user_of(transport)->lost++;
    user_of(transport)->done = done;
}

static void unexpected(struct transport *transport)
{
    fail_msg("an event that nobody asked for");
}

static const struct upstream_events user_events = {
    .transport = {.on_data = on_data,
                  .on_end = on_end,
                  .on_lost = on_lost,
                  .on_paused = unexpected,
                  .on_sent = unexpected,
                  .on_closed = unexpected},
    .on_connected = on_connected,
    .on_begun = on_begun,
};

static struct config *lab_config(const struct lab *lab, const char *upstream_settings)
{
    char json[512];
    (void)snprintf(json, sizeof(json),
                   "{\"backends\":[{\"url\":\"http://127.0.0.1:%u\"},"
                   "{\"url\":\"http://127.0.0.1:%u\"}],\"upstream\":{%s}}",
                   ntohs(lab->addresses[0].sin_port), ntohs(lab->addresses[1].sin_port),
                   upstream_settings);
    return config_fixture(json);
}

static void lab_open(struct lab *lab, void **state, const char *upstream_settings)
{
    for (u32 i = 0; i < BACKENDS; i++) {
        lab->listeners[i] = tcp_listener(&lab->addresses[i]);
        assert_int_equal(fcntl(lab->listeners[i], F_SETFL, O_NONBLOCK), 0);
    }
    lab->config = lab_config(lab, upstream_settings);
    lab->ring = ring_fixture_create(*state, LEASES);
    wheel_init(&lab->wheel, ring_now_ns(lab->ring));
    transport_reaper_init(&lab->reaper, &lab->wheel);
    arena_init(&lab->arena);
    lab->state = state_create();
    assert_non_null(lab->state);
    for (u32 worker = 0; worker < 2; worker++)
        assert_non_null(state_tallies(lab->state, worker));
    const struct upstreams_environment environment = {
        .ring = lab->ring,
        .wheel = &lab->wheel,
        .reaper = &lab->reaper,
        .state = lab->state,
        .worker = 0,
        .connections_max = lab->config->upstream.connections_max,
        .events = &user_events,
    };
    static const u32 slots[BACKENDS] = {SLOT_FIRST, SLOT_FIRST + 1};
    lab->upstreams = upstreams_create(&lab->arena, &environment);
    assert_non_null(lab->upstreams);
    upstreams_adopt(lab->upstreams, &lab->config->upstream, slots, BACKENDS);
}

static void turn(struct lab *lab, u64 deadline_ns)
{
    u64 now_ns = ring_turn(lab->ring, min_u64(deadline_ns, wheel_next_ns(&lab->wheel)));
    wheel_run(&lab->wheel, now_ns);
    transport_reap(&lab->reaper);
}

#define UNTIL(lab, condition)                                                                      \
    do {                                                                                           \
        u64 given_up_ns = clock_monotonic_ns() + RING_FIXTURE_WAIT_S * NS_PER_S;                   \
        while (transport_reap(&(lab)->reaper), !(condition)) {                                     \
            if (clock_monotonic_ns() >= given_up_ns)                                               \
                fail_msg("line %d: waited in vain for %s", __LINE__, #condition);                  \
            turn(lab, given_up_ns);                                                                \
        }                                                                                          \
    } while (0)

static void lab_close(struct lab *lab)
{
    upstreams_drain(lab->upstreams);
    UNTIL(lab, upstreams_count(lab->upstreams) == 0);
    assert_int_equal(ring_leases_held(lab->ring), 0);
    for (u32 i = 0; i < BACKENDS; i++)
        assert_int_equal(state_connections(lab->state, SLOT_FIRST + i), 0);
    upstreams_destroy(lab->upstreams);
    state_destroy(lab->state);
    arena_deinit(&lab->arena);
    config_destroy(lab->config);
    ring_destroy(lab->ring);
    for (u32 i = 0; i < BACKENDS; i++)
        close(lab->listeners[i]);
}

static struct upstream_target target(const struct lab *lab, u32 backend)
{
    return (struct upstream_target){SLOT_FIRST + backend, &lab->config->backends[backend].address};
}

static void acquire(struct lab *lab, u32 backend, struct user *user)
{
    i32 error = 0;
    *user = (struct user){.connected = 0};
    user->upstream = upstream_acquire(lab->upstreams, target(lab, backend), false, user, &error);
    assert_non_null(user->upstream);
    assert_int_equal(user->upstream->slot, SLOT_FIRST + backend);
}

/* A connection in use, and the backend's end of it when it is a new one. */
static int acquire_connected(struct lab *lab, u32 backend, struct user *user)
{
    acquire(lab, backend, user);
    if (user->upstream->reused)
        return -1;
    assert_int_equal(user->upstream->state, UPSTREAM_CONNECTING);
    UNTIL(lab, user->connected == 1);
    assert_int_equal(user->done.status, RING_OK);
    assert_int_equal(user->begun, 0);
    assert_int_equal(user->upstream->state, UPSTREAM_ACTIVE);
    int peer = accept(lab->listeners[backend], NULL, NULL);
    assert_true(peer >= 0);
    return peer;
}

#endif
