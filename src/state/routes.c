/* The places of routes, shared by all workers. See include/state/routes.h, also for why no wake-up
 * is lost: that is why so much here is sequentially consistent. */
#include "state/routes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "state/places.h"

/* A worker serves its own waiter rather than one of another worker that came a moment earlier: to
 * hand a place over takes a system call here, and a turn of the other worker's loop. */
#define SLACK_NS (200 * NS_PER_US)

#define WORKER_NONE STATE_WORKER_NONE

/* Of a route; alone on its cache line. */
struct places {
    u32 active;
    u32 waiting;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct places_by_slot {
    struct places at[STATE_SLOTS_MAX];
};

/* One worker's. */
struct route_tallies {
    struct state_route_tally by_slot[STATE_SLOTS_MAX];
};

struct listener {
    pthread_mutex_t lock; /* of what follows but `called` */
    void (*wake)(void *context);
    void *context;
    u64 room_turn_ns; /* of the first of those that wait for room at a backend; 0 = none */
    bool called;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct state_routes {
    struct places_by_slot *places;
    struct adaptive_by_slot *adaptive;
    struct route_tallies *tallies[STATE_WORKERS_MAX];
    struct listener listeners[STATE_WORKERS_MAX];
    u32 workers;  /* one more than the last that has tallies */
    u32 for_room; /* workers that wait for room at backends */
};

/* ---- Beginning and end ---- */

static void release_regions(struct state_routes *routes)
{
    if (routes->places)
        region_release(routes->places, sizeof(*routes->places));
    if (routes->adaptive)
        region_release(routes->adaptive, adaptive_region_bytes());
}

struct adaptive_by_slot *routes_adaptive(const struct state_routes *routes)
{
    return routes->adaptive;
}

struct state_routes *state_routes_create(void)
{
    struct state_routes *routes = aligned_alloc(CACHE_LINE_BYTES, sizeof(*routes));
    if (!routes)
        return NULL;
    memset(routes, 0, sizeof(*routes));
    routes->places = region_reserve(sizeof(*routes->places));
    routes->adaptive = region_reserve(adaptive_region_bytes());
    if (!routes->places || !routes->adaptive) {
        release_regions(routes);
        free(routes);
        return NULL;
    }
    for (u32 worker = 0; worker < STATE_WORKERS_MAX; worker++)
        pthread_mutex_init(&routes->listeners[worker].lock, NULL);
    return routes;
}

void state_routes_destroy(struct state_routes *routes)
{
    for (u32 worker = 0; worker < STATE_WORKERS_MAX; worker++) {
        pthread_mutex_destroy(&routes->listeners[worker].lock);
        if (routes->tallies[worker])
            region_release(routes->tallies[worker], sizeof(*routes->tallies[worker]));
    }
    release_regions(routes);
    free(routes);
}

/* ---- Workers ---- */

void state_worker_listen(struct state_routes *routes, u32 worker, void (*wake)(void *context),
                         void *context)
{
    struct listener *listener = &routes->listeners[worker];
    pthread_mutex_lock(&listener->lock);
    listener->wake = wake;
    listener->context = context;
    __atomic_store_n(&listener->called, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&listener->lock);
}

void state_worker_deafen(struct state_routes *routes, u32 worker)
{
    struct listener *listener = &routes->listeners[worker];
    pthread_mutex_lock(&listener->lock);
    listener->wake = NULL;
    pthread_mutex_unlock(&listener->lock);
}

bool state_worker_called(struct state_routes *routes, u32 worker)
{
    bool *called = &routes->listeners[worker].called;
    if (LIKELY(!__atomic_load_n(called, __ATOMIC_RELAXED)))
        return false;
    return __atomic_exchange_n(called, false, __ATOMIC_SEQ_CST);
}

/* Who has been called and has not looked yet need not be called again. The lock is held for as long
 * as a write to an eventfd takes, and contended only when two call the same worker at once. */
void state_worker_call(struct state_routes *routes, u32 worker)
{
    struct listener *listener = &routes->listeners[worker];
    if (__atomic_exchange_n(&listener->called, true, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&listener->lock);
    if (listener->wake)
        listener->wake(listener->context);
    pthread_mutex_unlock(&listener->lock);
}

/* ---- Tallies ---- */

static const struct route_tallies *tallies_of(const struct state_routes *routes, u32 worker)
{
    return __atomic_load_n(&routes->tallies[worker], __ATOMIC_ACQUIRE);
}

static u32 workers_of(const struct state_routes *routes)
{
    return __atomic_load_n(&routes->workers, __ATOMIC_ACQUIRE);
}

/* Workers start one by one, while earlier ones may serve already. */
struct state_route_tally *state_route_tallies(struct state_routes *routes, u32 worker)
{
    if (worker >= STATE_WORKERS_MAX)
        return NULL;
    if (!routes->tallies[worker]) {
        struct route_tallies *tallies = region_reserve(sizeof(*tallies));
        if (!tallies)
            return NULL;
        __atomic_store_n(&routes->tallies[worker], tallies, __ATOMIC_RELEASE);
    }
    if (worker >= workers_of(routes))
        __atomic_store_n(&routes->workers, worker + 1, __ATOMIC_RELEASE);
    return routes->tallies[worker]->by_slot;
}

struct state_route_tally state_route_tally(const struct state_routes *routes, u32 slot)
{
    struct state_route_tally sum = {0};
    for (u32 worker = 0; worker < workers_of(routes); worker++) {
        const struct route_tallies *tallies = tallies_of(routes, worker);
        if (!tallies)
            continue;
        const struct state_route_tally *one = &tallies->by_slot[slot];
        sum.queued += __atomic_load_n(&one->queued, __ATOMIC_RELAXED);
        sum.waited += __atomic_load_n(&one->waited, __ATOMIC_RELAXED);
        sum.waited_us_sum += __atomic_load_n(&one->waited_us_sum, __ATOMIC_RELAXED);
        sum.timed_out += __atomic_load_n(&one->timed_out, __ATOMIC_RELAXED);
        sum.shed += __atomic_load_n(&one->shed, __ATOMIC_RELAXED);
        sum.refused += __atomic_load_n(&one->refused, __ATOMIC_RELAXED);
        sum.standing += __atomic_load_n(&one->standing, __ATOMIC_RELAXED);
    }
    return sum;
}

/* Nobody counts meanwhile: a slot is free when nothing runs or waits in it. */
void state_routes_forget(struct state_routes *routes, u32 slot)
{
    adaptive_forget(routes, slot);
    for (u32 worker = 0; worker < routes->workers; worker++) {
        struct route_tallies *tallies = routes->tallies[worker];
        if (tallies && (tallies->by_slot[slot].queued > 0 || tallies->by_slot[slot].refused > 0))
            tallies->by_slot[slot] = (struct state_route_tally){0};
    }
}

/* ---- Places ---- */

static struct places *places_of(const struct state_routes *routes, u32 slot)
{
    return &routes->places->at[slot];
}

static u32 read(const u32 *figure)
{
    return __atomic_load_n(figure, __ATOMIC_SEQ_CST);
}

bool state_route_enter(struct state_routes *routes, u32 slot, u32 active_max)
{
    return read(&places_of(routes, slot)->waiting) == 0 &&
           state_route_enter_next(routes, slot, active_max);
}

bool state_route_enter_next(struct state_routes *routes, u32 slot, u32 active_max)
{
    return place_enter(&places_of(routes, slot)->active, active_max);
}

void state_route_leave(struct state_routes *routes, u32 slot)
{
    place_leave(&places_of(routes, slot)->active);
}

bool state_route_wait(struct state_routes *routes, u32 slot, u32 queue_max)
{
    return place_enter(&places_of(routes, slot)->waiting, queue_max);
}

void state_route_unwait(struct state_routes *routes, u32 slot)
{
    place_leave(&places_of(routes, slot)->waiting);
}

/* The lowest bit of a turn as it is told. */
static const u64 STUCK = 1;

void state_route_tell(struct state_routes *routes, u32 slot, u32 worker, u64 turn_ns, bool stuck)
{
    u64 told = stuck ? turn_ns | STUCK : turn_ns & ~STUCK;
    __atomic_store_n(&routes->tallies[worker]->by_slot[slot].turn_ns, told, __ATOMIC_SEQ_CST);
}

/* When the worker's first waiter has its turn; UINT64_MAX when it has none. */
static u64 turn_of(const struct state_routes *routes, u32 slot, u32 worker)
{
    const struct route_tallies *tallies = tallies_of(routes, worker);
    u64 told = tallies ? __atomic_load_n(&tallies->by_slot[slot].turn_ns, __ATOMIC_SEQ_CST) : 0;
    return told > 0 ? told : UINT64_MAX;
}

/* WORKER_NONE when nobody has told: whoever has just begun to wait is still going to look. Or when
 * the first is stuck: it is called when there is room. */
static u32 first_worker(const struct state_routes *routes, u32 slot, u32 worker)
{
    u64 own_ns = turn_of(routes, slot, worker);
    u64 earliest_ns = own_ns;
    u32 first = own_ns == UINT64_MAX ? WORKER_NONE : worker;
    for (u32 other = 0; other < workers_of(routes); other++) {
        u64 turn_ns = other == worker ? UINT64_MAX : turn_of(routes, slot, other);
        if (turn_ns < earliest_ns) {
            earliest_ns = turn_ns;
            first = other;
        }
    }
    if (own_ns != UINT64_MAX && own_ns - earliest_ns <= SLACK_NS)
        return worker;
    return (earliest_ns & STUCK) != 0 ? WORKER_NONE : first;
}

bool state_route_turn(struct state_routes *routes, u32 slot, u32 worker, u32 active_max)
{
    const struct places *places = places_of(routes, slot);
    if (read(&places->waiting) == 0 || (active_max > 0 && read(&places->active) >= active_max))
        return false;
    u32 first = first_worker(routes, slot, worker);
    if (first != worker && first != WORKER_NONE)
        state_worker_call(routes, first);
    return first == worker;
}

/* ---- Room at backends ---- */

void state_room_tell(struct state_routes *routes, u32 worker, u64 turn_ns)
{
    u64 *told = &routes->listeners[worker].room_turn_ns;
    u64 before = __atomic_exchange_n(told, turn_ns, __ATOMIC_SEQ_CST);
    if ((before == 0) != (turn_ns == 0))
        __atomic_fetch_add(&routes->for_room, turn_ns > 0 ? 1 : UINT32_MAX, __ATOMIC_SEQ_CST);
}

/* The worker whose turn is the first behind that of `after`, by turn and then by number;
 * WORKER_NONE when there is none. */
static u32 next_for_room(const struct state_routes *routes, u32 after, u64 after_ns)
{
    u64 best_ns = UINT64_MAX;
    u32 best = WORKER_NONE;
    for (u32 worker = 0; worker < workers_of(routes); worker++) {
        u64 turn_ns = __atomic_load_n(&routes->listeners[worker].room_turn_ns, __ATOMIC_SEQ_CST);
        bool behind = turn_ns > after_ns || (turn_ns == after_ns && worker > after);
        if (turn_ns > 0 && behind && turn_ns < best_ns) {
            best_ns = turn_ns;
            best = worker;
        }
    }
    return best;
}

bool state_room_free(struct state_routes *routes, u32 worker)
{
    if (read(&routes->for_room) == 0)
        return false;
    u32 first = next_for_room(routes, 0, 0);
    if (first != worker && first != WORKER_NONE)
        state_worker_call(routes, first);
    return first == worker;
}

void state_room_pass(struct state_routes *routes, u32 worker, u64 turn_ns)
{
    u32 next = next_for_room(routes, worker, turn_ns);
    if (next != worker && next != WORKER_NONE)
        state_worker_call(routes, next);
}

/* ---- Figures ---- */

bool state_routes_quiet(const struct state_routes *routes, u32 slot)
{
    return state_route_active(routes, slot) == 0 && state_route_waiting(routes, slot) == 0;
}

u32 state_route_active(const struct state_routes *routes, u32 slot)
{
    return __atomic_load_n(&places_of(routes, slot)->active, __ATOMIC_RELAXED);
}

u32 state_route_waiting(const struct state_routes *routes, u32 slot)
{
    return __atomic_load_n(&places_of(routes, slot)->waiting, __ATOMIC_RELAXED);
}
