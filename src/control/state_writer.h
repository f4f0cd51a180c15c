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
    _Atomic bool done;
};

/* Takes the text over. Nothing may be under way. Without a thread it is written at once. */
void state_writer_begin(struct state_writer *writer, char *text, usize bytes);
static inline bool state_writer_busy(const struct state_writer *writer)
{
    return writer->text != NULL;
}
/* True when a writing has ended since the last call: `step` and `error` say how. */
bool state_writer_ended(struct state_writer *writer);
/* Waits for it. */
void state_writer_wait(struct state_writer *writer);

#endif
