/*
 * The sockets that clients and operators come to: opened here, or taken over from whoever has had
 * them before, and nowhere else. Workers accept from them, but they stay control's: a socket may go
 * from one worker to another, and is closed when nobody accepts from it any more.
 */
#ifndef NEXTPROXY_CONTROL_LISTENERS_H
#define NEXTPROXY_CONTROL_LISTENERS_H

#include "config.h"
#include "handover.h"
#include "snapshot.h"

struct listeners;

/* What the log should say, as a warning. */
struct listeners_voice {
    void (*say)(void *context, const char *message);
    void *context;
};

/* One socket per worker for each listener, and one for each of the management API. What `from` has
 * for them is used, and marked so there: from an earlier engine by the listener's name, from a
 * service manager by its address. NULL, with nothing left open that was opened here, and the reason
 * in `why` (WORKER_WHY_BYTES) when one cannot be opened, or the service manager gave one that is
 * for nobody. Only the first engine refuses that: later, a reload may have removed the listener.
 * `from` outlives the listeners. */
MUST_CHECK struct listeners *listeners_open(const struct config *config, struct handover *from,
                                            struct listeners_voice voice, char *why,
                                            usize why_bytes);
/* The sockets of the management API, in the order of its listeners. Returns how many: 0 when it is
 * off. */
u32 listeners_management(const struct listeners *listeners, int fds[CONFIG_ADMIN_LISTENERS_MAX]);

/* Where they are, for people: as many as fit. They are those of this configuration. */
void listeners_list(const struct listeners *listeners, const struct config *config, char *out,
                    usize bytes);

/* ---- Another configuration ---- */

/* Opens what it has and the earlier ones did not, also for more workers. False, with everything as
 * it was, and the reason in `why`. */
MUST_CHECK bool listeners_prepare(struct listeners *listeners, const struct config *config,
                                  char *why, usize why_bytes);
/* It is not served after all: closes what was opened for it. */
void listeners_undo(struct listeners *listeners);

/* Workers by their index; there is at least one. */
struct listeners_workers {
    const u32 *at;
    u32 count;
};

/* Tells each of these workers, in the snapshot, from which sockets to accept. */
void listeners_furnish(const struct listeners *listeners, struct snapshot *snapshot,
                       const struct listeners_workers *workers);
/* The snapshot is served: what it does not have begins to close. The files of unix sockets go at
 * once. */
void listeners_settle(struct listeners *listeners, const struct snapshot *snapshot);
/* All workers have adopted this version, or a later one: closes what was closing in it, and has the
 * supervisor forget it (`channel` -1 = there is none). Returns how many listeners still close. */
u32 listeners_reap(struct listeners *listeners, u64 version, int channel);

/* ---- The supervisor's copies ---- */

/* Gives the supervisor at the other end of `channel` a copy of each socket that it does not have.
 */
void listeners_give(struct listeners *listeners, int channel);
/* Lets go, here and there, of what was handed over and is of no use with this configuration. Once,
 * when the workers serve. */
void listeners_give_up_rest(const struct listeners *listeners, int channel);

/* ---- The end ---- */

/* No worker accepts any more: the kernel refuses connections, unless somebody else has the sockets,
 * too. Files of unix sockets are removed when nobody else is to use them. */
void listeners_shut(struct listeners *listeners, bool remove_files);
/* The management API's, too. */
void listeners_close(struct listeners *listeners, bool remove_files);

#endif
