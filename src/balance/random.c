/* Weighted random: no memory of earlier choices, so nothing that workers could fall into step with.
 */
#include "balance/strategy.h"

struct random_choice {
    struct balance balance;
    struct sampler sampler;
};

static struct balance *random_create(struct arena *arena, const struct balance_backend *backends,
                                     u32 count)
{
    struct random_choice *random = arena_alloc(arena, sizeof(*random));
    sampler_init(&random->sampler, arena, backends, count);
    return &random->balance;
}

static u32 random_pick(struct balance *balance, const struct balance_request *request)
{
    struct random_choice *random = container_of(balance, struct random_choice, balance);
    return sampler_draw(&random->sampler, request, BALANCE_NONE);
}

const struct strategy strategy_random = {
    .name = "random",
    .create = random_create,
    .pick = random_pick,
};
