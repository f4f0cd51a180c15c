/* The reserve: what it lacks it gets before anybody else, whatever ends where. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/reserve.h"
#include "ring_fixture.h"

static struct rlimit usual;

static int lowest_free(void)
{
    int fd = dup(STDERR_FILENO);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

/* All descriptors that are there are in use. */
static void use_up(void)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const struct rlimit limit = {.rlim_cur = (rlim_t)lowest_free(), .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void lift(void)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
}

static bool none_is_free(void)
{
    int fd = dup(STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == EMFILE;
}

/* Gives up one, which somebody else gets. */
static int lose_one(void)
{
    assert_true(ring_reserve_give_up());
    int fd = dup(STDERR_FILENO);
    assert_true(fd >= 0);
    return fd;
}

static void what_is_given_up_is_free(void **state)
{
    int taken[RING_RESERVE], lowest = lowest_free();
    (void)state;
    ring_reserve_begin();
    use_up();
    for (u32 i = 0; i < RING_RESERVE; i++) {
        assert_true(none_is_free());
        taken[i] = lose_one();
    }
    assert_false(ring_reserve_give_up());
    lift();
    ring_reserve_end();
    for (u32 i = 0; i < RING_RESERVE; i++)
        close(taken[i]);
    assert_int_equal(lowest_free(), lowest);
}

/* The number of a socket that ends is never free while one is lacking, but the socket has ended. */
static void what_is_lacking_comes_first(void **state)
{
    enum { LOST = 2 };
    int pairs[LOST + 1][2], taken[LOST], lowest = lowest_free();
    char byte;
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(pairs); i++) {
        tcp_pair(pairs[i]);
        assert_int_equal(fcntl(pairs[i][1], F_SETFL, 0), 0); /* to wait for the end */
    }
    ring_reserve_begin();
    use_up();
    for (u32 i = 0; i < LOST; i++)
        taken[i] = lose_one();
    for (u32 i = 0; i < LOST; i++) {
        bool reset = i == 0;
        ring_close(NULL, pairs[i][0], reset);
        assert_true(none_is_free());
        assert_int_equal(recv(pairs[i][1], &byte, 1, 0), reset ? -1 : 0);
        assert_true(!reset || errno == ECONNRESET);
    }
    ring_close(NULL, pairs[LOST][0], false);
    assert_false(none_is_free());
    lift();
    for (u32 i = 0; i < RING_RESERVE; i++)
        assert_true(ring_reserve_give_up());
    assert_false(ring_reserve_give_up());
    ring_reserve_end();
    for (u32 i = 0; i < ARRAY_COUNT(pairs); i++)
        close(pairs[i][1]);
    for (u32 i = 0; i < LOST; i++)
        close(taken[i]);
    assert_int_equal(lowest_free(), lowest);
}

static void it_takes_what_is_free(void **state)
{
    (void)state;
    ring_reserve_begin();
    assert_true(ring_reserve_give_up());
    assert_true(ring_reserve_give_up());
    ring_reserve_fill();
    for (u32 i = 0; i < RING_RESERVE; i++)
        assert_true(ring_reserve_give_up());
    assert_false(ring_reserve_give_up());
    ring_reserve_end();
}

static void without_one_everything_is_closed(void **state)
{
    int pair[2];
    (void)state;
    tcp_pair(pair);
    ring_close(NULL, pair[0], false);
    assert_int_equal(fcntl(pair[0], F_GETFD), -1);
    assert_false(ring_reserve_give_up());
    close(pair[1]);
}

enum { THREADS = 4, CLOSED_BY_EACH = 500 };

static void *close_many(void *socket)
{
    for (u32 i = 0; i < CLOSED_BY_EACH; i++) {
        int fd = dup(*(const int *)socket);
        assert_true(fd >= 0);
        ring_close(NULL, fd, false);
    }
    return NULL;
}

/* Nothing is kept twice or forgotten. */
static void many_close_at_once(void **state)
{
    int pair[2], lowest = lowest_free();
    pthread_t threads[THREADS];
    (void)state;
    tcp_pair(pair);
    ring_reserve_begin();
    for (u32 i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, close_many, &pair[0]), 0);
    u32 given_up = 0;
    for (u32 i = 0; i < THREADS * CLOSED_BY_EACH; i++)
        given_up += ring_reserve_give_up();
    assert_true(given_up >= RING_RESERVE);
    for (u32 i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    ring_reserve_fill();
    for (u32 i = 0; i < RING_RESERVE; i++)
        assert_true(ring_reserve_give_up());
    assert_false(ring_reserve_give_up());
    ring_reserve_end();
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(lowest_free(), lowest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_up_is_free),
        cmocka_unit_test(what_is_lacking_comes_first),
        cmocka_unit_test(it_takes_what_is_free),
        cmocka_unit_test(without_one_everything_is_closed),
        cmocka_unit_test(many_close_at_once),
    };
    return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
