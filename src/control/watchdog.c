/*
 * Whether every worker's loop turns. Each is nudged four times in a period, and must have turned
 * once since then; one that has not in four looks in a row is stuck. Looks are counted rather than
 * time, because a process that was stopped as a whole (SIGSTOP, a machine that was moved) finds
 * that much of it has passed.
 *
 * With a service manager's watchdog the period is half of its time, as sd_watchdog_enabled(3)
 * advises, and it is told at the end of each that all is well, when it is.
 */
#include "control/watchdog.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/control_internal.h"

enum { LOOKS = 4, PERIOD_MS = 5000 };

/* What was seen of one worker. */
struct watched {
    u64 turns;  /* when it was nudged last */
    u32 missed; /* looks in a row in which it had not turned */
};

struct watchdog {
    struct watched *workers; /* as control->workers */
    u64 next_ns;             /* the next look */
    u64 period_ns;
    u32 looks;
    u32 stuck;  /* workers */
    bool feeds; /* a service manager wants to hear of us */
};

struct watchdog *watchdog_create(u64 manager_us)
{
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (!watchdog)
        return NULL;
    watchdog->workers = calloc(STATE_WORKERS_MAX, sizeof(*watchdog->workers));
    if (!watchdog->workers) {
        free(watchdog);
        return NULL;
    }
    watchdog->next_ns = UINT64_MAX;
    watchdog->feeds = manager_us > 0;
    watchdog->period_ns =
        watchdog->feeds ? max_u64(manager_us * NS_PER_US / 2, LOOKS) : PERIOD_MS * NS_PER_MS;
    return watchdog;
}

void watchdog_destroy(struct watchdog *watchdog)
{
    if (!watchdog)
        return;
    free(watchdog->workers);
    free(watchdog);
}

u64 watchdog_deadline_ns(const struct watchdog *watchdog)
{
    return watchdog->next_ns;
}

u32 watchdog_stuck(const struct watchdog *watchdog)
{
    return watchdog->stuck;
}

void watchdog_came(struct watchdog *watchdog, u32 at)
{
    watchdog->workers[at] = (struct watched){.turns = UINT64_MAX}; /* nobody has nudged it yet */
}

void watchdog_went(struct watchdog *watchdog, u32 at, u32 last)
{
    watchdog->stuck -= watchdog->workers[at].missed >= LOOKS;
    watchdog->workers[at] = watchdog->workers[last];
}

/* ---- Looking ---- */

static void note_stuck(struct control *control, struct worker *worker)
{
    const struct watchdog *watchdog = control->watchdog;
    char line[192];
    (void)snprintf(line, sizeof(line), "Worker %u has not turned for %llu ms: %s",
                   worker_index(worker), (unsigned long long)(watchdog->period_ns / NS_PER_MS),
                   watchdog->feeds ? "the service manager's watchdog will end this process"
                                   : "its clients wait, and get no more company");
    control_note(control, LOG_ERROR, "worker_stuck", line);
}

/* Other workers give it no connections meanwhile. The kernel does, to its listening sockets. */
static void becomes_stuck(struct control *control, struct worker *worker)
{
    control->watchdog->stuck++;
    worker_shun(worker, true);
    note_stuck(control, worker);
}

/* What it was ordered last it has not seen before it turned, so one that is to run still takes
 * connections; if it holds them off for want of room, it takes those it is given all the same. */
static void turns_again(struct control *control, struct worker *worker)
{
    char line[64];
    control->watchdog->stuck--;
    if (worker_last_command(worker) == WORKER_RUN)
        worker_shun(worker, false);
    (void)snprintf(line, sizeof(line), "Worker %u turns again", worker_index(worker));
    control_note(control, LOG_INFO, "worker_stuck", line);
}

static void look(struct control *control, struct watched *seen, struct worker *worker)
{
    u64 turns = worker_turns(worker);
    bool was_stuck = seen->missed >= LOOKS;
    if (turns != seen->turns || worker_has_finished(worker))
        seen->missed = 0;
    else
        seen->missed++;
    bool is_stuck = seen->missed >= LOOKS;
    seen->turns = turns;
    worker_nudge(worker);
    if (is_stuck && !was_stuck)
        becomes_stuck(control, worker);
    else if (was_stuck && !is_stuck)
        turns_again(control, worker);
}

void watchdog_start(struct control *control, u64 now_ns)
{
    struct watchdog *watchdog = control->watchdog;
    for (u32 i = 0; i < control->started; i++)
        worker_nudge(control->workers[i]);
    watchdog->next_ns = now_ns + watchdog->period_ns / LOOKS;
}

/* Control turns: it is here. Workers that are to end are looked at as well: one that is stuck holds
 * the stop up, which a service manager may want to hear of before control's patience ends. */
void watchdog_tick(struct control *control, u64 now_ns)
{
    struct watchdog *watchdog = control->watchdog;
    if (now_ns < watchdog->next_ns)
        return;
    watchdog->next_ns = now_ns + watchdog->period_ns / LOOKS;
    for (u32 i = 0; i < control->started; i++)
        look(control, &watchdog->workers[i], control->workers[i]);
    if (++watchdog->looks % LOOKS == 0 && watchdog->feeds && watchdog->stuck == 0)
        control_tell(control, "WATCHDOG=1");
}
