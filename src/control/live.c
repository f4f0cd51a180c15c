/* See live.h. The generations form a list, the newest first; a generation ends when all workers
 * have adopted a later one and no exchange is left that began with it. */
#include "control/live.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_BYTES_MAX = 1024, CHANGES_SAID_MAX = 50 };

struct generation {
    struct generation *older;
    struct snapshot *snapshot;
    struct config *owned; /* NULL for the first: the caller's */
};

struct live {
    const struct config *first;
    struct live_listener listener;
    struct state *state;
    struct generation *newest;
};

static void say(struct live *live, enum log_severity severity, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void say(struct live *live, enum log_severity severity, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    live->listener.say(live->listener.context, severity, line);
}

/* ---- Generations ---- */

static bool begin_generation(struct live *live, const struct config *config, struct config *owned)
{
    u64 version = live->newest ? live->newest->snapshot->version + 1 : 1;
    struct generation *generation = calloc(1, sizeof(*generation));
    struct snapshot *snapshot =
        generation ? snapshot_create(config, live->state, live->first->workers, version,
                                     live->newest ? live->newest->snapshot : NULL)
                   : NULL;
    if (!snapshot) {
        free(generation);
        return false;
    }
    *generation = (struct generation){.older = live->newest, .snapshot = snapshot, .owned = owned};
    live->newest = generation;
    return true;
}

static void end_generation(struct generation *generation)
{
    snapshot_destroy(generation->snapshot);
    config_destroy(generation->owned);
    free(generation);
}

struct live *live_create(const struct config *first, struct live_listener listener)
{
    struct live *live = calloc(1, sizeof(*live));
    if (!live)
        return NULL;
    *live = (struct live){.first = first, .listener = listener, .state = state_create()};
    if (live->state && begin_generation(live, first, NULL))
        return live;
    live_destroy(live);
    return NULL;
}

void live_destroy(struct live *live)
{
    while (live->newest) {
        struct generation *older = live->newest->older;
        end_generation(live->newest);
        live->newest = older;
    }
    if (live->state)
        state_destroy(live->state);
    free(live);
}

struct snapshot *live_snapshot(const struct live *live)
{
    return live->newest->snapshot;
}

static bool in_use(const struct snapshot *snapshot, struct worker *const *workers, u32 worker_count)
{
    for (u32 i = 0; i < worker_count; i++)
        if (worker_version(workers[i]) <= snapshot->version)
            return true;
    return snapshot_pinned(snapshot);
}

u32 live_retire(struct live *live, struct worker *const *workers, u32 worker_count)
{
    u32 used = 0;
    struct generation **link = &live->newest->older;
    while (*link) {
        struct generation *generation = *link;
        if (in_use(generation->snapshot, workers, worker_count)) {
            used++;
            link = &generation->older;
        } else {
            *link = generation->older;
            end_generation(generation);
        }
    }
    return used;
}

/* ---- Reloading ---- */

static struct config *read_again(struct live *live)
{
    struct config_problems problems;
    struct config *config = config_load(live->first->file.data, environ, &problems);
    for (u32 i = 0; i < problems.count && !config; i++)
        say(live, LOG_ERROR, "%s: %s: %s", problems.at[i].place, problems.at[i].path,
            problems.at[i].text);
    if (!config)
        say(live, LOG_ERROR,
            "Not reloaded: %u problems in the configuration; the earlier one is served on",
            problems.count);
    config_problems_deinit(&problems);
    return config;
}

static void say_change(struct live *live, enum log_severity severity,
                       const struct config_change *change)
{
    const char *before = change->before ? change->before : "(none)";
    const char *after = change->after ? change->after : "(none)";
    say(live, severity, "%s: %s -> %s%s", change->path, before, after,
        change->restart ? ", which needs a restart" : "");
}

/* Only those that need a restart, when it is about them. */
static void say_changes(struct live *live, enum log_severity severity,
                        const struct config_changes *changes, bool restart)
{
    u32 said = 0, left = changes->more;
    for (u32 i = 0; i < changes->count; i++) {
        if (restart && !changes->at[i].restart)
            continue;
        if (said < CHANGES_SAID_MAX)
            say_change(live, severity, &changes->at[i]);
        else
            left++;
        said++;
    }
    if (left > 0)
        say(live, severity, "... and %u more changes", left);
}

/* What cannot change while workers run, because their memory or their sockets depend on it. */
static bool needs_restart(struct live *live, const struct config *next,
                          const struct config_changes *changes)
{
    bool restart = changes->restart;
    if (restart)
        say_changes(live, LOG_ERROR, changes, true);
    if (!restart && !proxy_adoptable(live->first, next)) {
        say(live, LOG_ERROR,
            "Header edits or error pages need more memory for each message than was reserved at "
            "the start, which needs a restart");
        restart = true;
    }
    if (restart)
        say(live, LOG_ERROR,
            "Not reloaded: restart to change these settings; until then the "
            "earlier configuration is served on");
    return restart;
}

static void announce(struct live *live, const struct config_changes *changes, u64 took_ns)
{
    u32 count = changes->count + changes->more;
    say_changes(live, LOG_INFO, changes, false);
    u32 earlier = 0; /* besides the one that was just replaced */
    for (const struct generation *it = live->newest->older->older; it; it = it->older)
        earlier++;
    say(live, LOG_INFO,
        "Reloaded: version %llu, %u setting%s changed, ready in %llu us; %u earlier %s "
        "still in use",
        (unsigned long long)live->newest->snapshot->version, count, count == 1 ? "" : "s",
        (unsigned long long)(took_ns / NS_PER_US), earlier,
        earlier == 1 ? "version is" : "versions are");
}

/* Takes the configuration over when it returns true. */
static bool replace(struct live *live, struct config *next, const struct config_changes *changes)
{
    if (needs_restart(live, next, changes))
        return false;
    if (begin_generation(live, next, next))
        return true;
    say(live, LOG_ERROR, "Not reloaded: no memory for another configuration");
    return false;
}

/* Names may lead elsewhere although no setting has changed. */
static bool same_addresses(const struct config *a, const struct config *b)
{
    if (a->backend_count != b->backend_count)
        return false;
    for (u32 i = 0; i < a->backend_count; i++)
        if (!address_equal(&a->backends[i].address, &b->backends[i].address))
            return false;
    return true;
}

enum live_reload live_reload(struct live *live, struct worker *const *workers, u32 worker_count,
                             enum log_severity same_severity)
{
    u64 start_ns = clock_monotonic_ns();
    const struct config *served = live_snapshot(live)->config;
    struct config *next = read_again(live);
    struct config_changes changes;
    enum live_reload result = LIVE_REFUSED;
    if (!next)
        return result;
    config_diff(served, next, &changes);
    if (changes.count + changes.more == 0 && same_addresses(served, next)) {
        result = LIVE_SAME;
        say(live, same_severity, "Reloaded: nothing has changed");
        config_destroy(next);
    } else if (replace(live, next, &changes)) {
        for (u32 i = 0; i < worker_count; i++)
            worker_adopt(workers[i], live_snapshot(live));
        result = LIVE_REPLACED;
        announce(live, &changes, clock_monotonic_ns() - start_ns);
    } else {
        config_destroy(next);
    }
    config_changes_deinit(&changes);
    return result;
}
