/*
 * Leases: the receive buffers that all connections of a ring share.
 *
 *   free (a stack) --offer--> offered (the kernel's buffer ring) --receive--> held --return--> free
 *
 * The kernel takes offered buffers strictly in order, but a completion names only the first of a
 * bundle. So the order is kept: position_of[] says where a lease was offered, and the entries
 * behind it in the ring are the rest of the bundle. At most half of the leases are offered at a
 * time, which keeps an entry in place until its completion has been seen.
 *
 * Some are always left, however many connections wait or are slow:
 *   - A connection may hold a share of what is left above a quarter of all (dynamic thresholds,
 *     Choudhury and Hahne 1998), and one lease when that is gone.
 *   - What is received without being asked for lease by lease may be more: a multishot receive
 *     that takes bundles brings all that lies in the socket before its owner can stop it. It is
 *     bounded by what is offered, which is at most half of what is not held; and when half of all
 *     are held, streams are armed for one lease at a time (recv.c).
 *   - Small pieces are then merged into one lease, whatever it costs to copy them.
 *   - One lease each may be too much for very many, and so may be what was taken before. When
 *     ring_leases_short(), the owners have to give some back (proxy/scarcity.c).
 */
#include <stdlib.h>

#include "base/arena.h"
#include "ring/ring_internal.h"

static u32 position_mask(const struct ring *ring)
{
    return ring->lease_count - 1;
}

/* One region: bookkeeping first, then the buffer ring and the data, each page-aligned. */
static usize round_page(usize bytes)
{
    return (bytes + 4095) & ~(usize)4095;
}

static usize bookkeeping_bytes(u32 count)
{
    return round_page(count * (sizeof(struct lease) + 2 * sizeof(u16)));
}

static usize buffer_ring_bytes(u32 count)
{
    return round_page(count * sizeof(struct io_uring_buf));
}

static usize region_bytes(u32 count)
{
    return bookkeeping_bytes(count) + buffer_ring_bytes(count) + (usize)count * LEASE_BYTES;
}

static bool register_buffers(struct ring *ring)
{
    struct io_uring_buf_reg reg = {
        .ring_addr = (u64)(uintptr_t)ring->buffers,
        .ring_entries = ring->lease_count,
        .bgid = LEASE_GROUP,
    };
    return io_uring_register_buf_ring(&ring->uring, &reg, 0) == 0;
}

static char *lease_memory(const struct ring *ring, u16 id)
{
    return ring->region + ring->region_bytes - (usize)(ring->lease_count - id) * LEASE_BYTES;
}

bool leases_init(struct ring *ring, u32 count)
{
    ASSERT(count <= 32768 && (count & (count - 1)) == 0);
    ring->region_bytes = region_bytes(count);
    ring->region = region_reserve(ring->region_bytes);
    if (!ring->region)
        return false;
    ring->lease_count = count;
    ring->leases = (struct lease *)(void *)ring->region;
    ring->free_ids = (u16 *)(void *)(ring->leases + count);
    ring->position_of = ring->free_ids + count;
    ring->buffers = (struct io_uring_buf_ring *)(void *)(ring->region + bookkeeping_bytes(count));
    for (u32 i = 0; i < count; i++)
        ring->free_ids[i] = (u16)(count - 1 - i);
    ring->free_count = count;
    ring->offered_target = min_u32(LEASES_OFFERED_MIN, count / 2);
    ring->stats.leases_free_min = count;
    if (ring_has(ring, RING_CAP_BUFFER_RING) && !register_buffers(ring))
        return false;
    return true;
}

void leases_deinit(struct ring *ring)
{
    region_release(ring->region, ring->region_bytes);
    ring->region = NULL;
}

/* Whoever takes leases says so here: as many as were ever in use at once may be resident, and what
 * is free of them is no want of memory (control/pressure.c). */
static void note_fewest_free(struct ring *ring)
{
    ring->stats.leases_free_min = min_u64(ring->stats.leases_free_min, ring->free_count);
}

void leases_offer(struct ring *ring)
{
    if (!ring_has(ring, RING_CAP_BUFFER_RING))
        return;
    u32 left = ring->lease_count - ring_leases_held(ring);
    u32 most = min_u32(LEASES_OFFERED_MAX, (left + 1) / 2);
    u32 useful = min_u32(max_u32(2 * ring->receives, LEASES_OFFERED_MIN), most);
    if (useful > ring->offered_target || ring->offered_target > most)
        ring->offered_target = useful;
    else
        ring->offered_target -= (ring->offered_target - useful) / 16;
    ring->receives = 0;
    u32 wanted = ring->offered_target - min_u32(ring->offered, ring->offered_target);
    u32 count = min_u32(wanted, ring->free_count);
    if (count == 0)
        return;
    for (u32 i = 0; i < count; i++) {
        u16 id = ring->free_ids[--ring->free_count];
        ring->position_of[id] = (u16)(ring->tail + i);
        io_uring_buf_ring_add(ring->buffers, lease_memory(ring, id), LEASE_BYTES, id,
                              (int)position_mask(ring), (int)i);
    }
    io_uring_buf_ring_advance(ring->buffers, (int)count);
    ring->tail = (u16)(ring->tail + count);
    ring->offered += count;
    note_fewest_free(ring);
}

static void hold(struct ring *ring, u16 id, u32 bytes, struct lease_chain *chain)
{
    struct lease *lease = &ring->leases[id];
    *lease = (struct lease){.data = lease_memory(ring, id), .len = bytes, .next = LEASE_NONE};
    if (chain->first == LEASE_NONE)
        chain->first = id;
    else
        ring->leases[chain->last].next = id;
    chain->last = id;
    chain->bytes += bytes;
}

void leases_taken(struct ring *ring, u16 id, u32 bytes, struct lease_chain *chain)
{
    lease_chain_init(chain);
    u16 position = ring->position_of[id];
    do {
        u16 taken = ring->buffers->bufs[position & position_mask(ring)].bid;
        u32 part = min_u32(bytes, LEASE_BYTES);
        ASSERT(ring->offered > 0);
        ring->offered--;
        hold(ring, taken, part, chain);
        bytes -= part;
        position++;
    } while (bytes > 0);
}

u16 lease_take(struct ring *ring)
{
    if (ring->free_count == 0)
        return LEASE_NONE;
    u16 id = ring->free_ids[--ring->free_count];
    ring->leases[id] = (struct lease){.data = lease_memory(ring, id), .next = LEASE_NONE};
    note_fewest_free(ring);
    return id;
}

struct lease *ring_lease(struct ring *ring, u16 id)
{
    ASSERT(id < ring->lease_count);
    return &ring->leases[id];
}

void ring_lease_return(struct ring *ring, u16 id)
{
    ASSERT(id < ring->lease_count);
    ASSERT(ring->free_count < ring->lease_count);
    ring->leases[id].data = NULL;
    ring->free_ids[ring->free_count++] = id;
}

void ring_chain_return(struct ring *ring, struct lease_chain *chain)
{
    for (u16 id = chain->first; id != LEASE_NONE;) {
        u16 next = ring_lease(ring, id)->next;
        ring_lease_return(ring, id);
        id = next;
    }
    lease_chain_init(chain);
}

/* Small pieces are copied into the room behind the last lease instead of being linked, so that a
 * peer which dribbles single bytes cannot hold a whole buffer with each. */
static bool merge_small(struct ring *ring, struct lease_chain *chain, struct lease_chain *more)
{
    enum { SMALL_BYTES = 2048 };
    if (more->bytes > SMALL_BYTES && !leases_half_held(ring))
        return false;
    struct lease *last = ring_lease(ring, chain->last);
    const char *end = lease_memory(ring, chain->last) + LEASE_BYTES;
    if ((usize)(end - (last->data + last->len)) < more->bytes)
        return false;
    ring_chain_peek(ring, more, last->data + last->len, more->bytes);
    last->len += more->bytes;
    chain->bytes += more->bytes;
    ring_chain_return(ring, more);
    return true;
}

void ring_chain_append(struct ring *ring, struct lease_chain *chain, struct lease_chain *more)
{
    if (more->first == LEASE_NONE)
        return;
    if (chain->first == LEASE_NONE) {
        *chain = *more;
        lease_chain_init(more);
    } else if (!merge_small(ring, chain, more)) {
        ring_lease(ring, chain->last)->next = more->first;
        chain->last = more->last;
        chain->bytes += more->bytes;
        lease_chain_init(more);
    }
}

void ring_chain_skip(struct ring *ring, struct lease_chain *chain, u32 bytes)
{
    ASSERT(bytes <= chain->bytes);
    chain->bytes -= bytes;
    while (chain->first != LEASE_NONE) {
        struct lease *lease = ring_lease(ring, chain->first);
        if (bytes < lease->len) {
            lease->data += bytes;
            lease->len -= bytes;
            return;
        }
        bytes -= lease->len;
        u16 next = lease->next;
        ring_lease_return(ring, chain->first);
        chain->first = next;
    }
    chain->last = LEASE_NONE;
}

/* Cuts `lease` behind `bytes`: the front moves into a fresh lease when it is the shorter part,
 * otherwise the rest does. Sets *front and *rest to the two leases. */
static bool lease_cut(struct ring *ring, u16 id, u32 bytes, u16 *front, u16 *rest)
{
    u16 fresh_id = lease_take(ring);
    if (fresh_id == LEASE_NONE)
        return false;
    struct lease *lease = ring_lease(ring, id), *fresh = ring_lease(ring, fresh_id);
    if (bytes <= lease->len - bytes) {
        memcpy(fresh->data, lease->data, bytes);
        fresh->len = bytes;
        lease->data += bytes;
        lease->len -= bytes;
        *front = fresh_id;
        *rest = id;
    } else {
        fresh->len = lease->len - bytes;
        memcpy(fresh->data, lease->data + bytes, fresh->len);
        fresh->next = lease->next;
        lease->len = bytes;
        *front = id;
        *rest = fresh_id;
    }
    return true;
}

bool ring_chain_split(struct ring *ring, struct lease_chain *from, u32 bytes,
                      struct lease_chain *to)
{
    ASSERT(bytes <= from->bytes);
    if (bytes == from->bytes) {
        ring_chain_append(ring, to, from);
        return true;
    }
    struct lease_chain moved = {.first = from->first, .last = LEASE_NONE, .bytes = bytes};
    u32 left = bytes;
    u16 id = from->first;
    while (id != LEASE_NONE && left >= ring_lease(ring, id)->len) {
        left -= ring_lease(ring, id)->len;
        moved.last = id;
        id = ring_lease(ring, id)->next;
    }
    if (left > 0) {
        u16 front, rest, before = moved.last;
        bool was_last = id == from->last;
        if (!lease_cut(ring, id, left, &front, &rest))
            return false;
        if (before == LEASE_NONE)
            moved.first = front;
        else
            ring_lease(ring, before)->next = front;
        moved.last = front;
        if (was_last)
            from->last = rest;
        id = rest;
    }
    from->bytes -= bytes;
    from->first = id;
    if (id == LEASE_NONE)
        from->last = LEASE_NONE;
    if (moved.last != LEASE_NONE) {
        ring_lease(ring, moved.last)->next = LEASE_NONE;
        ring_chain_append(ring, to, &moved);
    }
    return true;
}

bool ring_chain_push_front(struct ring *ring, struct lease_chain *chain, struct slice bytes)
{
    if (chain->first == LEASE_NONE)
        return false;
    struct lease *lease = ring_lease(ring, chain->first);
    if ((usize)(lease->data - lease_memory(ring, chain->first)) < bytes.len)
        return false;
    lease->data -= bytes.len;
    lease->len += bytes.len;
    chain->bytes += bytes.len;
    memcpy(lease->data, bytes.data, bytes.len);
    return true;
}

bool ring_chain_write(struct ring *ring, struct lease_chain *chain, const char *data, u32 bytes)
{
    struct lease_chain written;
    lease_chain_init(&written);
    while (bytes > 0) {
        u16 id = lease_take(ring);
        if (id == LEASE_NONE) {
            ring_chain_return(ring, &written);
            return false;
        }
        struct lease *lease = ring_lease(ring, id);
        lease->len = min_u32(bytes, LEASE_BYTES);
        memcpy(lease->data, data, lease->len);
        data += lease->len;
        bytes -= lease->len;
        struct lease_chain one = {.first = id, .last = id, .bytes = lease->len};
        ring_chain_append(ring, &written, &one);
    }
    ring_chain_append(ring, chain, &written);
    return true;
}

void ring_chain_peek(struct ring *ring, const struct lease_chain *chain, char *out, u32 bytes)
{
    ASSERT(bytes <= chain->bytes);
    for (u16 id = chain->first; bytes > 0; id = ring_lease(ring, id)->next) {
        const struct lease *lease = ring_lease(ring, id);
        u32 part = min_u32(bytes, lease->len);
        memcpy(out, lease->data, part);
        out += part;
        bytes -= part;
    }
}

u32 ring_chain_leases(const struct ring *ring, const struct lease_chain *chain)
{
    u32 count = 0;
    for (u16 id = chain->first; id != LEASE_NONE; id = ring->leases[id].next)
        count++;
    return count;
}

u32 ring_leases_held(const struct ring *ring)
{
    return ring->lease_count - ring->free_count - ring->offered;
}

/* Up to half of the leases are offered to the kernel: less than half free would be true for ever.
 */
bool ring_leases_scarce(const struct ring *ring)
{
    return ring->free_count < ring->lease_count / 4;
}

bool leases_half_held(const struct ring *ring)
{
    return ring_leases_held(ring) > ring->lease_count / 2;
}

bool ring_leases_short(const struct ring *ring)
{
    return ring_leases_held(ring) > ring->lease_count - ring->lease_count / 8;
}

u32 ring_lease_count(const struct ring *ring)
{
    return ring->lease_count;
}

u32 ring_lease_allowance_bytes(const struct ring *ring)
{
    enum { SHARE = 16 };
    u32 most = ring->lease_count - ring->lease_count / 4;
    u32 left = most - min_u32(ring_leases_held(ring), most);
    return max_u32(left / SHARE, 1) * LEASE_BYTES;
}
