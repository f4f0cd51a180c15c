/*
 * control: the thread that does everything that may be slow, so that workers never do: signals, log
 * files, starting and stopping the workers.
 */
#ifndef NEXTPROXY_CONTROL_H
#define NEXTPROXY_CONTROL_H

#include "config.h"
#include "handover.h"

struct control_options {
    const struct config *config;
    const struct config_problems *notes;   /* of loading it: logged at the start */
    const struct config_problems *refused; /* of the file: when there are any, `config` is not made
                                              from it, but an earlier one */
    u64 read_wall_ns;                      /* when reading it began */
    struct handover *handover; /* what this process was started with; it outlives the run */
    u32 ring_disabled;         /* capabilities not to be used */
};

/* Runs the proxy on the calling thread until it is told to stop: by its supervisor, and without one
 * by SIGTERM, SIGINT or SIGQUIT, which stop it gracefully, a second one at once. Returns the exit
 * status: 0 after a stop, 1 when it could not start (with the reason on stderr and in the error
 * log). */
MUST_CHECK int control_run(const struct control_options *options);

/* For a caller that finds out by itself that the proxy cannot start: writes `why` to stderr and to
 * the error log. */
void control_refuse(const struct config *config, const char *why);

/* Writes a line to the error log at once, before or without a run: what happened to an earlier
 * engine. */
void control_report(const struct config *config, const char *type, const char *message);

#endif
