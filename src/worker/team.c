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
 *  - The count of clients is a hint. Connections that have come are in it at once, for others may
 *    be choosing between us at this moment; those that ended are counted after the turn.
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
    /* A difference that is not worth a hand-over: kernels spread connections at random, and each
     * hand-over costs two system calls and a wake-up. */
    SLACK_MIN = 1,
    SLACK_SHIFT = 3, /* an eighth of the clients */
};

/* The word: clients in bits 0-31, coming in 32-47, the mailbox's end in 48-62, open in 63. */
#define WORD_COMING_ONE (1ull << 32)
#define WORD_END_SHIFT 48
#define WORD_END_ONE (1ull << WORD_END_SHIFT)
#define WORD_END_MASK (0x7fffull << WORD_END_SHIFT)
#define WORD_OPEN (1ull << 63)

struct place {
    /* Written by everyone. */
    _Atomic u64 word;
    int bell; /* 0 = there is none yet; it stays open for as long as the team lives */
    /* The owner's own, on another line, with its mailbox behind it. */
    u32 published __attribute__((aligned(CACHE_LINE_BYTES)));
    u32 begin; /* of its mailbox */
    u32 look;  /* where it begins to look for others, in a large team */
    u32 gave;  /* to_wake has so many entries */
    u32 to_wake[LOOKED_AT_MAX];
    _Atomic u32 cells[CELLS] __attribute__((aligned(CACHE_LINE_BYTES))); /* 0 = empty */
};

struct team {
    struct place *places;
    _Atomic u32 count;  /* one more than the last place that was ever joined */
    _Atomic u64 budget; /* files in the lower half, memory in the upper; written by control alone */
};

static u32 clients_of(u64 word)
{
    return (u32)word;
}

static u32 coming_of(u64 word)
{
    return (u32)(word >> 32) & 0xffff;
}

static u32 load_of(u64 word)
{
    return clients_of(word) + coming_of(word);
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

/* Adds the difference, in whole numbers: no field runs over into another one. */
static u64 clients_changed(struct place *own, u32 clients)
{
    u64 difference = (u64)clients - own->published;
    own->published = clients;
    return difference;
}

void team_publish(struct team *team, u32 place, u32 clients)
{
    struct place *own = &team->places[place];
    if (own->published == clients || atomic_load_explicit(&team->count, memory_order_relaxed) == 1)
        return;
    atomic_fetch_add_explicit(&own->word, clients_changed(own, clients), memory_order_relaxed);
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

void team_taken(struct team *team, u32 place, u32 clients)
{
    struct place *own = &team->places[place];
    atomic_fetch_add_explicit(&own->word, clients_changed(own, clients) - WORD_COMING_ONE,
                              memory_order_release);
}

/* ---- To others ---- */

u32 team_least_busy(struct team *team, u32 place, u32 clients)
{
    u32 count = atomic_load_explicit(&team->count, memory_order_relaxed);
    struct place *own = &team->places[place];
    u32 load = clients + coming_of(atomic_load_explicit(&own->word, memory_order_relaxed));
    u32 slack = max_u32(SLACK_MIN, load >> SLACK_SHIFT);
    if (count <= 1 || load <= slack)
        return TEAM_NONE;
    u32 least = TEAM_NONE, least_load = load - slack;
    u32 looks = min_u32(count, LOOKED_AT_MAX);
    for (u32 i = 0; i < looks; i++) {
        u32 other = (own->look + i) % count;
        u64 word = atomic_load_explicit(&team->places[other].word, memory_order_relaxed);
        if (other == place || !(word & WORD_OPEN) || load_of(word) >= least_load)
            continue;
        least = other;
        least_load = load_of(word);
    }
    own->look = (own->look + looks) % count;
    return least;
}

/* Claims the next cell of a mailbox. */
static bool claim(struct place *to, u32 *position)
{
    u64 word = atomic_load_explicit(&to->word, memory_order_relaxed), next;
    do {
        if (!(word & WORD_OPEN) || coming_of(word) >= CELLS)
            return false;
        u64 end = (word + WORD_END_ONE) & WORD_END_MASK;
        next = ((word & ~WORD_END_MASK) | end) + WORD_COMING_ONE;
    } while (!atomic_compare_exchange_weak_explicit(&to->word, &word, next, memory_order_acquire,
                                                    memory_order_relaxed));
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
