/* See include/state/removal.h. */
#include "state/removal.h"

#include "base/arena.h"
#include "state/state_internal.h"

struct removals {
    u64 version[STATE_KIND_COUNT][STATE_SLOTS_MAX];  /* the newest that has it; control's alone */
    u64 since_ns[STATE_KIND_COUNT][STATE_SLOTS_MAX]; /* 0 = it is there */
};

struct removals *removals_create(void)
{
    return region_reserve(sizeof(struct removals));
}

void removals_destroy(struct removals *removals)
{
    region_release(removals, sizeof(*removals));
}

void removals_forget(struct removals *removals, enum state_kind kind, u32 slot)
{
    removals->version[kind][slot] = 0;
    __atomic_store_n(&removals->since_ns[kind][slot], 0, __ATOMIC_RELAXED);
}

void state_present(struct state *state, struct state_members members, u64 version)
{
    u64 *versions = state->removals->version[members.kind];
    u64 *since_ns = state->removals->since_ns[members.kind];
    for (u32 i = 0; i < members.count; i++) {
        versions[members.slots[i]] = version;
        __atomic_store_n(&since_ns[members.slots[i]], 0, __ATOMIC_RELAXED);
    }
}

u64 state_removed(struct state *state, struct state_members members, u64 version, u64 now_ns)
{
    const u64 *versions = state->removals->version[members.kind];
    u64 earliest_ns = UINT64_MAX;
    for (u32 i = 0; i < members.count; i++) {
        u64 *since_ns = &state->removals->since_ns[members.kind][members.slots[i]];
        if (versions[members.slots[i]] == version)
            continue;
        if (*since_ns == 0)
            __atomic_store_n(since_ns, now_ns, __ATOMIC_RELAXED);
        earliest_ns = min_u64(earliest_ns, *since_ns);
    }
    return earliest_ns;
}

u64 state_removed_ns(const struct state *state, enum state_kind kind, u32 slot)
{
    u64 since_ns = __atomic_load_n(&state->removals->since_ns[kind][slot], __ATOMIC_RELAXED);
    return since_ns > 0 ? since_ns : UINT64_MAX;
}
