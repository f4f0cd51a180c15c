/* Snapshots: what a later one takes over from an earlier one, and when one may go. */
#include "config_fixture.h"

#include "snapshot.h"

enum { WORKERS = 2 };

#define BACKEND(id, port) "{\"id\":\"" id "\",\"url\":\"http://127.0.0.1:" port "\"}"

/* Three backends: all of them in the default pool, two in the route's. */
static const char first_json[] =
    "{\"backends\":[" BACKEND("a", "1") "," BACKEND("b", "2") "," BACKEND(
        "c", "3") "],\"routes\":[{\"id\":\"x\",\"path\":\"/x\",\"backends\":[\"c\",\"a\"]}]}";
/* a is gone, b has moved, c stays, d is new. */
static const char second_json[] =
    "{\"backends\":[" BACKEND("d", "4") "," BACKEND("c", "3") "," BACKEND("b", "22") "]}";

struct fixture {
    struct state *state;
    struct config *config[2];
    struct snapshot *first;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.state = state_create();
    fixture.config[0] = config_fixture(first_json);
    fixture.config[1] = config_fixture(second_json);
    assert_non_null(fixture.state);
    assert_non_null(state_tallies(fixture.state, 0));
    fixture.first = snapshot_create(fixture.config[0], fixture.state, WORKERS, 1, NULL);
    assert_non_null(fixture.first);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->first)
        snapshot_destroy(f->first);
    assert_int_equal(state_slots(f->state, STATE_BACKEND), 0);
    assert_int_equal(state_slots(f->state, STATE_ROUTE), 0);
    state_destroy(f->state);
    for (u32 i = 0; i < 2; i++)
        config_destroy(f->config[i]);
    return 0;
}

static u32 backend(const struct snapshot *snapshot, const char *id)
{
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (slice_equal(snapshot->config->backends[i].id, slice_of_string(id)))
            return i;
    fail_msg("no backend %s", id);
    return 0;
}

static u32 slot(const struct snapshot *snapshot, const char *id)
{
    return snapshot->backend_slots[backend(snapshot, id)];
}

/* Where backend `id` is in a pool; BALANCE_NONE when it is not. */
static u32 member(const struct snapshot *snapshot, u32 pool, const char *id)
{
    const struct config_pool *it = &snapshot->config->pools[pool];
    for (u32 i = 0; i < it->backend_count; i++)
        if (it->backends[i] == backend(snapshot, id))
            return i;
    return BALANCE_NONE;
}

static void mark(const struct fixture *f, const char *id, enum state_mark mark, bool set)
{
    state_backend_mark(f->state, slot(f->first, id), mark, set);
}

static void the_pools_show_the_figures_of_their_backends(void **state)
{
    struct fixture *f = *state;
    state_backend_watch(f->state, 0, slot(f->first, "a"), true);
    state_backend_begin(f->state, 0, slot(f->first, "a"));
    state_backend_latency(f->state, slot(f->first, "a"), 500, 1000);
    for (u32 p = 0; p < f->first->config->pool_count; p++) {
        const struct balance_load *load = &f->first->pools[p].load;
        assert_int_equal(balance_active(load, member(f->first, p, "a")), 1);
        assert_int_equal(balance_latency_us(load, member(f->first, p, "a")), 500);
        assert_int_equal(balance_active(load, member(f->first, p, "c")), 0);
    }
    state_backend_end(f->state, 0, slot(f->first, "a"));
}

static void who_is_watched_is_in_a_pool_that_looks_or_has_a_limit(void **state)
{
    static const char json[] = "{\"backends\":[" BACKEND("a", "1") "," BACKEND(
        "b", "2") ",{\"id\":\"c\",\"url\":"
                  "\"http://127.0.0.1:3\",\"maxConnections\":5}],"
                  "\"loadBalancing\":{\"strategy\":\"round-robin\"},"
                  "\"routes\":[{\"id\":\"x\",\"path\":\"/x\",\"strategy\":\"least-connections\","
                  "\"backends\":[\"b\"]}]}";
    const struct fixture *f = *state;
    struct config *config = config_fixture(json);
    struct snapshot *snapshot = snapshot_create(config, f->state, WORKERS, 2, f->first);
    assert_non_null(snapshot);
    for (u32 i = 0; i < config->backend_count; i++)
        assert_int_equal(snapshot->watched[i], !slice_equal(config->backends[i].id, SLICE("a")));
    snapshot_destroy(snapshot);
    config_destroy(config);
}

static void an_unusable_backend_is_so_in_every_pool(void **state)
{
    struct fixture *f = *state;
    for (u32 round = 0; round < 2; round++) {
        bool usable = round == 1;
        mark(f, "c", STATE_DOWN, !usable);
        for (u32 p = 0; p < f->first->config->pool_count; p++) {
            const u64 *bits = f->first->pools[p].load.usable;
            assert_int_equal(balance_bit(bits, member(f->first, p, "c")), usable);
            assert_true(balance_bit(bits, member(f->first, p, "a")));
        }
    }
}

static void what_stays_keeps_its_figures_and_its_mark(void **state)
{
    struct fixture *f = *state;
    state_backend_watch(f->state, 0, slot(f->first, "c"), true);
    state_backend_begin(f->state, 0, slot(f->first, "c"));
    mark(f, "c", STATE_DOWN, true);
    mark(f, "b", STATE_DOWN, true);
    struct snapshot *second = snapshot_create(f->config[1], f->state, WORKERS, 2, f->first);
    assert_non_null(second);
    assert_int_equal(slot(second, "c"), slot(f->first, "c"));
    assert_int_not_equal(slot(second, "b"), slot(f->first, "b")); /* another URL */
    assert_int_equal(balance_active(&second->pools[0].load, member(second, 0, "c")), 1);
    assert_false(balance_bit(second->pools[0].load.usable, member(second, 0, "c")));
    assert_true(balance_bit(second->pools[0].load.usable, member(second, 0, "b")));
    assert_true(balance_bit(second->pools[0].load.usable, member(second, 0, "d")));
    snapshot_destroy(f->first);
    f->first = NULL;
    assert_int_equal(state_slots(f->state, STATE_BACKEND), 3);
    assert_int_equal(state_slots(f->state, STATE_ROUTE), 1); /* the default route */
    state_backend_end(f->state, 0, slot(second, "c"));
    snapshot_destroy(second);
}

static void a_mark_shows_in_every_snapshot_there_is(void **state)
{
    struct fixture *f = *state;
    struct snapshot *second = snapshot_create(f->config[1], f->state, WORKERS, 2, f->first);
    assert_non_null(second);
    mark(f, "c", STATE_EJECTED, true);
    mark(f, "c", STATE_DRAINING, true);
    mark(f, "a", STATE_MAINTENANCE, true); /* which the second does not have */
    assert_false(balance_bit(f->first->pools[0].usable, member(f->first, 0, "a")));
    assert_false(balance_bit(f->first->pools[0].usable, member(f->first, 0, "c")));
    assert_false(balance_bit(second->pools[0].usable, member(second, 0, "c")));
    mark(f, "c", STATE_EJECTED, false); /* one reason less: not enough */
    assert_false(balance_bit(second->pools[0].usable, member(second, 0, "c")));
    mark(f, "c", STATE_DRAINING, false);
    for (u32 p = 0; p < f->first->config->pool_count; p++)
        assert_true(balance_bit(f->first->pools[p].usable, member(f->first, p, "c")));
    assert_true(balance_bit(second->pools[0].usable, member(second, 0, "c")));
    snapshot_destroy(f->first);
    f->first = NULL;
    state_backend_mark(f->state, slot(second, "c"), STATE_DOWN, true);
    assert_false(balance_bit(second->pools[0].usable, member(second, 0, "c")));
    snapshot_destroy(second);
}

static void each_worker_has_its_own_balancing(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    rng_seed(&rng, 1);
    const struct snapshot_pool *pool = &f->first->pools[0];
    const struct balance_request request = {.load = &pool->load, .rng = &rng};
    u32 picked[WORKERS][3] = {0};
    for (u32 i = 0; i < 30; i++)
        for (u32 w = 0; w < WORKERS; w++)
            picked[w][balance_pick(pool->balances[w], &request)]++;
    for (u32 w = 0; w < WORKERS; w++)
        for (u32 i = 0; i < 3; i++)
            assert_int_equal(picked[w][i], 10);
}

static void a_pin_of_any_worker_counts(void **state)
{
    struct fixture *f = *state;
    assert_false(snapshot_pinned(f->first));
    snapshot_pin(f->first, 1);
    snapshot_pin(f->first, 1);
    snapshot_pin(f->first, 0);
    snapshot_unpin(f->first, 0);
    snapshot_unpin(f->first, 1);
    assert_true(snapshot_pinned(f->first));
    snapshot_unpin(f->first, 1);
    assert_false(snapshot_pinned(f->first));
}

#define STICKY(key)                                                                                \
    "{\"loadBalancing\":{\"stickySession\":{\"enabled\":true" key                                  \
    "}},\"backends\":[" BACKEND("a", "1") "," BACKEND("b", "2") "," BACKEND("c", "3") "]}"

/* Handles lead to their backends, and depend on the key and the backend alone. */
static void sessions_have_handles(void **state)
{
    static const char *const texts[] = {STICKY(",\"key\":\"0123456789abcdef\""),
                                        STICKY(",\"key\":\"0123456789abcdef\""), STICKY(""),
                                        STICKY(",\"key\":\"0123456789abcdeg\"")};
    struct fixture *f = *state;
    struct config *configs[4];
    struct snapshot *snapshots[4];
    assert_null(f->first->pools[0].handles); /* nobody asks for them */
    for (u32 i = 0; i < 4; i++) {
        configs[i] = config_fixture(texts[i]);
        snapshots[i] = snapshot_create(configs[i], f->state, WORKERS, i + 2, NULL);
        for (u32 member = 0; member < 3; member++) {
            u64 handle = snapshots[i]->pools[0].handle_of[member];
            assert_int_equal(snapshot_member(snapshots[i], 0, handle), member);
            assert_int_equal(snapshot_member(snapshots[i], 0, handle + 1), BALANCE_NONE);
            bool same = handle == snapshots[0]->pools[0].handle_of[member];
            assert_int_equal(same, i < 2);
        }
    }
    for (u32 i = 0; i < 4; i++) {
        snapshot_destroy(snapshots[i]);
        config_destroy(configs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_pools_show_the_figures_of_their_backends, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_is_watched_is_in_a_pool_that_looks_or_has_a_limit,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_unusable_backend_is_so_in_every_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stays_keeps_its_figures_and_its_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mark_shows_in_every_snapshot_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(each_worker_has_its_own_balancing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pin_of_any_worker_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(sessions_have_handles, setup, teardown),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
