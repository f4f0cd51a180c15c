/* A new version of the program takes over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/supervisor_internal.h"

enum { HOLD_MS = 2000, TRIAL_MS = 60000, SPARE_ENGINES = 2 };

/* The path that was executed, so that a symbolic link that is led elsewhere counts. */
void supervisor_find_program(struct supervisor *supervisor)
{
    const char *path = (const char *)getauxval(AT_EXECFN);
    ssize_t len = readlink("/proc/self/exe", supervisor->self, sizeof(supervisor->self) - 1);
    /* Executed by descriptor: it has no other path than that of its file. */
    bool by_descriptor =
        !path || strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
    supervisor->self_is_hidden = len <= 0;
    supervisor->program = by_descriptor && len > 0 ? supervisor->self : path;
}

/* To the log, which the engine has, and to stderr when it is bad. */
static void note(struct supervisor *supervisor, const char *order, const char *text)
{
    const struct engine *engine = supervisor_find(supervisor, ENGINE_SERVING);
    if (engine)
        engine_note(engine, order, text);
    if (strcmp(order, ORDER_NOTE_INFO) != 0)
        supervisor_say("nextproxy: %s", text);
}

/* NULL, or why not now. */
static const char *obstacle(struct supervisor *supervisor)
{
    u32 free_places = 0;
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        free_places += supervisor->engines[i].state == ENGINE_NONE;
    if (supervisor->stops_asked > 0)
        return "Not upgraded: the proxy is stopping";
    if (supervisor_find(supervisor, ENGINE_TRIAL) || supervisor->holding)
        return "Not upgraded: an upgrade is going on";
    if (free_places <= SPARE_ENGINES)
        return "Not upgraded: too many earlier engines still finish what they have begun";
    return NULL;
}

static void go_on(struct supervisor *supervisor)
{
    const struct engine *engine = supervisor_find(supervisor, ENGINE_SERVING);
    if (engine)
        engine_tell(engine, ORDER_GO_ON);
}

static void begin_trial(struct supervisor *supervisor)
{
    char line[CHANNEL_TEXT_BYTES];
    supervisor->holding = false;
    supervisor->trial_ns = UINT64_MAX;
    supervisor->upgrade_asked = !supervisor_find(supervisor, ENGINE_SERVING);
    if (supervisor->stops_asked > 0 || supervisor->upgrade_asked)
        return;
    if (supervisor_spawn(supervisor, ENGINE_TRIAL)) {
        supervisor->trial_ns = clock_monotonic_ns() + TRIAL_MS * NS_PER_MS;
        return;
    }
    (void)snprintf(line, sizeof(line), "Not upgraded: no process for a new engine: %s",
                   strerror(errno));
    note(supervisor, ORDER_NOTE_ERROR, line);
    go_on(supervisor);
}

void supervisor_held(struct supervisor *supervisor)
{
    if (supervisor->holding)
        begin_trial(supervisor);
}

void supervisor_upgrade(struct supervisor *supervisor)
{
    char line[CHANNEL_TEXT_BYTES];
    const char *why_not = obstacle(supervisor);
    supervisor->upgrade_asked = !why_not && !supervisor_find(supervisor, ENGINE_SERVING);
    if (supervisor->upgrade_asked)
        return; /* it would have nobody to go on with if it failed */
    if (why_not) {
        note(supervisor, ORDER_NOTE_WARN, why_not);
        return;
    }
    (void)snprintf(line, sizeof(line), "Upgrading: starting %s", supervisor->program);
    note(supervisor, ORDER_NOTE_INFO, line);
    engine_tell(supervisor_find(supervisor, ENGINE_SERVING), ORDER_HOLD);
    supervisor->holding = true;
    supervisor->trial_ns = clock_monotonic_ns() + HOLD_MS * NS_PER_MS;
}

void supervisor_trial_over(struct supervisor *supervisor)
{
    struct engine *trial = supervisor_find(supervisor, ENGINE_TRIAL);
    /* An earlier version, which does not know the order, or one that hangs. */
    if (supervisor->holding) {
        begin_trial(supervisor);
        return;
    }
    supervisor->trial_ns = UINT64_MAX;
    if (!trial)
        return;
    (void)snprintf(trial->failure, sizeof(trial->failure),
                   "the new engine was not ready after %d s", TRIAL_MS / 1000);
    (void)kill(trial->pid, SIGKILL);
}

void supervisor_upgrade_failed(struct supervisor *supervisor, const struct engine *trial,
                               int status)
{
    char line[CHANNEL_TEXT_BYTES], cause[64];
    supervisor->trial_ns = UINT64_MAX;
    if (WIFSIGNALED(status))
        (void)snprintf(cause, sizeof(cause), "the new engine was ended by signal %d",
                       WTERMSIG(status));
    else
        (void)snprintf(cause, sizeof(cause), "the new engine ended with exit status %d",
                       WEXITSTATUS(status));
    (void)snprintf(line, sizeof(line), "Not upgraded: %s; the earlier version serves on",
                   trial->failure[0] != '\0' ? trial->failure : cause);
    note(supervisor, ORDER_NOTE_ERROR, line);
    go_on(supervisor);
    supervisor_reconsider(supervisor);
}

void supervisor_drained(struct supervisor *supervisor, pid_t pid, int status, u64 ran_ms)
{
    char line[CHANNEL_TEXT_BYTES], report[HANDOVER_REPORT_BYTES];
    if (status == 0)
        return;
    report_write(report, sizeof(report), pid, status, ran_ms);
    (void)snprintf(line, sizeof(line), "%s; it was finishing what it had begun%s", report,
                   WIFEXITED(status) ? ", and has logged why it could not" : "");
    note(supervisor, ORDER_NOTE_CRASH, line);
}

/* ---- This process ---- */

static void describe_engines(const struct supervisor *supervisor, enum engine_state state,
                             struct handover *out)
{
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++) {
        const struct engine *it = &supervisor->engines[i];
        if (it->state == state && it->channel >= 0)
            out->engines[out->engine_count++] =
                (struct handover_engine){it->pid, it->channel, it->start_ns};
    }
}

static void set_close_on_exec(const struct handover *handover, int flags)
{
    for (u32 i = 0; i < handover->engine_count; i++)
        (void)fcntl(handover->engines[i].channel, F_SETFD, flags);
    if (handover->state >= 0)
        (void)fcntl(handover->state, F_SETFD, flags);
    if (handover->config >= 0)
        (void)fcntl(handover->config, F_SETFD, flags);
    for (u32 i = 0; i < handover->socket_count; i++)
        (void)fcntl(handover->sockets[i].fd, F_SETFD, flags);
}

void supervisor_become(struct supervisor *supervisor)
{
    static struct handover handover;
    static char text[HANDOVER_TEXT_BYTES];
    char line[CHANNEL_TEXT_BYTES];
    supervisor->upgraded = false;
    supervisor->trial_ns = UINT64_MAX;
    const struct engine *serving = supervisor_find(supervisor, ENGINE_SERVING);
    if (supervisor->stops_asked > 0 || !serving || serving->channel < 0)
        return; /* it has just crashed, or we have been told to stop */
    handover_init(&handover);
    handover.role = HANDOVER_SUPERVISOR;
    handover.restarts = supervisor->restarts.total;
    handover.state = supervisor->known_fd;
    handover.config = supervisor->config_fd;
    describe_engines(supervisor, ENGINE_SERVING, &handover);
    describe_engines(supervisor, ENGINE_DRAINING, &handover);
    store_add_to(&supervisor->store, &handover);
    errno = E2BIG;
    if (handover_write(&handover, text, sizeof(text)) && setenv(HANDOVER_VARIABLE, text, 1) == 0) {
        set_close_on_exec(&handover, 0);
        (void)execv(supervisor->program, supervisor->words);
    }
    int error = errno;
    set_close_on_exec(&handover, FD_CLOEXEC);
    (void)unsetenv(HANDOVER_VARIABLE);
    (void)snprintf(line, sizeof(line),
                   "Upgraded, but for the supervisor, which is still the earlier version: cannot "
                   "execute %s: %s",
                   supervisor->program, strerror(error));
    note(supervisor, ORDER_NOTE_WARN, line);
}
