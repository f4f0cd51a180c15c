/* See process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FIRST_FD = 3,     /* behind the standard streams */
    FILES_MAX = 1024, /* what programs that use select(2) can bear */
    CHILD_STACK_BYTES = 32768,
    EXIT_NOT_EXECUTED = 127,
    SIGNALS = 64,
};

/* What the new process needs until it is another program: it runs in our memory until then. */
struct child {
    const char *const *words;
    const char *const *environment;
    int input;
    int output;
    i32 error;
};

/* ---- In the new process ---- */

/* On a stack that sanitizers know nothing of. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined")))

/* None of our handlers may run there; those that are ignored would stay so. By the system call: the
 * C library does not give the signals away that it uses itself, and whoever began us may have left
 * them ignored. */
IN_CHILD static void reset_signals(void)
{
    static const u64 standard[4]; /* the kernel's struct sigaction: all zero is SIG_DFL */
    for (int number = 1; number <= SIGNALS; number++)
        (void)syscall(SYS_rt_sigaction, number, standard, NULL, SIGNALS / 8);
}

IN_CHILD static bool arrange_files(const struct child *child)
{
    struct rlimit limit;
    if (dup2(child->input, STDIN_FILENO) < 0 || dup2(child->output, STDOUT_FILENO) < 0 ||
        dup2(child->output, STDERR_FILENO) < 0 || chdir("/") != 0)
        return false;
    if (syscall(SYS_close_range, FIRST_FD, ~0u, 0) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    if (limit.rlim_cur > FILES_MAX)
        limit.rlim_cur = FILES_MAX;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* Ends with us, even when we crash; and has none of what we alone may do. */
IN_CHILD static bool give_up_privileges(void)
{
    return setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

/* All signals are blocked here. No memory of ours may change but this stack and *child. */
IN_CHILD static int become(void *argument)
{
    struct child *child = argument;
    sigset_t none;
    sigemptyset(&none);
    reset_signals();
    if (give_up_privileges() && arrange_files(child) && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        (void)execve(child->words[0], (char *const *)(usize)child->words,
                     (char *const *)(usize)child->environment);
    child->error = errno;
    _exit(EXIT_NOT_EXECUTED);
}

/* ---- Here ---- */

/* As vfork(2), which copies no page tables however much memory we have, on a stack of its own; the
 * process is seen through a descriptor, which a ring can wait for. */
static i32 clone_into(struct child *child, struct process *process)
{
    _Alignas(16) char stack[CHILD_STACK_BYTES];
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    process->pid = clone(become, stack + sizeof(stack),
                         CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, &process->exit_fd);
    i32 error = process->pid < 0 ? errno : child->error;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (process->pid >= 0 && error != 0) {
        (void)waitpid(process->pid, NULL, 0); /* it has ended, or is about to */
        (void)close(process->exit_fd);
    }
    return error;
}

static i32 start_with(struct child *child, struct process *process)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    child->output = ends[1];
    process->output_fd = ends[0];
    i32 error = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? clone_into(child, process) : errno;
    (void)close(ends[1]);
    if (error != 0)
        (void)close(ends[0]);
    return error;
}

i32 process_start(struct process *process, const char *const *words, const char *const *environment)
{
    struct child child = {.words = words, .environment = environment};
    /* Who ignores it has no ended children to wait for. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return errno;
    child.input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (child.input < 0)
        return errno;
    i32 error = start_with(&child, process);
    (void)close(child.input);
    return error;
}

enum process_output process_read(const struct process *process, char *out, u32 bytes_max,
                                 u32 *bytes)
{
    ssize_t got = read(process->output_fd, out, bytes_max);
    *bytes = got > 0 ? (u32)got : 0;
    if (got > 0)
        return PROCESS_OUTPUT_SOME;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? PROCESS_OUTPUT_NONE
                                                          : PROCESS_OUTPUT_ENDED;
}

void process_kill(const struct process *process)
{
    (void)kill(-process->pid, SIGKILL);
}

bool process_reap(const struct process *process, struct process_end *end)
{
    const int how = WEXITED | WNOHANG;
    siginfo_t info = {.si_pid = 0};
    *end = (struct process_end){.code = -1};
    if (waitid(P_PID, (id_t)process->pid, &info, how | WNOWAIT) != 0)
        return true; /* somebody else has taken its status */
    if (info.si_pid == 0)
        return false;
    process_kill(process); /* as long as it is not reaped its group has this number */
    *end = (struct process_end){.by_signal = info.si_code != CLD_EXITED, .code = info.si_status};
    (void)waitid(P_PID, (id_t)process->pid, &info, how);
    return true;
}

void process_close(struct process *process)
{
    (void)close(process->exit_fd);
    (void)close(process->output_fd);
    process->exit_fd = -1;
    process->output_fd = -1;
}
