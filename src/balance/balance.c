/* The strategies by name, and what they all begin with. */
#include "balance.h"

#include <assert.h>

#include "balance/strategy.h"

static const struct strategy *const strategies[] = {
    [BALANCE_ROUND_ROBIN] = &strategy_round_robin,
    [BALANCE_RANDOM] = &strategy_random,
    [BALANCE_POWER_OF_TWO] = &strategy_power_of_two,
    [BALANCE_IP_HASH] = &strategy_ip_hash,
    [BALANCE_LEAST_CONNECTIONS] = &strategy_least_connections,
    [BALANCE_LEAST_LATENCY] = &strategy_least_latency,
};
static_assert(ARRAY_COUNT(strategies) == BALANCE_STRATEGY_COUNT, "every strategy has a row");

const char *balance_strategy_name(enum balance_strategy strategy)
{
    ASSERT(strategy < BALANCE_STRATEGY_COUNT);
    return strategies[strategy]->name;
}

bool balance_looks_at_load(enum balance_strategy strategy)
{
    ASSERT(strategy < BALANCE_STRATEGY_COUNT);
    return strategies[strategy]->looks_at_load;
}

/* Both spellings are folded to the one with small letters and hyphens. */
static bool strategy_name_matches(const char *name, struct slice spelled)
{
    if (strlen(name) != spelled.len)
        return false;
    for (u32 i = 0; i < spelled.len; i++) {
        char c = spelled.data[i] == '_' ? '-' : ascii_lower(spelled.data[i]);
        if (c != name[i])
            return false;
    }
    return true;
}

bool balance_strategy_find(struct slice name, enum balance_strategy *out)
{
    for (u32 i = 0; i < BALANCE_STRATEGY_COUNT; i++) {
        if (strategy_name_matches(strategies[i]->name, name)) {
            *out = (enum balance_strategy)i;
            return true;
        }
    }
    return false;
}

struct balance *balance_create(struct arena *arena, enum balance_strategy strategy,
                               const struct balance_backend *backends, u32 count)
{
    ASSERT(strategy < BALANCE_STRATEGY_COUNT);
    ASSERT(count > 0);
    ASSERT(count <= BALANCE_BACKENDS_MAX);
    for (u32 i = 0; i < count; i++)
        ASSERT(backends[i].weight <= BALANCE_WEIGHT_MAX);
    struct balance *balance = strategies[strategy]->create(arena, backends, count);
    balance->strategy = strategies[strategy];
    return balance;
}

u32 balance_pick(struct balance *balance, const struct balance_request *request)
{
    return balance->strategy->pick(balance, request);
}

bool usable_changed(u64 *seen, const u64 *usable, u32 words)
{
    u64 differing = 0;
    for (u32 i = 0; i < words; i++) {
        u64 now = balance_word(usable, i);
        differing |= now ^ seen[i];
        seen[i] = now;
    }
    return differing != 0;
}
