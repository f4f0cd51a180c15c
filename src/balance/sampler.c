/* Weighted draws in constant time by Walker's alias method, built as by Vose ("A Linear Algorithm
 * for Generating Random Numbers with a Given Distribution", 1991): as many columns as backends,
 * equally high, each shared by at most two of them. A draw is a column and a height. */
#include "balance/strategy.h"

struct sampler_column {
    u32 lower;  /* the backend below the boundary */
    u32 upper;  /* the backend above it */
    u32 height; /* of the boundary, where 2^32 is the top */
};

/* Closed backends are drawn in vain. When that has happened so often, most of the weight is closed,
 * and a pass over the open ones is cheaper and sure to end. */
enum { SAMPLER_DRAWS = 16 };

/* Columns that are not finished: too low ones from the left, too high ones from the right. */
struct sampler_build {
    u64 *content; /* of each column, in units in which `full` is the top */
    u64 full;
    u32 *pending;
    u32 low_count;
    u32 high_count;
};

static void build_push(struct sampler_build *build, u32 column, u32 column_count)
{
    if (build->content[column] < build->full)
        build->pending[build->low_count++] = column;
    else
        build->pending[column_count - ++build->high_count] = column;
}

/* Fills each low column up from a high one, until only columns that are full are left. */
static void build_level(struct sampler_build *build, struct sampler *sampler)
{
    u32 column_count = sampler->column_count;
    while (build->low_count > 0 && build->high_count > 0) {
        u32 low = build->pending[--build->low_count];
        u32 high = build->pending[column_count - build->high_count--];
        sampler->columns[low].upper = sampler->columns[high].lower;
        sampler->columns[low].height = (u32)((build->content[low] << 32) / build->full);
        build->content[high] -= build->full - build->content[low];
        build_push(build, high, column_count);
    }
}

void sampler_init(struct sampler *sampler, struct arena *arena,
                  const struct balance_backend *backends, u32 count)
{
    *sampler = (struct sampler){
        .count = count,
        .weights = arena_alloc(arena, count * sizeof(u32)),
        .columns = arena_alloc(arena, count * sizeof(struct sampler_column)),
    };
    u64 total = 0;
    for (u32 i = 0; i < count; i++) {
        sampler->weights[i] = backends[i].weight;
        total += backends[i].weight;
        if (backends[i].weight > 0)
            sampler->columns[sampler->column_count++] = (struct sampler_column){i, i, UINT32_MAX};
    }
    struct arena scratch;
    arena_init(&scratch);
    struct sampler_build build = {
        .content = arena_alloc(&scratch, count * sizeof(u64)),
        .full = total,
        .pending = arena_alloc(&scratch, count * sizeof(u32)),
    };
    for (u32 i = 0; i < sampler->column_count; i++) {
        build.content[i] = (u64)backends[sampler->columns[i].lower].weight * sampler->column_count;
        build_push(&build, i, sampler->column_count);
    }
    build_level(&build, sampler);
    arena_deinit(&scratch);
}

/* The first open backend with a weight, other than `except`, from index `from` on. */
static u32 sampler_next(const struct sampler *sampler, const struct balance_request *request,
                        u32 from, u32 except)
{
    u64 wanted = ~0ull << (from % 64);
    for (u32 base = from / 64 * 64; base < sampler->count; base += 64, wanted = ~0ull) {
        u64 open = request_open_word(request, base / 64) & wanted;
        for (; open != 0; open &= open - 1) {
            u32 index = base + (u32)__builtin_ctzll(open);
            if (index < sampler->count && index != except && sampler->weights[index] > 0)
                return index;
        }
    }
    return BALANCE_NONE;
}

/* One pass to add up the open weights, one to find where a random point in them lies. Should
 * another worker close backends in between, the last one found is the answer. */
static u32 sampler_draw_exactly(const struct sampler *sampler,
                                const struct balance_request *request, u32 except)
{
    u32 total = 0; /* BALANCE_BACKENDS_MAX times BALANCE_WEIGHT_MAX just fits */
    u32 index = sampler_next(sampler, request, 0, except);
    for (; index != BALANCE_NONE; index = sampler_next(sampler, request, index + 1, except))
        total += sampler->weights[index];
    if (total == 0)
        return BALANCE_NONE;
    u32 point = rng_below(request->rng, total);
    u32 found = BALANCE_NONE;
    index = sampler_next(sampler, request, 0, except);
    for (; index != BALANCE_NONE; index = sampler_next(sampler, request, index + 1, except)) {
        found = index;
        if (point < sampler->weights[index])
            break;
        point -= sampler->weights[index];
    }
    return found;
}

u32 sampler_draw(const struct sampler *sampler, const struct balance_request *request, u32 except)
{
    if (sampler->column_count == 0)
        return BALANCE_NONE;
    for (u32 draw = 0; draw < SAMPLER_DRAWS; draw++) {
        u64 random = rng_next(request->rng);
        u32 at = (u32)((random >> 32) * sampler->column_count >> 32);
        const struct sampler_column *column = &sampler->columns[at];
        u32 index = (u32)random < column->height ? column->lower : column->upper;
        if (index != except && request_open(request, index))
            return index;
    }
    return sampler_draw_exactly(sampler, request, except);
}
