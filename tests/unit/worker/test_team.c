/* Loads and mailboxes: who is chosen, what a mailbox takes, and that nothing is lost while threads
 * give and leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "worker/team.h"

enum { CELLS = 256, ROOM = 1000000 };

/* So many clients, all of them busy. */
static struct proxy_load busy(u32 clients)
{
    return (struct proxy_load){.busy = clients, .clients = clients, .room = ROOM - clients};
}

/* Beside so many that are idle. */
static struct proxy_load beside(u32 idle, u32 clients)
{
    struct proxy_load load = busy(idle + clients);
    load.busy = clients;
    return load;
}

static struct team *team_of(u32 members)
{
    struct team *team = team_create();
    assert_non_null(team);
    for (u32 i = 0; i < members; i++)
        assert_true(team_prepare(team, i));
    for (u32 i = 0; i < members; i++) {
        team_join(team, i);
        team_publish(team, i, busy(0));
    }
    return team;
}

static void give(struct team *team, u32 from, u32 to, int fd)
{
    assert_true(team_give(team, from, to, (struct team_parcel){.fd = fd}));
}

static void take(struct team *team, u32 place, int fd, u32 clients)
{
    struct team_parcel parcel;
    assert_true(team_take(team, place, &parcel));
    assert_int_equal(parcel.fd, fd);
    team_taken(team, place, busy(clients));
}

static bool rings(const struct team *team, u32 place)
{
    struct pollfd bell = {.fd = team_bell(team, place), .events = POLLIN};
    return poll(&bell, 1, 0) == 1;
}

/* ---- Choosing ---- */

static void test_alone(void **state)
{
    (void)state;
    struct team *team = team_of(1);
    team_publish(team, 0, busy(1000));
    assert_int_equal(team_least_busy(team, 0, busy(1000)), TEAM_NONE);
    team_destroy(team);
}

static void test_small_differences_are_left(void **state)
{
    (void)state;
    struct team *team = team_of(2);
    assert_int_equal(team_least_busy(team, 0, busy(0)), TEAM_NONE);
    assert_int_equal(team_least_busy(team, 0, busy(1)), TEAM_NONE);
    assert_int_equal(team_least_busy(team, 0, busy(2)), 1);
    team_publish(team, 1, busy(100));
    assert_int_equal(team_least_busy(team, 0, busy(112)), TEAM_NONE); /* an eighth */
    assert_int_equal(team_least_busy(team, 0, busy(116)), 1);
    assert_int_equal(team_least_busy(team, 0, busy(4)), TEAM_NONE);
    team_destroy(team);
}

static void test_the_least_busy_one(void **state)
{
    (void)state;
    struct team *team = team_of(4);
    team_publish(team, 1, busy(7));
    team_publish(team, 2, busy(3));
    team_publish(team, 3, busy(5));
    assert_int_equal(team_least_busy(team, 0, busy(20)), 2);
    team_leave(team, 2);
    assert_int_equal(team_least_busy(team, 0, busy(20)), 3);
    team_join(team, 2);
    team_publish(team, 2, busy(6));
    assert_int_equal(team_least_busy(team, 0, busy(20)), 3);
    assert_int_equal(team_least_busy(team, 3, busy(5)), 0);
    team_destroy(team);
}

/* In a large team not all are looked at each time, but all in turn. */
static void test_a_large_team(void **state)
{
    enum { MEMBERS = 100, IDLE = 77 };
    (void)state;
    struct team *team = team_of(MEMBERS);
    u32 found = 0;
    for (u32 i = 1; i < MEMBERS; i++)
        team_publish(team, i, busy(i == IDLE ? 0 : 50));
    for (u32 i = 0; i < MEMBERS; i++)
        found += team_least_busy(team, 0, busy(50)) == IDLE;
    assert_in_range(found, MEMBERS / 10, MEMBERS / 3);
    team_destroy(team);
}

static void test_what_is_on_its_way_counts(void **state)
{
    (void)state;
    struct team *team = team_of(2);
    give(team, 0, 1, 10);
    give(team, 0, 1, 11);
    assert_int_equal(team_least_busy(team, 0, busy(3)), TEAM_NONE);
    take(team, 1, 10, 1);
    assert_int_equal(team_least_busy(team, 0, busy(3)), TEAM_NONE); /* in other words, as many */
    take(team, 1, 11, 1);                                           /* it was refused */
    assert_int_equal(team_least_busy(team, 0, busy(3)), 1);
    assert_int_equal(team_least_busy(team, 1, busy(1)), TEAM_NONE);
    give(team, 0, 1, 12); /* to the one that asks */
    assert_int_equal(team_least_busy(team, 1, busy(1)), 0);
    team_destroy(team);
}

/* Two workers, eight connections that are busy: whatever the kernel does with them, whether those
 * that change hands have been taken or not, and however many idle ones are beside them, nobody has
 * more than five. */
static void eight_over_two(u32 spread, const u32 idle[2])
{
    struct team *team = team_of(2);
    u32 clients[2] = {0};
    for (u32 w = 0; w < 2; w++)
        team_publish(team, w, beside(idle[w], 0));
    for (u32 i = 0; i < 8; i++) {
        struct team_parcel parcel;
        u32 at = spread >> i & 1;
        u32 other = team_least_busy(team, at, beside(idle[at], clients[at]));
        if (other == TEAM_NONE)
            team_publish(team, at, beside(idle[at], ++clients[at]));
        else
            give(team, at, other, (int)i);
        for (u32 w = 0; w < 2 && spread < 256; w++) /* else all in one turn */
            while (team_take(team, w, &parcel))
                team_taken(team, w, beside(idle[w], ++clients[w]));
    }
    for (u32 w = 0; w < 2; w++) {
        struct team_parcel parcel;
        while (team_take(team, w, &parcel))
            team_taken(team, w, beside(idle[w], ++clients[w]));
    }
    assert_int_equal(clients[0] + clients[1], 8);
    assert_in_range(clients[0], 3, 5);
    team_destroy(team);
}

static void test_eight_over_two(void **state)
{
    static const u32 idle[][2] = {{0, 0}, {200, 0}, {0, 200}, {110, 90}, {500, 500}};
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(idle); i++)
        for (u32 spread = 0; spread < 256 * 2; spread++)
            eight_over_two(spread, idle[i]);
}

/* Of those that are as busy the one with fewer idle clients gets it, unless it is about the same.
 */
static void test_idle_ones(void **state)
{
    (void)state;
    struct team *team = team_of(3);
    team_publish(team, 1, beside(200, 3));
    team_publish(team, 2, beside(40, 3));
    assert_int_equal(team_least_busy(team, 0, beside(100, 3)), 2);
    assert_int_equal(team_least_busy(team, 0, beside(45, 3)), TEAM_NONE);
    assert_int_equal(team_least_busy(team, 0, beside(100, 2)), TEAM_NONE);
    assert_int_equal(team_least_busy(team, 0, beside(0, 5)), 2);
    team_publish(team, 1, beside(200, 2));
    assert_int_equal(team_least_busy(team, 0, beside(0, 5)), 1);
    team_destroy(team);
}

/* Without room a worker gives to whoever has some, as many as that has; and gets nothing. */
static void test_room(void **state)
{
    (void)state;
    struct team *team = team_of(2);
    const struct proxy_load full = {.busy = 0, .clients = 50, .room = 0};
    team_publish(team, 0, full);
    team_publish(team, 1, (struct proxy_load){.busy = 48, .clients = 48, .room = 2});
    assert_int_equal(team_least_busy(team, 1, busy(48)), TEAM_NONE);
    assert_false(team_give(team, 1, 0, (struct team_parcel){.fd = 9}));
    assert_int_equal(team_least_busy(team, 0, full), 1);
    give(team, 0, 1, 10);
    assert_int_equal(team_least_busy(team, 0, full), 1);
    give(team, 0, 1, 11);
    assert_int_equal(team_least_busy(team, 0, full), TEAM_NONE);
    assert_false(team_give(team, 0, 1, (struct team_parcel){.fd = 12}));
    team_destroy(team);
}

/* ---- The mailbox ---- */

static void test_parcels_come_as_they_were(void **state)
{
    (void)state;
    struct team *team = team_of(2);
    struct team_parcel parcel;
    assert_false(team_take(team, 1, &parcel));
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 100; i++)
            assert_true(
                team_give(team, 0, 1, (struct team_parcel){.fd = i, .proxy_header = i % 3 == 0}));
        for (int i = 0; i < 100; i++) {
            assert_true(team_expects(team, 1));
            assert_true(team_take(team, 1, &parcel));
            assert_int_equal(parcel.fd, i);
            assert_int_equal(parcel.proxy_header, i % 3 == 0);
            team_taken(team, 1, busy(0));
        }
        assert_false(team_expects(team, 1));
    }
    assert_int_equal(team_least_busy(team, 0, busy(2)), 1); /* no field ran over into another */
    team_destroy(team);
}

static void test_a_full_mailbox_takes_no_more(void **state)
{
    (void)state;
    struct team *team = team_of(2);
    struct team_parcel parcel;
    for (int i = 0; i < CELLS; i++)
        give(team, 0, 1, i);
    assert_false(team_give(team, 0, 1, (struct team_parcel){.fd = CELLS}));
    take(team, 1, 0, 1);
    give(team, 0, 1, CELLS);
    for (int i = 1; i <= CELLS; i++)
        take(team, 1, i, 1);
    assert_false(team_take(team, 1, &parcel));
    team_destroy(team);
}

static void test_who_left_gets_nothing(void **state)
{
    (void)state;
    struct team *team = team_of(2);
    give(team, 0, 1, 10);
    team_leave(team, 1);
    assert_false(team_give(team, 0, 1, (struct team_parcel){.fd = 11}));
    assert_int_equal(team_least_busy(team, 0, busy(100)), TEAM_NONE);
    assert_true(team_expects(team, 1));
    take(team, 1, 10, 0);
    assert_false(team_expects(team, 1));
    team_destroy(team);
}

static void test_those_who_got_something_are_woken(void **state)
{
    (void)state;
    struct team *team = team_of(40);
    for (u32 to = 1; to < 40; to += 2) {
        give(team, 0, to, 1);
        give(team, 0, to, 2);
    }
    team_wake_others(team, 0);
    for (u32 to = 0; to < 40; to++)
        assert_int_equal(rings(team, to), to % 2);
    team_destroy(team);
}

/* ---- Threads ---- */

enum { GIVERS = 3, PARCELS = 30000 };

struct giver {
    struct team *team;
    u32 place;
    u32 given;
    const atomic_bool *over; /* the other one has left */
    pthread_t thread;
};

/* Gives numbered parcels, as many as it has and the other one takes. */
static void *run_giver(void *argument)
{
    struct giver *giver = argument;
    while (giver->given < PARCELS) {
        bool over = atomic_load(giver->over);
        const struct team_parcel parcel = {.fd = (int)(giver->place * PARCELS + giver->given)};
        if (team_give(giver->team, giver->place, 0, parcel))
            giver->given++;
        else if (over)
            break;
        team_wake_others(giver->team, giver->place);
    }
    return NULL;
}

/* Takes until it has `stay` parcels, leaves, and takes what is on its way. */
static u32 take_all(struct team *team, u32 stay, u8 *seen, atomic_bool *over)
{
    struct team_parcel parcel;
    u32 taken = 0;
    while (!atomic_load(over) || team_expects(team, 0)) {
        if (taken >= stay && !atomic_load(over)) {
            team_leave(team, 0);
            atomic_store(over, true);
        }
        if (!team_take(team, 0, &parcel))
            continue;
        assert_in_range(parcel.fd, PARCELS, (GIVERS + 1) * PARCELS - 1);
        assert_int_equal(seen[parcel.fd]++, 0);
        team_taken(team, 0, busy(++taken));
    }
    return taken;
}

static void test_nothing_is_lost_when_one_leaves(void **state)
{
    (void)state;
    for (u32 stay = 1; stay < PARCELS; stay *= 5) {
        struct team *team = team_of(GIVERS + 1);
        struct giver givers[GIVERS];
        u8 *seen = calloc((GIVERS + 1) * PARCELS, 1);
        atomic_bool over = false;
        u32 given = 0;
        for (u32 i = 0; i < GIVERS; i++) {
            givers[i] = (struct giver){.team = team, .place = i + 1, .over = &over};
            assert_int_equal(pthread_create(&givers[i].thread, NULL, run_giver, &givers[i]), 0);
        }
        u32 taken = take_all(team, stay, seen, &over);
        for (u32 i = 0; i < GIVERS; i++) {
            assert_int_equal(pthread_join(givers[i].thread, NULL), 0);
            given += givers[i].given;
        }
        assert_int_equal(taken, given);
        assert_false(team_expects(team, 0));
        free(seen);
        team_destroy(team);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_small_differences_are_left),
        cmocka_unit_test(test_the_least_busy_one),
        cmocka_unit_test(test_a_large_team),
        cmocka_unit_test(test_what_is_on_its_way_counts),
        cmocka_unit_test(test_eight_over_two),
        cmocka_unit_test(test_idle_ones),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_parcels_come_as_they_were),
        cmocka_unit_test(test_a_full_mailbox_takes_no_more),
        cmocka_unit_test(test_who_left_gets_nothing),
        cmocka_unit_test(test_those_who_got_something_are_woken),
        cmocka_unit_test(test_nothing_is_lost_when_one_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
