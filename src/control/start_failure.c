/*
 * A start that fails, told where an operator looks: on stderr, and in the error log, which outlives
 * the terminal. Plain system calls, because the ring may be just what is missing.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/log_file.h"
#include "log.h"

/* 0, or an errno value. */
static int line_write(int fd, const char *line, usize bytes)
{
    ssize_t written = write(fd, line, bytes);
    if (written < 0)
        return errno;
    return (usize)written == bytes ? 0 : ENOSPC;
}

/* 0, or an errno value; the path that was tried is in `target` either way. */
static int event_append(struct log_file_target *target, const char *why)
{
    char line[LOG_LINE_BYTES_MAX];
    const struct log_event event = {
        .wall_ns = clock_wall_ns(),
        .severity = LOG_ERROR,
        .type = SLICE("start_failure"),
        .message = slice_of_string(why),
    };
    usize bytes = log_event_format(line, sizeof(line), &event);
    int error = log_file_open(target, event.wall_ns);
    if (error != 0)
        return error;
    error = line_write(target->fd, line, bytes);
    log_file_close(target);
    return error;
}

void control_refuse(const struct config *config, const char *why)
{
    struct log_file_target target;
    (void)fprintf(stderr, "nextproxy: %s\n", why);
    if (!config->logging.error.enabled)
        return;
    log_file_init(&target, &config->logging.error);
    int error = event_append(&target, why);
    if (error != 0)
        (void)fprintf(stderr, "nextproxy: error log: cannot write %s: %s\n", target.path,
                      strerror(error));
}
