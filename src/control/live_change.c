/* See live.h. What is to be served next: from the file, with what was changed at run time. */
#include <unistd.h>

#include "base/clock.h"
#include "control/live_internal.h"

enum { CHANGES_SAID_MAX = 50 };

/* ---- What is said ---- */

void live_refuse(struct live *live, const struct config_problems *problems)
{
    for (u32 i = 0; i < problems->count; i++)
        live_say(live, LOG_ERROR, "%s: %s%s%s", problems->at[i].place, problems->at[i].path,
                 problems->at[i].path[0] != '\0' ? ": " : "", problems->at[i].text);
    live_say(live, LOG_ERROR,
             "Not reloaded: %u problem%s in the configuration; the earlier one is served on",
             problems->count, problems->count == 1 ? "" : "s");
}

static struct config *read_again(struct live *live)
{
    struct config_problems problems;
    struct config *config = config_load(live->first->file.data, environ, &problems);
    if (!config)
        live_refuse(live, &problems);
    config_problems_deinit(&problems);
    return config;
}

static void say_change(struct live *live, enum log_severity severity,
                       const struct config_change *change)
{
    const char *before = change->before ? change->before : "(none)";
    const char *after = change->after ? change->after : "(none)";
    live_say(live, severity, "%s: %s -> %s%s", change->path, before, after,
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
        live_say(live, severity, "... and %u more changes", left);
}

/* What cannot change while workers run, because their memory or their sockets depend on it. */
static bool needs_restart(struct live *live, const struct config *next,
                          const struct config_changes *changes)
{
    bool restart = changes->restart;
    if (restart)
        say_changes(live, LOG_ERROR, changes, true);
    if (!restart && !proxy_adoptable(live->first, next)) {
        live_say(
            live, LOG_ERROR,
            "Header edits or error pages need more memory for each message than was reserved at "
            "the start, which needs a restart");
        restart = true;
    }
    if (restart)
        live_say(live, LOG_ERROR,
                 "Not reloaded: restart to change these settings; until then the "
                 "earlier configuration is served on");
    return restart;
}

static void announce(struct live *live, const char *verb, const struct config_changes *changes,
                     u64 took_ns)
{
    u32 count = changes->count + changes->more;
    say_changes(live, LOG_INFO, changes, false);
    u32 earlier = 0; /* besides the one that was just replaced */
    for (const struct generation *it = live->newest->older->older; it; it = it->older)
        earlier++;
    live_say(live, LOG_INFO,
             "%s: version %llu, %u setting%s changed, ready in %llu us; %u earlier %s "
             "still in use",
             verb, (unsigned long long)live->newest->snapshot->version, count,
             count == 1 ? "" : "s", (unsigned long long)(took_ns / NS_PER_US), earlier,
             earlier == 1 ? "version is" : "versions are");
}

/* ---- What was changed at run time, and the file ---- */

/* What is to be served next. */
struct candidate {
    struct base *base;
    struct config *derived; /* NULL: as the base is */
    struct config_overlay overlay;
};

static const struct config *candidate_config(const struct candidate *candidate)
{
    return candidate->derived ? candidate->derived : candidate->base->config;
}

static bool overlay_empty(const struct config_overlay *overlay)
{
    return overlay->added_count + overlay->removed_count == 0;
}

static bool candidate_derive(struct candidate *candidate, struct config_problems *problems)
{
    if (overlay_empty(&candidate->overlay)) {
        *problems = (struct config_problems){0};
        return true;
    }
    candidate->derived = config_derive(candidate->base->config, &candidate->overlay, problems);
    return candidate->derived != NULL;
}

static void candidate_drop(struct candidate *candidate, bool base_too)
{
    config_destroy(candidate->derived);
    config_overlay_deinit(&candidate->overlay);
    if (base_too && candidate->base)
        live_base_leave(candidate->base);
}

/* Serves it from now on, and takes it over, when it returns true. */
static bool candidate_serve(struct live *live, struct candidate *candidate,
                            const struct live_workers *workers)
{
    if (!live_begin(live, candidate->base, candidate->derived))
        return false;
    config_overlay_deinit(&live->overlay);
    live->overlay = candidate->overlay;
    live_follow_names(live);
    for (u32 i = 0; i < workers->count; i++)
        worker_adopt(workers->at[i], live_snapshot(live));
    return true;
}

static void say_given_up(void *context, const char *message)
{
    live_say(context, LOG_WARN, "%s", message);
}

static void say_nothing(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* What was changed at run time must not keep the file from being served: what does not go together
 * with it is given up, the removals first. */
static void candidate_reconcile(struct live *live, struct candidate *candidate)
{
    struct config_problems problems;
    u32 *const given_up[] = {&candidate->overlay.removed_count, &candidate->overlay.added_count};
    static const char *const names[] = {"removed", "added"};
    for (u32 i = 0; !candidate_derive(candidate, &problems); i++) {
        ASSERT(i < ARRAY_COUNT(given_up)); /* without an overlay nothing can be wrong */
        for (u32 at = 0; at < problems.count; at++)
            live_say(live, LOG_WARN, "%s: %s", problems.at[at].path, problems.at[at].text);
        live_say(live, LOG_WARN, "Backends that were %s at run time: all %u are given up", names[i],
                 *given_up[i]);
        *given_up[i] = 0;
        config_problems_deinit(&problems);
    }
    config_problems_deinit(&problems);
}

static u32 overlay_entries(const struct config_overlay *overlay)
{
    return overlay->added_count + overlay->removed_count;
}

static void say_settled(struct live *live, const struct config *base)
{
    struct config_overlay copy;
    config_overlay_copy(&copy, &live->overlay);
    config_overlay_settle(&copy, base, (struct config_overlay_listener){say_given_up, live});
    if (overlay_entries(&copy) > 0)
        live_say(live, LOG_INFO, "Kept from run time: %u backends added, %u removed",
                 copy.added_count, copy.removed_count);
    config_overlay_deinit(&copy);
}

/* ---- Reloading ---- */

static bool differ(const struct config *before, const struct config *after)
{
    struct config_changes changes;
    config_diff(before, after, &changes);
    bool any = changes.count + changes.more > 0;
    config_changes_deinit(&changes);
    return any;
}

/* Whether there is a reason to serve the candidate, besides `changes`. */
static bool worth_serving(struct live *live, const struct candidate *candidate)
{
    return overlay_entries(&candidate->overlay) != overlay_entries(&live->overlay) ||
           (candidate->derived && differ(live->newest->base->config, candidate->base->config));
}

/* Takes the candidate over when it returns LIVE_REPLACED. */
static enum live_reload reload_with(struct live *live, struct candidate *candidate,
                                    const struct live_workers *workers,
                                    enum log_severity same_severity, u64 start_ns)
{
    struct config_changes changes;
    enum live_reload result = LIVE_REFUSED;
    config_overlay_copy(&candidate->overlay, &live->overlay);
    config_overlay_settle(&candidate->overlay, candidate->base->config,
                          (struct config_overlay_listener){say_nothing, NULL});
    candidate_reconcile(live, candidate);
    config_diff(live_config(live), candidate_config(candidate), &changes);
    if (changes.count + changes.more == 0 && !worth_serving(live, candidate)) {
        result = LIVE_SAME;
        live_say(live, same_severity, "Reloaded: nothing has changed");
    } else if (!needs_restart(live, candidate_config(candidate), &changes)) {
        say_settled(live, candidate->base->config);
        if (candidate_serve(live, candidate, workers)) {
            result = LIVE_REPLACED;
            announce(live, "Reloaded", &changes, clock_monotonic_ns() - start_ns);
        } else {
            live_say(live, LOG_ERROR, "Not reloaded: %s; the earlier configuration is served on",
                     live->why);
        }
    }
    config_changes_deinit(&changes);
    return result;
}

/* True, and `next` is kept, when there is something to wait for. */
static bool must_wait(struct live *live, struct config *next)
{
    live->awaited = next;
    live_follow_names(live);
    if (!resolver_settled(live->resolver)) {
        live_say(live, LOG_INFO, "The reload waits for names that are new to be resolved");
        return true;
    }
    live->awaited = NULL;
    return false;
}

/* The file is read once more; the resolver goes on looking for its names meanwhile. */
static struct config *read_next(struct live *live)
{
    config_destroy(live->awaited);
    live->awaited = NULL;
    struct config *next = read_again(live);
    if (!next)
        live_follow_names(live);
    return next;
}

enum live_reload live_reload(struct live *live, const struct live_workers *workers,
                             enum log_severity same_severity, bool patient)
{
    u64 start_ns = clock_monotonic_ns();
    struct config *next = read_next(live);
    if (!next)
        return LIVE_REFUSED;
    if (patient && must_wait(live, next))
        return LIVE_WAITING;
    struct candidate candidate = {.base = live_base_create(next, next)};
    if (!candidate.base) {
        config_destroy(next);
        live_say(live, LOG_ERROR, "Not reloaded: no memory for another configuration");
        return LIVE_REFUSED;
    }
    enum live_reload result = reload_with(live, &candidate, workers, same_severity, start_ns);
    if (result != LIVE_REPLACED) {
        candidate_drop(&candidate, true);
        live_follow_names(live);
    }
    return result;
}

enum live_reload live_refresh(struct live *live, const struct live_workers *workers)
{
    struct config_problems problems;
    const struct generation *before = live->newest;
    live_say_withheld(live, live_config(live));
    struct config *expanded = live_expand(live, live_config(live));
    bool same = !expanded || live_same_endpoints(before->expanded, expanded);
    config_destroy(expanded);
    if (same)
        return LIVE_SAME;
    struct candidate candidate = {.base = before->base};
    config_overlay_copy(&candidate.overlay, &live->overlay);
    if (candidate_derive(&candidate, &problems) && candidate_serve(live, &candidate, workers)) {
        live_say_moves(live, before->expanded, live->newest->expanded);
    } else {
        live_say(live, LOG_ERROR, "Names lead elsewhere, which is not followed yet: %s", live->why);
        candidate_drop(&candidate, false);
    }
    config_problems_deinit(&problems);
    return live->newest != before ? LIVE_REPLACED : LIVE_REFUSED;
}

/* ---- Changing ---- */

static enum config_overlay_verdict candidate_change(struct live *live, struct candidate *candidate,
                                                    const struct live_change *change,
                                                    struct config_problems *problems)
{
    const struct config *served = live_config(live);
    enum config_overlay_verdict verdict =
        change->removed.len > 0
            ? config_overlay_remove(&candidate->overlay, served, change->removed, problems)
            : config_overlay_add(&candidate->overlay, served, change->added, problems);
    if (verdict != CONFIG_OVERLAY_GOOD)
        return verdict;
    config_problems_deinit(problems);
    return candidate_derive(candidate, problems) ? CONFIG_OVERLAY_GOOD : CONFIG_OVERLAY_WRONG;
}

enum config_overlay_verdict live_change(struct live *live, const struct live_workers *workers,
                                        const struct live_change *change,
                                        struct config_problems *problems)
{
    u64 start_ns = clock_monotonic_ns();
    struct candidate candidate = {.base = live->newest->base};
    struct config_changes changes;
    config_overlay_copy(&candidate.overlay, &live->overlay);
    enum config_overlay_verdict verdict = candidate_change(live, &candidate, change, problems);
    if (verdict != CONFIG_OVERLAY_GOOD) {
        candidate_drop(&candidate, false);
        return verdict;
    }
    config_diff(live_config(live), candidate_config(&candidate), &changes);
    if (candidate_serve(live, &candidate, workers)) {
        announce(live, "Changed", &changes, clock_monotonic_ns() - start_ns);
    } else {
        candidate_drop(&candidate, false);
        config_problems_replace(problems, live->why);
        verdict = CONFIG_OVERLAY_FULL;
    }
    config_changes_deinit(&changes);
    return verdict;
}

struct config *live_restore(struct live *live, const struct config *config,
                            const struct config_kept *kept)
{
    struct base base = {.config = config};
    struct candidate candidate = {.base = &base};
    config_overlay_init(&candidate.overlay);
    config_overlay_restore(&candidate.overlay, kept, config,
                           (struct config_overlay_listener){say_given_up, live});
    candidate_reconcile(live, &candidate);
    config_overlay_deinit(&live->overlay);
    live->overlay = candidate.overlay;
    return candidate.derived;
}
