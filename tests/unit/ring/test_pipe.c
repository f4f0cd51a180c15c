/* Pipes: what goes in comes out, between sockets of every kind; what is lost is told. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring_fixture.h"

/* Bytes from `from[1]` through from[0], the pipe and to[0] to `to[1]`. */
struct way {
    struct ring *ring;
    struct ring_pipe *pipe;
    int from[2];
    int to[2];
};

static void unblock(const int pair[2])
{
    for (u32 i = 0; i < 2; i++)
        assert_int_equal(fcntl(pair[i], F_SETFL, O_NONBLOCK), 0);
}

static void pair_open(int pair[2], bool local)
{
    if (local)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    else
        tcp_pair(pair);
    unblock(pair);
}

/* False where the ring does not splice. */
static bool way_open(struct way *way, void **state, bool local)
{
    way->ring = ring_fixture_create(*state, 0);
    way->pipe = ring_pipe_take(way->ring);
    if (!way->pipe) {
        assert_false(ring_capabilities(way->ring) >> RING_CAP_SPLICE & 1);
        ring_destroy(way->ring);
        return false;
    }
    pair_open(way->from, local);
    pair_open(way->to, local);
    return true;
}

static void way_close(struct way *way)
{
    ring_pipe_return(way->ring, way->pipe);
    for (u32 i = 0; i < 2; i++) {
        close(way->from[i]);
        close(way->to[i]);
    }
    ring_destroy(way->ring);
}

static enum ring_moved fill(struct way *way, u32 bytes_max, u32 *bytes)
{
    return ring_pipe_fill(way->ring, way->pipe, way->from[0], bytes_max, bytes);
}

static enum ring_moved drain(struct way *way, u32 *bytes)
{
    return ring_pipe_drain(way->ring, way->pipe, way->to[0], bytes);
}

static void bytes_go_through(void **state)
{
    enum { BYTES = 3000000 };
    for (u32 local = 0; local < 2; local++) {
        struct way way;
        u64 sent = 0, received = 0;
        u32 bytes;
        char data[65536];
        if (!way_open(&way, state, local))
            return;
        while (received < BYTES) {
            if (sent < BYTES)
                sent += pattern_send(way.from[1], min_u64(BYTES - sent, 50000), 1, sent);
            if (way.pipe->bytes < way.pipe->capacity_bytes)
                assert_int_not_equal(fill(&way, UINT32_MAX, &bytes), RING_MOVED_LOST);
            if (way.pipe->bytes > 0)
                assert_int_not_equal(drain(&way, &bytes), RING_MOVED_LOST);
            ssize_t got = recv(way.to[1], data, sizeof(data), 0);
            if (got > 0) {
                pattern_check(data, (usize)got, 1, received);
                received += (u64)got;
            }
        }
        assert_int_equal(way.pipe->bytes, 0);
        way_close(&way);
    }
}

static void no_more_is_taken_than_was_asked_for(void **state)
{
    struct way way;
    u32 bytes;
    char data[100];
    if (!way_open(&way, state, false))
        return;
    assert_int_equal(send(way.from[1], "0123456789", 10, 0), 10);
    while (fill(&way, 4, &bytes) == RING_MOVED_NONE)
        continue;
    assert_int_equal(bytes, 4);
    assert_int_equal(way.pipe->bytes, 4);
    assert_int_equal(recv(way.from[0], data, sizeof(data), 0), 6);
    assert_memory_equal(data, "456789", 6);
    way_close(&way); /* what is in the pipe is lost: the next one gets an empty one */
}

static void waiting_and_the_end_are_told_apart(void **state)
{
    struct way way;
    u32 bytes = 1;
    if (!way_open(&way, state, false))
        return;
    assert_int_equal(fill(&way, 100, &bytes), RING_MOVED_NONE);
    assert_int_equal(bytes, 0);
    shutdown(way.from[1], SHUT_WR);
    while (fill(&way, 100, &bytes) == RING_MOVED_NONE)
        continue;
    assert_int_equal(fill(&way, 100, &bytes), RING_MOVED_LOST);
    way_close(&way);
}

static void a_sink_that_is_gone_is_told(void **state)
{
    struct way way;
    u32 bytes;
    enum ring_moved drained = RING_MOVED_SOME;
    if (!way_open(&way, state, false))
        return;
    close_with_reset(way.to[1]);
    way.to[1] = -1;
    assert_int_equal(send(way.from[1], "0123456789", 10, 0), 10);
    while (fill(&way, 100, &bytes) == RING_MOVED_NONE)
        continue;
    while (drained != RING_MOVED_LOST)
        drained = drain(&way, &bytes);
    assert_int_equal(way.pipe->bytes, 10);
    way_close(&way);
}

static void what_is_given_back_is_used_again_when_it_is_empty(void **state)
{
    struct way way;
    u32 bytes;
    if (!way_open(&way, state, false))
        return;
    int used = way.pipe->read_fd;
    ring_pipe_return(way.ring, way.pipe);
    way.pipe = ring_pipe_take(way.ring);
    assert_int_equal(way.pipe->read_fd, used);
    assert_int_equal(send(way.from[1], "x", 1, 0), 1);
    while (fill(&way, 1, &bytes) == RING_MOVED_NONE)
        continue;
    ring_pipe_return(way.ring, way.pipe);
    assert_int_equal(fcntl(used, F_GETFD), -1); /* closed with its byte */
    way.pipe = ring_pipe_take(way.ring);
    assert_int_equal(way.pipe->bytes, 0);
    way_close(&way);
}

static void there_are_so_many_and_no_more(void **state)
{
    struct way way;
    struct ring_pipe *more[RING_PIPES_MAX];
    if (!way_open(&way, state, false))
        return;
    for (u32 i = 1; i < RING_PIPES_MAX; i++) {
        more[i] = ring_pipe_take(way.ring);
        assert_non_null(more[i]);
    }
    assert_null(ring_pipe_take(way.ring));
    for (u32 i = 1; i < RING_PIPES_MAX; i++)
        ring_pipe_return(way.ring, more[i]);
    way_close(&way);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_through),
        cmocka_unit_test(no_more_is_taken_than_was_asked_for),
        cmocka_unit_test(waiting_and_the_end_are_told_apart),
        cmocka_unit_test(a_sink_that_is_gone_is_told),
        cmocka_unit_test(what_is_given_back_is_used_again_when_it_is_empty),
        cmocka_unit_test(there_are_so_many_and_no_more),
    };
    return ring_variants_run("pipe", tests, ARRAY_COUNT(tests));
}
