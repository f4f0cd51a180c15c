/* What is removed when one snapshot takes another's place, and that one which does not changes
 * nothing: include/state/removal.h. */
#include "config_fixture.h"

#include "snapshot.h"
#include "state/removal.h"

enum { WORKERS = 2 };

#define BACKEND(id, port) "{\"id\":\"" id "\",\"url\":\"http://127.0.0.1:" port "\"}"
#define CONFIG(backends) "{\"backends\":[" backends "]}"
#define RAMPING(id, port)                                                                          \
    "{\"id\":\"" id "\",\"url\":\"http://127.0.0.1:" port "\",\"slowStart\":60000}"

struct lab {
    struct state *state;
    struct snapshot *at[8]; /* the earlier ones, and the one that is served */
    u32 count;
};

static struct lab lab_open(const char *json)
{
    struct lab lab = {.state = state_create()};
    assert_non_null(lab.state);
    lab.at[lab.count++] = snapshot_create(config_fixture(json), lab.state, WORKERS, 1, NULL);
    assert_non_null(lab.at[0]);
    snapshot_begin(lab.at[0]);
    return lab;
}

static void destroy(struct snapshot *snapshot)
{
    struct config *config = (struct config *)(uintptr_t)snapshot->config;
    snapshot_destroy(snapshot);
    config_destroy(config);
}

static void lab_close(struct lab *lab)
{
    while (lab->count > 0)
        destroy(lab->at[--lab->count]);
    state_destroy(lab->state);
}

static struct snapshot *newest(const struct lab *lab)
{
    return lab->at[lab->count - 1];
}

static struct snapshot *create_next(const struct lab *lab, const char *json)
{
    struct snapshot *next = snapshot_create(config_fixture(json), lab->state, WORKERS,
                                            newest(lab)->version + 1, newest(lab));
    assert_non_null(next);
    return next;
}

static void serve(struct lab *lab, const char *json, u64 now_ns)
{
    struct snapshot *next = create_next(lab, json);
    snapshot_begin(next);
    for (u32 i = 0; i < lab->count; i++)
        snapshot_supersede(next, lab->at[i], now_ns);
    lab->at[lab->count++] = next;
}

/* It could not be furnished, say. */
static void refuse(const struct lab *lab, const char *json)
{
    destroy(create_next(lab, json));
}

/* Of the first snapshot's backend. */
static u64 removed_ns(const struct lab *lab, u32 backend)
{
    return state_removed_ns(lab->state, STATE_URL, lab->at[0]->url_slots[backend]);
}

#define A BACKEND("a", "1")
#define B BACKEND("b", "2")

static void what_goes_is_removed_from_then_on(void **state)
{
    (void)state;
    struct lab lab = lab_open(CONFIG(A "," B));
    assert_true(snapshot_removed_since_ns(newest(&lab)) == UINT64_MAX);
    serve(&lab, CONFIG(A), 1000);
    assert_true(removed_ns(&lab, 0) == UINT64_MAX);
    assert_int_equal(removed_ns(&lab, 1), 1000);
    assert_int_equal(snapshot_removed_since_ns(newest(&lab)), 1000);
    serve(&lab, CONFIG(BACKEND("c", "3")), 2000);
    assert_int_equal(removed_ns(&lab, 0), 2000);
    assert_int_equal(removed_ns(&lab, 1), 1000);
    assert_int_equal(snapshot_removed_since_ns(newest(&lab)), 1000);
    lab_close(&lab);
}

static void what_comes_back_was_never_removed(void **state)
{
    (void)state;
    struct lab lab = lab_open(CONFIG(A "," B));
    serve(&lab, CONFIG(A), 1000);
    serve(&lab, CONFIG(A "," BACKEND("other", "2")), 2000);
    assert_true(removed_ns(&lab, 1) == UINT64_MAX);
    assert_true(snapshot_removed_since_ns(newest(&lab)) == UINT64_MAX);
    serve(&lab, CONFIG(A), 3000);
    assert_int_equal(removed_ns(&lab, 1), 3000);
    assert_int_equal(snapshot_removed_since_ns(newest(&lab)), 3000);
    lab_close(&lab);
}

/* It had what is removed, or it had not what is there. */
static void one_that_is_refused_is_as_if_it_had_never_been(void **state)
{
    (void)state;
    struct lab lab = lab_open(CONFIG(A "," B));
    serve(&lab, CONFIG(A), 1000);
    static const char *const refused[] = {CONFIG(A "," B), CONFIG(B), CONFIG(BACKEND("c", "3"))};
    for (u32 i = 0; i < ARRAY_COUNT(refused); i++) {
        refuse(&lab, refused[i]);
        assert_true(removed_ns(&lab, 0) == UINT64_MAX);
        assert_int_equal(removed_ns(&lab, 1), 1000);
        assert_int_equal(snapshot_removed_since_ns(newest(&lab)), 1000);
        serve(&lab, CONFIG(A), 2000 + i); /* its version is the refused one's */
        assert_true(removed_ns(&lab, 0) == UINT64_MAX);
        assert_int_equal(removed_ns(&lab, 1), 1000);
        assert_int_equal(snapshot_removed_since_ns(newest(&lab)), 1000);
    }
    lab_close(&lab);
}

/* A backend was down, and is up again. */
static u32 marks_of_one_that_is_back(const struct lab *lab)
{
    u32 slot = lab->at[0]->backend_slots[0];
    state_backend_mark(lab->state, slot, STATE_DOWN, true);
    state_backend_mark(lab->state, slot, STATE_DOWN, false);
    return state_backend_marks(lab->state, slot);
}

static void what_it_says_of_backends_holds_when_it_begins(void **state)
{
    (void)state;
    struct lab lab = lab_open(CONFIG(A));
    refuse(&lab, CONFIG(RAMPING("a", "1")));
    assert_int_equal(marks_of_one_that_is_back(&lab), 0);
    serve(&lab, CONFIG(RAMPING("a", "1")), 1000);
    assert_int_equal(marks_of_one_that_is_back(&lab), STATE_RAMPING);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_is_removed_from_then_on),
        cmocka_unit_test(what_comes_back_was_never_removed),
        cmocka_unit_test(one_that_is_refused_is_as_if_it_had_never_been),
        cmocka_unit_test(what_it_says_of_backends_holds_when_it_begins),
    };
    return cmocka_run_group_tests_name("removal", tests, NULL, NULL);
}
