/* Chains of leases: bytes are never lost, repeated or reordered, no lease is leaked, and few bytes
 * never hold many leases. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ring_fixture.h"

enum { LEASES = 64 };

static struct ring *ring;

static int create(void **state)
{
    ring = ring_fixture_create(&ring_variants[0], LEASES);
    return 0;
}

static int destroy(void **state)
{
    ring_destroy(ring);
    return 0;
}

/* ---- What a chain is ---- */

static u32 lease_count(const struct lease_chain *chain)
{
    u32 count = 0, bytes = 0;
    u16 last = LEASE_NONE;
    for (u16 id = chain->first; id != LEASE_NONE; id = ring_lease(ring, id)->next) {
        assert_true(ring_lease(ring, id)->len > 0);
        bytes += ring_lease(ring, id)->len;
        last = id;
        count++;
        assert_true(count <= LEASES);
    }
    assert_int_equal(chain->last, last);
    assert_int_equal(chain->bytes, bytes);
    return count;
}

static void assert_content(const struct lease_chain *chain, const char *expected, u32 len)
{
    assert_int_equal(chain->bytes, len);
    char *copy = malloc(len + 1);
    ring_chain_peek(ring, chain, copy, len);
    assert_memory_equal(copy, expected, len);
    free(copy);
}

static struct lease_chain chain_of(const char *data, u32 len)
{
    struct lease_chain chain;
    lease_chain_init(&chain);
    assert_true(ring_chain_write(ring, &chain, data, len));
    return chain;
}

static struct lease_chain text(const char *string)
{
    return chain_of(string, (u32)strlen(string));
}

/* ---- One at a time ---- */

static void an_empty_chain_holds_nothing(void **state)
{
    struct lease_chain chain, other;
    lease_chain_init(&chain);
    lease_chain_init(&other);
    assert_true(ring_chain_write(ring, &chain, "", 0));
    ring_chain_append(ring, &chain, &other);
    ring_chain_skip(ring, &chain, 0);
    assert_true(ring_chain_split(ring, &chain, 0, &other));
    ring_chain_return(ring, &chain);
    assert_int_equal(lease_count(&chain) + lease_count(&other), 0);
    assert_int_equal(ring_leases_held(ring), 0);
}

static void appending_joins_in_order(void **state)
{
    struct lease_chain chain = text("one ");
    struct lease_chain more = text("two ");
    struct lease_chain third = text("three");
    ring_chain_append(ring, &chain, &more);
    ring_chain_append(ring, &chain, &third);
    assert_int_equal(lease_count(&more) + lease_count(&third), 0);
    assert_content(&chain, "one two three", 13);
    assert_int_equal(lease_count(&chain), 1);
    assert_int_equal(ring_leases_held(ring), 1);
    ring_chain_return(ring, &chain);
    assert_int_equal(ring_leases_held(ring), 0);
}

static void what_was_skipped_leaves_room_in_front(void **state)
{
    struct lease_chain chain = text("an old head, body");
    struct slice head = SLICE("a new head, ");
    assert_false(ring_chain_push_front(ring, &chain, head)); /* nothing was skipped yet */
    ring_chain_skip(ring, &chain, (u32)strlen("an old head, "));
    assert_true(ring_chain_push_front(ring, &chain, head));
    assert_content(&chain, "a new head, body", 16);
    assert_false(ring_chain_push_front(ring, &chain, SLICE("xx"))); /* one byte is left */
    assert_true(ring_chain_push_front(ring, &chain, SLICE("x")));
    assert_content(&chain, "xa new head, body", 17);
    assert_int_equal(ring_leases_held(ring), 1);
    ring_chain_return(ring, &chain);
    assert_false(ring_chain_push_front(ring, &chain, head));
}

static void splitting_takes_the_front_wherever_it_cuts(void **state)
{
    static char data[3 * LEASE_BYTES];
    pattern_fill(data, sizeof(data), 1, 0);
    static const u32 cuts[] = {0,
                               1,
                               LEASE_BYTES / 2,
                               LEASE_BYTES - 1,
                               LEASE_BYTES,
                               LEASE_BYTES + 1,
                               2 * LEASE_BYTES,
                               sizeof(data) - 1,
                               sizeof(data)};
    for (usize i = 0; i < ARRAY_COUNT(cuts); i++) {
        struct lease_chain from = chain_of(data, sizeof(data));
        struct lease_chain to = text("before ");
        assert_true(ring_chain_split(ring, &from, cuts[i], &to));
        lease_count(&from);
        lease_count(&to);
        assert_content(&from, data + cuts[i], (u32)sizeof(data) - cuts[i]);
        ring_chain_skip(ring, &to, 7);
        assert_content(&to, data, cuts[i]);
        ring_chain_return(ring, &from);
        ring_chain_return(ring, &to);
        assert_int_equal(ring_leases_held(ring), 0);
    }
}

static void a_cut_at_a_lease_copies_nothing(void **state)
{
    static char data[2 * LEASE_BYTES];
    struct lease_chain from = chain_of(data, sizeof(data)), to;
    lease_chain_init(&to);
    u16 first = from.first, last = from.last;
    assert_true(ring_chain_split(ring, &from, LEASE_BYTES, &to));
    assert_int_equal(to.first, first);
    assert_int_equal(from.first, last);
    assert_int_equal(ring_leases_held(ring), 2);
    ring_chain_return(ring, &from);
    ring_chain_return(ring, &to);
}

/* Takes all but `left` of the free leases, one byte in each. */
static u32 take_all_but(u32 left, struct lease_chain taken[LEASES])
{
    u32 count = LEASES - ring_leases_held(ring) - left;
    for (u32 i = 0; i < count; i++)
        taken[i] = text("x");
    return count;
}

static void without_a_free_lease_nothing_changes(void **state)
{
    static char data[LEASE_BYTES + 100];
    struct lease_chain taken[LEASES];
    pattern_fill(data, sizeof(data), 2, 0);
    struct lease_chain chain = chain_of(data, sizeof(data)), to = text("to");
    u32 count = take_all_but(0, taken);
    assert_false(ring_chain_split(ring, &chain, 10, &to));
    assert_false(ring_chain_write(ring, &chain, "more", 4));
    assert_content(&chain, data, sizeof(data));
    assert_content(&to, "to", 2);
    assert_int_equal(lease_count(&chain), 2);
    assert_true(ring_chain_split(ring, &chain, LEASE_BYTES, &to)); /* needs none */
    ring_chain_skip(ring, &to, 2);                                 /* gives one back */
    assert_content(&to, data, LEASE_BYTES);
    assert_false(ring_chain_write(ring, &chain, data, sizeof(data))); /* would need two */
    assert_int_equal(ring_leases_held(ring), LEASES - 1);
    assert_content(&chain, data + LEASE_BYTES, 100);
    while (count > 0)
        ring_chain_return(ring, &taken[--count]);
    ring_chain_return(ring, &chain);
    ring_chain_return(ring, &to);
    assert_int_equal(ring_leases_held(ring), 0);
}

static void a_dribble_holds_one_lease(void **state)
{
    struct lease_chain chain;
    lease_chain_init(&chain);
    for (u32 i = 0; i < LEASE_BYTES; i++) {
        struct lease_chain one = text("x");
        ring_chain_append(ring, &chain, &one);
    }
    assert_int_equal(chain.bytes, LEASE_BYTES);
    assert_int_equal(lease_count(&chain), 1);
    ring_chain_return(ring, &chain);
}

/* What the kernel may receive into is free for this purpose: else a busy ring would call itself
 * short of leases for ever. */
static void a_few_held_leases_are_no_scarcity(void **state)
{
    struct lease_chain taken[LEASES];
    struct lease_chain one = text("x");
    ring_turn(ring, 0); /* offers some to the kernel */
    assert_false(ring_leases_scarce(ring));
    ring_chain_return(ring, &one);
    ring_destroy(ring);
    ring = ring_fixture_create(&ring_variants[0], LEASES);
    u32 count = take_all_but(LEASES / 4 - 1, taken);
    assert_true(ring_leases_scarce(ring));
    while (count > 0)
        ring_chain_return(ring, &taken[--count]);
    assert_false(ring_leases_scarce(ring));
}

/* The more are held, the less one connection may; in the end one lease. */
static void what_one_may_hold_shrinks(void **state)
{
    struct lease_chain taken[LEASES];
    u32 all = ring_lease_count(ring);
    u32 at_first = ring_lease_allowance_bytes(ring);
    assert_int_equal(at_first, max_u32(all * 3 / 4 / 16, 1) * LEASE_BYTES);
    u32 count = take_all_but(all / 8, taken);
    assert_false(ring_leases_short(ring));
    assert_int_equal(ring_lease_allowance_bytes(ring), LEASE_BYTES);
    struct lease_chain one = text("x");
    assert_true(ring_leases_short(ring));
    assert_int_equal(ring_chain_leases(ring, &one), 1);
    ring_chain_return(ring, &one);
    while (count > 0)
        ring_chain_return(ring, &taken[--count]);
    assert_int_equal(ring_lease_allowance_bytes(ring), at_first);
    assert_int_equal(ring_chain_leases(ring, &one), 0);
}

/* What was in use at once stays resident, and what is free of it is counted as memory to spare,
 * whether the kernel was ever offered it or not. */
static void the_fewest_that_were_free_are_remembered(void **state)
{
    struct lease_chain taken[LEASES];
    struct ring_stats stats;
    u32 count = take_all_but(LEASES / 8, taken);
    while (count > 0)
        ring_chain_return(ring, &taken[--count]);
    ring_stats(ring, &stats);
    assert_int_equal(stats.leases, LEASES);
    assert_int_equal(stats.leases_held, 0);
    assert_int_equal(stats.leases_free_min, LEASES / 8);
}

/* ---- Anything, against a model ---- */

enum { CHAINS = 4, MODEL_BYTES_MAX = 1 << 20, STEPS = 20000 };

struct model {
    struct lease_chain chain;
    char *data; /* what the chain should hold, at data[at, at + chain.bytes) */
    u32 len;
};

static void model_take(struct model *model, u32 bytes)
{
    memmove(model->data, model->data + bytes, model->len - bytes);
    model->len -= bytes;
}

static void model_add(struct model *model, const char *data, u32 bytes)
{
    assert_true(model->len + bytes <= MODEL_BYTES_MAX);
    memcpy(model->data + model->len, data, bytes);
    model->len += bytes;
}

/* Small numbers often, large ones sometimes, the limits now and then. */
static u32 some_bytes(struct rng *rng, u32 max)
{
    static const u32 special[] = {1,           2047,           2048, 2049, LEASE_BYTES - 1,
                                  LEASE_BYTES, LEASE_BYTES + 1};
    u32 bytes = rng_below(rng, 3) == 0 ? special[rng_below(rng, ARRAY_COUNT(special))]
                                       : rng_below(rng, 1u << (1 + rng_below(rng, 16)));
    return min_u32(bytes, max);
}

static void step_write(struct rng *rng, struct model *model, u64 *written)
{
    static char data[1 << 17];
    u32 bytes = some_bytes(rng, sizeof(data));
    pattern_fill(data, bytes, 3, *written);
    if (!ring_chain_write(ring, &model->chain, data, bytes))
        return;
    model_add(model, data, bytes);
    *written += bytes;
}

static void step_split(struct rng *rng, struct model *from, struct model *to)
{
    u32 bytes = some_bytes(rng, from->len);
    if (!ring_chain_split(ring, &from->chain, bytes, &to->chain))
        return;
    model_add(to, from->data, bytes);
    model_take(from, bytes);
}

static void step(struct rng *rng, struct model models[CHAINS], u64 *written)
{
    struct model *model = &models[rng_below(rng, CHAINS)];
    struct model *other = &models[rng_below(rng, CHAINS)];
    u32 skipped;
    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
    case 2:
        step_write(rng, model, written);
        break;
    case 3:
    case 4:
        if (model != other)
            step_split(rng, model, other);
        break;
    case 5:
        if (model == other)
            break;
        ring_chain_append(ring, &model->chain, &other->chain);
        model_add(model, other->data, other->len);
        other->len = 0;
        break;
    case 6:
        skipped = some_bytes(rng, model->len);
        ring_chain_skip(ring, &model->chain, skipped);
        model_take(model, skipped);
        break;
    case 7:
        if (rng_below(rng, 20) != 0)
            break;
        ring_chain_return(ring, &model->chain);
        model->len = 0;
        break;
    }
}

static void check_models(const struct model models[CHAINS])
{
    u32 held = 0;
    for (u32 i = 0; i < CHAINS; i++) {
        u32 count = lease_count(&models[i].chain);
        assert_content(&models[i].chain, models[i].data, models[i].len);
        assert_true(count <= 2 + models[i].len / 1024);
        held += count;
    }
    assert_int_equal(ring_leases_held(ring), held);
}

static void chains_do_what_plain_strings_do(void **state)
{
    struct model models[CHAINS];
    struct rng rng;
    u64 written = 0;
    rng_seed(&rng, 7);
    for (u32 i = 0; i < CHAINS; i++) {
        lease_chain_init(&models[i].chain);
        models[i].data = malloc(MODEL_BYTES_MAX);
        models[i].len = 0;
    }
    for (u32 i = 0; i < STEPS; i++) {
        step(&rng, models, &written);
        check_models(models);
    }
    assert_true(written > STEPS);
    for (u32 i = 0; i < CHAINS; i++) {
        ring_chain_return(ring, &models[i].chain);
        free(models[i].data);
    }
    assert_int_equal(ring_leases_held(ring), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_chain_holds_nothing, create, destroy),
        cmocka_unit_test_setup_teardown(appending_joins_in_order, create, destroy),
        cmocka_unit_test_setup_teardown(what_was_skipped_leaves_room_in_front, create, destroy),
        cmocka_unit_test_setup_teardown(splitting_takes_the_front_wherever_it_cuts, create,
                                        destroy),
        cmocka_unit_test_setup_teardown(a_cut_at_a_lease_copies_nothing, create, destroy),
        cmocka_unit_test_setup_teardown(without_a_free_lease_nothing_changes, create, destroy),
        cmocka_unit_test_setup_teardown(a_dribble_holds_one_lease, create, destroy),
        cmocka_unit_test_setup_teardown(a_few_held_leases_are_no_scarcity, create, destroy),
        cmocka_unit_test_setup_teardown(what_one_may_hold_shrinks, create, destroy),
        cmocka_unit_test_setup_teardown(the_fewest_that_were_free_are_remembered, create, destroy),
        cmocka_unit_test_setup_teardown(chains_do_what_plain_strings_do, create, destroy),
    };
    return cmocka_run_group_tests_name("ring leases", tests, NULL, NULL);
}
