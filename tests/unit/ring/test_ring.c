/* The ring itself: setting up with less, what it says it can do, waiting, waking, and what a
 * restricted one refuses. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "receiver.h"
#include "ring/probe.h"

/* ---- Capabilities ---- */

static void what_is_forced_off_is_not_in_use(void **state)
{
    const struct ring_variant *variant = *state;
    struct ring *ring = ring_fixture_create(variant, 16);
    u32 used = ring_capabilities(ring);
    assert_int_equal(used & variant->disabled, 0);
    assert_int_equal(used & ~((1u << RING_CAP_COUNT) - 1), 0);
    bool single = used >> RING_CAP_SINGLE_ISSUER & 1;
    bool defer = used >> RING_CAP_DEFER_TASKRUN & 1;
    bool coop = used >> RING_CAP_COOP_TASKRUN & 1;
    assert_false(defer && coop);
    assert_true(!defer || single);
    ring_destroy(ring);
}

static void names_are_read_as_they_are_written(void **state)
{
    u32 set = 0;
    const char *unknown = NULL;
    assert_true(ring_capabilities_parse("", &set, &unknown));
    assert_int_equal(set, 0);
    assert_true(ring_capabilities_parse("multishot_recv,bundle", &set, &unknown));
    assert_int_equal(set, 1u << RING_CAP_MULTISHOT_RECV | 1u << RING_CAP_BUNDLE);
    for (u32 i = 0; i < RING_CAP_COUNT; i++) {
        const char *name = ring_capability_name((enum ring_capability)i);
        assert_true(ring_capabilities_parse(name, &set, &unknown));
        assert_int_equal(set, 1u << i);
    }
    assert_false(ring_capabilities_parse("bundle,teleport", &set, &unknown));
    assert_memory_equal(unknown, "teleport", 8);
}

/* ---- Setting up ---- */

static void the_largest_number_of_leases_works(void **state)
{
    struct receiver receiver;
    int pair[2];
    struct ring *ring = ring_fixture_create(*state, 32768);
    tcp_pair(pair);
    receiver_init(&receiver, ring, pair[0], 1);
    ring_recv_stream(ring, &receiver.recv);
    u64 sent = pattern_send(pair[1], 100000, 1, 0);
    TURN_UNTIL(ring, receiver.received == sent);
    close(pair[1]);
    TURN_UNTIL(ring, receiver.ended);
    close(pair[0]);
    ring_destroy(ring);
}

static void without_descriptors_there_is_a_reason(void **state)
{
    struct rlimit before, none;
    char why[RING_EXPLANATION_BYTES] = "";
    const struct ring_options options = {.entries = 8};
    int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct ring *ring = ring_create(&options, why, sizeof(why));
    none.rlim_cur = (rlim_t)next + 1; /* enough for the ring, not for its eventfd */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    char second[RING_EXPLANATION_BYTES] = "";
    struct ring *half = ring_create(&options, second, sizeof(second));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(ring);
    assert_null(half);
    assert_non_null(strstr(why, "cure: "));
    assert_non_null(strstr(second, "cure: "));
    int again = dup(0); /* nothing was left open */
    assert_int_equal(again, next);
    close(again);
}

/* ---- Waiting and waking ---- */

static void a_deadline_in_the_past_does_not_wait(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct ring_stats stats;
    for (u32 i = 0; i < 1000; i++)
        ring_turn(ring, 0);
    ring_stats(ring, &stats);
    assert_int_equal(stats.turns, 1000);
    ring_destroy(ring);
}

static void a_turn_ends_at_its_deadline_and_not_before(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    u64 deadline_ns = clock_monotonic_ns() + 20 * NS_PER_MS;
    u64 now_ns = 0;
    while (now_ns < deadline_ns)
        now_ns = ring_turn(ring, deadline_ns);
    assert_true(now_ns >= deadline_ns);
    assert_true(now_ns <= clock_monotonic_ns());
    assert_int_equal(ring_now_ns(ring), now_ns);
    ring_destroy(ring);
}

static void *wake_often(void *ring)
{
    for (u32 i = 0; i < 1000; i++)
        ring_wake(ring);
    return NULL;
}

/* Without a deadline, so that only the wake can end the turn. */
static void another_thread_wakes_the_ring(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    ring_wake(ring);
    ring_turn(ring, UINT64_MAX); /* it was woken before it slept */
    ring_settle(ring);
    for (u32 i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_often, ring), 0);
        ring_turn(ring, UINT64_MAX);
        assert_int_equal(pthread_join(thread, NULL), 0);
        ring_settle(ring);
    }
    ring_destroy(ring);
}

/* ---- Restrictions ---- */

struct result {
    struct ring_op op;
    struct ring_done done;
    bool called;
};

static void on_result(struct ring_op *op, struct ring_done done)
{
    struct result *result = container_of(op, struct result, op);
    result->done = done;
    result->called = true;
}

static const struct ring_op_class result_class = {"result", on_result};

static struct ring *restricted_ring(void)
{
    char why[RING_EXPLANATION_BYTES];
    struct ring_probe probe;
    ring_probe_run(&probe);
    const struct ring_options options = {
        .leases = 16, .entries = 64, .disabled = ~probe.capabilities, .restricted = true};
    struct ring *ring = ring_create(&options, why, sizeof(why));
    if (!ring)
        fail_msg("no ring: %s", why);
    return ring;
}

static void a_restricted_ring_does_not_write_files(void **state)
{
    struct ring *ring = restricted_ring();
    struct result result = {.called = false};
    int fds[2];
    char byte = 0;
    if (!(ring_capabilities(ring) >> RING_CAP_RESTRICTIONS & 1)) {
        ring_destroy(ring);
        skip();
    }
    assert_int_equal(pipe(fds), 0);
    ring_op_init(&result.op, &result_class);
    ring_write(ring, &result.op, fds[1], "x", 1);
    TURN_UNTIL(ring, result.called);
    assert_int_equal(result.done.status, RING_FAILED);
    assert_int_equal(result.done.error, EACCES);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0); /* nothing was written */
    close(fds[0]);
    ring_destroy(ring);
}

static void a_restricted_ring_does_what_the_data_path_needs(void **state)
{
    struct ring *ring = restricted_ring();
    struct receiver receiver;
    struct result sending = {.called = false}, polling = {.called = false};
    int pair[2];
    char data[3000];
    u64 one = 1;
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pattern_fill(data, sizeof(data), 1, 0);
    tcp_pair(pair);
    receiver_init(&receiver, ring, pair[0], 1);
    ring_recv_stream(ring, &receiver.recv);
    ring_op_init(&sending.op, &result_class);
    ring_op_init(&polling.op, &result_class);
    const struct iovec iov[] = {{data, 1000}, {data + 1000, 2000}};
    ring_send(ring, &sending.op, pair[1], iov, 2);
    ring_poll_readable(ring, &polling.op, event);
    TURN_UNTIL(ring, receiver.received == sizeof(data) && sending.called);
    assert_int_equal(write(event, &one, sizeof(one)), sizeof(one));
    TURN_UNTIL(ring, polling.called);
    assert_int_equal(polling.done.status, RING_OK);
    ring_recv_stop(ring, &receiver.recv);
    TURN_UNTIL(ring, receiver.stops == 1);
    u64 sent = sizeof(data) + pattern_send(pair[1], 5, 1, sizeof(data));
    ring_recv_once(ring, &receiver.recv, 10);
    TURN_UNTIL(ring, receiver.received == sent);
    ring_recv_stream(ring, &receiver.recv);
    close(pair[1]);
    TURN_UNTIL(ring, receiver.ended);
    assert_int_equal(receiver.end.status, RING_END);
    close(pair[0]);
    close(event);
    ring_destroy(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(without_descriptors_there_is_a_reason),
        cmocka_unit_test(a_restricted_ring_does_not_write_files),
        cmocka_unit_test(a_restricted_ring_does_what_the_data_path_needs),
    };
    const struct CMUnitTest variant_tests[] = {
        cmocka_unit_test(what_is_forced_off_is_not_in_use),
        cmocka_unit_test(the_largest_number_of_leases_works),
        cmocka_unit_test(a_deadline_in_the_past_does_not_wait),
        cmocka_unit_test(a_turn_ends_at_its_deadline_and_not_before),
        cmocka_unit_test(another_thread_wakes_the_ring),
    };
    int failed = cmocka_run_group_tests_name("ring", tests, NULL, NULL);
    return failed + ring_variants_run("ring variants", variant_tests, ARRAY_COUNT(variant_tests));
}
