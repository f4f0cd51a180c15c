/* Marks: what bars a backend, and who is told. See include/state.h for the order that it keeps. */
#include "state/state_internal.h"

void marks_init(struct state *state)
{
    int failed = pthread_mutex_init(&state->lock, NULL);
    ASSERT(failed == 0); /* a plain one needs nothing that could run out */
    list_init(&state->followers);
}

void marks_deinit(struct state *state)
{
    ASSERT(list_empty(&state->followers));
    pthread_mutex_destroy(&state->lock);
}

static void lock(struct state *state)
{
    int failed = pthread_mutex_lock(&state->lock);
    ASSERT(failed == 0);
}

static void unlock(struct state *state)
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
    __atomic_store_n(&state->figures->marks[slot], 0, __ATOMIC_RELAXED);
}

static void tell(struct state *state, u32 slot, u32 marks)
{
    list_each (node, following, &state->followers) {
        struct state_follower *follower = container_of(node, struct state_follower, node);
        follower->on_marks(follower, slot, marks);
    }
}

void state_backend_mark(struct state *state, u32 slot, enum state_mark mark, bool set)
{
    lock(state);
    u32 before = state_backend_marks(state, slot);
    u32 marks = set ? before | mark : before & ~(u32)mark;
    if (marks != before) {
        __atomic_store_n(&state->figures->marks[slot], marks, __ATOMIC_RELAXED);
        tell(state, slot, marks);
    }
    unlock(state);
}

void state_follow(struct state *state, struct state_follower *follower, const u32 *slots, u32 count)
{
    lock(state);
    list_push_back(&state->followers, &follower->node);
    unlock(state);
    /* One after the other, so that nobody waits for thousands. */
    for (u32 i = 0; i < count; i++) {
        lock(state);
        follower->on_marks(follower, slots[i], state_backend_marks(state, slots[i]));
        unlock(state);
    }
}

void state_unfollow(struct state *state, struct state_follower *follower)
{
    lock(state);
    list_remove(&follower->node);
    unlock(state);
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
    }
    ASSERT(false);
    return "";
}
