/* See seats.h. Marks are by slot, usable bits by pool and place: the seats lead from one to the
 * other. All of it happens under the lock of the marks. */
#include "snapshot/seats.h"

/* Of config.backends; BALANCE_NONE when the slot is none of this snapshot's. */
static u32 backend_of(const struct snapshot *snapshot, u32 slot)
{
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (snapshot->backend_slots[i] == slot)
            return i;
    return BALANCE_NONE;
}

/* ---- What marks mean ---- */

static bool is_judged(u32 marks)
{
    return (marks & STATE_FINAL) == 0;
}

static bool is_up(u32 marks)
{
    return (marks & STATE_BARS) == 0;
}

static bool is_ejected(u32 marks)
{
    return (marks & (STATE_EJECTED | STATE_ON_TRIAL)) != 0;
}

/* ---- One pool ---- */

static void set_bit(u64 *bits, u32 index, bool set)
{
    u64 bit = 1ull << (index % 64);
    if (set)
        __atomic_fetch_or(&bits[index / 64], bit, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&bits[index / 64], ~bit, __ATOMIC_RELAXED);
}

static void show(struct snapshot *snapshot, u32 pool, u32 member)
{
    struct snapshot_pool *at = &snapshot->pools[pool];
    u32 marks = snapshot->marks[snapshot->config->pools[pool].backends[member]];
    set_bit(at->usable, member, at->tallies.panic ? is_judged(marks) : is_up(marks));
}

static void add(u32 *figure, bool before, bool now)
{
    __atomic_store_n(figure, *figure - before + now, __ATOMIC_RELAXED);
}

static bool is_panic(const struct snapshot_tallies *tallies, u32 panic_percent)
{
    return (u64)tallies->up * 100 < (u64)tallies->judged * panic_percent;
}

static void pool_update(struct snapshot *snapshot, struct snapshot_seat seat, u32 before, u32 now)
{
    const struct config_pool *config = &snapshot->config->pools[seat.pool];
    struct snapshot_tallies *tallies = &snapshot->pools[seat.pool].tallies;
    if (snapshot->config->backends[config->backends[seat.member]].weight > 0) {
        add(&tallies->judged, is_judged(before), is_judged(now));
        add(&tallies->up, is_up(before), is_up(now));
        add(&tallies->ejected, is_ejected(before), is_ejected(now));
    }
    u32 panic = is_panic(tallies, config->limits.panic_percent);
    bool turned = panic != tallies->panic;
    __atomic_store_n(&tallies->panic, panic, __ATOMIC_RELAXED);
    if (!turned)
        show(snapshot, seat.pool, seat.member);
    else
        for (u32 i = 0; i < config->backend_count; i++)
            show(snapshot, seat.pool, i);
}

static bool has_room(const struct snapshot *snapshot, u32 pool, u32 more)
{
    const struct snapshot_tallies *tallies = &snapshot->pools[pool].tallies;
    u32 percent = snapshot->config->pools[pool].limits.ejected_max_percent;
    return (u64)(tallies->ejected + more) * 100 <= (u64)tallies->members * percent;
}

struct snapshot_tallies snapshot_pool_tallies(const struct snapshot *snapshot, u32 pool)
{
    const struct snapshot_tallies *tallies = &snapshot->pools[pool].tallies;
    return (struct snapshot_tallies){
        .members = tallies->members,
        .judged = __atomic_load_n(&tallies->judged, __ATOMIC_RELAXED),
        .up = __atomic_load_n(&tallies->up, __ATOMIC_RELAXED),
        .ejected = __atomic_load_n(&tallies->ejected, __ATOMIC_RELAXED),
        .panic = __atomic_load_n(&tallies->panic, __ATOMIC_RELAXED),
    };
}

/* ---- What the state tells and asks ---- */

static void on_marks(struct state_follower *follower, u32 slot, u32 marks)
{
    struct snapshot *snapshot = container_of(follower, struct snapshot, follower);
    u32 backend = backend_of(snapshot, slot);
    if (backend == BALANCE_NONE)
        return;
    u32 before = snapshot->marks[backend];
    snapshot->marks[backend] = marks;
    if (((before ^ marks) & (STATE_BARS | STATE_ON_TRIAL)) == 0)
        return; /* most have none when a snapshot begins */
    for (u32 i = snapshot->seats_from[backend]; i < snapshot->seats_from[backend + 1]; i++)
        pool_update(snapshot, snapshot->seats[i], before, marks);
}

/* Another one may be ejected only where every pool that has it has room; in all snapshots, so that
 * it is true of the one that a request began with and of the one that is served next. */
static bool may_eject(struct state_follower *follower, u32 slot)
{
    const struct snapshot *snapshot = container_of(follower, struct snapshot, follower);
    u32 backend = backend_of(snapshot, slot);
    if (backend == BALANCE_NONE)
        return true;
    for (u32 i = snapshot->seats_from[backend]; i < snapshot->seats_from[backend + 1]; i++)
        if (!has_room(snapshot, snapshot->seats[i].pool, 1))
            return false;
    return true;
}

/* ---- The beginning ---- */

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

/* As if nobody had a mark: what is told then changes it. Nobody else looks yet. */
static void begin(struct snapshot *snapshot, u32 pool)
{
    const struct config_pool *config = &snapshot->config->pools[pool];
    struct snapshot_pool *at = &snapshot->pools[pool];
    for (u32 i = 0; i < config->backend_count; i++) {
        at->tallies.members += snapshot->config->backends[config->backends[i]].weight > 0;
        at->usable[i / 64] |= 1ull << (i % 64);
    }
    at->tallies.judged = at->tallies.up = at->tallies.members;
}

void seats_return_surplus(struct snapshot *snapshot)
{
    for (u32 p = 0; p < snapshot->config->pool_count; p++) {
        const struct config_pool *pool = &snapshot->config->pools[p];
        for (u32 i = pool->backend_count; i > 0 && !has_room(snapshot, p, 0); i--) {
            u32 slot = snapshot->backend_slots[pool->backends[i - 1]];
            if (is_ejected(state_backend_marks(snapshot->state, slot)))
                snapshot->returned += state_circuit_close(snapshot->state, slot);
        }
    }
}

void seats_create(struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    snapshot->marks = arena_alloc(&snapshot->arena, config->backend_count * sizeof(u32));
    fill(snapshot);
    for (u32 p = 0; p < config->pool_count; p++)
        begin(snapshot, p);
    snapshot->follower = (struct state_follower){.on_marks = on_marks, .may_eject = may_eject};
    state_follow(snapshot->state, &snapshot->follower, snapshot->backend_slots,
                 config->backend_count);
}

void seats_destroy(struct snapshot *snapshot)
{
    state_unfollow(snapshot->state, &snapshot->follower);
}
