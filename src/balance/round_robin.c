/*
 * Smooth weighted round robin. Backends of equal weight form a group and take turns in it; the
 * groups take turns among each other by nginx's method: each turn every group gains its share of
 * lag, the one that lags most is chosen and pays a whole turn. With one weight for all, that is
 * plain rotation; with a few, a turn costs one step per weight and not one per backend.
 *
 * No group is ever a whole turn ahead of its share: the chosen lag is the greatest of numbers whose
 * sum is one turn, so more than zero, and paying one turn leaves it above minus one. As all lags
 * sum to zero nobody starves either. Over a whole cycle everybody gets exactly its weight, without
 * bursts.
 */
#include <stdlib.h>

#include "balance/strategy.h"

struct group {
    u32 weight; /* of each member */
    u32 first;  /* its members are at order[first] and on; those that are usable at live[first] */
    u32 member_count;
    u32 live_count;
    u32 cursor; /* whose turn it is, in live[] */
    u32 last;   /* the backend that had the last turn: where to go on when live[] changes */
};

struct round_robin {
    struct balance balance;
    u32 count;
    u32 group_count;
    bool started;
    i64 total; /* of all shares */
    struct group *groups;
    /* Beside the groups and not in them, because every turn reads all of these and one group. */
    i64 *shares; /* weight * live_count */
    i64 *lags;   /* in units of 1 / total of a turn */
    u32 *order;
    u32 *live;
    u64 *seen; /* the usable bits that live[] is made from */
};

struct ranked {
    u32 weight;
    u32 index;
};

static int ranked_compare(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

/* Fills `ranked` with the backends that have a weight, heavy ones first; returns how many. */
static u32 rank(struct ranked *ranked, const struct balance_backend *backends, u32 count)
{
    u32 ranked_count = 0;
    for (u32 i = 0; i < count; i++)
        if (backends[i].weight > 0)
            ranked[ranked_count++] = (struct ranked){backends[i].weight, i};
    qsort(ranked, ranked_count, sizeof(*ranked), ranked_compare);
    return ranked_count;
}

static u32 count_weights(const struct ranked *ranked, u32 ranked_count)
{
    u32 weights = 0;
    for (u32 i = 0; i < ranked_count; i++)
        weights += i == 0 || ranked[i].weight != ranked[i - 1].weight;
    return weights;
}

static struct balance *round_robin_create(struct arena *arena,
                                          const struct balance_backend *backends, u32 count)
{
    struct arena scratch;
    arena_init(&scratch);
    struct ranked *ranked = arena_alloc(&scratch, count * sizeof(*ranked));
    u32 ranked_count = rank(ranked, backends, count);
    u32 weights = count_weights(ranked, ranked_count);
    struct round_robin *turn = arena_alloc(arena, sizeof(*turn));
    *turn = (struct round_robin){
        .count = count,
        .groups = arena_alloc(arena, weights * sizeof(struct group)),
        .shares = arena_alloc(arena, weights * sizeof(i64)),
        .lags = arena_alloc(arena, weights * sizeof(i64)),
        .order = arena_alloc(arena, count * sizeof(u32)),
        .live = arena_alloc(arena, count * sizeof(u32)),
        .seen = arena_alloc(arena, words_for(count) * sizeof(u64)),
    };
    for (u32 i = 0; i < ranked_count; i++) {
        turn->order[i] = ranked[i].index;
        if (i == 0 || ranked[i].weight != ranked[i - 1].weight)
            turn->groups[turn->group_count++] =
                (struct group){.weight = ranked[i].weight, .first = i};
        turn->groups[turn->group_count - 1].member_count++;
    }
    arena_deinit(&scratch);
    return &turn->balance;
}

/* Makes the group's part of live[] and goes on after the member that had the last turn. */
static void group_refresh(struct round_robin *turn, struct group *group)
{
    group->live_count = 0;
    group->cursor = 0;
    for (u32 i = group->first; i < group->first + group->member_count; i++) {
        u32 index = turn->order[i];
        if (!(turn->seen[index / 64] >> (index % 64) & 1))
            continue;
        turn->live[group->first + group->live_count++] = index;
        if (index <= group->last)
            group->cursor = group->live_count;
    }
    if (group->cursor == group->live_count)
        group->cursor = 0;
}

static void round_robin_refresh(struct round_robin *turn, struct rng *rng)
{
    i64 total_before = turn->total;
    turn->total = 0;
    for (u32 i = 0; i < turn->group_count; i++) {
        /* Workers that all began with the first backend would add up to a burst on it. */
        if (!turn->started)
            turn->groups[i].last = rng_below(rng, turn->count);
        group_refresh(turn, &turn->groups[i]);
        turn->shares[i] = (i64)turn->groups[i].weight * turn->groups[i].live_count;
        turn->total += turn->shares[i];
    }
    turn->started = true;
    /* Lag is a fraction of a turn: what stays must be worth as much in the new unit. */
    for (u32 i = 0; i < turn->group_count && total_before > 0; i++) {
        double turns = (double)turn->lags[i] / (double)total_before;
        turn->lags[i] = (i64)(turns * (double)turn->total);
    }
}

/* All groups gain their share; the one that lags most pays for the turn and gets it. */
static u32 round_robin_next_group(struct round_robin *turn)
{
    u32 chosen = 0;
    i64 most = INT64_MIN;
    for (u32 i = 0; i < turn->group_count; i++) {
        i64 lag = turn->lags[i] + turn->shares[i];
        turn->lags[i] = lag;
        if (lag > most && turn->shares[i] > 0) {
            most = lag;
            chosen = i;
        }
    }
    turn->lags[chosen] -= turn->total;
    return chosen;
}

/* The next live member that the request has not tried. */
static u32 group_next_member(const struct round_robin *turn, struct group *group,
                             const struct balance_request *request)
{
    for (u32 i = 0; i < group->live_count; i++) {
        u32 index = turn->live[group->first + group->cursor];
        group->cursor = group->cursor + 1 == group->live_count ? 0 : group->cursor + 1;
        if (!request_tried(request, index)) {
            group->last = index;
            return index;
        }
    }
    return BALANCE_NONE;
}

/* The request has tried all of `spent`: the turn, with its cost, passes to the group that lags most
 * of those that have somebody left. */
static u32 round_robin_pass_on(struct round_robin *turn, u32 spent,
                               const struct balance_request *request)
{
    u32 chosen = spent;
    i64 most = INT64_MIN;
    for (u32 i = 0; i < turn->group_count; i++) {
        struct group trial = turn->groups[i];
        if (turn->lags[i] > most && group_next_member(turn, &trial, request) != BALANCE_NONE) {
            most = turn->lags[i];
            chosen = i;
        }
    }
    turn->lags[spent] += turn->total;
    turn->lags[chosen] -= turn->total;
    return group_next_member(turn, &turn->groups[chosen], request);
}

static u32 round_robin_pick(struct balance *balance, const struct balance_request *request)
{
    struct round_robin *turn = container_of(balance, struct round_robin, balance);
    if (usable_changed(turn->seen, request->load->usable, words_for(turn->count)))
        round_robin_refresh(turn, request->rng);
    if (turn->total == 0)
        return BALANCE_NONE;
    u32 chosen = round_robin_next_group(turn);
    u32 picked = group_next_member(turn, &turn->groups[chosen], request);
    return picked != BALANCE_NONE ? picked : round_robin_pass_on(turn, chosen, request);
}

const struct strategy strategy_round_robin = {
    .name = "round-robin",
    .create = round_robin_create,
    .pick = round_robin_pick,
};
