/* See engine.h. */
#include "supervisor/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor.h"

enum { WORDS_MAX = 32, EXIT_NOT_EXECUTED = 127 };

static void open_on_exec(int fd)
{
    (void)fcntl(fd, F_SETFD, 0);
}

/* Leaves out what only a supervisor has to do with. */
static bool set_environment(const struct handover *handover)
{
    static char text[HANDOVER_TEXT_BYTES];
    static const char *const for_us[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    for (u32 i = 0; i < ARRAY_COUNT(for_us); i++)
        (void)unsetenv(for_us[i]);
    errno = E2BIG;
    return handover_write(handover, text, sizeof(text)) && setenv(HANDOVER_VARIABLE, text, 1) == 0;
}

/* In the new process. The supervisor has one thread, so everything may be called here. */
__attribute__((noreturn)) static void become(const struct engine_start *start, int channel)
{
    struct handover *handover = start->handover;
    char *words[WORDS_MAX + 2];
    char line[CHANNEL_TEXT_BYTES];
    u32 count = 0;
    handover->channel = channel;
    open_on_exec(channel);
    if (handover->state >= 0)
        open_on_exec(handover->state);
    if (handover->config >= 0)
        open_on_exec(handover->config);
    for (u32 i = 0; i < handover->socket_count; i++)
        open_on_exec(handover->sockets[i].fd);
    while (count < WORDS_MAX && start->words[count]) {
        words[count] = start->words[count];
        count++;
    }
    words[count] = (char[]){SUPERVISOR_ENGINE_OPTION};
    words[count + 1] = NULL;
    (void)sigprocmask(SIG_SETMASK, start->mask, NULL);
    if (set_environment(handover))
        (void)execv(start->program, words);
    (void)snprintf(line, sizeof(line), MESSAGE_FAILED "cannot execute %s: %s", start->program,
                   strerror(errno));
    (void)channel_send(channel, line, NULL, 0);
    _exit(EXIT_NOT_EXECUTED);
}

bool engine_begin(struct engine *engine, const struct engine_start *start)
{
    int ends[2];
    if (!channel_open(ends))
        return false;
    pid_t pid = fork();
    int error = errno;
    if (pid == 0)
        become(start, ends[1]);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        errno = error;
        return false;
    }
    *engine = (struct engine){
        .state = start->state, .pid = pid, .channel = ends[0], .start_ns = clock_monotonic_ns()};
    return true;
}

void engine_tell(const struct engine *engine, const char *order)
{
    (void)channel_send(engine->channel, order, NULL, 0);
}

void engine_note(const struct engine *engine, const char *order, const char *text)
{
    char line[CHANNEL_TEXT_BYTES];
    (void)snprintf(line, sizeof(line), "%s%s", order, text);
    engine_tell(engine, line);
}

void engine_end(struct engine *engine)
{
    if (engine->channel >= 0)
        (void)close(engine->channel);
    *engine = (struct engine){.channel = -1};
}
