/* See report.h. */
#include "supervisor/report.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static const struct signal_row {
    int number;
    const char *name;
    const char *hint;
} signal_rows[] = {
    {SIGSEGV, "SIGSEGV", ""},
    {SIGABRT, "SIGABRT", " (a self-check that failed tells where on standard error)"},
    {SIGBUS, "SIGBUS", " (memory or a disk may be failing, or full)"},
    {SIGILL, "SIGILL", ""},
    {SIGFPE, "SIGFPE", ""},
    {SIGTRAP, "SIGTRAP", ""},
    {SIGSYS, "SIGSYS", " (a seccomp filter denies a system call)"},
    {SIGKILL, "SIGKILL", " (by somebody, or by the kernel for want of memory: see dmesg)"},
    {SIGTERM, "SIGTERM", ""},
};

static void cause_write(char *out, usize bytes, int status)
{
    if (WIFEXITED(status)) {
        (void)snprintf(out, bytes, "ended by itself with exit status %d", WEXITSTATUS(status));
        return;
    }
    for (u32 i = 0; i < ARRAY_COUNT(signal_rows); i++)
        if (WTERMSIG(status) == signal_rows[i].number) {
            (void)snprintf(out, bytes, "was ended by %s%s", signal_rows[i].name,
                           signal_rows[i].hint);
            return;
        }
    (void)snprintf(out, bytes, "was ended by signal %d", WTERMSIG(status));
}

void report_write(char *out, usize bytes, i32 pid, int status, u64 ran_ms)
{
    char cause[128];
    cause_write(cause, sizeof(cause), status);
    (void)snprintf(out, bytes, "The engine (process %d) %s after %llu.%03llu s%s", pid, cause,
                   (unsigned long long)(ran_ms / 1000), (unsigned long long)(ran_ms % 1000),
                   WIFSIGNALED(status) && WCOREDUMP(status) ? ", and its core was dumped" : "");
}

int report_exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
