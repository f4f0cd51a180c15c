/* Ops: each does what include/ring.h says, on every kind of kernel. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring_fixture.h"

/* An op that counts its calls and keeps the last result. */
struct counted {
    struct ring_op op;
    struct ring_done done; /* of the last call */
    u32 calls;
    int fds[16]; /* what an accept brought */
    u32 accepted;
    struct counted *cancels; /* canceled from within the handler */
    struct ring *ring;
};

static void on_done(struct ring_op *op, struct ring_done done)
{
    struct counted *counted = container_of(op, struct counted, op);
    counted->done = done;
    counted->calls++;
    assert_int_equal(op->owed, done.more);
    if (done.status == RING_OK)
        assert_int_equal(done.error, 0);
    if (counted->cancels && done.status == RING_OK)
        ring_cancel(counted->ring, &counted->cancels->op);
}

static void on_accepted(struct ring_op *op, struct ring_done done)
{
    struct counted *counted = container_of(op, struct counted, op);
    if (done.status == RING_OK && counted->accepted < ARRAY_COUNT(counted->fds))
        counted->fds[counted->accepted++] = done.result;
    on_done(op, done);
}

static const struct ring_op_class counted_class = {"counted", on_done};
static const struct ring_op_class accept_class = {"accept", on_accepted};

static void counted_init(struct counted *counted, struct ring *ring,
                         const struct ring_op_class *class)
{
    *counted = (struct counted){.ring = ring};
    ring_op_init(&counted->op, class);
}

/* ---- Connecting ---- */

static void connecting_where_somebody_listens(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct sockaddr_in address;
    struct counted opening;
    i32 error = 0;
    int listener = tcp_listener(&address);
    counted_init(&opening, ring, &counted_class);
    int fd = ring_socket(ring, (const struct sockaddr *)&address, &error);
    assert_true(fd >= 0);
    ring_connect(ring, &opening.op, fd, (const struct sockaddr *)&address, sizeof(address));
    assert_true(opening.op.owed);
    TURN_UNTIL(ring, opening.calls > 0);
    assert_int_equal(opening.done.status, RING_OK);
    assert_false(opening.done.more);
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    assert_true(ring_peer_address(ring, fd, (struct sockaddr *)&peer, &len));
    assert_int_equal(peer.sin_port, address.sin_port);
    close(listener);
    ring_close(ring, fd, false);
    ring_destroy(ring);
}

static void connecting_where_nobody_listens(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct sockaddr_in address;
    struct counted opening;
    i32 error = 0;
    close(tcp_listener(&address)); /* a port that was free a moment ago */
    counted_init(&opening, ring, &counted_class);
    int fd = ring_socket(ring, (const struct sockaddr *)&address, &error);
    ring_connect(ring, &opening.op, fd, (const struct sockaddr *)&address, sizeof(address));
    TURN_UNTIL(ring, opening.calls > 0);
    assert_int_equal(opening.done.status, RING_REFUSED);
    assert_int_equal(opening.done.error, ECONNREFUSED);
    ring_close(ring, fd, true);
    ring_destroy(ring);
}

/* A full backlog drops what comes, so a connect to it stays under way. */
static void a_connect_can_be_canceled(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct sockaddr_in address;
    struct counted opening;
    i32 error = 0;
    int listener = tcp_listener(&address);
    counted_init(&opening, ring, &counted_class);
    assert_int_equal(listen(listener, 0), 0);
    int fillers[64];
    for (u32 i = 0; i < ARRAY_COUNT(fillers); i++) {
        fillers[i] = ring_socket(ring, (const struct sockaddr *)&address, &error);
        (void)connect(fillers[i], (const struct sockaddr *)&address, sizeof(address));
    }
    int fd = ring_socket(ring, (const struct sockaddr *)&address, &error);
    ring_connect(ring, &opening.op, fd, (const struct sockaddr *)&address, sizeof(address));
    ring_settle(ring);
    assert_int_equal(opening.calls, 0);
    ring_cancel(ring, &opening.op);
    TURN_UNTIL(ring, opening.calls > 0);
    assert_int_equal(opening.done.status, RING_CANCELED);
    ring_close(ring, fd, true);
    for (u32 i = 0; i < ARRAY_COUNT(fillers); i++)
        close(fillers[i]);
    close(listener);
    ring_destroy(ring);
}

/* ---- Sending ---- */

static void read_exactly(int fd, usize len, u64 at)
{
    char data[10000];
    while (len > 0) {
        ssize_t got = recv(fd, data, min_u64(len, sizeof(data)), 0);
        assert_true(got > 0);
        pattern_check(data, (usize)got, 1, at);
        at += (u64)got;
        len -= (usize)got;
    }
}

static void a_large_send_to_a_slow_reader_completes_whole(void **state)
{
    enum { BYTES = 16 << 20, PIECE = 1 << 20 };
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted sending;
    int pair[2];
    u64 read = 0;
    char *data = malloc(BYTES);
    pattern_fill(data, BYTES, 1, 0);
    tcp_pair(pair);
    assert_int_equal(fcntl(pair[1], F_SETFL, 0), 0); /* the reader may wait */
    counted_init(&sending, ring, &counted_class);
    const struct iovec iov[] = {
        {data, 7}, {data + 7, BYTES / 2}, {data + 7 + BYTES / 2, BYTES / 2 - 7}};
    ring_send(ring, &sending.op, pair[0], iov, ARRAY_COUNT(iov));
    while (sending.calls == 0) {
        ring_settle(ring);
        u64 piece = min_u64(PIECE, BYTES - read);
        read_exactly(pair[1], piece, read);
        read += piece;
    }
    assert_int_equal(sending.done.status, RING_OK);
    assert_int_equal(sending.done.result, BYTES);
    read_exactly(pair[1], BYTES - read, read);
    close(pair[0]);
    close(pair[1]);
    free(data);
    ring_destroy(ring);
}

static void the_largest_number_of_pieces(void **state)
{
    enum { PIECE_BYTES = 100 };
    struct ring *ring = ring_fixture_create(*state, 0);
    static char data[RING_IOV_MAX * PIECE_BYTES];
    struct counted sends[40]; /* together more than the scratch memory of one submission */
    struct iovec iov[RING_IOV_MAX];
    int pairs[ARRAY_COUNT(sends)][2];
    pattern_fill(data, sizeof(data), 1, 0);
    for (u32 i = 0; i < RING_IOV_MAX; i++)
        iov[i] = (struct iovec){data + i * PIECE_BYTES, PIECE_BYTES};
    for (u32 round = 0; round < 5; round++) {
        for (u32 i = 0; i < ARRAY_COUNT(sends); i++) {
            tcp_pair(pairs[i]);
            counted_init(&sends[i], ring, &counted_class);
            ring_send(ring, &sends[i].op, pairs[i][0], iov, RING_IOV_MAX);
        }
        for (u32 i = 0; i < ARRAY_COUNT(sends); i++) {
            TURN_UNTIL(ring, sends[i].calls > 0);
            assert_int_equal(sends[i].done.status, RING_OK);
            assert_int_equal(fcntl(pairs[i][1], F_SETFL, 0), 0);
            read_exactly(pairs[i][1], sizeof(data), 0);
            close(pairs[i][0]);
            close(pairs[i][1]);
        }
    }
    ring_destroy(ring);
}

static void a_send_to_a_peer_that_is_gone_is_a_reset(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted sending;
    int pair[2];
    char data[] = "anybody there?";
    const struct iovec iov = {data, sizeof(data)};
    tcp_pair(pair);
    close_with_reset(pair[1]);
    counted_init(&sending, ring, &counted_class);
    ring_send(ring, &sending.op, pair[0], &iov, 1);
    TURN_UNTIL(ring, sending.calls > 0);
    assert_int_equal(sending.done.status, RING_RESET);
    ring_send(ring, &sending.op, pair[0], &iov, 1);
    TURN_UNTIL(ring, sending.calls > 1);
    assert_int_equal(sending.done.status, RING_RESET);
    close(pair[0]);
    ring_destroy(ring);
}

/* A send of more than the socket takes: it is under way. */
struct large_send {
    struct ring *ring;
    struct counted sending;
    char *data;
    int pair[2];
};

enum { LARGE_BYTES = 16 << 20 };

static void large_send_begin(struct large_send *large, void **state)
{
    large->ring = ring_fixture_create(*state, 0);
    large->data = calloc(1, LARGE_BYTES);
    const struct iovec iov = {large->data, LARGE_BYTES};
    tcp_pair(large->pair);
    counted_init(&large->sending, large->ring, &counted_class);
    ring_send(large->ring, &large->sending.op, large->pair[0], &iov, 1);
    ring_settle(large->ring);
    assert_int_equal(large->sending.calls, 0);
}

static void large_send_end(struct large_send *large)
{
    close(large->pair[0]);
    close(large->pair[1]);
    free(large->data);
    ring_destroy(large->ring);
}

static void a_send_that_is_cut_short_has_not_succeeded(void **state)
{
    struct large_send large;
    large_send_begin(&large, state);
    ring_shutdown(large.ring, large.pair[0], SHUT_RDWR);
    TURN_UNTIL(large.ring, large.sending.calls > 0);
    assert_int_equal(large.sending.done.status, RING_SHORT);
    assert_in_range(large.sending.done.result, 1, LARGE_BYTES - 1);
    large_send_end(&large);
}

static void a_send_can_be_canceled(void **state)
{
    struct large_send large;
    large_send_begin(&large, state);
    ring_cancel(large.ring, &large.sending.op);
    TURN_UNTIL(large.ring, large.sending.calls > 0);
    enum ring_status status = large.sending.done.status;
    assert_true(status == RING_CANCELED || status == RING_SHORT);
    assert_false(large.sending.op.owed);
    large_send_end(&large);
}

/* ---- Accepting ---- */

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void accepting_goes_on_until_it_is_canceled(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted accepting;
    struct sockaddr_in address;
    int clients[10];
    int listener = tcp_listener(&address);
    counted_init(&accepting, ring, &accept_class);
    ring_accept(ring, &accepting.op, listener);
    for (u32 i = 0; i < ARRAY_COUNT(clients); i++) {
        clients[i] = connect_to(&address);
        if (i % 2) /* one alone and two at once */
            TURN_UNTIL(ring, accepting.accepted == i + 1);
    }
    assert_true(accepting.op.owed);
    for (u32 i = 0; i < accepting.accepted; i++) {
        assert_true(fcntl(accepting.fds[i], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(accepting.fds[i], F_GETFD) & FD_CLOEXEC);
        close(accepting.fds[i]);
        close(clients[i]);
    }
    ring_cancel(ring, &accepting.op);
    TURN_UNTIL(ring, !accepting.op.owed);
    assert_int_equal(accepting.done.status, RING_CANCELED);
    close(listener);
    ring_destroy(ring);
}

/* Two listeners have a connection ready in the same turn, and the handler of either cancels the
 * other, whose connection then arrives behind the cancellation. */
static void a_cancel_holds_even_when_a_connection_came_first(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted accepts[2];
    struct sockaddr_in addresses[2];
    int listeners[2], clients[2];
    for (u32 i = 0; i < 2; i++) {
        listeners[i] = tcp_listener(&addresses[i]);
        counted_init(&accepts[i], ring, &accept_class);
        accepts[i].cancels = &accepts[1 - i];
        ring_accept(ring, &accepts[i].op, listeners[i]);
    }
    ring_settle(ring);
    for (u32 i = 0; i < 2; i++)
        clients[i] = connect_to(&addresses[i]);
    TURN_UNTIL(ring, !accepts[0].op.owed && !accepts[1].op.owed);
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(accepts[i].done.status, RING_CANCELED);
        for (u32 j = 0; j < accepts[i].accepted; j++)
            close(accepts[i].fds[j]);
        close(listeners[i]);
        close(clients[i]);
    }
    ring_destroy(ring);
}

static void accepting_on_what_does_not_listen_fails(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted accepting;
    int pair[2];
    tcp_pair(pair);
    counted_init(&accepting, ring, &accept_class);
    ring_accept(ring, &accepting.op, pair[0]);
    TURN_UNTIL(ring, accepting.calls > 0);
    assert_int_equal(accepting.done.status, RING_FAILED);
    assert_int_equal(accepting.done.error, EINVAL);
    assert_false(accepting.op.owed);
    close(pair[0]);
    close(pair[1]);
    ring_destroy(ring);
}

/* ---- Files and readiness ---- */

static void files_are_appended_to_and_read_on(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted op;
    char name[] = "/tmp/nextproxy-ops-XXXXXX";
    char text[16] = "";
    counted_init(&op, ring, &counted_class);
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
    ring_write(ring, &op.op, fd, "one ", 4);
    TURN_UNTIL(ring, op.calls == 1);
    assert_int_equal(op.done.result, 4);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    ring_write(ring, &op.op, fd, "two", 3);
    TURN_UNTIL(ring, op.calls == 2);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    ring_read(ring, &op.op, fd, text, 4);
    TURN_UNTIL(ring, op.calls == 3);
    assert_string_equal(text, "one ");
    ring_read(ring, &op.op, fd, text, sizeof(text));
    TURN_UNTIL(ring, op.calls == 4);
    assert_int_equal(op.done.result, 3);
    assert_string_equal(text, "two ");
    ring_read(ring, &op.op, fd, text, sizeof(text));
    TURN_UNTIL(ring, op.calls == 5);
    assert_int_equal(op.done.status, RING_OK);
    assert_int_equal(op.done.result, 0);
    close(fd);
    unlink(name);
    ring_destroy(ring);
}

static void a_poll_tells_of_bytes_once(void **state)
{
    struct ring *ring = ring_fixture_create(*state, 0);
    struct counted polling;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    u64 one = 1;
    counted_init(&polling, ring, &counted_class);
    ring_poll_readable(ring, &polling.op, fd);
    ring_settle(ring);
    assert_int_equal(polling.calls, 0);
    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
    TURN_UNTIL(ring, polling.calls == 1);
    assert_int_equal(polling.done.status, RING_OK);
    assert_false(polling.op.owed);
    ring_cancel(ring, &polling.op); /* nothing to cancel */
    ring_settle(ring);
    assert_int_equal(polling.calls, 1);
    assert_int_equal(read(fd, &one, sizeof(one)), sizeof(one));
    ring_poll_readable(ring, &polling.op, fd);
    ring_settle(ring);
    ring_cancel(ring, &polling.op);
    TURN_UNTIL(ring, polling.calls == 2);
    assert_int_equal(polling.done.status, RING_CANCELED);
    close(fd);
    ring_destroy(ring);
}

/* More ops in one turn than the submission queue has entries. */
static void any_number_of_ops_fits_into_a_turn(void **state)
{
    enum { OPS = 2000 };
    struct ring *ring = ring_fixture_create(*state, 0);
    static struct counted polls[OPS];
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    for (u32 i = 0; i < OPS; i++) {
        counted_init(&polls[i], ring, &counted_class);
        ring_poll_readable(ring, &polls[i].op, fd);
    }
    for (u32 i = 0; i < OPS; i++)
        TURN_UNTIL(ring, polls[i].calls == 1);
    close(fd);
    ring_destroy(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connecting_where_somebody_listens),
        cmocka_unit_test(connecting_where_nobody_listens),
        cmocka_unit_test(a_connect_can_be_canceled),
        cmocka_unit_test(a_large_send_to_a_slow_reader_completes_whole),
        cmocka_unit_test(the_largest_number_of_pieces),
        cmocka_unit_test(a_send_to_a_peer_that_is_gone_is_a_reset),
        cmocka_unit_test(a_send_that_is_cut_short_has_not_succeeded),
        cmocka_unit_test(a_send_can_be_canceled),
        cmocka_unit_test(accepting_goes_on_until_it_is_canceled),
        cmocka_unit_test(a_cancel_holds_even_when_a_connection_came_first),
        cmocka_unit_test(accepting_on_what_does_not_listen_fails),
        cmocka_unit_test(files_are_appended_to_and_read_on),
        cmocka_unit_test(a_poll_tells_of_bytes_once),
        cmocka_unit_test(any_number_of_ops_fits_into_a_turn),
    };
    return ring_variants_run("ring ops", tests, ARRAY_COUNT(tests));
}
