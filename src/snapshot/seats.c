/* See seats.h. Marks are by slot, usable bits by pool and place: the seats lead from one to the
 * other. */
#include "snapshot/seats.h"

/* Of config.backends; BALANCE_NONE when the slot is none of this snapshot's. */
static u32 backend_of(const struct snapshot *snapshot, u32 slot)
{
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->backend_slots[i] == slot)
            return i;
    return BALANCE_NONE;
}

static void set_bit(u64 *bits, u32 index, bool set)
{
    u64 bit = 1ull << (index % 64);
    if (set)
        __atomic_fetch_or(&bits[index / 64], bit, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&bits[index / 64], ~bit, __ATOMIC_RELAXED);
}

static void on_marks(struct state_follower *follower, u32 slot, u32 marks)
{
    struct snapshot *snapshot = container_of(follower, struct snapshot, follower);
    u32 backend = backend_of(snapshot, slot);
    if (backend == BALANCE_NONE)
        return;
    for (u32 i = snapshot->seats_from[backend]; i < snapshot->seats_from[backend + 1]; i++) {
        struct snapshot_seat seat = snapshot->seats[i];
        set_bit(snapshot->pools[seat.pool].usable, seat.member, (marks & STATE_BARS) == 0);
    }
}

/* By counting: how many each backend has, where its own begin, then one by one. */
static void fill(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    u32 *from = arena_alloc(&snapshot->arena, (config->backend_count + 2u) * sizeof(u32));
    for (u32 p = 0; p < config->pool_count; p++)
        for (u32 i = 0; i < config->pools[p].backend_count; i++)
            from[config->pools[p].backends[i] + 2]++;
    for (u32 i = 2; i < config->backend_count + 2; i++)
        from[i] += from[i - 1];
    snapshot->seats =
        arena_alloc(&snapshot->arena, from[config->backend_count + 1] * sizeof(*snapshot->seats));
    for (u32 p = 0; p < config->pool_count; p++)
        for (u32 i = 0; i < config->pools[p].backend_count; i++)
            snapshot->seats[from[config->pools[p].backends[i] + 1]++] =
                (struct snapshot_seat){p, i};
    snapshot->seats_from = from; /* at b + 1 there was b's beginning, and is its end now */
}

void seats_create(struct snapshot *snapshot)
{
    fill(snapshot);
    snapshot->follower.on_marks = on_marks;
    state_follow(snapshot->state, &snapshot->follower, snapshot->backend_slots,
                 snapshot->config->backend_count);
}

void seats_destroy(struct snapshot *snapshot)
{
    state_unfollow(snapshot->state, &snapshot->follower);
}
