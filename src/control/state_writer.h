/* Replaces a file as a whole, on a thread of its own. */
#ifndef NEXTPROXY_CONTROL_STATE_WRITER_H
#define NEXTPROXY_CONTROL_STATE_WRITER_H

#include <pthread.h>

#include "ring.h"

struct state_writer {
    const char *path;
    struct ring *ring; /* woken at the end */
    char *text;        /* malloc'd: what is being written; NULL = nothing is */
    usize bytes;
    const char *step; /* that has failed; NULL = none */
    int error;        /* its errno */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows, and of `step` and `error` until it is done */
    pthread_cond_t ended;
    bool done;
    bool abandoned; /* nobody waits any more */
};

/* `path` and `ring` outlive it. False when memory is refused. */
MUST_CHECK bool state_writer_init(struct state_writer *writer, const char *path, struct ring *ring);
/* Takes the text over. Nothing may be under way. Without a thread it is written at once. */
void state_writer_begin(struct state_writer *writer, char *text, usize bytes);
static inline bool state_writer_busy(const struct state_writer *writer)
{
    return writer->text != NULL;
}
/* True when a writing has ended since the last call: `step` and `error` say how. */
bool state_writer_ended(struct state_writer *writer);
/* Waits for it until then (CLOCK_MONOTONIC). True when nothing is under way any more. Otherwise it
 * wakes nobody at its end, and its memory must stay. */
MUST_CHECK bool state_writer_wait(struct state_writer *writer, u64 given_up_ns);

#endif
