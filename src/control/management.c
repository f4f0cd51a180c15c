/* See management.h. */
#include "control/management.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "base/clock.h"
#include "control/history.h"

enum { END_MS = 2000 };

struct management {
    struct management_options with;
    struct admin_source source;
    struct admin *admin;
    struct history history;
    u32 report_len;
    char report[ADMIN_RELOAD_REPORT_BYTES]; /* of the last event, for who asked for a reload */
};

/* ---- What the API asks ---- */

static u64 dropped(const struct management *management, enum log_file file)
{
    struct log_buffer *const *buffers = *management->with.buffers[file];
    u64 sum = 0;
    for (u32 i = 0; buffers && i < management->with.buffer_count; i++)
        if (buffers[i])
            sum += log_buffer_dropped(buffers[i]);
    return sum;
}

static struct slice token(void *context)
{
    const struct management *management = context;
    return live_snapshot(management->with.live)->config->admin.token;
}

static void view(void *context, struct admin_view *out)
{
    const struct management *management = context;
    *out = (struct admin_view){
        .snapshot = live_snapshot(management->with.live),
        .overlay = live_overlay(management->with.live),
        .health = management->with.health,
        .workers = *management->with.started,
        .clock_steps = management->with.wall->steps,
        .clock_doubted = wall_clock_doubted(management->with.wall),
        .workers_stuck = watchdog_stuck(*management->with.watchdog),
        .departed = management->with.departed,
        .draining = *management->with.stops_asked > 0,
        .held = *management->with.held,
        .memory_bytes = management->with.pressure->memory_bytes,
        .memory_bytes_max = management->with.pressure->memory_max,
        .files_max = management->with.pressure->files_max,
        .restarts = management->with.handover->restarts,
        .supervisor = management->with.handover->supervisor,
    };
    out->event_count = history_list(&management->history, out->events);
    memcpy(out->event_counts, management->history.counts, sizeof(out->event_counts));
    resolver_figures(management->with.resolver, &out->names);
    for (u32 file = 0; file < LOG_FILE_COUNT; file++)
        out->log_dropped[file] = dropped(management, (enum log_file)file);
}

static void figures(void *context, u32 worker, struct proxy_figures *out)
{
    const struct management *management = context;
    worker_figures((*management->with.workers)[worker], out);
}

static bool reload(void *context)
{
    const struct management *management = context;
    const struct management_options *with = &management->with;
    if (*with->stops_asked > 0)
        return false;
    with->reload(with->context);
    return true;
}

static enum config_overlay_verdict add(void *context, struct slice json,
                                       struct config_problems *problems)
{
    const struct management *management = context;
    return management->with.add(management->with.context, json, problems);
}

static enum config_overlay_verdict remove_backend(void *context, struct slice id,
                                                  struct config_problems *problems)
{
    const struct management *management = context;
    return management->with.remove(management->with.context, id, problems);
}

static void mark(void *context, u32 backend, u32 marks)
{
    const struct management *management = context;
    management->with.mark(management->with.context, backend, marks);
}

void management_event_begins(struct management *management, enum admin_event_kind kind)
{
    history_begin(&management->history, kind);
    management->report_len = 0;
}

void management_event_ends(struct management *management, enum admin_event_result result)
{
    history_end(&management->history, result, live_snapshot(management->with.live)->version);
}

void management_reload_over(struct management *management, enum admin_reload verdict)
{
    u32 len = verdict == ADMIN_RELOAD_STOPPING ? 0 : management->report_len;
    admin_reload_over(management->admin, verdict, slice_of(management->report, len));
}

void management_hear(struct management *management, const char *message)
{
    usize len = strlen(message);
    history_say(&management->history, message);
    if (!management->history.open || sizeof(management->report) - management->report_len < len + 1)
        return; /* the log has the rest */
    memcpy(management->report + management->report_len, message, len);
    management->report[management->report_len + len] = '\n';
    management->report_len += (u32)len + 1;
}

/* ---- Beginning and end ---- */

static bool serve(struct management *management)
{
    management->source = (struct admin_source){
        .token = token,
        .view = view,
        .figures = figures,
        .reload = reload,
        .add = add,
        .remove = remove_backend,
        .mark = mark,
        .context = management,
    };
    struct admin_options options = {
        .ring = management->with.ring,
        .wheel = management->with.wheel,
        .source = &management->source,
        .listen_count = management->with.listen_count,
    };
    memcpy(options.listen_fds, management->with.listen_fds, sizeof(options.listen_fds));
    management->admin = admin_create(&options);
    return management->admin != NULL;
}

struct management *management_create(const struct management_options *options, char *why,
                                     usize why_bytes)
{
    struct management *management = calloc(1, sizeof(*management));
    if (!management) {
        (void)snprintf(why, why_bytes, "no memory for the management API");
        return NULL;
    }
    management->with = *options;
    if (serve(management))
        return management;
    (void)snprintf(why, why_bytes, "no memory for the management API");
    free(management);
    return NULL;
}

void management_retire(struct management *management)
{
    admin_retire(management->admin);
}

void management_destroy(struct management *management)
{
    struct ring *ring = management->with.ring;
    u64 give_up_ns = clock_monotonic_ns() + END_MS * NS_PER_MS;
    admin_stop(management->admin);
    admin_after_turn(management->admin);
    while (!admin_quiet(management->admin)) {
        if (ring_turn(ring, give_up_ns) >= give_up_ns)
            return; /* the kernel still has some of the memory: it must stay */
        admin_after_turn(management->admin);
    }
    admin_destroy(management->admin);
    free(management);
}

void management_after_turn(struct management *management)
{
    admin_after_turn(management->admin);
}

void management_name(const struct management *management, u32 listener,
                     char out[MANAGEMENT_NAME_BYTES])
{
    const struct address *address = &management->with.config->admin.listeners[listener].address;
    struct address bound = {.len = sizeof(bound.local)};
    char text[ADDRESS_TEXT_BYTES];
    bool is_unix = address->any.sa_family == AF_UNIX;
    if (!is_unix && /* its port may be the kernel's choice */
        getsockname(management->with.listen_fds[listener], &bound.any, &bound.len) == 0)
        address = &bound;
    address_format(address, text);
    (void)snprintf(out, MANAGEMENT_NAME_BYTES, "%s%s", is_unix ? "" : "http://", text);
}
