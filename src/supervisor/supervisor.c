/*
 * The supervisor's loop and what it decides. An engine's states (src/supervisor/engine.h):
 *
 *     STARTING --ready--> SERVING --another one is ready--> DRAINING --> (gone)
 *        |                   |                                  ^
 *        |                   +--crashed--> STARTING (after a delay)
 *        +--ended--> the first time: so do we, with its exit status; else as crashed
 *     TRIAL ----ready--> SERVING, and this process becomes the new program, too
 *        +--ended--> the upgrade has failed, and the one that serves goes on
 *
 * A new program proves itself as an engine before the supervisor becomes one of its kind: then it
 * is known to run on this machine with this configuration.
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "supervisor/supervisor_internal.h"

enum {
    EXIT_FAILED = 1,
    LINE_BYTES = 512,
    KILL_MS = 10000, /* after being told to stop at once */
};

/* ---- Words ---- */

void supervisor_say(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (len < 0 || !file_has_room(STDERR_FILENO))
        return;
    usize bytes = min_u64((u64)len, sizeof(line) - 2);
    line[bytes] = '\n';
    ssize_t written = write(STDERR_FILENO, line, bytes + 1);
    (void)written;
}

struct engine *supervisor_find(struct supervisor *supervisor, enum engine_state state)
{
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        if (supervisor->engines[i].state == state)
            return &supervisor->engines[i];
    return NULL;
}

static struct engine *find_process(struct supervisor *supervisor, i32 pid)
{
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        if (supervisor->engines[i].state != ENGINE_NONE && supervisor->engines[i].pid == pid)
            return &supervisor->engines[i];
    return NULL;
}

static u32 engines_alive(const struct supervisor *supervisor)
{
    u32 count = 0;
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        count += supervisor->engines[i].state != ENGINE_NONE;
    return count;
}

static u64 after_ms(u64 ms)
{
    return clock_monotonic_ns() + ms * NS_PER_MS;
}

/* ---- Starting engines ---- */

bool supervisor_spawn(struct supervisor *supervisor, enum engine_state state)
{
    static struct handover handover;
    struct engine *engine = supervisor_find(supervisor, ENGINE_NONE);
    bool upgrade = state == ENGINE_TRIAL;
    handover_init(&handover);
    handover.role = state == ENGINE_REPORTING ? HANDOVER_REPORTER : HANDOVER_ENGINE;
    handover.supervisor = getpid();
    handover.restarts = supervisor->restarts.total;
    handover.watchdog_us = supervisor->watchdog_us;
    handover.state = supervisor->known_fd;
    if (!upgrade) { /* which is refused when the file is bad: there is somebody to serve on */
        handover.config = supervisor->config_fd;
        handover.instead = supervisor->instead;
        memcpy(handover.report, supervisor->report, sizeof(handover.report));
    }
    store_add_to(&supervisor->store, &handover);
    /* A restart runs the file that we run, even if another has taken its name meanwhile. */
    const struct engine_start start = {
        .words = supervisor->words,
        .program = upgrade || supervisor->self_is_hidden ? supervisor->program : "/proc/self/exe",
        .mask = &supervisor->mask,
        .handover = &handover,
        .state = state,
    };
    errno = EAGAIN;
    return engine && engine_begin(engine, &start);
}

/* For good: nobody can be served any more. */
static void give_up(struct supervisor *supervisor)
{
    usize len = strlen(supervisor->report);
    (void)snprintf(supervisor->report + len, sizeof(supervisor->report) - len,
                   "; that was the %uth time in a row: giving up", supervisor->restarts.in_a_row);
    supervisor->status = EXIT_FAILED;
    store_forget_all(&supervisor->store);
    (void)notify_send("STATUS=Given up: the engine keeps crashing");
    supervisor_say("nextproxy: %s", supervisor->report);
    if (!supervisor_spawn(supervisor, ENGINE_REPORTING))
        supervisor->over = true;
}

static void schedule_restart(struct supervisor *supervisor, u64 ran_ms)
{
    u64 delay_ms;
    if (!restarts_next(&supervisor->restarts, ran_ms, &delay_ms)) {
        give_up(supervisor);
        return;
    }
    supervisor->restart_ns = after_ms(delay_ms);
    supervisor_say("nextproxy: %s; starting it again%s", supervisor->report,
                   delay_ms > 0 ? " after a moment" : "");
    (void)notify_send("STATUS=The engine has crashed: starting it again\nWATCHDOG=1");
}

static void restart(struct supervisor *supervisor)
{
    supervisor->restart_ns = UINT64_MAX;
    (void)notify_send("WATCHDOG=1");
    if (supervisor_spawn(supervisor, ENGINE_STARTING))
        return;
    (void)snprintf(supervisor->report, sizeof(supervisor->report), "No process for an engine: %s",
                   strerror(errno));
    schedule_restart(supervisor, 0);
}

/* ---- Engines that are ready ---- */

void supervisor_ready(struct supervisor *supervisor, struct engine *engine)
{
    struct engine *earlier = supervisor_find(supervisor, ENGINE_SERVING);
    bool upgrade = engine->state == ENGINE_TRIAL;
    store_commit(&supervisor->store, engine->pid);
    engine->state = ENGINE_SERVING;
    supervisor->served = true;
    supervisor->instead = false;
    if (upgrade && supervisor->report[0] != '\0') /* else it was told at its start */
        engine_note(engine, ORDER_NOTE_CRASH, supervisor->report);
    supervisor->report[0] = '\0';
    if (earlier) {
        engine_tell(earlier, ORDER_RETIRE);
        earlier->state = ENGINE_DRAINING;
    }
    if (upgrade)
        supervisor->upgraded = true;
    else if (supervisor->upgrade_asked)
        supervisor_upgrade(supervisor);
}

/* ---- Engines that end ---- */

/* It was to serve, and nobody has asked it to end. */
static void on_crash(struct supervisor *supervisor, u64 ran_ms)
{
    if (supervisor_find(supervisor, ENGINE_TRIAL))
        supervisor_say("nextproxy: %s; the new one is being started", supervisor->report);
    else
        schedule_restart(supervisor, ran_ms);
}

static void on_server_ended(struct supervisor *supervisor, const struct engine *engine, int status,
                            u64 ran_ms)
{
    if (supervisor->stops_asked > 0) {
        bool unready = engine->state == ENGINE_STARTING && WIFSIGNALED(status);
        supervisor->status = unready ? 0 : report_exit_status(status);
        return;
    }
    report_write(supervisor->report, sizeof(supervisor->report), engine->pid, status, ran_ms);
    if (supervisor->served) {
        /* The file may be why, however it looks. By turns, as it may be mended meanwhile. */
        supervisor->instead = engine->state == ENGINE_STARTING && !supervisor->instead;
        on_crash(supervisor, ran_ms);
        return;
    }
    supervisor->over = true;
    supervisor->status = engine->failure[0] != '\0' ? EXIT_FAILED : report_exit_status(status);
    if (engine->failure[0] != '\0')
        supervisor_say("nextproxy: %s", engine->failure);
    else if (WIFSIGNALED(status)) /* else it has said why by itself */
        supervisor_say("nextproxy: %s", supervisor->report);
}

static void on_ended(struct supervisor *supervisor, struct engine *engine, int status)
{
    supervisor_hear(supervisor, engine); /* its last words */
    struct engine was = *engine;
    u64 ran_ms = (clock_monotonic_ns() - was.start_ns) / NS_PER_MS;
    engine_end(engine);
    store_discard(&supervisor->store, was.pid);
    switch (was.state) {
    case ENGINE_NONE:
        break;
    case ENGINE_STARTING:
    case ENGINE_SERVING:
        on_server_ended(supervisor, &was, status, ran_ms);
        break;
    case ENGINE_TRIAL:
        if (supervisor->stops_asked == 0)
            supervisor_upgrade_failed(supervisor, &was, status);
        break;
    case ENGINE_DRAINING:
        supervisor_drained(supervisor, was.pid, status, ran_ms);
        break;
    case ENGINE_REPORTING:
        supervisor->over = true;
        break;
    }
}

void supervisor_reconsider(struct supervisor *supervisor)
{
    if (!supervisor_find(supervisor, ENGINE_SERVING) &&
        !supervisor_find(supervisor, ENGINE_STARTING) && supervisor->restart_ns == UINT64_MAX)
        schedule_restart(supervisor, 0);
}

/* Also what is not ours: as a container's first process we inherit orphans. */
static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct engine *engine = find_process(supervisor, pid);
        if (engine)
            on_ended(supervisor, engine, status);
    }
}

/* ---- Signals ---- */

static void tell_all(struct supervisor *supervisor, const char *order)
{
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++) {
        const struct engine *engine = &supervisor->engines[i];
        if (engine->state == ENGINE_NONE)
            continue;
        engine_tell(engine, order);
        /* It may not listen to orders yet. When it does, it does not listen to signals any more. */
        if (engine->state == ENGINE_STARTING || engine->state == ENGINE_TRIAL)
            (void)kill(engine->pid, SIGTERM);
    }
}

static void stop(struct supervisor *supervisor)
{
    supervisor->stops_asked++;
    if (supervisor->stops_asked == 1) {
        (void)notify_send("STOPPING=1");
        supervisor->restart_ns = UINT64_MAX;
        tell_all(supervisor, ORDER_STOP);
        store_forget_clients(&supervisor->store);
    } else {
        tell_all(supervisor, ORDER_STOP_NOW);
        supervisor->kill_ns =
            supervisor->stops_asked == 2 ? after_ms(KILL_MS) : clock_monotonic_ns();
    }
}

/* One that is on its way may have read the file before it was changed. */
static void tell_reload(struct supervisor *supervisor)
{
    static const enum engine_state states[] = {ENGINE_SERVING, ENGINE_STARTING, ENGINE_TRIAL};
    for (u32 i = 0; i < ARRAY_COUNT(states); i++) {
        const struct engine *engine = supervisor_find(supervisor, states[i]);
        if (engine)
            engine_tell(engine, ORDER_RELOAD);
    }
}

static void on_signal(struct supervisor *supervisor, u32 number)
{
    switch (number) {
    case SIGHUP:
        tell_reload(supervisor);
        break;
    case SIGUSR2:
        supervisor_upgrade(supervisor);
        break;
    case SIGCHLD:
        break; /* after every turn */
    default:
        stop(supervisor);
    }
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_signal(supervisor, info.ssi_signo);
}

/* The mask without them is for engines. After an upgrade they are blocked already, so that none is
 * lost in between. */
static bool catch_signals(struct supervisor *supervisor)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR2, SIGCHLD};
    sigset_t ours;
    sigemptyset(&ours);
    for (u32 i = 0; i < ARRAY_COUNT(numbers); i++)
        sigaddset(&ours, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &ours, &supervisor->mask) != 0)
        return false;
    for (u32 i = 0; i < ARRAY_COUNT(numbers); i++)
        sigdelset(&supervisor->mask, numbers[i]);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGUSR1, SIG_IGN); /* "open your logs again", for others: ours need none */
    supervisor->signal_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
    return supervisor->signal_fd >= 0;
}

/* ---- The loop ---- */

static void on_time(struct supervisor *supervisor)
{
    u64 now_ns = clock_monotonic_ns();
    if (now_ns >= supervisor->restart_ns)
        restart(supervisor);
    if (now_ns >= supervisor->trial_ns)
        supervisor_trial_over(supervisor);
    if (now_ns < supervisor->kill_ns)
        return;
    supervisor->kill_ns = UINT64_MAX;
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        if (supervisor->engines[i].state != ENGINE_NONE)
            (void)kill(supervisor->engines[i].pid, SIGKILL);
}

static int wait_ms(const struct supervisor *supervisor)
{
    u64 deadline_ns =
        min_u64(supervisor->restart_ns, min_u64(supervisor->kill_ns, supervisor->trial_ns));
    u64 now_ns = clock_monotonic_ns();
    if (deadline_ns == UINT64_MAX)
        return -1;
    return deadline_ns <= now_ns ? 0 : (int)((deadline_ns - now_ns) / NS_PER_MS) + 1;
}

static void turn(struct supervisor *supervisor)
{
    struct pollfd fds[HANDOVER_ENGINES_MAX + 1];
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++) /* poll(2) ignores negative descriptors */
        fds[i] = (struct pollfd){.fd = supervisor->engines[i].channel, .events = POLLIN};
    fds[HANDOVER_ENGINES_MAX] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
    (void)poll(fds, HANDOVER_ENGINES_MAX + 1, wait_ms(supervisor));
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        supervisor_hear(supervisor, &supervisor->engines[i]);
    if (supervisor->upgraded)
        supervisor_become(supervisor);
    /* Not before: those that come meanwhile wait for the new program, which knows of no order that
     * this one has only begun to follow. */
    read_signals(supervisor);
    reap(supervisor);
    on_time(supervisor);
}

static void run(struct supervisor *supervisor)
{
    reap(supervisor); /* who has ended while this process became another program */
    while (!supervisor->over && (supervisor->stops_asked == 0 || engines_alive(supervisor) > 0))
        turn(supervisor);
}

/* ---- Beginning ---- */

static void go_on_with(struct supervisor *supervisor, const struct handover *from)
{
    supervisor->served = true;
    supervisor->restarts.total = from->restarts;
    for (u32 i = 0; i < from->engine_count; i++)
        supervisor->engines[i] = (struct engine){
            .state = i == 0 ? ENGINE_SERVING : ENGINE_DRAINING,
            .pid = from->engines[i].pid,
            .channel = from->engines[i].channel,
            .start_ns = from->engines[i].start_ns,
        };
}

int supervisor_run(char **words, const struct handover *from)
{
    static struct supervisor supervisor;
    supervisor.words = words;
    supervisor.known_fd = from->state;
    supervisor.config_fd = from->config;
    supervisor.restart_ns = supervisor.kill_ns = supervisor.trial_ns = UINT64_MAX;
    supervisor.watchdog_us =
        watchdog_parse(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    supervisor_find_program(&supervisor);
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        supervisor.engines[i].channel = -1;
    store_begin(&supervisor.store, from);
    if (!catch_signals(&supervisor)) {
        supervisor_say("nextproxy: no file descriptor for signals: %s; raise the limit (ulimit -n, "
                       "LimitNOFILE=)",
                       strerror(errno));
        return EXIT_FAILED;
    }
    if (from->role == HANDOVER_SUPERVISOR) {
        go_on_with(&supervisor, from);
    } else if (!supervisor_spawn(&supervisor, ENGINE_STARTING)) {
        supervisor_say("nextproxy: cannot start the engine: %s; raise the limits of processes and "
                       "files (ulimit -u, ulimit -n), or run with --no-supervisor",
                       strerror(errno));
        return EXIT_FAILED;
    }
    run(&supervisor);
    store_forget_all(&supervisor.store);
    return supervisor.status;
}
