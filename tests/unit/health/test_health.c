/* Checks on a real ring, with every capability forced off: what is kept by slot, how many probes
 * there are at once, and that all of them end. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config_fixture.h"
#include "ring_fixture.h"

#include "health.h"

enum { JSON_BYTES = 1 << 16, SNAPSHOTS = 3 };

struct lab {
    struct ring *ring;
    struct health *health;
    struct state *state;
    struct config *config[SNAPSHOTS];
    struct snapshot *snapshot[SNAPSHOTS];
    int listener; /* whose kernel takes connections, and nobody else */
    struct sockaddr_in address;
};

static void lab_open(struct lab *lab, const struct ring_variant *variant)
{
    *lab = (struct lab){.ring = ring_fixture_create(variant, HEALTH_LEASES)};
    lab->listener = tcp_listener(&lab->address);
    assert_int_equal(listen(lab->listener, 1024), 0);
    lab->state = state_create();
    assert_non_null(lab->state);
    lab->health = health_create(&(struct health_options){.ring = lab->ring, .seed = 3});
    assert_non_null(lab->health);
}

/* What the test follows as its `n`-th snapshot. */
struct wanted {
    u32 n;
    u32 first; /* backends b<first> and so on, `count` of them, each with this check */
    u32 count;
    const char *check;
    bool alike; /* all ask for the same path */
};

static void follow(struct lab *lab, struct wanted wanted)
{
    char *json = malloc(JSON_BYTES);
    assert_non_null(json);
    usize len = (usize)snprintf(json, JSON_BYTES,
                                "{\"loadBalancing\":{\"panicThreshold\":0},\"backends\":[");
    for (u32 i = wanted.first; i < wanted.first + wanted.count; i++)
        len += (usize)snprintf(json + len, JSON_BYTES - len,
                               "%s{\"id\":\"b%u\",\"url\":\"http://127.0.0.1:%u\","
                               "\"healthCheck\":{\"path\":\"/%u\",%s}}",
                               i > wanted.first ? "," : "", i, ntohs(lab->address.sin_port),
                               wanted.alike ? 0 : i, wanted.check);
    len += (usize)snprintf(json + len, JSON_BYTES - len, "]}");
    assert_true(len < JSON_BYTES);
    u32 n = wanted.n;
    lab->config[n] = config_fixture(json);
    free(json);
    lab->snapshot[n] = snapshot_create(lab->config[n], lab->state, 1, n + 1, NULL);
    assert_non_null(lab->snapshot[n]);
    health_follow(lab->health, lab->snapshot[n]);
}

static void turn(struct lab *lab, u64 deadline_ns)
{
    deadline_ns = min_u64(deadline_ns, health_deadline_ns(lab->health));
    health_tick(lab->health, ring_turn(lab->ring, deadline_ns));
}

#define UNTIL(lab, condition)                                                                      \
    do {                                                                                           \
        u64 given_up_ns = clock_monotonic_ns() + RING_FIXTURE_WAIT_S * NS_PER_S;                   \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ns() >= given_up_ns)                                               \
                fail_msg("line %d: waited in vain for %s", __LINE__, #condition);                  \
            turn(lab, given_up_ns);                                                                \
        }                                                                                          \
    } while (0)

static void lab_close(struct lab *lab)
{
    health_stop(lab->health);
    assert_int_equal(health_checks(lab->health), 0);
    UNTIL(lab, health_is_quiet(lab->health));
    assert_int_equal(ring_leases_held(lab->ring), 0);
    health_destroy(lab->health);
    for (u32 n = 0; n < SNAPSHOTS && lab->snapshot[n]; n++) {
        snapshot_destroy(lab->snapshot[n]);
        config_destroy(lab->config[n]);
    }
    state_destroy(lab->state);
    ring_destroy(lab->ring);
    close(lab->listener);
}

static u32 slot(const struct lab *lab, u32 n, u32 backend)
{
    return lab->snapshot[n]->backend_slots[backend];
}

static enum health_state known(const struct lab *lab, u32 n, u32 backend)
{
    return health_state(lab->health, slot(lab, n, backend));
}

static bool marked_usable(const struct lab *lab, u32 n, u32 backend)
{
    return balance_bit(lab->snapshot[n]->pools[0].usable, backend);
}

#define PATIENT_CHECK "\"enabled\":true,\"interval\":100,\"timeout\":60000"
#define TCP_CHECK "\"enabled\":true,\"type\":\"tcp\",\"interval\":100"
#define DYING_CHECK                                                                                \
    "\"enabled\":true,\"interval\":100,\"timeout\":10,\"unhealthyThreshold\":1,\"maxInterval\":"   \
    "100"

static void follow_until_down(struct lab *lab)
{
    follow(lab, (struct wanted){.n = 0, .first = 0, .count = 1, .check = DYING_CHECK});
    assert_int_equal(known(lab, 0, 0), HEALTH_UNKNOWN);
    assert_true(marked_usable(lab, 0, 0));
    UNTIL(lab, known(lab, 0, 0) == HEALTH_UNHEALTHY);
    assert_false(marked_usable(lab, 0, 0));
    assert_false(state_backend_usable(lab->state, slot(lab, 0, 0)));
}

/* The first probes come within the interval, of 100 ms. */
static void let_all_timers_strike(struct lab *lab)
{
    u64 all_due_ns = ring_now_ns(lab->ring) + 200 * NS_PER_MS;
    while (ring_now_ns(lab->ring) < all_due_ns)
        turn(lab, all_due_ns);
}

static void probes_at_once_are_bounded(void **state)
{
    struct lab lab;
    enum { BACKENDS = HEALTH_PROBES_MAX + 44 };
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = BACKENDS, .check = PATIENT_CHECK});
    assert_int_equal(health_checks(lab.health), BACKENDS);
    UNTIL(&lab, health_probes(lab.health) == HEALTH_PROBES_MAX);
    let_all_timers_strike(&lab);
    assert_int_equal(health_probes(lab.health), HEALTH_PROBES_MAX);
    lab_close(&lab);
}

static void nothing_enabled_means_no_probes(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = 3, .check = "\"enabled\":false"});
    assert_int_equal(health_checks(lab.health), 0);
    assert_true(health_deadline_ns(lab.health) == UINT64_MAX);
    assert_int_equal(known(&lab, 0, 0), HEALTH_UNKNOWN);
    lab_close(&lab);
}

static void a_connection_is_enough_for_tcp(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = 2, .check = TCP_CHECK});
    UNTIL(&lab, known(&lab, 0, 0) == HEALTH_HEALTHY);
    UNTIL(&lab, known(&lab, 0, 1) == HEALTH_HEALTHY);
    UNTIL(&lab, health_probes(lab.health) >= 10);
    lab_close(&lab);
}

static void a_later_snapshot_keeps_the_state(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow_until_down(&lab);
    follow(&lab, (struct wanted){.n = 1, .count = 2, .check = DYING_CHECK});
    assert_int_equal(known(&lab, 1, 0), HEALTH_UNHEALTHY);
    assert_int_equal(known(&lab, 1, 1), HEALTH_UNKNOWN);
    assert_false(marked_usable(&lab, 1, 0));
    assert_true(marked_usable(&lab, 1, 1));
    lab_close(&lab);
}

/* Its slot is held by the first snapshot, and may be taken again before that one goes. */
static void a_backend_that_is_gone_leaves_no_mark(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow_until_down(&lab);
    follow(&lab, (struct wanted){.n = 1, .first = 1, .count = 1, .check = TCP_CHECK});
    assert_int_equal(health_checks(lab.health), 1);
    assert_true(state_backend_usable(lab.state, slot(&lab, 0, 0)));
    assert_int_equal(known(&lab, 0, 0), HEALTH_UNKNOWN);
    lab_close(&lab);
}

static void a_check_that_is_turned_off_leaves_the_backend_usable(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow_until_down(&lab);
    follow(&lab, (struct wanted){.n = 1, .count = 1, .check = "\"enabled\":false"});
    assert_int_equal(health_checks(lab.health), 0);
    assert_true(marked_usable(&lab, 1, 0));
    lab_close(&lab);
}

/* Ten backends stay, ten go and ten come, with a probe of each under way. */
static void following_again_and_again_loses_nothing(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.n = 0, .first = 0, .count = 20, .check = PATIENT_CHECK});
    UNTIL(&lab, health_probes(lab.health) == 20);
    follow(&lab, (struct wanted){.n = 1, .first = 10, .count = 20, .check = PATIENT_CHECK});
    assert_int_equal(health_checks(lab.health), 20);
    UNTIL(&lab, health_probes(lab.health) == 30);
    for (u32 i = 0; i < 10; i++) {
        health_follow(lab.health, lab.snapshot[i % 2]);
        assert_int_equal(health_checks(lab.health), 20);
        turn(&lab, UINT64_MAX);
    }
    lab_close(&lab);
}

/* Else each reload in the first interval would start all of them at once. */
static void first_probes_stay_spread(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.n = 0, .first = 0, .count = 100, .check = PATIENT_CHECK});
    u64 earliest_ns = health_deadline_ns(lab.health);
    follow(&lab, (struct wanted){.n = 1, .first = 0, .count = 100, .check = PATIENT_CHECK});
    assert_int_equal(health_deadline_ns(lab.health), earliest_ns);
    lab_close(&lab);
}

static struct health_last last_of(const struct lab *lab, u32 backend)
{
    struct health_last last;
    assert_true(health_last(lab->health, slot(lab, 0, backend), &last));
    return last;
}

/* It may be older than the machine is up. */
static void what_is_restored_keeps_its_age_until_a_probe_has_ended(void **state)
{
    const u64 ages_ns[] = {3600 * NS_PER_S, 400 * 86400 * NS_PER_S};
    for (u32 i = 0; i < ARRAY_COUNT(ages_ns); i++) {
        struct lab lab;
        lab_open(&lab, *state);
        follow(&lab, (struct wanted){.count = 1, .check = DYING_CHECK});
        health_restore(lab.health, slot(&lab, 0, 0), HEALTH_UNHEALTHY, ages_ns[i]);
        assert_int_equal(known(&lab, 0, 0), HEALTH_UNHEALTHY);
        assert_false(marked_usable(&lab, 0, 0));
        assert_true(health_age_ns(lab.health, slot(&lab, 0, 0)) >= ages_ns[i]);
        UNTIL(&lab, health_age_ns(lab.health, slot(&lab, 0, 0)) < ages_ns[i]);
        assert_true(last_of(&lab, 0).probed_ns > 0);
        lab_close(&lab);
    }
}

/* ---- Scripts ---- */

#define SCRIPT_CHECK(script)                                                                       \
    "\"enabled\":true,\"type\":\"script\",\"interval\":100,\"timeout\":60000,"                     \
    "\"unhealthyThreshold\":1,\"command\":[\"/bin/sh\",\"-c\",\"" script "\"]"

static void a_script_decides_by_its_exit_status(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = 1, .check = SCRIPT_CHECK("echo fine")});
    UNTIL(&lab, known(&lab, 0, 0) == HEALTH_HEALTHY);
    assert_true(last_of(&lab, 0).good);
    assert_string_equal(last_of(&lab, 0).detail, "answered as expected: fine");
    lab_close(&lab);
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = 1, .check = SCRIPT_CHECK("echo ill; exit 3")});
    UNTIL(&lab, known(&lab, 0, 0) == HEALTH_UNHEALTHY);
    assert_string_equal(last_of(&lab, 0).reason, "exit status 3");
    assert_string_equal(last_of(&lab, 0).detail, "ended with exit status 3: ill");
    lab_close(&lab);
}

static void scripts_at_once_are_bounded_and_killed_at_the_end(void **state)
{
    struct lab lab;
    enum { BACKENDS = HEALTH_SCRIPTS_MAX + 20 };
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = BACKENDS, .check = SCRIPT_CHECK("exec sleep 600")});
    UNTIL(&lab, health_probes(lab.health) == HEALTH_SCRIPTS_MAX);
    let_all_timers_strike(&lab);
    assert_int_equal(health_probes(lab.health), HEALTH_SCRIPTS_MAX);
    struct health_programs programs = health_programs(lab.health);
    assert_int_equal(programs.there, HEALTH_SCRIPTS_MAX);
    assert_int_equal(programs.killed, 0);
    assert_int_equal(programs.waiting, 20);
    lab_close(&lab); /* which waits for them */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* The scripts of the first snapshot end without a result, and make room for those of the second. */
static void another_command_is_another_question(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = HEALTH_SCRIPTS_MAX,
                                 .check = SCRIPT_CHECK("sleep 600; exit 1")});
    UNTIL(&lab, health_probes(lab.health) == HEALTH_SCRIPTS_MAX);
    follow(&lab,
           (struct wanted){.n = 1, .count = HEALTH_SCRIPTS_MAX, .check = SCRIPT_CHECK("exit 0")});
    struct health_programs programs = health_programs(lab.health);
    assert_int_equal(programs.there, HEALTH_SCRIPTS_MAX);
    assert_int_equal(programs.killed, HEALTH_SCRIPTS_MAX);
    for (u32 i = 0; i < HEALTH_SCRIPTS_MAX; i++)
        UNTIL(&lab, known(&lab, 1, i) == HEALTH_HEALTHY);
    UNTIL(&lab, health_programs(lab.health).killed == 0);
    lab_close(&lab);
}

/* ---- Twins ---- */

static void twins_share_their_probes(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.count = 50, .check = DYING_CHECK, .alike = true});
    UNTIL(&lab, known(&lab, 0, 0) == HEALTH_UNHEALTHY);
    for (u32 i = 0; i < 50; i++)
        assert_int_equal(known(&lab, 0, i), HEALTH_UNHEALTHY);
    assert_true(health_probes(lab.health) == 1);
    UNTIL(&lab, health_probes(lab.health) == 3);
    lab_close(&lab);
}

/* Forty wait for one probe. The one that asked goes, or asks something else: the others do not wait
 * for ever. */
static void twins_do_not_wait_for_one_that_left(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.n = 0, .count = 41, .check = PATIENT_CHECK, .alike = true});
    UNTIL(&lab, health_probes(lab.health) == 1);
    follow(&lab, (struct wanted){.n = 1, .first = 40, .count = 3, .check = PATIENT_CHECK});
    UNTIL(&lab, health_probes(lab.health) >= 4); /* each for itself now */
    health_follow(lab.health, lab.snapshot[0]);
    UNTIL(&lab, health_probes(lab.health) >= 5);
    lab_close(&lab);
}

static void twins_go_on_without_the_one_that_asked(void **state)
{
    struct lab lab;
    lab_open(&lab, *state);
    follow(&lab, (struct wanted){.n = 0, .count = 1, .check = PATIENT_CHECK, .alike = true});
    UNTIL(&lab, health_probes(lab.health) == 1);
    follow(&lab, (struct wanted){.n = 1, .count = 20, .check = PATIENT_CHECK, .alike = true});
    let_all_timers_strike(&lab);
    assert_int_equal(health_probes(lab.health), 1); /* the others wait for the first one's */
    follow(&lab,
           (struct wanted){.n = 2, .first = 1, .count = 19, .check = PATIENT_CHECK, .alike = true});
    UNTIL(&lab, health_probes(lab.health) == 2);
    let_all_timers_strike(&lab);
    assert_int_equal(health_probes(lab.health), 2);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_at_once_are_bounded),
        cmocka_unit_test(nothing_enabled_means_no_probes),
        cmocka_unit_test(a_connection_is_enough_for_tcp),
        cmocka_unit_test(a_later_snapshot_keeps_the_state),
        cmocka_unit_test(a_backend_that_is_gone_leaves_no_mark),
        cmocka_unit_test(a_check_that_is_turned_off_leaves_the_backend_usable),
        cmocka_unit_test(following_again_and_again_loses_nothing),
        cmocka_unit_test(first_probes_stay_spread),
        cmocka_unit_test(what_is_restored_keeps_its_age_until_a_probe_has_ended),
        cmocka_unit_test(a_script_decides_by_its_exit_status),
        cmocka_unit_test(scripts_at_once_are_bounded_and_killed_at_the_end),
        cmocka_unit_test(another_command_is_another_question),
        cmocka_unit_test(twins_share_their_probes),
        cmocka_unit_test(twins_do_not_wait_for_one_that_left),
        cmocka_unit_test(twins_go_on_without_the_one_that_asked),
    };
    return ring_variants_run("health", tests, ARRAY_COUNT(tests));
}
