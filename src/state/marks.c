/* Marks: what bars a backend, and who is told. See include/state.h for the order that it keeps. */
#include "base/clock.h"
#include "state/routes.h"
#include "state/state_internal.h"

void marks_init(struct state *state)
{
    int failed = pthread_mutex_init(&state->lock, NULL);
    ASSERT(failed == 0); /* a plain one needs nothing that could run out */
    list_init(&state->followers);
    circuits_init(state);
}

void marks_deinit(struct state *state)
{
    ASSERT(list_empty(&state->followers));
    pthread_mutex_destroy(&state->lock);
}

void marks_lock(struct state *state)
{
    int failed = pthread_mutex_lock(&state->lock);
    ASSERT(failed == 0);
}

void marks_unlock(struct state *state)
{
    int failed = pthread_mutex_unlock(&state->lock);
    ASSERT(failed == 0);
}

u32 state_backend_marks(const struct state *state, u32 slot)
{
    return __atomic_load_n(&state->figures->marks[slot], __ATOMIC_RELAXED);
}

bool state_backend_usable(const struct state *state, u32 slot)
{
    return (state_backend_marks(state, slot) & STATE_BARS) == 0;
}

void marks_forget(struct state *state, u32 slot)
{
    marks_lock(state);
    __atomic_store_n(&state->figures->marks[slot], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&state->figures->slow_start_ms[slot], 0, __ATOMIC_RELAXED);
    circuits_forget(state, slot);
    marks_unlock(state);
}

/* ---- Changes ---- */

static void tell(struct state *state, u32 slot, u32 marks)
{
    __atomic_store_n(&state->changes, state->changes + 1, __ATOMIC_RELAXED);
    list_each (node, following, &state->followers) {
        struct state_follower *follower = container_of(node, struct state_follower, node);
        follower->on_marks(follower, slot, marks);
    }
    /* Those that wait for room: there may be some, or none to wait for any more. */
    (void)state_room_free(state->routes, STATE_WORKER_NONE);
}

bool marks_may_eject(struct state *state, u32 slot)
{
    list_each (node, following, &state->followers) {
        struct state_follower *follower = container_of(node, struct state_follower, node);
        if (!follower->may_eject(follower, slot))
            return false;
    }
    return true;
}

static bool is_away(u32 marks)
{
    return (marks & (STATE_BARS | STATE_ON_TRIAL)) != 0;
}

/* A backend that comes back begins with a small share. */
static u32 ramp(struct state *state, u32 slot, u32 before, u32 marks)
{
    struct figures *figures = state->figures;
    if (is_away(marks))
        return marks & ~(u32)STATE_RAMPING;
    if (!is_away(before) || __atomic_load_n(&figures->slow_start_ms[slot], __ATOMIC_RELAXED) == 0)
        return marks;
    __atomic_store_n(&figures->ramp_from_ns[slot], clock_monotonic_ns(), __ATOMIC_RELAXED);
    return marks | STATE_RAMPING;
}

void marks_replace(struct state *state, u32 slot, u32 mask, u32 marks)
{
    u32 before = state_backend_marks(state, slot);
    u32 after = ramp(state, slot, before, (before & ~mask) | marks);
    if (after == before)
        return;
    __atomic_store_n(&state->figures->marks[slot], after, __ATOMIC_RELAXED);
    if (((before ^ after) & (STATE_BARS | STATE_ON_TRIAL)) != 0)
        tell(state, slot, after);
}

void state_backend_mark(struct state *state, u32 slot, enum state_mark mark, bool set)
{
    marks_lock(state);
    marks_replace(state, slot, mark, set ? mark : 0);
    marks_unlock(state);
}

u64 state_changes(const struct state *state)
{
    return __atomic_load_n(&state->changes, __ATOMIC_RELAXED);
}

/* ---- Slow start ---- */

void state_backend_set_slow_start(struct state *state, u32 slot, u32 slow_start_ms)
{
    __atomic_store_n(&state->figures->slow_start_ms[slot], slow_start_ms, __ATOMIC_RELAXED);
}

u32 state_ramp(struct state *state, u32 slot, u64 now_ns)
{
    enum { FULL = 1 << 16, FIRST = FULL / 10 };
    struct figures *figures = state->figures;
    u64 from_ns = __atomic_load_n(&figures->ramp_from_ns[slot], __ATOMIC_RELAXED);
    u64 ramp_ns = __atomic_load_n(&figures->slow_start_ms[slot], __ATOMIC_RELAXED) * NS_PER_MS;
    u64 passed_ns = now_ns > from_ns ? now_ns - from_ns : 0;
    if (passed_ns < ramp_ns)
        return (u32)max_u64((u64)((double)passed_ns / (double)ramp_ns * FULL), FIRST);
    marks_lock(state);
    /* It may be back a second time by now. */
    if (__atomic_load_n(&figures->ramp_from_ns[slot], __ATOMIC_RELAXED) == from_ns)
        marks_replace(state, slot, STATE_RAMPING, 0);
    marks_unlock(state);
    return FULL;
}

/* ---- Followers ---- */

void state_follow(struct state *state, struct state_follower *follower, const u32 *slots, u32 count)
{
    marks_lock(state);
    list_push_back(&state->followers, &follower->node);
    marks_unlock(state);
    /* One after the other, so that nobody waits for thousands. */
    for (u32 i = 0; i < count; i++) {
        marks_lock(state);
        follower->on_marks(follower, slots[i], state_backend_marks(state, slots[i]));
        marks_unlock(state);
    }
}

void state_unfollow(struct state *state, struct state_follower *follower)
{
    marks_lock(state);
    list_remove(&follower->node);
    marks_unlock(state);
}

const char *state_mark_name(enum state_mark mark)
{
    switch (mark) {
    case STATE_DOWN:
        return "down";
    case STATE_EJECTED:
        return "ejected";
    case STATE_DRAINING:
        return "draining";
    case STATE_MAINTENANCE:
        return "maintenance";
    case STATE_ON_TRIAL:
        return "trial";
    case STATE_FAILING:
        return "failing";
    case STATE_RAMPING:
        return "ramping";
    case STATE_UNRESOLVED:
        return "dns";
    }
    ASSERT(false);
    return "";
}
