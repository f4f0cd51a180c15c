/* A burst is no reason to turn anybody away, a queue that stands is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "limit.h"

static const struct limit_codel_settings settings = {
    .target_ns = 50 * NS_PER_MS,
    .interval_ns = 500 * NS_PER_MS,
};

enum { START_MS = 7000, LENGTH_MAX = 1024 };

/* A queue with one server, that takes service_us for each; arrivals come as the test says. */
struct model {
    struct limit_codel codel;
    u64 came_ns[LENGTH_MAX];
    u64 now_ns;
    u64 free_ns; /* when the server has time again */
    u32 service_us;
    u32 length;
    u32 shed;
    u32 served;
    u64 waited_max_ns; /* of those that were served */
};

static void remove_first(struct model *model)
{
    model->length--;
    memmove(model->came_ns, model->came_ns + 1, model->length * sizeof(u64));
    if (model->length == 0)
        limit_codel_emptied(&model->codel);
}

static void serve(struct model *model)
{
    while (model->length > 0 && model->free_ns <= model->now_ns) {
        u64 waited_ns = model->now_ns - model->came_ns[0];
        limit_codel_served(&model->codel, &settings, model->now_ns, waited_ns);
        model->waited_max_ns = waited_ns > model->waited_max_ns ? waited_ns : model->waited_max_ns;
        model->free_ns = model->now_ns + model->service_us * 1000ull;
        model->served++;
        remove_first(model);
    }
}

static void shorten(struct model *model)
{
    if (model->length == 0)
        return;
    u32 room = limit_codel_room(&model->codel, &settings, model->now_ns,
                                model->now_ns - model->came_ns[0]);
    assert_true(room > 0);
    while (model->length > room) {
        model->length--;
        model->shed++;
    }
}

/* So many arrivals in each millisecond, for so long. */
static void run(struct model *model, u32 per_ms_percent, u32 ms)
{
    u32 due = 0;
    for (u32 i = 0; i < ms; i++) {
        model->now_ns += NS_PER_MS;
        for (due += per_ms_percent; due >= 100; due -= 100) {
            assert_true(model->length < LENGTH_MAX);
            model->came_ns[model->length++] = model->now_ns;
        }
        serve(model);
        shorten(model);
    }
}

static struct model model_with(u32 service_us)
{
    return (struct model){.now_ns = START_MS * NS_PER_MS, .service_us = service_us};
}

static void nobody_is_turned_away_when_there_is_no_queue(void **state)
{
    (void)state;
    struct model model = model_with(9000);
    run(&model, 10, 20000);
    assert_int_equal(model.shed, 0);
    assert_false(model.codel.standing);
}

/* 30 at once take 300 ms: less than an interval. */
static void a_burst_passes(void **state)
{
    (void)state;
    struct model model = model_with(10000);
    for (u32 i = 0; i < 20; i++) {
        run(&model, 3000, 1);
        run(&model, 0, 600);
    }
    assert_int_equal(model.shed, 0);
    assert_int_equal(model.served, 600);
}

/* 125 arrive while 100 are served: the queue grows for ever, unless it is kept short. */
static void a_queue_that_stands_is_kept_short(void **state)
{
    (void)state;
    struct model model = model_with(8000);
    run(&model, 16, 2500);
    assert_true(model.codel.standing);
    assert_true(model.shed > 0);
    model.waited_max_ns = 0;
    u32 served = model.served;
    run(&model, 16, 20000);
    assert_true(model.waited_max_ns <= 2 * settings.target_ns);
    assert_in_range(model.served - served, 2450, 2510); /* and the server is never idle */
    assert_true(model.codel.standing);
}

/* However many come: those that are served are served in time. */
static void any_overload(void **state)
{
    (void)state;
    for (u32 percent = 11; percent <= 3000; percent = percent * 4 / 3) {
        struct model model = model_with(10000);
        for (u32 i = 0; i < 8 && !model.codel.standing; i++)
            run(&model, percent < 60 ? percent : 60, 500);
        assert_true(model.codel.standing);
        model.waited_max_ns = 0;
        u32 served = model.served;
        run(&model, percent, 10000);
        assert_true(model.waited_max_ns <= 2 * settings.target_ns);
        assert_in_range(model.served - served, 980, 1001);
    }
}

static void it_is_over_when_the_queue_is_empty(void **state)
{
    (void)state;
    struct model model = model_with(8000);
    run(&model, 16, 5000);
    assert_true(model.codel.standing);
    run(&model, 0, 200);
    assert_false(model.codel.standing);
    model.shed = 0;
    run(&model, 3000, 1);
    run(&model, 0, 600);
    assert_int_equal(model.shed, 0);
}

/* Nobody is served at all: the one at the head says how bad it is. One may wait, always. */
static void a_queue_that_does_not_move_stands(void **state)
{
    (void)state;
    struct model model = model_with(10000);
    model.free_ns = UINT64_MAX;
    run(&model, 10, 1200);
    assert_true(model.codel.standing);
    assert_int_equal(model.length, 1);
}

static void short_waits_are_none(void **state)
{
    (void)state;
    struct limit_codel codel = {0};
    struct rng rng;
    rng_seed(&rng, 4);
    for (u32 i = 0; i < 10000; i++) { /* now and then one waits for less than the target */
        u64 waited_ns = i % 40 == 0 ? 40 * NS_PER_MS : rng_below(&rng, 4000) * NS_PER_MS;
        limit_codel_served(&codel, &settings, START_MS * NS_PER_MS + i * 10 * NS_PER_MS, waited_ns);
        assert_false(codel.standing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_turned_away_when_there_is_no_queue),
        cmocka_unit_test(a_burst_passes),
        cmocka_unit_test(a_queue_that_stands_is_kept_short),
        cmocka_unit_test(any_overload),
        cmocka_unit_test(it_is_over_when_the_queue_is_empty),
        cmocka_unit_test(a_queue_that_does_not_move_stands),
        cmocka_unit_test(short_waits_are_none),
    };
    return cmocka_run_group_tests_name("queues that stand", tests, NULL, NULL);
}
