/* What the files of the supervisor share. */
#ifndef NEXTPROXY_SUPERVISOR_INTERNAL_H
#define NEXTPROXY_SUPERVISOR_INTERNAL_H

#include <limits.h>
#include <signal.h>

#include "supervisor.h"
#include "supervisor/engine.h"
#include "supervisor/report.h"
#include "supervisor/restarts.h"
#include "supervisor/store.h"

struct supervisor {
    char **words;
    const char *program; /* path of our file when it was started: an upgrade is there */
    char self[PATH_MAX]; /* for `program`, when it has no other path */
    bool self_is_hidden; /* without /proc: a restart, too, runs what is at that path */
    sigset_t mask;       /* for engines */
    struct engine engines[HANDOVER_ENGINES_MAX];
    struct store store;
    struct restarts restarts;
    char report[HANDOVER_REPORT_BYTES]; /* how the last engine ended, until another is ready */
    u64 watchdog_us;
    u64 restart_ns; /* UINT64_MAX = there is nothing to do then, as with the others */
    u64 kill_ns;
    u64 trial_ns;
    u32 stops_asked;
    int signal_fd;
    int known_fd;       /* what the engine that serves, or did last, knows; -1 = nothing */
    int config_fd;      /* what the one that serves was configured from; -1 = nothing */
    int status;         /* to exit with */
    bool served;        /* an engine has been ready once */
    bool instead;       /* of the file the next engine takes what is in config_fd */
    bool holding;       /* the engine that serves is asked what it knows, for an upgrade */
    bool upgrade_asked; /* as soon as an engine serves */
    bool upgraded;      /* the engine that serves is of a new program, and we are not yet */
    bool over;
};

/* A line on stderr; never waits for a reader. */
void supervisor_say(const char *format, ...) PRINTF_LIKE(1, 2);
struct engine *supervisor_find(struct supervisor *supervisor, enum engine_state state);
/* False with errno. */
MUST_CHECK bool supervisor_spawn(struct supervisor *supervisor, enum engine_state state);
/* Whatever has happened: when nobody serves or is about to, an engine is started. */
void supervisor_reconsider(struct supervisor *supervisor);
/* The workers of one that was to serve do. */
void supervisor_ready(struct supervisor *supervisor, struct engine *engine);

/* ---- messages.c ---- */

/* Does what the engine has said since the last time. */
void supervisor_hear(struct supervisor *supervisor, struct engine *engine);

/* ---- upgrade.c ---- */

/* Finds out where this program's file is. */
void supervisor_find_program(struct supervisor *supervisor);
/* SIGUSR2. */
void supervisor_upgrade(struct supervisor *supervisor);
/* The engine that serves changes nothing from now on. */
void supervisor_held(struct supervisor *supervisor);
/* The new engine has ended before it was ready. */
void supervisor_upgrade_failed(struct supervisor *supervisor, const struct engine *trial,
                               int status);
/* An earlier engine has ended, after it had been told to finish. */
void supervisor_drained(struct supervisor *supervisor, pid_t pid, int status, u64 ran_ms);
/* It was not ready in time; or nobody has said anything that it could go on with. */
void supervisor_trial_over(struct supervisor *supervisor);
/* The new engine serves: runs the new program in this process, which keeps its number. Comes back
 * only when that fails; then this one goes on. */
void supervisor_become(struct supervisor *supervisor);

#endif
