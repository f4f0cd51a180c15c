/* Verdicts over whole pools, by several threads at once: never more ejected than may be, one trial
 * at a time, and panic. */
#include "config_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "snapshot.h"

enum { BACKENDS = 10, WORKERS = 2, ROUNDS = 300000 };

struct lab {
    struct state *state;
    struct config *config;
    struct snapshot *snapshot;
};

/* Ten backends, all in the default pool, the first four also in that of a route. */
static struct config *configure(u32 ejected_percent, u32 panic_percent)
{
    char json[4096];
    usize len =
        (usize)snprintf(json, sizeof(json),
                        "{\"loadBalancing\":{\"maxEjectionPercent\":%u,"
                        "\"panicThreshold\":%u},\"passiveCheck\":{\"ejectionTime\":10,"
                        "\"maxEjectionTime\":10},\"routes\":[{\"id\":\"four\",\"path\":\"/"
                        "four\",\"backends\":[\"b0\",\"b1\",\"b2\",\"b3\"]}],\"backends\":[",
                        ejected_percent, panic_percent);
    for (u32 i = 0; i < BACKENDS; i++)
        len += (usize)snprintf(json + len, sizeof(json) - len,
                               "%s{\"id\":\"b%u\",\"url\":\"http://127.0.0.1:%u\"}",
                               i > 0 ? "," : "", i, i + 1);
    (void)snprintf(json + len, sizeof(json) - len, "]}");
    return config_fixture(json);
}

static struct lab lab_open(u32 ejected_percent, u32 panic_percent)
{
    struct lab lab = {.state = state_create(), .config = configure(ejected_percent, panic_percent)};
    assert_non_null(lab.state);
    lab.snapshot = snapshot_create(lab.config, lab.state, WORKERS, 1, NULL);
    assert_non_null(lab.snapshot);
    return lab;
}

static void lab_close(struct lab *lab)
{
    snapshot_destroy(lab->snapshot);
    state_destroy(lab->state);
    config_destroy(lab->config);
}

static struct state_attempt attempt_on(const struct lab *lab, u32 backend, u64 now_ns)
{
    return (struct state_attempt){
        .check = &lab->config->backends[backend].passive_check,
        .now_ns = now_ns,
        .slot = lab->snapshot->backend_slots[backend],
    };
}

static enum state_circuit_event refuse(const struct lab *lab, u32 backend, u64 now_ns, bool trial)
{
    const struct circuit_failure failure = {
        .what = "connect_refused", .refused = true, .trial = trial};
    struct state_attempt attempt = attempt_on(lab, backend, now_ns);
    struct circuit after;
    attempt.trial = trial;
    return state_circuit_fail(lab->state, &attempt, &failure, &after);
}

/* All at one moment: one by one, a backend might leave and another one come in between. */
static u32 bits(const struct lab *lab, u32 pool)
{
    ASSERT(lab->config->pools[pool].backend_count <= 64);
    u64 usable = __atomic_load_n(&lab->snapshot->pools[pool].usable[0], __ATOMIC_RELAXED);
    return (u32)__builtin_popcountll(usable);
}

static u32 pool_of(const struct lab *lab, const char *route)
{
    for (u32 i = 0; i < lab->config->route_count; i++)
        if (slice_equal(lab->config->routes[i].id, slice_of_string(route)))
            return lab->config->routes[i].pool;
    fail_msg("no route %s", route);
    return 0;
}

/* ---- How many ---- */

static void every_pool_keeps_its_share(void **state)
{
    (void)state;
    struct lab lab = lab_open(50, 0);
    u32 all = pool_of(&lab, "default"), four = pool_of(&lab, "four");
    for (u32 i = 0; i < BACKENDS; i++) {
        bool room = i < 2 || (i >= 4 && i < 7); /* half of four, then half of ten */
        assert_int_equal(refuse(&lab, i, 0, false),
                         room ? STATE_CIRCUIT_OPENED : STATE_CIRCUIT_SPARED);
        assert_int_equal(refuse(&lab, i, 0, false), STATE_CIRCUIT_SAME); /* told once */
    }
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, all).ejected, 5);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, four).ejected, 2);
    assert_int_equal(bits(&lab, all), 5);
    assert_int_equal(bits(&lab, four), 2);
    lab_close(&lab);
}

/* On trial a backend still has its place among the ejected, so that it can go back there. */
static void who_is_on_trial_counts(void **state)
{
    (void)state;
    struct lab lab = lab_open(10, 0);
    u32 slot = lab.snapshot->backend_slots[9];
    assert_int_equal(refuse(&lab, 9, 0, false), STATE_CIRCUIT_OPENED);
    assert_int_equal(state_circuits_tick(lab.state, 10 * NS_PER_MS - 1), STATE_SLOT_NONE);
    assert_int_equal(state_circuits_tick(lab.state, 10 * NS_PER_MS), slot);
    assert_int_equal(state_circuits_tick(lab.state, 10 * NS_PER_MS), STATE_SLOT_NONE);
    assert_int_equal(state_circuits_deadline_ns(lab.state), UINT64_MAX);
    assert_true(state_backend_usable(lab.state, slot));
    assert_int_equal(refuse(&lab, 8, 0, false), STATE_CIRCUIT_SPARED);
    assert_true(state_circuit_try(lab.state, slot));
    assert_false(state_backend_usable(lab.state, slot));
    assert_int_equal(refuse(&lab, 9, 20 * NS_PER_MS, true), STATE_CIRCUIT_OPENED);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, pool_of(&lab, "default")).ejected, 1);
    lab_close(&lab);
}

static void a_later_snapshot_with_less_room_brings_some_back(void **state)
{
    (void)state;
    struct lab lab = lab_open(80, 0);
    for (u32 i = 2; i < 8; i++)
        assert_int_equal(refuse(&lab, i, 0, false), STATE_CIRCUIT_OPENED);
    struct config *config = configure(25, 0);
    struct snapshot *next = snapshot_create(config, lab.state, WORKERS, 2, lab.snapshot);
    assert_non_null(next);
    assert_int_equal(next->returned, 0); /* it may not be served after all */
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, pool_of(&lab, "default")).ejected, 6);
    snapshot_begin(next);
    assert_in_range(next->returned, 4, 5); /* by which pool is looked at first */
    for (u32 p = 0; p < config->pool_count; p++)
        assert_true(snapshot_pool_tallies(next, p).ejected * 4 <= config->pools[p].backend_count);
    for (u32 i = 0; i < BACKENDS; i++) /* both snapshots must have room */
        (void)refuse(&lab, i, 0, false);
    for (u32 p = 0; p < config->pool_count; p++)
        assert_int_equal(snapshot_pool_tallies(next, p).ejected,
                         config->pools[p].backend_count / 4);
    snapshot_destroy(next);
    config_destroy(config);
    lab_close(&lab);
}

struct racer {
    struct lab *lab;
    u64 seed;
    _Atomic u32 *finished;
    _Atomic u32 *trials; /* by backend: under way */
    u32 too_many;
    u32 tried;
    u64 ejected;
};

/* Fails, succeeds, tries and lets time pass at random, as workers do with many backends. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    struct state *state = racer->lab->state;
    struct rng rng;
    rng_seed(&rng, racer->seed);
    for (u64 now_ns = 0; now_ns < ROUNDS * NS_PER_MS; now_ns += NS_PER_MS) {
        u32 backend = rng_below(&rng, BACKENDS);
        struct state_attempt attempt = attempt_on(racer->lab, backend, now_ns);
        if ((state_backend_marks(state, attempt.slot) & STATE_ON_TRIAL) != 0 &&
            state_circuit_try(state, attempt.slot)) {
            racer->tried++;
            attempt.trial = true;
            racer->too_many += atomic_fetch_add(&racer->trials[backend], 1) > 0;
            atomic_fetch_sub(&racer->trials[backend], 1);
            if (rng_below(&rng, 2) == 0)
                (void)state_circuit_succeed(state, &attempt);
            else
                (void)refuse(racer->lab, backend, now_ns, true);
        } else if (rng_below(&rng, 2) == 0) {
            racer->ejected += refuse(racer->lab, backend, now_ns, false) == STATE_CIRCUIT_OPENED;
        } else {
            (void)state_circuit_succeed(state, &attempt);
        }
    }
    atomic_fetch_add(racer->finished, 1);
    return NULL;
}

static void no_look_ever_finds_too_many(void **state)
{
    (void)state;
    struct lab lab = lab_open(30, 0);
    _Atomic u32 finished = 0;
    _Atomic u32 trials[BACKENDS] = {0};
    struct racer racers[WORKERS];
    pthread_t threads[WORKERS];
    u32 all = pool_of(&lab, "default"), four = pool_of(&lab, "four");
    u64 now_ns = 0;
    for (u32 i = 0; i < WORKERS; i++) {
        racers[i] = (struct racer){.lab = &lab, .seed = i, .finished = &finished, .trials = trials};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    while (atomic_load(&finished) < WORKERS) {
        assert_true(snapshot_pool_tallies(lab.snapshot, all).ejected <= 3);
        assert_true(snapshot_pool_tallies(lab.snapshot, four).ejected <= 1);
        assert_true(bits(&lab, four) >= 3);
        (void)state_circuits_tick(lab.state, now_ns += NS_PER_MS); /* control */
    }
    for (u32 i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(racers[i].too_many, 0);
    }
    assert_true(racers[0].ejected > 0 && racers[1].ejected > 0);
    assert_true(racers[0].tried > 0 && racers[1].tried > 0);
    lab_close(&lab);
}

/* ---- Panic ---- */

static void mark(const struct lab *lab, u32 backend, enum state_mark mark, bool set)
{
    state_backend_mark(lab->state, lab->snapshot->backend_slots[backend], mark, set);
}

static void panic_begins_below_the_threshold_and_ends_at_it(void **state)
{
    (void)state;
    struct lab lab = lab_open(80, 40);
    u32 all = pool_of(&lab, "default"), four = pool_of(&lab, "four");
    for (u32 i = 4; i < 10; i++)
        mark(&lab, i, STATE_DOWN, true);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, all).panic, 0); /* four of ten are 40 % */
    assert_int_equal(bits(&lab, all), 4);
    mark(&lab, 0, STATE_DOWN, true);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, all).panic, 1);
    assert_int_equal(bits(&lab, all), 10);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, four).panic, 0); /* three of four */
    assert_int_equal(bits(&lab, four), 3);
    mark(&lab, 9, STATE_DOWN, false);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, all).panic, 0);
    assert_int_equal(bits(&lab, all), 4);
    lab_close(&lab);
}

/* The operator's word stands: who is drained or in maintenance is neither used nor counted. */
static void panic_leaves_the_operators_marks_alone(void **state)
{
    (void)state;
    struct lab lab = lab_open(80, 100);
    u32 all = pool_of(&lab, "default");
    mark(&lab, 0, STATE_DRAINING, true);
    mark(&lab, 1, STATE_MAINTENANCE, true);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, all).panic, 0); /* eight of eight */
    mark(&lab, 2, STATE_DOWN, true);
    assert_int_equal(snapshot_pool_tallies(lab.snapshot, all).panic, 1);
    assert_int_equal(bits(&lab, all), 8);
    assert_false(balance_bit(lab.snapshot->pools[all].usable, 0));
    assert_false(balance_bit(lab.snapshot->pools[all].usable, 1));
    for (u32 i = 2; i < BACKENDS; i++)
        mark(&lab, i, STATE_MAINTENANCE, true);
    assert_int_equal(bits(&lab, all), 0);
    lab_close(&lab);
}

static void a_snapshot_can_begin_in_panic(void **state)
{
    (void)state;
    struct lab lab = lab_open(80, 0);
    u32 all = pool_of(&lab, "default");
    for (u32 i = 0; i < BACKENDS; i++)
        mark(&lab, i, STATE_DOWN, true);
    assert_int_equal(bits(&lab, all), 0); /* 0: checks are always believed */
    struct config *config = configure(80, 1);
    struct snapshot *next = snapshot_create(config, lab.state, WORKERS, 2, lab.snapshot);
    assert_non_null(next);
    for (u32 i = 0; i < BACKENDS; i++)
        assert_true(balance_bit(next->pools[all].usable, i));
    assert_int_equal(snapshot_pool_tallies(next, all).panic, 1);
    snapshot_destroy(next);
    config_destroy(config);
    lab_close(&lab);
}

/* ---- Slow start ---- */

static void a_share_grows_from_a_tenth(void **state)
{
    (void)state;
    struct lab lab = lab_open(80, 0);
    u32 slot = lab.snapshot->backend_slots[0];
    mark(&lab, 0, STATE_DOWN, true);
    mark(&lab, 0, STATE_DOWN, false);
    assert_int_equal(state_backend_marks(lab.state, slot), 0); /* no slow start is configured */
    state_backend_set_slow_start(lab.state, slot, 3600 * 1000);
    mark(&lab, 0, STATE_DOWN, true);
    mark(&lab, 0, STATE_MAINTENANCE, true);
    mark(&lab, 0, STATE_DOWN, false);
    assert_int_equal(state_backend_marks(lab.state, slot) & STATE_RAMPING, 0); /* not back yet */
    mark(&lab, 0, STATE_MAINTENANCE, false);
    u64 from_ns = clock_monotonic_ns();
    assert_int_equal(state_backend_marks(lab.state, slot), STATE_RAMPING);
    assert_in_range(state_ramp(lab.state, slot, from_ns), (1 << 16) / 10, (1 << 16) / 10 + 700);
    u32 half = state_ramp(lab.state, slot, from_ns + 1800 * NS_PER_S);
    assert_in_range(half, (1 << 15) - 700, (1 << 15) + 700);
    assert_int_equal(state_backend_marks(lab.state, slot), STATE_RAMPING);
    assert_int_equal(state_ramp(lab.state, slot, from_ns + 3600 * NS_PER_S), 1 << 16);
    assert_int_equal(state_backend_marks(lab.state, slot), 0);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pool_keeps_its_share),
        cmocka_unit_test(who_is_on_trial_counts),
        cmocka_unit_test(a_later_snapshot_with_less_room_brings_some_back),
        cmocka_unit_test(no_look_ever_finds_too_many),
        cmocka_unit_test(panic_begins_below_the_threshold_and_ends_at_it),
        cmocka_unit_test(panic_leaves_the_operators_marks_alone),
        cmocka_unit_test(a_snapshot_can_begin_in_panic),
        cmocka_unit_test(a_share_grows_from_a_tenth),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
