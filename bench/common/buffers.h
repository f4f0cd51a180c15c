/*
 * A group of provided receive buffers. Free buffers are kept on a stack, and only `published_max`
 * of them are in the kernel's ring at a time, so the buffers that were used last, and are still in
 * the cache, are used again first.
 */
#ifndef NEXTPROXY_BENCH_BUFFERS_H
#define NEXTPROXY_BENCH_BUFFERS_H

#include "base/types.h"
#include "common/ring.h"

struct buffer_group {
    struct io_uring_buf_ring *ring;
    u8 *memory;
    u16 *free; /* stack of buffer numbers the kernel does not have */
    u32 free_count;
    u32 count;
    u32 buffer_bytes;
    u32 published;
    u32 published_max;
    u16 tail;
    u16 id;
};

struct buffer_group_setup {
    u16 id;
    u32 count; /* a power of two, at most 32768 */
    u32 buffer_bytes;
    u32 published_max; /* 0: all of them */
};

/* Maps, registers and publishes the group; dies when the kernel refuses. */
void buffer_group_open(struct buffer_group *group, struct bench_ring *ring,
                       const struct buffer_group_setup *setup);

/* Gives the kernel buffers from the stack until `published_max` are there. Once per turn. */
void buffer_group_refill(struct buffer_group *group);

/* The buffer of a completion that carries one; it is ours until buffer_group_return. */
static inline u16 buffer_group_take(struct buffer_group *group, u32 cqe_flags)
{
    group->published--;
    return (u16)(cqe_flags >> IORING_CQE_BUFFER_SHIFT);
}

static inline u8 *buffer_group_at(const struct buffer_group *group, u16 buffer)
{
    return group->memory + (usize)buffer * group->buffer_bytes;
}

/* Exactly once per buffer_group_take. */
static inline void buffer_group_return(struct buffer_group *group, u16 buffer)
{
    group->free[group->free_count++] = buffer;
}

#endif
