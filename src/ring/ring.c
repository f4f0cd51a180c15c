/* Setup, the turn, and waking. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "ring/probe.h"
#include "ring/ring_internal.h"

enum {
    COMPLETIONS_PER_SUBMISSION = 4,
    FLUSH_TRIES_MAX = 1000,
    PREFETCH_AHEAD = 3, /* completions */
    OWNER_BYTES = 256,  /* from the op on: the transport and what embeds it */
    TOUCHED_BYTES = 512,
};

/* ---- Setup ---- */

/* From the best flags to none; the first set that is allowed and accepted is used. */
static const struct setup_step {
    u32 flags;
    u32 capabilities;
} setup_ladder[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
     1u << RING_CAP_SINGLE_ISSUER | 1u << RING_CAP_DEFER_TASKRUN},
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
     1u << RING_CAP_SINGLE_ISSUER | 1u << RING_CAP_COOP_TASKRUN},
    {IORING_SETUP_COOP_TASKRUN, 1u << RING_CAP_COOP_TASKRUN},
    {0, 0},
};

static i32 setup(struct ring *ring, const struct ring_options *options)
{
    u32 ladder_caps = setup_ladder[0].capabilities | setup_ladder[1].capabilities;
    i32 error = 0;
    for (usize i = 0; i < ARRAY_COUNT(setup_ladder); i++) {
        const struct setup_step *step = &setup_ladder[i];
        if (step->capabilities & options->disabled)
            continue;
        struct io_uring_params params = {
            .flags = step->flags | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                     IORING_SETUP_R_DISABLED,
            .cq_entries = options->entries * COMPLETIONS_PER_SUBMISSION,
        };
        error = -io_uring_queue_init_params(options->entries, &ring->uring, &params);
        if (error == 0) {
            ring->capabilities = (~options->disabled & ~ladder_caps) | step->capabilities;
            return 0;
        }
        if (error != EINVAL)
            return error;
    }
    return error;
}

/* What a worker may ask the kernel for, whatever happens to it later. */
static bool restrict_operations(struct ring *ring)
{
    static const u8 allowed[] = {
        IORING_OP_ACCEPT,  IORING_OP_CONNECT,  IORING_OP_SEND,
        IORING_OP_SENDMSG, IORING_OP_RECV,     IORING_OP_READ,
        IORING_OP_READV,   IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
    };
    struct io_uring_restriction rules[ARRAY_COUNT(allowed) + 1];
    memset(rules, 0, sizeof(rules));
    for (usize i = 0; i < ARRAY_COUNT(allowed); i++) {
        rules[i].opcode = IORING_RESTRICTION_SQE_OP;
        rules[i].sqe_op = allowed[i];
    }
    struct io_uring_restriction *flags = &rules[ARRAY_COUNT(allowed)];
    flags->opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    flags->sqe_flags = IOSQE_BUFFER_SELECT;
    return io_uring_register_restrictions(&ring->uring, rules, ARRAY_COUNT(rules)) == 0;
}

/* A send to a peer that reads slowly and has finished sending may block a kernel thread, and there
 * could be one for each such peer. */
static bool limit_threads(struct ring *ring)
{
    enum { FILE_THREADS_MAX = 2, SOCKET_THREADS_MAX = 4 };
    unsigned limits[2] = {FILE_THREADS_MAX, SOCKET_THREADS_MAX};
    int failed = io_uring_register_iowq_max_workers(&ring->uring, limits);
    errno = -failed;
    return failed == 0;
}

static u32 enter_flags(const struct ring *ring)
{
    u32 flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    if (ring_has(ring, RING_CAP_REGISTERED_RING))
        flags |= IORING_ENTER_REGISTERED_RING;
    if (ring_has(ring, RING_CAP_NO_IOWAIT))
        flags |= IORING_ENTER_NO_IOWAIT;
    return flags;
}

static bool enable(struct ring *ring, const struct ring_options *options)
{
    if (!limit_threads(ring))
        return false;
    if (options->restricted && ring_has(ring, RING_CAP_RESTRICTIONS) && !restrict_operations(ring))
        ring->capabilities &= ~(1u << RING_CAP_RESTRICTIONS);
    if (ring_has(ring, RING_CAP_REGISTERED_RING) && io_uring_register_ring_fd(&ring->uring) < 0)
        ring->capabilities &= ~(1u << RING_CAP_REGISTERED_RING);
    ring->enter_flags = enter_flags(ring);
    return io_uring_enable_rings(&ring->uring) == 0;
}

static void on_wake(struct ring_op *op, struct ring_done done);
static const struct ring_op_class wake_class = {"wake", on_wake};

static void on_wake(struct ring_op *op, struct ring_done done)
{
    struct ring *ring = container_of(op, struct ring, wake_op);
    if (done.status != RING_CANCELED)
        ring_read(ring, op, ring->wake_fd, &ring->wake_count, sizeof(ring->wake_count));
}

static bool prepare(struct ring *ring, const struct ring_options *options)
{
    list_init(&ring->starved);
    list_init(&ring->stopped);
    ring->own_bell = options->bell == 0;
    ring->wake_fd = ring->own_bell ? ring_bell_open() : options->bell;
    if (ring->wake_fd < 0)
        return false;
    ring->scratch = region_reserve(SCRATCH_BYTES);
    if (!ring->scratch)
        return false;
    if (options->leases > 0 && !leases_init(ring, options->leases))
        return false;
    return enable(ring, options);
}

struct ring *ring_create(const struct ring_options *options, char *why, usize why_bytes)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring) {
        ring_explain_setup_error(ENOMEM, why, why_bytes);
        return NULL;
    }
    ring->wake_fd = -1;
    i32 error = setup(ring, options);
    if (error != 0) {
        ring_explain_setup_error(error, why, why_bytes);
        free(ring);
        return NULL;
    }
    if (!prepare(ring, options)) {
        ring_explain_setup_error(errno, why, why_bytes);
        ring_destroy(ring);
        return NULL;
    }
    ring->now_ns = clock_monotonic_ns();
    ring_op_init(&ring->wake_op, &wake_class);
    ring_read(ring, &ring->wake_op, ring->wake_fd, &ring->wake_count, sizeof(ring->wake_count));
    return ring;
}

void ring_destroy(struct ring *ring)
{
    io_uring_queue_exit(&ring->uring);
    pipes_close(ring);
    if (ring->own_bell && ring->wake_fd >= 0)
        (void)close(ring->wake_fd);
    if (ring->region)
        leases_deinit(ring);
    if (ring->scratch)
        region_release(ring->scratch, SCRATCH_BYTES);
    free(ring);
}

/* ---- The turn ---- */

/* Only when no entry that is still queued can point there. */
static void forget_scratch(struct ring *ring)
{
    if (io_uring_sq_ready(&ring->uring) == 0)
        ring->scratch_used = 0;
}

void ring_flush(struct ring *ring)
{
    /* The kernel may be out of memory for a moment; entries it did not take stay queued. */
    for (u32 i = 0; i < FLUSH_TRIES_MAX && io_uring_sq_ready(&ring->uring) > 0; i++) {
        int submitted = io_uring_submit(&ring->uring);
        ASSERT(submitted >= 0 || submitted == -EBUSY || submitted == -EINTR ||
               submitted == -EAGAIN);
    }
    forget_scratch(ring);
}

struct io_uring_sqe *ring_sqe(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (UNLIKELY(!sqe)) {
        ring_flush(ring);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    ASSERT(sqe);
    return sqe;
}

/* Shows the kernel the entries that were prepared; returns how many it has not taken yet. */
static u32 publish_entries(struct ring *ring)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    sq->sqe_head = sq->sqe_tail;
    __atomic_store_n(sq->ktail, sq->sqe_tail, __ATOMIC_RELEASE);
    return sq->sqe_tail - __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);
}

/* As io_uring_submit_and_wait_timeout(3), which takes no flags for the wait. */
static void submit_and_wait(struct ring *ring, u64 deadline_ns)
{
    u64 wait_ns = deadline_ns > ring->now_ns ? deadline_ns - ring->now_ns : 0;
    struct __kernel_timespec timeout = {
        .tv_sec = (i64)(wait_ns / NS_PER_S),
        .tv_nsec = (i64)(wait_ns % NS_PER_S),
    };
    struct io_uring_getevents_arg wait = {
        .ts = deadline_ns == UINT64_MAX ? 0 : (u64)(uintptr_t)&timeout,
    };
    int result = io_uring_enter2((u32)ring->uring.enter_ring_fd, publish_entries(ring), 1,
                                 ring->enter_flags, (sigset_t *)&wait, sizeof(wait));
    ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
           result == -EAGAIN);
    forget_scratch(ring);
}

static void dispatch(struct ring *ring, const struct io_uring_cqe *cqe)
{
    struct ring_op *op = io_uring_cqe_get_data(cqe);
    i32 result = cqe->res;
    u32 flags = cqe->flags;
    if (!op)
        return;
    ASSERT(op->owed);
    if (op->kind == RING_OP_RECV)
        recv_completed(ring, container_of(op, struct ring_recv, op), result, flags);
    else
        ring_op_completed(ring, op, result, flags);
}

/* With many connections the owner of a completion has long left the cache. What stands in the queue
 * behind `tail` is left over from before: a harmless address. */
static void prefetch_owner(const struct io_uring_cqe *cqe)
{
    /* A number, for it may be none: arithmetic on a null pointer is undefined. */
    uintptr_t owner = (uintptr_t)cqe->user_data;
    for (u32 at = 0; at < OWNER_BYTES; at += CACHE_LINE_BYTES)
        __builtin_prefetch((const void *)(owner + at));
}

/* ... and what the owner of a receive will look at first. */
static void prefetch_touched(const struct io_uring_cqe *cqe)
{
    struct ring_op *op = io_uring_cqe_get_data(cqe);
    if (!op || op->kind != RING_OP_RECV)
        return;
    const char *touched = container_of(op, struct ring_recv, op)->next_touched;
    for (u32 at = 0; touched && at < TOUCHED_BYTES; at += CACHE_LINE_BYTES)
        __builtin_prefetch(touched + at);
}

static void run_completions(struct ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    u32 head = *cq->khead;
    u32 tail = ring->completed;
    ring->stats.completions += tail - head;
    u32 mask = *cq->kring_mask;
    for (; head != tail; head++) {
        prefetch_owner(&cq->cqes[(head + PREFETCH_AHEAD) & mask]);
        if (head + 1 != tail)
            prefetch_touched(&cq->cqes[(head + 1) & mask]);
        dispatch(ring, &cq->cqes[head & mask]);
    }
    __atomic_store_n(cq->khead, head, __ATOMIC_RELEASE);
    if (UNLIKELY(__atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW))
        ring->stats.overflows++;
}

void ring_wait(struct ring *ring, u64 deadline_ns)
{
    ASSERT(!ring->in_turn);
    leases_offer(ring);
    bool more_to_arm = recv_rearm_starved(ring);
    submit_and_wait(ring, more_to_arm || !list_empty(&ring->stopped) ? 0 : deadline_ns);
    ring->now_ns = max_u64(clock_monotonic_ns(), ring->now_ns + 1); /* each turn has its own */
    ring->stats.turns++;
    ring->completed = __atomic_load_n(ring->uring.cq.ktail, __ATOMIC_ACQUIRE);
}

u64 ring_dispatch(struct ring *ring)
{
    ASSERT(!ring->in_turn);
    ring->in_turn = true;
    run_completions(ring);
    recv_finish_stopped(ring);
    ring->in_turn = false;
    return ring->now_ns;
}

u64 ring_turn(struct ring *ring, u64 deadline_ns)
{
    ring_wait(ring, deadline_ns);
    return ring_dispatch(ring);
}

u64 ring_now_ns(const struct ring *ring)
{
    return ring->now_ns;
}

int ring_bell_open(void)
{
    return eventfd(0, EFD_CLOEXEC);
}

void ring_bell_ring(int bell)
{
    u64 one = 1;
    ssize_t written = write(bell, &one, sizeof(one));
    (void)written; /* a full counter wakes as well */
}

void ring_wake(struct ring *ring)
{
    ring_bell_ring(ring->wake_fd);
}

u32 ring_capabilities(const struct ring *ring)
{
    return ring->capabilities;
}

void ring_stats(const struct ring *ring, struct ring_stats *out)
{
    const volatile struct ring_stats *stats = &ring->stats;
    out->turns = stats->turns;
    out->completions = stats->completions;
    out->starved = stats->starved;
    out->overflows = stats->overflows;
    out->leases_free_min = stats->leases_free_min;
    out->leases = ring->lease_count;
    u32 held = ring->lease_count - *(const volatile u32 *)&ring->free_count -
               *(const volatile u32 *)&ring->offered;
    out->leases_held = held <= ring->lease_count ? held : 0; /* one moved on meanwhile */
}

const char *ring_library(void)
{
    return "liburing " LIBURING_VERSION;
}
