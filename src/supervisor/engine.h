/* One engine's process: how it is started, spoken to and seen. */
#ifndef NEXTPROXY_SUPERVISOR_ENGINE_H
#define NEXTPROXY_SUPERVISOR_ENGINE_H

#include <signal.h>

#include "handover.h"

enum engine_state {
    ENGINE_NONE,
    ENGINE_STARTING,  /* to serve as soon as it is ready */
    ENGINE_SERVING,   /* the only one that is told to reload, and speaks for us */
    ENGINE_TRIAL,     /* of an upgrade: it is to take over from the one that serves */
    ENGINE_DRAINING,  /* it finishes what it has begun */
    ENGINE_REPORTING, /* it only writes to the error log */
};

struct engine {
    enum engine_state state;
    i32 pid;
    int channel;
    u64 start_ns;
    char failure[128]; /* the program could not be executed: why; "" = it could */
};

struct engine_start {
    char *const *words;        /* the supervisor's command line */
    const char *program;       /* path of the file to execute */
    const sigset_t *mask;      /* signals to be blocked in it */
    struct handover *handover; /* without the channel */
    enum engine_state state;
};

/* False with errno when there is no process or no memory for one. */
MUST_CHECK bool engine_begin(struct engine *engine, const struct engine_start *start);
/* One of ORDER_... It goes to a process that may be ending: nothing comes of that. */
void engine_tell(const struct engine *engine, const char *order);
/* The same with what it is about: one of ORDER_NOTE_... */
void engine_note(const struct engine *engine, const char *order, const char *text);
/* Its process has been reaped: lets go of the channel. */
void engine_end(struct engine *engine);

#endif
