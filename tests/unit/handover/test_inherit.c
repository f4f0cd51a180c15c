/* Socket activation's and the watchdog's variables; messages on a channel and to a service manager.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "handover.h"

static struct handover handover;

static bool parse(const char *pid, const char *count, const char *names)
{
    const struct activation activation = {pid, count, names};
    const char *problem = NULL;
    handover_init(&handover);
    bool ok = activation_parse(&activation, 42, &handover, &problem);
    assert_true(ok || problem);
    return ok;
}

static void sockets_for_us_are_taken(void **state)
{
    assert_true(parse("42", "3", "web::api"));
    assert_int_equal(handover.socket_count, 3);
    static const char *const names[] = {"web", "", "api"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(handover.sockets[i].fd, 3 + i);
        assert_string_equal(handover.sockets[i].name, names[i]);
        assert_true(handover.sockets[i].given);
    }
    assert_true(parse("42", "2", NULL));
    assert_int_equal(handover.socket_count, 2);
    assert_string_equal(handover.sockets[1].name, "");
    assert_true(parse("42", "1", "web:more:names"));
    assert_int_equal(handover.socket_count, 1);
    assert_true(parse("42", "0", ""));
    assert_int_equal(handover.socket_count, 0);
}

static void sockets_for_others_are_not(void **state)
{
    assert_true(parse("43", "3", "web"));
    assert_int_equal(handover.socket_count, 0);
    assert_true(parse(NULL, "3", "web"));
    assert_int_equal(handover.socket_count, 0);
    assert_true(parse("42", NULL, "web"));
    assert_int_equal(handover.socket_count, 0);
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "x", "99999999999999999999999"};
    for (u32 i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(parse(bad[i], "1", NULL));
        assert_false(parse("42", bad[i], NULL));
    }
    assert_false(parse("42", "4097", NULL));
    assert_false(parse("42", "1", "two\nlines"));
}

static void the_watchdog_is_for_one_process(void **state)
{
    assert_true(watchdog_parse("30000000", NULL, 42) == 30000000);
    assert_true(watchdog_parse("30000000", "42", 42) == 30000000);
    assert_true(watchdog_parse("30000000", "43", 42) == 0);
    assert_true(watchdog_parse("30000000", "x", 42) == 0);
    assert_true(watchdog_parse("-5", NULL, 42) == 0);
    assert_true(watchdog_parse("", NULL, 42) == 0);
    assert_true(watchdog_parse(NULL, NULL, 42) == 0);
}

static void messages_and_descriptors_pass(void **state)
{
    static struct channel_message message;
    int ends[2], sent[CHANNEL_FDS_MAX];
    assert_true(channel_open(ends));
    assert_int_equal(channel_receive(ends[1], &message), CHANNEL_NOTHING);
    for (u32 i = 0; i < CHANNEL_FDS_MAX; i++)
        sent[i] = ends[0];
    assert_true(channel_send(ends[0], "first", sent, CHANNEL_FDS_MAX));
    assert_true(channel_send_patiently(ends[0], "second", NULL, 0));
    assert_int_equal(channel_receive(ends[1], &message), CHANNEL_MESSAGE);
    assert_string_equal(message.text, "first");
    assert_int_equal(message.fd_count, CHANNEL_FDS_MAX);
    for (u32 i = 0; i < CHANNEL_FDS_MAX; i++) {
        assert_true(fcntl(message.fds[i], F_GETFD) == FD_CLOEXEC);
        assert_int_equal(close(message.fds[i]), 0);
    }
    assert_int_equal(channel_receive(ends[1], &message), CHANNEL_MESSAGE);
    assert_string_equal(message.text, "second");
    assert_int_equal(message.fd_count, 0);
    (void)close(ends[0]);
    assert_int_equal(channel_receive(ends[1], &message), CHANNEL_ENDED);
    assert_false(channel_send(ends[1], "nobody", NULL, 0));
    assert_int_equal(errno, EPIPE);
    (void)close(ends[1]);
}

static void a_reader_that_is_behind_is_not_waited_for(void **state)
{
    int ends[2];
    u32 sent = 0;
    assert_true(channel_open(ends));
    while (channel_send(ends[0], "again", NULL, 0))
        sent++;
    assert_int_equal(errno, EAGAIN);
    assert_true(sent > 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* A manager's socket of that name; the message that came, or "". */
static void manager_hears(const char *name, const char *variable, const char *wanted)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char heard[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path + (name[0] == '@'), name + (name[0] == '@'),
           strlen(name) - (name[0] == '@'));
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", variable, 1), 0);
    assert_int_equal(notify_send("READY=1\nSTATUS=x"), wanted[0] != '\0');
    (void)recv(fd, heard, sizeof(heard) - 1, 0);
    assert_string_equal(heard, wanted);
    (void)close(fd);
    (void)unsetenv("NOTIFY_SOCKET");
}

static void a_service_manager_is_told(void **state)
{
    char path[64], abstract[64];
    (void)snprintf(path, sizeof(path), "/tmp/nextproxy-notify-%d", getpid());
    (void)snprintf(abstract, sizeof(abstract), "@nextproxy-notify-%d", getpid());
    manager_hears(path, path, "READY=1\nSTATUS=x");
    (void)unlink(path);
    manager_hears(abstract, abstract, "READY=1\nSTATUS=x");
    manager_hears(path, "relative", "");
    (void)unlink(path);
    char longest[200];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    manager_hears(path, longest, "");
    (void)unlink(path);
    assert_true(notify_send("READY=1")); /* nobody is there to be told */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_for_us_are_taken),
        cmocka_unit_test(sockets_for_others_are_not),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(the_watchdog_is_for_one_process),
        cmocka_unit_test(messages_and_descriptors_pass),
        cmocka_unit_test(a_reader_that_is_behind_is_not_waited_for),
        cmocka_unit_test(a_service_manager_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
