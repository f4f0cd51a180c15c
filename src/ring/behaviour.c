/*
 * Small experiments on unix sockets that are private to this process. What they wait for is there
 * already when they wait, so the time limits matter only with a kernel that does not answer.
 */
#include "ring/behaviour.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum {
    WAIT_NS = 5 * 1000 * 1000,
    INTERRUPTIONS_MAX = 3,
    COMPLETIONS_LEFT_MAX = 16,
};

/* What a completion belongs to: user_data. */
enum tag { TAG_OTHER, TAG_ACCEPT, TAG_CANCEL };

/* ---- Asking and waiting ---- */

struct completion {
    u64 tag;
    i32 result;
    u32 flags;
};

/* Never NULL: no experiment queues more than the smallest ring holds. */
static struct io_uring_sqe *next(struct io_uring *ring, enum tag tag)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    ASSERT(sqe);
    sqe->user_data = tag;
    return sqe;
}

static i32 submit(struct io_uring *ring)
{
    int submitted = io_uring_submit(ring);
    return submitted < 0 ? -submitted : 0;
}

/* The next completion: 0, or ETIME when none comes. */
static i32 await(struct io_uring *ring, struct completion *out)
{
    struct io_uring_cqe *cqe = NULL;
    int error = -EINTR;
    for (int i = 0; error == -EINTR && i < INTERRUPTIONS_MAX; i++) {
        struct __kernel_timespec limit = {.tv_nsec = WAIT_NS};
        error = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
    }
    if (error != 0)
        return -error;
    *out = (struct completion){cqe->user_data, cqe->res, cqe->flags};
    io_uring_cqe_seen(ring, cqe);
    return 0;
}

static i32 submit_and_await(struct io_uring *ring, struct completion *out)
{
    i32 error = submit(ring);
    return error != 0 ? error : await(ring, out);
}

/* After a failed experiment: takes whatever still comes, so that nothing of it is in flight. */
static void drain(struct io_uring *ring)
{
    struct completion left = {.tag = TAG_OTHER};
    for (int i = 0; i < COMPLETIONS_LEFT_MAX && await(ring, &left) == 0; i++)
        if (left.tag == TAG_ACCEPT && left.result >= 0)
            (void)close(left.result);
}

static i32 result_error(const struct completion *done)
{
    return done->result < 0 ? -done->result : EPROTO;
}

i32 behaviour_wait_timeout(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec limit = {.tv_nsec = 1000};
    /* Without this bit liburing uses a timeout operation instead. */
    if (!(ring->features & IORING_FEAT_EXT_ARG))
        return EINVAL;
    int error = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
    if (error == -ETIME || error == -EINTR)
        return 0;
    return error == 0 ? EPROTO : -error;
}

i32 behaviour_thread_limit(struct io_uring *ring)
{
    unsigned as_they_are[2] = {0, 0};
    return -io_uring_register_iowq_max_workers(ring, as_they_are);
}

i32 behaviour_registered_ring(struct io_uring *ring)
{
    int registered = io_uring_register_ring_fd(ring);
    if (registered != 1)
        return registered < 0 ? -registered : EPROTO;
    io_uring_prep_nop(next(ring, TAG_OTHER));
    struct completion done;
    i32 error = submit_and_await(ring, &done);
    if (error == 0 && done.result != 0)
        error = result_error(&done);
    (void)io_uring_unregister_ring_fd(ring);
    return error;
}

/* ---- Receiving into a buffer ring ---- */

enum {
    BUFFERS = 4,
    BUFFER_BYTES = 8,
    BUFFER_GROUP = 7,
    BUFFERS_AT = 1024, /* behind the ring itself */
    BUFFER_REGION_BYTES = 4096,
};

/* Offered in an order that differs from the ids, so that mixing the two up shows. */
static const u16 buffer_order[BUFFERS] = {2, 0, 3, 1};

struct receiving {
    struct io_uring *ring;
    struct io_uring_buf_ring *buffers;
    bool registered;
    int near;
    int far;
};

static char *buffer_at(const struct receiving *receiving, u32 id)
{
    return (char *)receiving->buffers + BUFFERS_AT + id * BUFFER_BYTES;
}

static i32 receiving_open(struct receiving *receiving)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return errno;
    receiving->near = pair[0];
    receiving->far = pair[1];
    receiving->buffers = region_reserve(BUFFER_REGION_BYTES);
    if (!receiving->buffers)
        return ENOMEM;
    struct io_uring_buf_reg description = {
        .ring_addr = (u64)(uintptr_t)receiving->buffers,
        .ring_entries = BUFFERS,
        .bgid = BUFFER_GROUP,
    };
    int error = io_uring_register_buf_ring(receiving->ring, &description, 0);
    if (error != 0)
        return -error;
    receiving->registered = true;
    io_uring_buf_ring_init(receiving->buffers);
    for (int i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(receiving->buffers, buffer_at(receiving, buffer_order[i]),
                              BUFFER_BYTES, buffer_order[i], io_uring_buf_ring_mask(BUFFERS), i);
    io_uring_buf_ring_advance(receiving->buffers, BUFFERS);
    return 0;
}

static void receiving_close(struct receiving *receiving, i32 error)
{
    if (receiving->near >= 0) {
        /* Ends a receive that is still armed, before its buffers go away. */
        (void)shutdown(receiving->near, SHUT_RDWR);
        if (error != 0)
            drain(receiving->ring);
        (void)close(receiving->near);
        (void)close(receiving->far);
    }
    if (receiving->registered)
        (void)io_uring_unregister_buf_ring(receiving->ring, BUFFER_GROUP);
    if (receiving->buffers)
        region_release(receiving->buffers, BUFFER_REGION_BYTES);
}

static i32 with_buffers(struct io_uring *ring, i32 (*experiment)(struct receiving *))
{
    struct receiving receiving = {.ring = ring, .near = -1, .far = -1};
    i32 error = receiving_open(&receiving);
    if (error == 0)
        error = experiment(&receiving);
    receiving_close(&receiving, error);
    return error;
}

static bool write_all(int fd, const char *text, usize len)
{
    return send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* True when the completion holds `text` in the buffers that were offered from `position` on. */
static bool holds(const struct receiving *receiving, const struct completion *done, u32 position,
                  const char *text)
{
    u32 len = (u32)strlen(text);
    if (done->result != (i32)len || !(done->flags & IORING_CQE_F_BUFFER) ||
        done->flags >> IORING_CQE_BUFFER_SHIFT != buffer_order[position])
        return false;
    for (u32 at = 0; at < len; at += BUFFER_BYTES, position++)
        if (memcmp(buffer_at(receiving, buffer_order[position]), text + at,
                   min_u32(len - at, BUFFER_BYTES)) != 0)
            return false;
    return true;
}

static i32 receive_once(struct receiving *receiving, u16 ioprio, const char *text)
{
    if (!write_all(receiving->far, text, strlen(text)))
        return EPROTO;
    struct io_uring_sqe *sqe = next(receiving->ring, TAG_OTHER);
    io_uring_prep_recv(sqe, receiving->near, NULL, BUFFERS * BUFFER_BYTES, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    sqe->ioprio = ioprio;
    struct completion done;
    i32 error = submit_and_await(receiving->ring, &done);
    if (error != 0)
        return error;
    return holds(receiving, &done, 0, text) ? 0 : result_error(&done);
}

static i32 try_buffer_ring(struct receiving *receiving)
{
    return receive_once(receiving, 0, "leased");
}

i32 behaviour_buffer_ring(struct io_uring *ring)
{
    return with_buffers(ring, try_buffer_ring);
}

static i32 try_bundle(struct receiving *receiving)
{
    return receive_once(receiving, IORING_RECVSEND_BUNDLE, "three buffers, 1 CQE");
}

i32 behaviour_bundle(struct io_uring *ring)
{
    if (!(ring->features & IORING_FEAT_RECVSEND_BUNDLE))
        return EINVAL;
    return with_buffers(ring, try_bundle);
}

static i32 try_multishot_recv(struct receiving *receiving)
{
    static const char *const texts[] = {"one", "another"};
    struct io_uring_sqe *sqe = next(receiving->ring, TAG_OTHER);
    io_uring_prep_recv_multishot(sqe, receiving->near, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    struct completion done;
    i32 error = submit(receiving->ring);
    for (u32 i = 0; error == 0 && i < ARRAY_COUNT(texts); i++) {
        if (!write_all(receiving->far, texts[i], strlen(texts[i])))
            return EPROTO;
        error = await(receiving->ring, &done);
        if (error == 0 &&
            !(holds(receiving, &done, i, texts[i]) && (done.flags & IORING_CQE_F_MORE)))
            error = result_error(&done);
    }
    if (error != 0)
        return error;
    (void)shutdown(receiving->far, SHUT_WR);
    error = await(receiving->ring, &done);
    if (error == 0 && (done.result != 0 || (done.flags & IORING_CQE_F_MORE)))
        error = result_error(&done);
    return error;
}

i32 behaviour_multishot_recv(struct io_uring *ring)
{
    return with_buffers(ring, try_multishot_recv);
}

/* ---- Accepting ---- */

static i32 listener_open(int *fd, struct sockaddr_un *address, socklen_t *address_bytes)
{
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return errno;
    /* A bare family makes the kernel choose a free name outside the file system (unix(7)). */
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *address_bytes = sizeof(*address);
    if (bind(*fd, (struct sockaddr *)address, sizeof(sa_family_t)) != 0 || listen(*fd, 4) != 0 ||
        getsockname(*fd, (struct sockaddr *)address, address_bytes) != 0)
        return errno;
    return 0;
}

/* One connection to the address must lead to one completion of the armed accept. */
static i32 accept_one(struct io_uring *ring, const struct sockaddr_un *address, socklen_t bytes)
{
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client < 0)
        return errno;
    struct completion done;
    i32 error = 0;
    if (connect(client, (const struct sockaddr *)address, bytes) != 0)
        error = errno;
    if (error == 0)
        error = await(ring, &done);
    if (error == 0 && done.result < 0)
        error = -done.result;
    else if (error == 0) {
        (void)close(done.result);
        error = done.flags & IORING_CQE_F_MORE ? 0 : EPROTO;
    }
    (void)close(client);
    return error;
}

/* Ends the armed accept: its last completion and the cancellation's own, in either order. */
static i32 accept_cancel(struct io_uring *ring)
{
    io_uring_prep_cancel64(next(ring, TAG_CANCEL), TAG_ACCEPT, 0);
    i32 error = submit(ring);
    for (int i = 0; error == 0 && i < 2; i++) {
        struct completion done;
        error = await(ring, &done);
        if (error == 0 && done.result != (done.tag == TAG_CANCEL ? 0 : -ECANCELED))
            error = result_error(&done);
    }
    return error;
}

i32 behaviour_multishot_accept(struct io_uring *ring)
{
    struct sockaddr_un address;
    socklen_t address_bytes;
    int listener;
    i32 error = listener_open(&listener, &address, &address_bytes);
    if (error == 0) {
        io_uring_prep_multishot_accept(next(ring, TAG_ACCEPT), listener, NULL, NULL, SOCK_CLOEXEC);
        error = submit(ring);
    }
    for (int i = 0; error == 0 && i < 2; i++)
        error = accept_one(ring, &address, address_bytes);
    if (error == 0)
        error = accept_cancel(ring);
    if (listener >= 0) {
        (void)shutdown(listener, SHUT_RDWR); /* ends an accept that is still armed */
        if (error != 0)
            drain(ring);
        (void)close(listener);
    }
    return error;
}

/* ---- Splicing ---- */

/* From a socket into a pipe, and from there into another socket: unix sockets learned it last. */
static i32 splice_through(const int from[2], const int through[2], const int to[2])
{
    static const char text[] = "piped";
    const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
    char got[sizeof(text)] = "";
    if (!write_all(from[1], text, sizeof(text)))
        return EPROTO;
    ssize_t in = splice(from[0], NULL, through[1], NULL, sizeof(text), flags);
    ssize_t out = in > 0 ? splice(through[0], NULL, to[0], NULL, (usize)in, flags) : in;
    if (in < 0 || out < 0)
        return errno;
    ssize_t received = recv(to[1], got, sizeof(got), MSG_DONTWAIT);
    return received == sizeof(text) && memcmp(got, text, sizeof(text)) == 0 ? 0 : EPROTO;
}

static void close_both(const int ends[2])
{
    for (u32 i = 0; i < 2; i++)
        if (ends[i] >= 0)
            (void)close(ends[i]);
}

i32 behaviour_splice(struct io_uring *ring)
{
    const int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int from[2] = {-1, -1}, through[2] = {-1, -1}, to[2] = {-1, -1};
    (void)ring;
    i32 error = 0;
    if (socketpair(AF_UNIX, kind, 0, from) != 0 || socketpair(AF_UNIX, kind, 0, to) != 0 ||
        pipe2(through, O_CLOEXEC | O_NONBLOCK) != 0)
        error = errno;
    else
        error = splice_through(from, through, to);
    close_both(from);
    close_both(through);
    close_both(to);
    return error;
}

/* ---- Restricting ---- */

static i32 result_of(struct io_uring *ring, i32 *result)
{
    struct completion done = {.result = 0};
    i32 error = submit_and_await(ring, &done);
    *result = done.result;
    return error;
}

static i32 try_restrictions(struct io_uring *ring)
{
    struct io_uring_restriction rule = {.opcode = IORING_RESTRICTION_SQE_OP};
    rule.sqe_op = IORING_OP_NOP;
    int failed = io_uring_register_restrictions(ring, &rule, 1);
    if (failed == 0)
        failed = io_uring_enable_rings(ring);
    if (failed < 0)
        return -failed;
    i32 allowed = 0;
    i32 forbidden = 0;
    io_uring_prep_nop(next(ring, TAG_OTHER));
    i32 error = result_of(ring, &allowed);
    if (error != 0)
        return error;
    io_uring_prep_poll_add(next(ring, TAG_OTHER), -1, 0);
    error = result_of(ring, &forbidden);
    if (error != 0)
        return error;
    return allowed == 0 && forbidden == -EACCES ? 0 : EPROTO;
}

i32 behaviour_restrictions(struct io_uring *ring)
{
    enum { ENTRIES = 4 };
    u32 kind = ring->flags & (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                              IORING_SETUP_COOP_TASKRUN);
    struct io_uring restricted;
    int failed = io_uring_queue_init(ENTRIES, &restricted, kind | IORING_SETUP_R_DISABLED);
    if (failed != 0)
        return -failed;
    i32 error = try_restrictions(&restricted);
    io_uring_queue_exit(&restricted);
    return error;
}
