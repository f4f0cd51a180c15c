/*
 * What is told without a running proxy, where an operator looks: a start that fails on stderr, and
 * in the error log, which outlives the terminal; there too how an engine has ended. Plain system
 * calls, because the ring may be just what is missing.
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
static int event_append(struct log_file_target *target, const char *type, const char *message)
{
    char line[LOG_LINE_BYTES_MAX];
    const struct log_event event = {
        .wall_ns = clock_wall_ns(),
        .severity = LOG_ERROR,
        .type = slice_of_string(type),
        .message = slice_of_string(message),
    };
    usize bytes = log_event_format(line, &event);
    int error = log_file_open(target, event.wall_ns);
    if (error != 0)
        return error;
    error = line_write(target->fd, line, bytes);
    log_file_close(target);
    return error;
}

void control_report(const struct config *config, const char *type, const char *message)
{
    struct log_file_target target;
    if (!config->logging.error.enabled)
        return;
    log_file_init(&target, &config->logging.error);
    int error = event_append(&target, type, message);
    if (error != 0)
        (void)fprintf(stderr, "nextproxy: error log: cannot write %s: %s\n", target.path,
                      strerror(error));
}

void control_refuse(const struct config *config, const char *why)
{
    (void)fprintf(stderr, "nextproxy: %s\n", why);
    control_report(config, "start_failure", why);
}
