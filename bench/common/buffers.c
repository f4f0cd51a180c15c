#include "common/buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/net.h"

static void *map_pages(usize bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        net_die("cannot map %zu bytes: %s", bytes, strerror(errno));
    return pages;
}

void buffer_group_open(struct buffer_group *group, struct bench_ring *ring,
                       const struct buffer_group_setup *setup)
{
    memset(group, 0, sizeof(*group));
    group->id = setup->id;
    group->count = setup->count;
    group->buffer_bytes = setup->buffer_bytes;
    group->published_max = setup->published_max > 0 ? setup->published_max : setup->count;
    group->ring = map_pages(setup->count * sizeof(struct io_uring_buf));
    group->memory = map_pages((usize)setup->count * setup->buffer_bytes);
    group->free = calloc(setup->count, sizeof(*group->free));
    if (group->free == NULL)
        net_die("out of memory");
    struct io_uring_buf_reg registration = {
        .ring_addr = (u64)(uintptr_t)group->ring, .ring_entries = setup->count, .bgid = setup->id};
    int error = io_uring_register_buf_ring(&ring->uring, &registration, 0);
    if (error != 0)
        net_die("cannot register the buffer ring: %s", strerror(-error));
    for (u32 buffer = setup->count; buffer > 0; buffer--)
        buffer_group_return(group, (u16)(buffer - 1));
    buffer_group_refill(group);
}

void buffer_group_refill(struct buffer_group *group)
{
    u16 mask = (u16)(group->count - 1);
    u16 tail = group->tail;
    while (group->published < group->published_max && group->free_count > 0) {
        u16 buffer = group->free[--group->free_count];
        struct io_uring_buf *slot = &group->ring->bufs[tail & mask];
        slot->addr = (u64)(uintptr_t)buffer_group_at(group, buffer);
        slot->len = group->buffer_bytes;
        slot->bid = buffer;
        tail++;
        group->published++;
    }
    if (tail != group->tail) {
        group->tail = tail;
        io_uring_smp_store_release(&group->ring->tail, tail);
    }
}
