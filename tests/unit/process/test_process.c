/* Programs that are begun, read from, killed and reaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

enum { WAIT_MS = 60000, OUTPUT_BYTES = 4096 };

static const char *const no_environment[] = {NULL};

static i32 start_shell(struct process *process, const char *script)
{
    const char *const words[] = {"/bin/sh", "-c", script, "name", "a b", "", NULL};
    const char *const environment[] = {"ONE=1", "TWO=2 2", NULL};
    return process_start(process, words, environment);
}

static void wait_readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, WAIT_MS), 1);
}

/* All that it writes until nobody has the pipe any more. */
static void read_all(const struct process *process, char out[OUTPUT_BYTES])
{
    u32 len = 0, bytes;
    for (;;) {
        enum process_output output =
            process_read(process, out + len, OUTPUT_BYTES - 1 - len, &bytes);
        if (output == PROCESS_OUTPUT_ENDED)
            break;
        len += bytes;
        if (output == PROCESS_OUTPUT_NONE)
            wait_readable(process->output_fd);
    }
    out[len] = '\0';
}

static struct process_end finish(struct process *process)
{
    struct process_end end;
    wait_readable(process->exit_fd);
    assert_true(process_reap(process, &end));
    process_close(process);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, and no zombie */
    assert_int_equal(errno, ECHILD);
    return end;
}

static void assert_says(const char *script, const char *expected, i32 status)
{
    struct process process;
    char output[OUTPUT_BYTES];
    assert_int_equal(start_shell(&process, script), 0);
    read_all(&process, output);
    struct process_end end = finish(&process);
    assert_string_equal(output, expected);
    assert_false(end.by_signal);
    assert_int_equal(end.code, status);
}

static u32 descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    u32 count = 0;
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void words_output_and_status(void **state)
{
    assert_says("exit 0", "", 0);
    assert_says("exit 255", "", 255);
    assert_says("echo \"[$0]\" \"[$1]\" \"[$2]\" $#; echo no >&2; exit 7",
                "[name] [a b] [] 2\nno\n", 7);
    assert_says("echo $ONE,$TWO,$HOME; pwd; cat", "1,2 2,\n/\n", 0);
}

static void an_end_by_a_signal(void **state)
{
    struct process process;
    assert_int_equal(start_shell(&process, "kill -USR1 $$"), 0);
    struct process_end end = finish(&process);
    assert_true(end.by_signal);
    assert_int_equal(end.code, SIGUSR1);
}

static void one_that_runs_is_not_reaped(void **state)
{
    struct process process;
    struct process_end end;
    char byte;
    u32 bytes;
    assert_int_equal(start_shell(&process, "exec sleep 600"), 0);
    assert_false(process_reap(&process, &end));
    assert_int_equal(process_read(&process, &byte, 1, &bytes), PROCESS_OUTPUT_NONE);
    assert_int_equal(bytes, 0);
    process_kill(&process);
    end = finish(&process);
    assert_true(end.by_signal);
    assert_int_equal(end.code, SIGKILL);
}

/* Its child has the pipe, and dies with it: else this would not come to an end. */
static void what_it_leaves_behind_is_killed(void **state)
{
    struct process process;
    struct process_end end;
    char output[OUTPUT_BYTES];
    assert_int_equal(start_shell(&process, "sleep 600 & echo done"), 0);
    wait_readable(process.exit_fd);
    assert_true(process_reap(&process, &end));
    read_all(&process, output);
    assert_string_equal(output, "done\n");
    process_close(&process);
}

static void what_cannot_be_executed(void **state)
{
    static const struct {
        const char *path;
        i32 error;
    } rows[] = {{"/nonexistent/program", ENOENT},
                {"/", EACCES},
                {"/dev/null", EACCES},
                {"/etc/passwd/x", ENOTDIR}};
    u32 before = descriptors();
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct process process;
        const char *const words[] = {rows[i].path, NULL};
        assert_int_equal(process_start(&process, words, no_environment), rows[i].error);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    }
    assert_int_equal(descriptors(), before);
}

/* Whatever we have blocked, ignored or handle, it has not; and we have it still. */
static void signals_are_our_own(void **state)
{
    sigset_t blocked, after;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_says("sed -n '/^Sig[BIC][lg]/s/\\t//p' /proc/self/status",
                "SigBlk:0000000000000000\nSigIgn:0000000000000000\nSigCgt:0000000000000000\n", 0);
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &after), 0);
    assert_true(sigismember(&after, SIGTERM) == 1 && sigismember(&after, SIGINT) == 0);
    assert_true(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &blocked, NULL), 0);
}

/* One without close-on-exec, as an engine inherits them. */
static void descriptors_stay_here(void **state)
{
    int fd = dup(STDOUT_FILENO);
    assert_true(fd >= 3 && fd < 100);
    assert_says("n=3; while [ $n -lt 100 ]; do [ -e /proc/$$/fd/$n ] && echo $n; n=$((n+1)); done; "
                "ulimit -n",
                "1024\n", 0);
    close(fd);
}

static void many_leave_nothing(void **state)
{
    u32 before = descriptors();
    for (u32 i = 0; i < 50; i++)
        assert_says("echo x; exit 1", "x\n", 1);
    assert_int_equal(descriptors(), before);
}

/* Somebody who ignores it would otherwise have no status to take. */
static void an_ignored_sigchld_does_not_matter(void **state)
{
    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    assert_says("exit 9", "", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_output_and_status),
        cmocka_unit_test(an_end_by_a_signal),
        cmocka_unit_test(one_that_runs_is_not_reaped),
        cmocka_unit_test(what_it_leaves_behind_is_killed),
        cmocka_unit_test(what_cannot_be_executed),
        cmocka_unit_test(signals_are_our_own),
        cmocka_unit_test(descriptors_stay_here),
        cmocka_unit_test(many_leave_nothing),
        cmocka_unit_test(an_ignored_sigchld_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
