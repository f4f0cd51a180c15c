/*
 * worker: one pinned thread with its own ring, memory, listeners and counters.
 *
 * Control starts it, tells it to drain or to stop, and joins it; nothing else is said between them.
 * What a worker shares is in state.h, the log buffers that control drains, and the team.
 */
#ifndef NEXTPROXY_WORKER_H
#define NEXTPROXY_WORKER_H

#include "config.h"
#include "log.h"
#include "proxy.h"
#include "snapshot.h"

/* ---- Listening sockets ---- */

/* Room for every reason that this module gives. */
enum { WORKER_WHY_BYTES = 512 };

/* Opens the listening socket of one worker. TCP sockets share their port with the other workers'
 * (SO_REUSEPORT); a unix socket is opened once and used by all. -1 with what failed and what to do
 * about it in `why` (WORKER_WHY_BYTES). */
/* Connections that wait at one socket, at most: net.core.somaxconn may make it less. */
enum { LISTENER_QUEUE_MAX = 4096 };
MUST_CHECK int listener_open(const struct config_listener *listener, char *why, usize why_bytes);

/* The same for a socket that listens already, whoever has opened it. */
void listener_adopt(int fd, const struct config_listener *listener);

/* ---- All workers ---- */

/* What the workers know of each other, so that a new connection goes to one that has little to do:
 * src/worker/team.h. It outlives them. */
struct team;

/* NULL when memory is refused. */
MUST_CHECK struct team *team_create(void);
/* Only when no worker runs any more. */
void team_destroy(struct team *team);
/* Makes a place for a worker, before it starts; from 0 on, one after the other. False with errno.
 */
MUST_CHECK bool team_prepare(struct team *team, u32 place);
/* What each worker has left of what the process has; they learn of it in their next turn. */
void team_set_budget(struct team *team, struct overload_budget budget);

/* ---- Workers ---- */

struct worker;

/* In the order in which they may follow each other. */
enum worker_command { WORKER_WAIT, WORKER_RUN, WORKER_DRAIN, WORKER_RETIRE, WORKER_STOP };

struct worker_options {
    struct snapshot *snapshot; /* to begin with; it names the worker's sockets */
    struct log_buffer *logs[LOG_FILE_COUNT];
    void (*on_news)(void *context); /* on the worker's thread: it is deaf, or has finished */
    void *context;
    struct team *team; /* what all workers share; it has a place for this one */
    u32 ring_disabled; /* capabilities not to be used */
    u32 index;         /* which of the snapshot's workers this is */
    int cpu;           /* to be pinned to; -1 = not */
};

/* Starts the thread and waits until it has all it needs to serve: worker_run() has it accept
 * connections. NULL with the reason in `why` (WORKER_WHY_BYTES) when it cannot. `options` may go;
 * what it points at must outlive the worker. */
MUST_CHECK struct worker *worker_start(const struct worker_options *options, char *why,
                                       usize why_bytes);
/* Returns when the worker accepts connections. Once, before any command. */
void worker_run(struct worker *worker);
/* WORKER_DRAIN: no new connections, what runs may finish within timeouts.drain. WORKER_RETIRE: the
 * same, but another process takes the new ones from the same sockets, so that clients are sent
 * there instead of away: see proxy_retire(). WORKER_STOP: cut everything. From any thread. */
void worker_command(struct worker *worker, enum worker_command command);
/* New exchanges follow this snapshot from the worker's next turn on, and connections are accepted
 * from its sockets. What sizes a worker's memory must be as in the one that it began with. From
 * control. */
void worker_adopt(struct worker *worker, struct snapshot *snapshot);
/* The version of the snapshot that the worker has adopted last: it takes no earlier one any more,
 * see snapshot_pinned(), and has let go of the sockets that are not in this one. From any thread.
 */
u64 worker_version(const struct worker *worker);
/* True when it takes nothing from its sockets any more, after DRAIN, RETIRE or STOP. */
bool worker_is_deaf(const struct worker *worker);
/* True when the thread is at its end: worker_join() does not wait. */
bool worker_has_finished(const struct worker *worker);
enum worker_command worker_last_command(const struct worker *worker);
u32 worker_index(const struct worker *worker);
/* Counts the turns of the worker's loop; worker_nudge() makes it do one. A worker that was nudged
 * and has not turned for seconds is stuck. From control. */
u64 worker_turns(const struct worker *worker);
void worker_nudge(struct worker *worker);
/* Whether other workers give it no connections: for one that is stuck. From control; false only
 * when the last command was RUN. */
void worker_shun(struct worker *worker, bool shun);
/* What the worker has counted so far; its last figures when it has finished. From control. */
void worker_figures(struct worker *worker, struct proxy_figures *out);
/* Waits for the thread's end and frees the worker. Its figures are in *counters then. */
void worker_join(struct worker *worker, struct proxy_counters *counters);

#endif
