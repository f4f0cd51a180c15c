/* What the files of src/worker share: the worker, and how it accepts. */
#ifndef NEXTPROXY_WORKER_INTERNAL_H
#define NEXTPROXY_WORKER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/wheel.h"
#include "ring.h"
#include "worker.h"

/* One listening socket. */
struct acceptor {
    struct ring_op op;
    struct wheel_timer retry;
    struct list node;
    struct worker *worker;
    const struct config_listener *listener;
    int fd;
    bool leaving; /* accepts no more: ends when the kernel owes nothing */
};

enum worker_phase { PHASE_STARTING, PHASE_READY, PHASE_SERVING, PHASE_FAILED };

struct worker {
    struct worker_options with;
    struct ring *ring;
    struct proxy *proxy;
    struct list acceptors;
    struct wheel_timer look; /* at the queues of their sockets */
    struct wheel wheel;
    pthread_t thread;
    pthread_mutex_t lock; /* of `phase` while starting, of `proxy` while it ends */
    pthread_cond_t started;
    enum worker_phase phase;
    enum worker_command obeyed;
    bool settled;                     /* `version` is that of the snapshot in `with` */
    bool held;                        /* accepts nothing until there is room */
    bool careful;                     /* takes connections from the kernel one by one */
    _Atomic int command;              /* enum worker_command */
    struct snapshot *_Atomic offered; /* by control, to be adopted */
    _Atomic u64 version; /* of the snapshot in `with`, when nothing of those before is in use */
    atomic_bool deaf;    /* takes nothing from its sockets any more */
    atomic_bool finished;
    _Atomic u64 turns;
    struct proxy_figures last; /* when `proxy` is gone */
    char why[WORKER_WHY_BYTES];
};

/* ---- Accepting (accept.c) ---- */

/* Before anything else. False when memory is refused. */
MUST_CHECK bool accept_init(struct worker *worker);
/* Accepts from all of the worker's sockets, and takes what other workers give it. */
void accept_start(struct worker *worker);
void accept_stop(struct worker *worker);
/* The sockets are those of this snapshot from now on. False when memory is refused, and nothing has
 * changed. */
MUST_CHECK bool accept_follow(struct worker *worker, const struct snapshot *snapshot);
/* True when all sockets are those of the snapshot that was followed last. */
bool accept_settled(const struct worker *worker);
/* Takes what others have given to this worker; to be called in every turn. */
void accept_given(struct worker *worker);
/* Stops accepting for a while, or goes on, or takes only as many as there is room for, as what the
 * worker has left wants it; and tells the others. To be called at the end of every turn. */
void accept_after_turn(struct worker *worker);
/* Nothing more can come once it has stopped. */
bool accept_quiet(const struct worker *worker);

#endif
