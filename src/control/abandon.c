/*
 * The end of a stop that workers have no part in, because they are stuck. They are threads of this
 * process, so that nothing of what they use can be taken down: what others need is left in order,
 * and the kernel does the rest.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "control/control_internal.h"

enum {
    EXIT_ABANDONED = 1,
    LIST_BYTES = 256,
    LINE_BYTES = 512,
};

/* The indexes of those that have not ended, as many as fit. Returns how many there are. */
static u32 list_unfinished(const struct control *control, char out[LIST_BYTES])
{
    usize len = 0;
    u32 count = 0;
    out[0] = '\0';
    for (u32 i = 0; i < control->started; i++) {
        if (worker_has_finished(control->workers[i]))
            continue;
        bool fits = len + sizeof(", 1023, ...") <= LIST_BYTES;
        if (fits)
            len += (usize)snprintf(out + len, LIST_BYTES - len, count > 0 ? ", %u" : "%u",
                                   worker_index(control->workers[i]));
        else if (out[len - 1] != '.')
            len += (usize)snprintf(out + len, LIST_BYTES - len, ", ...");
        count++;
    }
    return count;
}

static void describe(const struct control *control, char out[LINE_BYTES])
{
    char list[LIST_BYTES];
    bool one = list_unfinished(control, list) == 1;
    (void)snprintf(out, LINE_BYTES,
                   "Worker%s %s should have ended %d s ago, and %s stuck: the process ends without "
                   "%s, and cuts what %s",
                   one ? "" : "s", list, WORKERS_SPARE_MS / 1000, one ? "is" : "are",
                   one ? "it" : "them", one ? "it has" : "they have");
}

static void tell_stderr(const char *what)
{
    char line[LINE_BYTES + 16];
    int len = snprintf(line, sizeof(line), "nextproxy: %s\n", what);
    if (!file_has_room(STDERR_FILENO))
        return;
    ssize_t written = write(STDERR_FILENO, line, (usize)len);
    (void)written;
}

void control_abandon(struct control *control)
{
    char line[LINE_BYTES];
    describe(control, line);
    control_note(control, LOG_ERROR, "worker_stuck", line);
    tell_stderr(line);
    /* The state file has been written, or is being so, since the stop began. */
    (void)log_writer_flush(control->log_writer, clock_monotonic_ns() + FLUSH_MS * NS_PER_MS);
    if (control->listeners)
        listeners_close(control->listeners, control_keeps_files(control));
    if (control->why[0] != '\0') /* it has not even begun to serve */
        control_refuse(control->config, control->why);
    _exit(EXIT_ABANDONED);
}
