/*
 * See team.h.
 *
 * The order of memory. All that is said about a place is said by its word, and everything that
 * changes it is a read-modify-write, so each of them sees the one before, whoever made it:
 *  - A giver claims a cell by raising `coming` and moving the mailbox's end in one exchange; it
 *    succeeds only while the mailbox is open and fewer than CELLS are coming. Behind team_leave()
 *    there is no further success, so nothing can get lost: once `coming` is 0 then, it stays 0.
 *  - The claimed cell is empty: CELLS positions earlier the owner has emptied it, and has lowered
 *    `coming` afterwards (release); the giver's exchange (acquire) came later, or `coming` would
 *    have been CELLS.
 *  - The parcel is in the cell itself: storing it (release) and finding it (acquire) hands over all
 *    that the giver has done with the connection.
 *  - What a worker says of itself is a hint. It is stored before `coming` is lowered (release), and
 *    loaded behind that (acquire), so a connection that has come is in one of them, or in both.
 *    Those that come are in it at once, for others may be choosing between us at this moment; the
 *    rest is stored after the turn.
 */
#include "worker/team.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "ring.h"

enum {
    PLACES_MAX = STATE_WORKERS_MAX,
    CELLS = 256, /* a power of two, and of the positions that the word counts */
    LOOKED_AT_MAX = 16,
};

/* The word: coming in bits 0-15, the mailbox's end in 48-62, open in 63. */
#define WORD_COMING_ONE 1ull
#define WORD_END_SHIFT 48
#define WORD_END_ONE (1ull << WORD_END_SHIFT)
#define WORD_END_MASK (0x7fffull << WORD_END_SHIFT)
#define WORD_OPEN (1ull << 63)

struct place {
    _Atomic u64 word; /* written by everyone */
    _Atomic u64 load; /* by the owner alone: how busy it is in the lower half, room in the upper */
    int bell;         /* 0 = there is none yet; it stays open for as long as the team lives */
    /* The owner's own, on another line, with its mailbox behind it. */
    u32 begin __attribute__((aligned(CACHE_LINE_BYTES))); /* of its mailbox */
    u32 look; /* where it begins to look for others, in a large team */
    u32 gave; /* to_wake has so many entries */
    u32 to_wake[LOOKED_AT_MAX];
    _Atomic u32 cells[CELLS] __attribute__((aligned(CACHE_LINE_BYTES))); /* 0 = empty */
};

struct team {
    struct place *places;
    _Atomic u32 count;  /* one more than the last place that was ever joined */
    _Atomic u64 budget; /* files in the lower half, memory in the upper; written by control alone */
};

static u32 coming_of(u64 word)
{
    return (u32)word & 0xffff;
}

/* What the worker says of itself; to be loaded behind the word. */
static struct proxy_load said_of(const struct place *place)
{
    u64 load = atomic_load_explicit(&place->load, memory_order_relaxed);
    return (struct proxy_load){.busy = (u32)load, .room = (u32)(load >> 32)};
}

/* ---- Control's part ---- */

struct team *team_create(void)
{
    struct team *team = calloc(1, sizeof(*team));
    if (!team)
        return NULL;
    team->places = region_reserve(PLACES_MAX * sizeof(struct place));
    if (team->places)
        return team;
    free(team);
    return NULL;
}

void team_destroy(struct team *team)
{
    for (u32 i = 0; i < PLACES_MAX && team->places[i].bell > 0; i++)
        (void)close(team->places[i].bell);
    region_release(team->places, PLACES_MAX * sizeof(struct place));
    free(team);
}

bool team_prepare(struct team *team, u32 place)
{
    ASSERT(place < PLACES_MAX && (place == 0 || team->places[place - 1].bell > 0));
    if (team->places[place].bell <= 0)
        team->places[place].bell = ring_bell_open();
    return team->places[place].bell > 0;
}

void team_set_budget(struct team *team, struct overload_budget budget)
{
    atomic_store_explicit(&team->budget, budget.files | (u64)budget.memory_permille << 32,
                          memory_order_relaxed);
}

struct overload_budget team_budget(const struct team *team)
{
    u64 budget = atomic_load_explicit(&team->budget, memory_order_relaxed);
    return (struct overload_budget){(u32)budget, (u32)(budget >> 32)};
}

/* ---- At its own place ---- */

int team_bell(const struct team *team, u32 place)
{
    return team->places[place].bell;
}

void team_join(struct team *team, u32 place)
{
    u32 count = atomic_load_explicit(&team->count, memory_order_relaxed);
    while (count <= place &&
           !atomic_compare_exchange_weak_explicit(&team->count, &count, place + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    atomic_fetch_or_explicit(&team->places[place].word, WORD_OPEN, memory_order_release);
}

void team_leave(struct team *team, u32 place)
{
    atomic_fetch_and_explicit(&team->places[place].word, ~WORD_OPEN, memory_order_relaxed);
}

void team_publish(struct team *team, u32 place, struct proxy_load load)
{
    struct place *own = &team->places[place];
    u64 said = load.busy | (u64)load.room << 32;
    if (atomic_load_explicit(&own->load, memory_order_relaxed) != said)
        atomic_store_explicit(&own->load, said, memory_order_relaxed);
}

bool team_expects(const struct team *team, u32 place)
{
    return coming_of(atomic_load_explicit(&team->places[place].word, memory_order_relaxed)) > 0;
}

bool team_take(struct team *team, u32 place, struct team_parcel *out)
{
    struct place *own = &team->places[place];
    if (LIKELY(!team_expects(team, place)))
        return false;
    _Atomic u32 *cell = &own->cells[own->begin % CELLS];
    u32 content = atomic_load_explicit(cell, memory_order_acquire);
    if (content == 0) /* claimed, but not there yet: the giver wakes us when it is */
        return false;
    atomic_store_explicit(cell, 0, memory_order_relaxed);
    own->begin++;
    *out = (struct team_parcel){.fd = (int)(content >> 1) - 1, .proxy_header = content & 1};
    return true;
}

void team_taken(struct team *team, u32 place, struct proxy_load load)
{
    team_publish(team, place, load);
    atomic_fetch_sub_explicit(&team->places[place].word, WORD_COMING_ONE, memory_order_release);
}

/* ---- To others ---- */

/* With those that are on their way to it. */
static struct proxy_load load_with(struct proxy_load load, u64 word)
{
    u32 coming = coming_of(word);
    return (struct proxy_load){
        .busy = load.busy + coming,
        .clients = load.clients + coming,
        .room = load.room - min_u32(load.room, coming),
    };
}

static bool is_less(struct proxy_load a, struct proxy_load b)
{
    return a.busy != b.busy ? a.busy < b.busy : a.room > b.room;
}

/* Kernels spread connections at random, and each hand-over costs two system calls and a wake-up: a
 * difference of an eighth is left. */
static u32 slack(u32 of)
{
    return max_u32(1, of / 8);
}

static bool is_worth_it(struct proxy_load own, struct proxy_load other)
{
    if (own.room == 0 || other.busy + slack(own.busy) < own.busy)
        return true;
    return other.busy <= own.busy && other.room > own.room + slack(own.clients);
}

u32 team_least_busy(struct team *team, u32 place, struct proxy_load load)
{
    u32 count = atomic_load_explicit(&team->count, memory_order_relaxed);
    u32 looks = min_u32(count, LOOKED_AT_MAX);
    struct place *own = &team->places[place];
    u32 least = TEAM_NONE;
    struct proxy_load least_load = {.busy = UINT32_MAX};
    if (count <= 1)
        return TEAM_NONE;
    for (u32 i = 0; i < looks; i++) {
        u32 other = (own->look + i) % count;
        u64 word = atomic_load_explicit(&team->places[other].word, memory_order_acquire);
        struct proxy_load its = load_with(said_of(&team->places[other]), word);
        if (other == place || !(word & WORD_OPEN) || its.room == 0 || !is_less(its, least_load))
            continue;
        least = other;
        least_load = its;
    }
    own->look = (own->look + looks) % count;
    load = load_with(load, atomic_load_explicit(&own->word, memory_order_relaxed));
    return least != TEAM_NONE && is_worth_it(load, least_load) ? least : TEAM_NONE;
}

/* Claims the next cell of a mailbox. */
static bool claim(struct place *to, u32 *position)
{
    u64 word = atomic_load_explicit(&to->word, memory_order_acquire), next;
    do {
        u32 most = min_u32(CELLS, said_of(to).room);
        if (!(word & WORD_OPEN) || coming_of(word) >= most)
            return false;
        u64 end = (word + WORD_END_ONE) & WORD_END_MASK;
        next = ((word & ~WORD_END_MASK) | end) + WORD_COMING_ONE;
    } while (!atomic_compare_exchange_weak_explicit(&to->word, &word, next, memory_order_acquire,
                                                    memory_order_acquire));
    *position = (u32)((word & WORD_END_MASK) >> WORD_END_SHIFT);
    return true;
}

static void note_wake(struct place *own, u32 to)
{
    for (u32 i = 0; i < own->gave; i++)
        if (own->to_wake[i] == to)
            return;
    own->to_wake[own->gave++] = to;
}

bool team_give(struct team *team, u32 from, u32 to, struct team_parcel parcel)
{
    struct place *own = &team->places[from];
    u32 position;
    if (own->gave == ARRAY_COUNT(own->to_wake))
        team_wake_others(team, from);
    if (!claim(&team->places[to], &position))
        return false;
    u32 content = ((u32)parcel.fd + 1) << 1 | parcel.proxy_header;
    atomic_store_explicit(&team->places[to].cells[position % CELLS], content, memory_order_release);
    note_wake(own, to);
    return true;
}

void team_wake_others(struct team *team, u32 place)
{
    struct place *own = &team->places[place];
    for (u32 i = 0; i < own->gave; i++)
        ring_bell_ring(team->places[own->to_wake[i]].bell);
    own->gave = 0;
}
