/*
 * liburing's calls, without a kernel. They take the place of those in the library because the
 * linker finds them first; src/ring is what it is in the product.
 */
#include <errno.h>
#include <stdlib.h>

#include "sim_internal.h"

/* The parts of a ring that the kernel would have mapped. */
struct queues {
    struct io_uring *uring;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned sq_head;
    unsigned sq_tail;
    unsigned sq_flags;
    unsigned cq_head;
    unsigned cq_tail;
    unsigned cq_mask;
    unsigned cq_entries;
};

static struct queues queues;

/* ---- Setup ---- */

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
    u32 few = sim_current->manners.queue_entries;
    u32 completions = few > 0 ? few : p->cq_entries;
    queues = (struct queues){
        .uring = ring,
        .sqes = calloc(entries, sizeof(struct io_uring_sqe)),
        .cqes = calloc(completions, sizeof(struct io_uring_cqe)),
        .cq_mask = completions - 1,
        .cq_entries = completions,
    };
    SIM_CHECK(queues.sqes && queues.cqes);
    *ring = (struct io_uring){
        .sq = {.khead = &queues.sq_head,
               .ktail = &queues.sq_tail,
               .kflags = &queues.sq_flags,
               .sqes = queues.sqes,
               .ring_mask = entries - 1,
               .ring_entries = entries},
        .cq = {.khead = &queues.cq_head,
               .ktail = &queues.cq_tail,
               .kring_mask = &queues.cq_mask,
               .kring_entries = &queues.cq_entries,
               .cqes = queues.cqes,
               .ring_mask = queues.cq_mask,
               .ring_entries = queues.cq_entries},
        .flags = p->flags,
    };
    return 0;
}

void io_uring_queue_exit(struct io_uring *ring)
{
    free(queues.sqes);
    free(queues.cqes);
    queues = (struct queues){0};
    *ring = (struct io_uring){0};
}

int io_uring_register_restrictions(struct io_uring *ring, struct io_uring_restriction *rules,
                                   unsigned int count)
{
    (void)ring;
    (void)rules;
    (void)count;
    return 0;
}

int io_uring_register_iowq_max_workers(struct io_uring *ring, unsigned int *values)
{
    (void)ring;
    (void)values;
    return 0;
}

int io_uring_register_ring_fd(struct io_uring *ring)
{
    (void)ring;
    return 1;
}

int io_uring_enable_rings(struct io_uring *ring)
{
    (void)ring;
    return 0;
}

int io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg,
                               unsigned int flags)
{
    (void)ring;
    (void)flags;
    sim_current->buffers = (struct io_uring_buf_ring *)(uintptr_t)reg->ring_addr;
    sim_current->buffer_mask = reg->ring_entries - 1;
    sim_current->buffer_head = 0;
    return 0;
}

/* ---- Buffers ---- */

u32 sim_buffers_offered(const struct sim *sim)
{
    return sim->buffers ? (u16)(sim->buffers->tail - sim->buffer_head) : 0;
}

bool sim_buffer_take(struct sim *sim, u16 *id, char **data)
{
    if (sim_buffers_offered(sim) == 0)
        return false;
    const struct io_uring_buf *buffer = &sim->buffers->bufs[sim->buffer_head & sim->buffer_mask];
    sim->buffer_head++;
    SIM_CHECK(buffer->len == LEASE_BYTES);
    *id = buffer->bid;
    *data = (char *)(uintptr_t)buffer->addr;
    return true;
}

/* ---- Completions ---- */

void sim_complete(struct sim *sim, u64 user_data, i32 result, u32 flags)
{
    if (sim->completion_count == sim->completion_capacity) {
        sim->completion_capacity = 2 * sim->completion_capacity + 64;
        sim->completions =
            realloc(sim->completions, sim->completion_capacity * sizeof(*sim->completions));
        SIM_CHECK(sim->completions);
    }
    sim->completions[sim->completion_count++] = (struct sim_completion){
        .user_data = user_data, .result = result, .flags = flags, .turn = sim->turns};
}

bool sim_queue_full(const struct sim *sim)
{
    return queues.cq_tail - queues.cq_head + sim->completion_count >= queues.cq_entries;
}

/* The next one to be shown. Those of one turn may come in any order, but for those of one op; those
 * of an earlier turn come first, however late they are shown. */
static u32 next_completion(struct sim *sim)
{
    const struct sim_completion *next = &sim->completions[sim->overflow_count];
    u32 waiting = sim->completion_count - sim->overflow_count;
    u32 same_turn = 1, index = 0;
    if (!sim->manners.shuffled)
        return sim->overflow_count;
    while (same_turn < waiting && next[same_turn].turn == next->turn)
        same_turn++;
    u64 wanted = next[sim_random(sim, same_turn)].user_data;
    while (next[index].user_data != wanted)
        index++;
    return sim->overflow_count + index;
}

static struct sim_completion take_completion(struct sim *sim, u32 index)
{
    struct sim_completion taken = sim->completions[index];
    sim->completion_count--;
    memmove(&sim->completions[index], &sim->completions[index + 1],
            (sim->completion_count - index) * sizeof(*sim->completions));
    return taken;
}

static bool queue_has_room(void)
{
    return queues.cq_tail - queues.cq_head < queues.cq_entries;
}

static void show(const struct sim_completion *completion)
{
    queues.cqes[queues.cq_tail & queues.cq_mask] = (struct io_uring_cqe){
        .user_data = completion->user_data, .res = completion->result, .flags = completion->flags};
    queues.cq_tail++;
}

/* What did not fit waits in a list of the kernel's, in its order; the flag says that there is one.
 */
static void overflow(struct sim *sim, u32 index)
{
    struct sim_completion late = take_completion(sim, index);
    memmove(&sim->completions[sim->overflow_count + 1], &sim->completions[sim->overflow_count],
            (sim->completion_count - sim->overflow_count) * sizeof(*sim->completions));
    sim->completions[sim->overflow_count++] = late;
    sim->completion_count++;
    queues.sq_flags |= IORING_SQ_CQ_OVERFLOW;
    sim_trace("overflow", sim->overflow_count, 0);
}

/* Every enter that asks for events begins with this. */
static void flush_overflow(struct sim *sim)
{
    while (sim->overflow_count > 0 && queue_has_room()) {
        struct sim_completion late = take_completion(sim, 0);
        sim->overflow_count--;
        show(&late);
    }
    if (sim->overflow_count == 0)
        queues.sq_flags &= ~IORING_SQ_CQ_OVERFLOW;
}

/* As long as the list is not empty all completions go there, so that their order stays. One that
 * says that there will be more never does: its op has not come so far yet. */
static void show_completions(struct sim *sim)
{
    u32 count = 1 + sim_random(sim, sim->manners.completions_max);
    for (; count > 0 && sim->completion_count > sim->overflow_count; count--) {
        u32 index = next_completion(sim);
        if (sim->overflow_count == 0 && queue_has_room()) {
            struct sim_completion shown = take_completion(sim, index);
            show(&shown);
        } else if (sim->completions[index].flags & IORING_CQE_F_MORE) {
            return;
        } else {
            overflow(sim, index);
        }
    }
}

/* ---- The turn ---- */

int io_uring_submit(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;
    int count = 0;
    for (; queues.sq_head != sq->sqe_tail; queues.sq_head++, count++)
        sim_op_begin(sim_current, &sq->sqes[queues.sq_head & sq->ring_mask]);
    queues.sq_tail = sq->sqe_head = sq->sqe_tail;
    return count;
}

/* What was returned since the last turn is overwritten, so that whoever still reads it is seen. A
 * lease is held while its data is known: there must be as many as the ring counts. */
static void check_leases(struct sim *sim, struct ring *ring)
{
    u32 held = 0;
    for (u32 id = 0; id < sim->lease_count; id++) {
        bool is_held = ring->leases[id].data != NULL;
        held += is_held;
        if (sim->was_held[id] && !is_held)
            memset(ring->region + ring->region_bytes -
                       (usize)(ring->lease_count - id) * LEASE_BYTES,
                   0xdd, LEASE_BYTES);
        sim->was_held[id] = is_held;
    }
    if (held != ring_leases_held(ring))
        sim_fail("%u leases are held, the ring counts %u: one was returned twice", held,
                 ring_leases_held(ring));
}

/* Until something completes, a peer has something to do, or nothing happens but time. */
static void advance(struct sim *sim, u64 deadline_ns)
{
    enum { PATIENT_ROUNDS = 3 };
    for (u32 round = 0;; round++) {
        bool force = round >= PATIENT_ROUNDS;
        bool changed = sim_sockets_advance(sim, force);
        changed |= sim_ops_advance(sim, force);
        if (sim->completion_count > 0 || sim->news || sim->now_ns >= deadline_ns)
            return;
        if (force && !changed) {
            sim->now_ns = min_u64(deadline_ns, max_u64(sim->until_ns, sim->now_ns));
            return;
        }
        sim->now_ns += 1 + sim_random(sim, 20000);
    }
}

int io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                    sigset_t *arg, size_t arg_bytes)
{
    struct sim *sim = sim_current;
    const struct io_uring_getevents_arg *wait = (const void *)arg;
    SIM_CHECK(arg_bytes == sizeof(*wait) && flags & IORING_ENTER_EXT_ARG && min_complete == 1);
    SIM_CHECK(fd == (unsigned)queues.uring->enter_ring_fd);
    SIM_CHECK(to_submit == queues.uring->sq.sqe_tail - queues.sq_head);
    check_leases(sim, container_of(queues.uring, struct ring, uring));
    int submitted = io_uring_submit(queues.uring);
    const struct __kernel_timespec *timeout = (const void *)(uintptr_t)wait->ts;
    u64 wait_ns = timeout ? (u64)timeout->tv_sec * 1000000000 + (u64)timeout->tv_nsec : UINT64_MAX;
    u64 deadline_ns = timeout ? sim->now_ns + wait_ns : UINT64_MAX;
    sim->news = false;
    sim->turns++;
    flush_overflow(sim);
    bool waits = queues.cq_tail == queues.cq_head;
    advance(sim, waits ? deadline_ns : sim->now_ns);
    sim->now_ns += 1 + sim_random(sim, sim_chance(sim, 1) ? 3000000 : 20000);
    show_completions(sim);
    return sim->completion_count > 0 ? submitted : -ETIME;
}
