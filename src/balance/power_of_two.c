/* The less loaded of two random backends (Mitzenmacher, "The Power of Two Choices in Randomized
 * Load Balancing", 2001): nearly the balance of least-connections while reading two figures, and no
 * stampede when those are stale. */
#include "balance/strategy.h"

struct power_of_two {
    struct balance balance;
    struct sampler sampler;
};

static struct balance *power_of_two_create(struct arena *arena,
                                           const struct balance_backend *backends, u32 count)
{
    struct power_of_two *choice = arena_alloc(arena, sizeof(*choice));
    sampler_init(&choice->sampler, arena, backends, count);
    return &choice->balance;
}

static u32 power_of_two_pick(struct balance *balance, const struct balance_request *request)
{
    struct power_of_two *choice = container_of(balance, struct power_of_two, balance);
    const u32 *weights = choice->sampler.weights;

    u32 first = sampler_draw(&choice->sampler, request, BALANCE_NONE);
    if (first == BALANCE_NONE)
        return BALANCE_NONE;
    u32 second = sampler_draw(&choice->sampler, request, first);
    if (second == BALANCE_NONE)
        return first;
    /* Active per weight, compared without dividing. Equal ones stay with the first draw, which went
     * by weight alone; the second did not, because it had to differ. */
    u64 load_first = (u64)balance_active(request->load, first) * weights[second];
    u64 load_second = (u64)balance_active(request->load, second) * weights[first];
    return load_second < load_first ? second : first;
}

const struct strategy strategy_power_of_two = {
    .name = "power-of-two-choices",
    .create = power_of_two_create,
    .pick = power_of_two_pick,
    .looks_at_load = true,
};
