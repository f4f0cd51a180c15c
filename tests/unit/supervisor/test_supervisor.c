/* When a crashed engine is started again, what is said of it, and which sockets are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/report.h"
#include "supervisor/restarts.h"
#include "supervisor/store.h"

static void the_first_restart_is_at_once_and_later_ones_wait(void **state)
{
    static const u64 delays_ms[] = {0, 50, 100, 200, 400, 800, 1600, 3200, 5000};
    struct restarts restarts = {0};
    u64 delay_ms = 1;
    for (u32 i = 0; i < ARRAY_COUNT(delays_ms); i++) {
        assert_true(restarts_next(&restarts, i, &delay_ms));
        assert_true(delay_ms == delays_ms[i]);
    }
    assert_false(restarts_next(&restarts, RESTARTS_SETTLED_MS - 1, &delay_ms));
    assert_int_equal(restarts.in_a_row, RESTARTS_MAX);
    assert_int_equal(restarts.total, RESTARTS_MAX);
}

static void who_ran_for_long_begins_anew(void **state)
{
    struct restarts restarts = {.in_a_row = RESTARTS_MAX - 1, .total = 1000};
    u64 delay_ms = 1;
    for (u32 i = 0; i < 100; i++) {
        assert_true(restarts_next(&restarts, RESTARTS_SETTLED_MS, &delay_ms));
        assert_true(delay_ms == 0);
    }
    assert_int_equal(restarts.total, 1100);
}

static void reports_name_the_cause(void **state)
{
    char line[HANDOVER_REPORT_BYTES];
    report_write(line, sizeof(line), 12, SIGSEGV, 3214);
    assert_string_equal(line, "The engine (process 12) was ended by SIGSEGV after 3.214 s");
    report_write(line, sizeof(line), 12, SIGABRT | 0x80, 5);
    assert_non_null(strstr(line, "standard error"));
    assert_non_null(strstr(line, "after 0.005 s, and its core was dumped"));
    report_write(line, sizeof(line), 12, SIGKILL, 5);
    assert_non_null(strstr(line, "dmesg"));
    report_write(line, sizeof(line), 12, SIGRTMIN, 5);
    assert_non_null(strstr(line, "by signal "));
    report_write(line, sizeof(line), 12, 2 << 8, UINT64_MAX);
    assert_non_null(strstr(line, "exit status 2"));
    assert_int_equal(report_exit_status(2 << 8), 2);
    assert_int_equal(report_exit_status(SIGSEGV), 128 + SIGSEGV);
}

static struct store store;
static struct handover out;

static int a_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void begin_store(void)
{
    handover_init(&out);
    store_begin(&store, &out);
}

/* The names of what would be handed over, with a space behind each. */
static const char *kept(void)
{
    static char names[256];
    usize len = 0;
    handover_init(&out);
    store_add_to(&store, &out);
    names[0] = '\0';
    for (u32 i = 0; i < out.socket_count; i++)
        len += (usize)snprintf(names + len, sizeof(names) - len, "%s ", out.sockets[i].name);
    return names;
}

static void what_an_engine_opens_is_kept_when_it_is_ready(void **state)
{
    begin_store();
    assert_true(store_keep(&store, a_descriptor(), "a", 0));
    assert_true(store_keep(&store, a_descriptor(), "b", 7));
    assert_true(store_keep(&store, a_descriptor(), "c", 8));
    assert_string_equal(kept(), "a ");
    store_commit(&store, 7);
    assert_string_equal(kept(), "a b ");
    store_discard(&store, 7);
    store_discard(&store, 8);
    assert_string_equal(kept(), "a b ");
    assert_int_equal(store.count, 2);
    store_forget_all(&store);
    assert_string_equal(kept(), "");
}

static void the_order_of_sockets_stays_when_some_are_forgotten(void **state)
{
    int fds[6];
    begin_store();
    for (u32 i = 0; i < ARRAY_COUNT(fds); i++) {
        fds[i] = a_descriptor();
        assert_true(store_keep(&store, fds[i], i % 2 ? "odd" : "even", 0));
    }
    store_forget(&store, "even", 1);
    store_forget(&store, "odd", 2);
    store_forget(&store, "none", 0);
    assert_string_equal(kept(), "even odd odd ");
    assert_int_equal(out.sockets[0].fd, fds[0]);
    assert_int_equal(out.sockets[1].fd, fds[1]);
    assert_int_equal(out.sockets[2].fd, fds[3]);
    assert_int_equal(fcntl(fds[4], F_GETFD), -1);
    store_forget(&store, "odd", 0);
    assert_string_equal(kept(), "even ");
    store_forget_all(&store);
}

static int unix_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void the_file_of_a_unix_socket_goes_with_it(void **state)
{
    char ours[64], given[64];
    (void)snprintf(ours, sizeof(ours), "/tmp/nextproxy-ours-%d", getpid());
    (void)snprintf(given, sizeof(given), "/tmp/nextproxy-given-%d", getpid());
    handover_init(&out);
    assert_true(handover_add(&out, unix_socket(given), "", true));
    store_begin(&store, &out);
    assert_true(store_keep(&store, unix_socket(ours), "unix:ours", 0));
    store_forget(&store, "", 0); /* what a service manager gave is never an engine's to let go */
    assert_int_equal(store.count, 2);
    store_forget_all(&store);
    assert_int_equal(access(ours, F_OK), -1);
    assert_int_equal(unlink(given), 0);
}

/* Who asks what a proxy that stops still waits for. */
static void what_operators_use_stays_longest(void **state)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/nextproxy-admin-%d", getpid());
    handover_init(&out);
    assert_true(handover_add(&out, a_descriptor(), "unix:given (admin)", true));
    store_begin(&store, &out);
    assert_true(store_keep(&store, a_descriptor(), "*:3000", 0));
    assert_true(store_keep(&store, unix_socket(path), "unix:/x" HANDOVER_MANAGEMENT, 0));
    assert_true(store_keep(&store, a_descriptor(), "a", 0));
    store_forget_clients(&store);
    assert_int_equal(store.count, 1);
    assert_int_equal(access(path, F_OK), 0);
    store_forget_all(&store);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_name_that_cannot_be_handed_over_is_not_kept(void **state)
{
    char longest[HANDOVER_NAME_BYTES + 1];
    memset(longest, 'x', sizeof(longest));
    longest[HANDOVER_NAME_BYTES] = '\0';
    begin_store();
    int fd = a_descriptor();
    assert_false(store_keep(&store, fd, longest, 0));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_false(store_keep(&store, a_descriptor(), "a\nb", 0));
    for (u32 i = 0; i < HANDOVER_SOCKETS_MAX; i++)
        assert_true(store_keep(&store, -1, "a", 0));
    assert_false(store_keep(&store, -1, "a", 0));
    store.count = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_restart_is_at_once_and_later_ones_wait),
        cmocka_unit_test(who_ran_for_long_begins_anew),
        cmocka_unit_test(reports_name_the_cause),
        cmocka_unit_test(what_an_engine_opens_is_kept_when_it_is_ready),
        cmocka_unit_test(the_order_of_sockets_stays_when_some_are_forgotten),
        cmocka_unit_test(the_file_of_a_unix_socket_goes_with_it),
        cmocka_unit_test(what_operators_use_stays_longest),
        cmocka_unit_test(a_name_that_cannot_be_handed_over_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
