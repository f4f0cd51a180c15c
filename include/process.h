/*
 * process: another program, run beside this one: begun without a shell and with nothing of ours,
 * its output read through a pipe, ended with all that it has begun.
 *
 * Nothing here waits, but for the kernel to load the program. For one thread, which must outlive
 * what it begins: a program whose beginner dies is killed.
 */
#ifndef NEXTPROXY_PROCESS_H
#define NEXTPROXY_PROCESS_H

#include "base/assert.h"
#include "base/types.h"

struct process {
    i32 pid;
    int exit_fd;   /* readable when it has ended */
    int output_fd; /* the reading end of its standard output and error */
};

/* Executes words[0], an absolute path, with these arguments and this environment (both end with
 * NULL) and nothing else that belongs to us: no descriptor, signal mask or handler, no privilege
 * of an ambient capability. Its directory is /, its input /dev/null, its limit of descriptors 1024
 * at most. It leads a session, and so a process group, of its own. 0, or errno. */
MUST_CHECK i32 process_start(struct process *process, const char *const *words,
                             const char *const *environment);

enum process_output {
    PROCESS_OUTPUT_SOME,
    PROCESS_OUTPUT_NONE,  /* wait until output_fd is readable */
    PROCESS_OUTPUT_ENDED, /* nobody has the other end any more */
};
/* Takes up to `bytes_max` > 0 bytes of what it wrote; *bytes is > 0 with PROCESS_OUTPUT_SOME. */
enum process_output process_read(const struct process *process, char *out, u32 bytes_max,
                                 u32 *bytes);

/* Ends it and its group with SIGKILL. Not after process_reap(). */
void process_kill(const struct process *process);

struct process_end {
    bool by_signal;
    i32 code; /* the exit status, or the signal's number */
};
/* When exit_fd is readable: kills what it has left behind in its group, and takes its status, which
 * is -1 when that is gone. False when it still runs. */
MUST_CHECK bool process_reap(const struct process *process, struct process_end *end);

/* Closes both descriptors. */
void process_close(struct process *process);

#endif
