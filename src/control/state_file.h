/*
 * The state file: what is known at run time and shall be known after a restart. Backends that were
 * added and removed, the operator's marks, health, and keys.
 *
 * It is replaced as a whole, by a thread of its own, because a disk may take long: a new file is
 * written and synced, then takes the place of the old one. A process that is being stopped writes
 * it once more, and then leaves it to its successor.
 *
 * Health ages: it is true for as long as checks go on. So it is written again while nothing
 * changes, with the age that it has, and what is restored keeps its age until a check confirms it.
 * Where names lead ages while no process asks: after a long stop it is used only when there is no
 * answer in the time that a start waits for one.
 */
#ifndef NEXTPROXY_CONTROL_STATE_FILE_H
#define NEXTPROXY_CONTROL_STATE_FILE_H

#include "control/live.h"
#include "health.h"
#include "ring.h"

struct state_file;

struct state_file_options {
    const struct config_state *config;
    int handed_over;   /* what another engine has handed over, to be closed; -1 = the file counts */
    struct ring *ring; /* woken when a file is written */
    struct wall_clock *wall; /* before its first look: takes up the doubts of another process */
    /* Takes what the file would hold over, at the same times and also when there is no file. NULL =
     * nobody. */
    void (*tell)(void *context, int fd);
    /* One line of the error log. */
    void (*say)(void *context, enum log_severity severity, const char *message);
    void *context;
};

/* Reads the file, if there is one. One that is wrong is told of and set aside. NULL when memory is
 * refused. */
MUST_CHECK struct state_file *state_file_open(const struct state_file_options *options);
/* What was in it, for live, which begins with it; until state_file_restore(). NULL = there is none.
 */
const struct config_kept *state_file_kept(const struct state_file *file);
/* What cookies of sticky sessions were signed with. False when that is not known. */
bool state_file_sticky_key(const struct state_file *file, struct siphash_key *out);
/* What was known of names, to the resolver, which follows them. From now on it is asked. */
void state_file_recall_names(struct state_file *file, struct resolver *resolver);
/* The rest of it: marks, and health that is not too old. When health follows the snapshot. */
void state_file_restore(struct state_file *file, struct live *live, struct health *health);
/* Something that it holds has changed. Health need not be told. */
void state_file_touch(struct state_file *file);
/* To be called after each turn of the ring, and when the next is needed. */
void state_file_tick(struct state_file *file, u64 now_ns);
u64 state_file_deadline_ns(const struct state_file *file);
/* The process is being stopped: the next tick, or close, writes what there is to say, and nothing
 * more from then on. Not even that when another engine has succeeded: the file is its own. */
void state_file_finish(struct state_file *file, bool succeeded);
/* What it would hold now, to be read from its beginning; also when there is no file. -1: no room
 * for it. */
MUST_CHECK int state_file_hand_over(struct state_file *file);
/* Waits for what is being written, but not for a disk that hangs. */
void state_file_close(struct state_file *file);

#endif
