/* See live.h. The generations form a list, the newest first; a generation ends when all workers
 * have adopted a later one and no exchange is left that began with it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/live_internal.h"

enum { LINE_BYTES_MAX = 1024 };

void live_say(struct live *live, enum log_severity severity, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    live->listener.say(live->listener.context, severity, line);
}

/* ---- Generations ---- */

struct base *live_base_create(const struct config *config, struct config *owned)
{
    struct base *base = calloc(1, sizeof(*base));
    if (base)
        *base = (struct base){.config = config, .owned = owned};
    return base;
}

void live_base_leave(struct base *base)
{
    if (base->users > 0)
        base->users--;
    if (base->users > 0)
        return;
    config_destroy(base->owned);
    free(base);
}

const struct config *live_config(const struct live *live)
{
    const struct generation *newest = live->newest;
    return newest->derived ? newest->derived : newest->base->config;
}

/* Nothing can go wrong any more. */
static void begin(struct live *live, struct snapshot *snapshot)
{
    u64 now_ns = clock_monotonic_ns();
    snapshot_begin(snapshot);
    for (const struct generation *it = live->newest; it; it = it->older)
        snapshot_supersede(snapshot, it->snapshot, now_ns);
    if (live->newest)
        live_inherit_marks(live->newest->snapshot, snapshot);
}

bool live_begin(struct live *live, struct base *base, struct config *derived)
{
    u64 version = live->newest ? live->newest->snapshot->version + 1 : 1;
    const struct config *config = derived ? derived : base->config;
    struct config *expanded = live_expand(live, config);
    struct generation *generation = calloc(1, sizeof(*generation));
    struct live_listener *listener = &live->listener;
    struct snapshot *snapshot =
        generation ? snapshot_create(expanded ? expanded : config, live->state,
                                     listener->places(listener->context, config), version,
                                     live->newest ? live->newest->snapshot : NULL)
                   : NULL;
    (void)snprintf(live->why, sizeof(live->why), "no memory for another configuration");
    if (snapshot && !listener->furnish(listener->context, snapshot, live->why, sizeof(live->why))) {
        snapshot_destroy(snapshot);
        snapshot = NULL;
    }
    if (!snapshot) {
        config_destroy(expanded);
        free(generation);
        return false;
    }
    begin(live, snapshot);
    *generation = (struct generation){.older = live->newest,
                                      .snapshot = snapshot,
                                      .derived = derived,
                                      .expanded = expanded,
                                      .base = base};
    base->users++;
    live->newest = generation;
    live_say_withheld(live, config);
    return true;
}

static void end_generation(struct generation *generation)
{
    snapshot_destroy(generation->snapshot);
    config_destroy(generation->expanded);
    config_destroy(generation->derived);
    live_base_leave(generation->base);
    free(generation);
}

static bool begin_first(struct live *live, struct base *base, const struct live_options *options)
{
    struct config *derived = options->kept ? live_restore(live, base->config, options->kept) : NULL;
    const struct config *config = derived ? derived : base->config;
    if (options->sticky_key)
        state_set_sticky_key(live->state, options->sticky_key);
    resolver_follow(live->resolver, &config, 1);
    live->listener.await(live->listener.context);
    if (live_begin(live, base, derived))
        return true;
    config_destroy(derived);
    return false;
}

struct live *live_create(const struct live_options *options)
{
    struct live *live = calloc(1, sizeof(*live));
    struct base *base = live_base_create(options->first, NULL);
    if (live) {
        *live = (struct live){.first = options->first,
                              .listener = options->listener,
                              .resolver = options->resolver,
                              .state = state_create()};
        config_overlay_init(&live->overlay);
        if (base && live->state && begin_first(live, base, options))
            return live;
        live_destroy(live);
    }
    free(base);
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
    config_destroy(live->awaited);
    config_overlay_deinit(&live->overlay);
    free(live);
}

struct snapshot *live_snapshot(const struct live *live)
{
    return live->newest->snapshot;
}

const struct config *live_base_config(const struct live *live)
{
    return live->newest->base->config;
}

static bool in_use(const struct snapshot *snapshot, const struct live_workers *workers)
{
    for (u32 i = 0; i < workers->count; i++)
        if (worker_version(workers->at[i]) <= snapshot->version)
            return true;
    return snapshot_pinned(snapshot);
}

u32 live_retire(struct live *live, const struct live_workers *workers)
{
    u32 used = 0;
    struct generation **link = &live->newest->older;
    while (*link) {
        struct generation *generation = *link;
        if (in_use(generation->snapshot, workers)) {
            used++;
            link = &generation->older;
        } else {
            *link = generation->older;
            end_generation(generation);
        }
    }
    return used;
}

const struct config_overlay *live_overlay(const struct live *live)
{
    return &live->overlay;
}
