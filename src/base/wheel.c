/* See include/base/wheel.h. */
#include "base/wheel.h"

/* The first tick that begins at or after the deadline: running it can never be early. */
static u64 deadline_tick(u64 deadline_ns)
{
    u64 tick = deadline_ns >> WHEEL_TICK_BITS;
    return tick << WHEEL_TICK_BITS == deadline_ns ? tick : tick + 1;
}

static u32 slot_of(u64 tick)
{
    return (u32)(tick % WHEEL_SLOTS);
}

static bool timer_linked(const struct wheel_timer *timer)
{
    return !list_empty(&timer->node);
}

static void wheel_link(struct wheel *wheel, struct wheel_timer *timer)
{
    u64 tick = max_u64(deadline_tick(timer->deadline_ns), wheel->tick + 1);
    timer->slot_tick = min_u64(tick, wheel->tick + WHEEL_HORIZON_TICKS);
    u32 slot = slot_of(timer->slot_tick);
    list_push_back(&wheel->slots[slot], &timer->node);
    wheel->occupied[slot / 64] |= 1ull << (slot % 64);
}

/* Correct as well for a timer that wheel_run() has already taken out of its slot: the slot's bit
 * follows the slot's list, whoever is in it. */
static void wheel_unlink(struct wheel *wheel, struct wheel_timer *timer)
{
    u32 slot = slot_of(timer->slot_tick);
    list_remove(&timer->node);
    if (list_empty(&wheel->slots[slot]))
        wheel->occupied[slot / 64] &= ~(1ull << (slot % 64));
}

void wheel_init(struct wheel *wheel, u64 now_ns)
{
    *wheel = (struct wheel){.tick = now_ns >> WHEEL_TICK_BITS};
    for (u32 slot = 0; slot < WHEEL_SLOTS; slot++)
        list_init(&wheel->slots[slot]);
}

void wheel_timer_init(struct wheel_timer *timer, void (*on_expire)(struct wheel_timer *))
{
    ASSERT(on_expire != NULL);
    *timer = (struct wheel_timer){.on_expire = on_expire};
    list_init(&timer->node);
}

void wheel_place(struct wheel *wheel, struct wheel_timer *timer)
{
    ASSERT(timer->on_expire != NULL);
    if (timer_linked(timer)) {
        /* A slot that has come up already is being run: its timers are looked at in any case. */
        if (timer->slot_tick <= wheel->tick ||
            timer->slot_tick <= deadline_tick(timer->deadline_ns))
            return;
        wheel_unlink(wheel, timer);
    }
    wheel_link(wheel, timer);
}

void wheel_clear(struct wheel *wheel, struct wheel_timer *timer)
{
    timer->deadline_ns = 0;
    if (timer_linked(timer))
        wheel_unlink(wheel, timer);
}

/* How far from `slot` the next occupied one is, looking once around and at `slot` itself first;
 * WHEEL_SLOTS when there is none. */
static u32 occupied_distance(const struct wheel *wheel, u32 slot)
{
    u32 bit = slot % 64;
    u64 word = wheel->occupied[slot / 64] >> bit;
    if (word != 0)
        return (u32)__builtin_ctzll(word);
    /* The last round sees the first word again, now for the bits below `slot`. */
    for (u32 i = 1; i <= WHEEL_SLOTS / 64; i++) {
        word = wheel->occupied[(slot / 64 + i) % (WHEEL_SLOTS / 64)];
        if (word != 0)
            return min_u32(i * 64 - bit + (u32)__builtin_ctzll(word), WHEEL_SLOTS);
    }
    return WHEEL_SLOTS;
}

/* Moves all timers of the slots from wheel->tick + 1 to `tick` to `due`, in the order of slots. */
static void wheel_take_due(struct wheel *wheel, u64 tick, struct list *due)
{
    u32 turn = (u32)min_u64(tick - wheel->tick, WHEEL_SLOTS);
    u32 first = slot_of(wheel->tick + 1);
    for (u32 passed = 0;; passed++) {
        u32 distance = occupied_distance(wheel, slot_of(first + passed));
        if (distance >= turn - passed)
            return;
        passed += distance;
        u32 slot = slot_of(first + passed);
        struct list *timers = &wheel->slots[slot];
        list_splice_back(due, timers);
        wheel->occupied[slot / 64] &= ~(1ull << (slot % 64));
    }
}

void wheel_run(struct wheel *wheel, u64 now_ns)
{
    u64 tick = now_ns >> WHEEL_TICK_BITS;
    if (tick <= wheel->tick)
        return;
    struct list due;
    list_init(&due);
    wheel_take_due(wheel, tick, &due);
    /* From here on a callback that sets a timer, even into the past, gets a later slot, so this
     * ends; one that clears a due timer takes it out of `due`. */
    wheel->tick = tick;
    while (!list_empty(&due)) {
        struct wheel_timer *timer = container_of(list_pop_front(&due), struct wheel_timer, node);
        ASSERT(timer->deadline_ns > 0);
        if (timer->deadline_ns > now_ns) {
            wheel_link(wheel, timer);
            continue;
        }
        timer->deadline_ns = 0;
        timer->on_expire(timer);
    }
}

u64 wheel_next_ns(const struct wheel *wheel)
{
    u32 distance = occupied_distance(wheel, slot_of(wheel->tick + 1));
    if (distance >= WHEEL_SLOTS)
        return UINT64_MAX;
    return (wheel->tick + 1 + distance) << WHEEL_TICK_BITS;
}
