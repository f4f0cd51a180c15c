#include "common/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/net.h"

enum { NS_PER_S = 1000000000 };

/* The 24 bytes IORING_ENTER_EXT_ARG points at, with the field that liburing 2.3 calls `pad`. */
struct enter_argument {
    u64 signal_mask;
    u32 signal_mask_bytes;
    u32 min_wait_us;
    u64 timeout;
};

static int open_with(struct bench_ring *ring, const struct bench_ring_setup *setup, u32 flags)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof(params));
    params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
    params.cq_entries = setup->cq_entries;
    return io_uring_queue_init_params(setup->sq_entries, &ring->uring, &params);
}

void bench_ring_open(struct bench_ring *ring, const struct bench_ring_setup *setup)
{
    memset(ring, 0, sizeof(*ring));
    int error = -EINVAL;
    if (!setup->coop)
        error = open_with(ring, setup, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    if (error == -EINVAL)
        error = open_with(ring, setup, IORING_SETUP_COOP_TASKRUN);
    if (error != 0)
        net_die("cannot set up io_uring: %s", strerror(-error));
    ring->enter_fd = ring->uring.ring_fd;
    if (!setup->plain_fd && io_uring_register_ring_fd(&ring->uring) == 1) {
        ring->enter_fd = ring->uring.enter_ring_fd;
        ring->enter_flags = IORING_ENTER_REGISTERED_RING;
    }
}

/* Publishes the new submission entries. liburing only offers this together with an enter, and the
 * enter here carries a minimum wait, which liburing 2.3 cannot express. */
static u32 publish(struct bench_ring *ring)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    u32 count = sq->sqe_tail - sq->sqe_head;
    for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++)
        sq->array[sq->sqe_head & sq->ring_mask] = sq->sqe_head & sq->ring_mask;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return count;
}

static long enter(struct bench_ring *ring, u32 submit, u32 wait_for,
                  struct enter_argument *argument)
{
    u32 flags = ring->enter_flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    long result = syscall(__NR_io_uring_enter, ring->enter_fd, submit, wait_for, flags, argument,
                          sizeof(*argument));
    ring->enters++;
    if (result < 0 && errno != ETIME && errno != EINTR && errno != EBUSY && errno != EAGAIN)
        net_die("io_uring_enter: %s", strerror(errno));
    return result;
}

static u32 unsubmitted(const struct bench_ring *ring)
{
    const struct io_uring_sq *sq = &ring->uring.sq;
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

struct io_uring_sqe *bench_ring_sqe(struct bench_ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    while (sqe == NULL) {
        struct enter_argument argument = {.timeout = 0};
        (void)publish(ring);
        (void)enter(ring, unsubmitted(ring), 0, &argument);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    return sqe;
}

void bench_ring_turn(struct bench_ring *ring, struct bench_wait wait)
{
    struct __kernel_timespec timeout = {.tv_sec = wait.timeout_ns / NS_PER_S,
                                        .tv_nsec = wait.timeout_ns % NS_PER_S};
    struct enter_argument argument = {.timeout = 0};
    if (wait.timeout_ns >= 0)
        argument.timeout = (u64)(uintptr_t)&timeout;
    if (bench_ring_has(ring, IORING_FEAT_MIN_TIMEOUT))
        argument.min_wait_us = wait.min_wait_us;
    (void)publish(ring);
    (void)enter(ring, unsubmitted(ring), wait.events, &argument);
}
