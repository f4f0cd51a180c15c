/* What the management API changes while the proxy runs. */
#include <stdio.h>

#include "control/control_internal.h"

static enum config_overlay_verdict change(struct control *control, const struct live_change *wanted,
                                          struct config_problems *problems)
{
    const struct live_workers workers = {control->workers, control->started};
    management_event_begins(control->management, ADMIN_EVENT_CHANGE);
    enum config_overlay_verdict verdict = live_change(control->live, &workers, wanted, problems);
    bool good = verdict == CONFIG_OVERLAY_GOOD;
    if (good) {
        health_follow(control->health, live_snapshot(control->live));
        state_file_touch(control->state_file);
    }
    for (u32 i = 0; i < problems->count; i++)
        management_hear(control->management, problems->at[i].text);
    if (verdict == CONFIG_OVERLAY_FULL) /* that is not who asked's fault */
        control_note(control, LOG_ERROR, "reload", problems->at[0].text);
    management_event_ends(control->management, good ? ADMIN_EVENT_DONE : ADMIN_EVENT_REFUSED);
    return verdict;
}

/* What an earlier backend of this id and URL was marked with is not about the one that comes. */
static void clear_marks(struct control *control, struct slice id)
{
    const struct snapshot *snapshot = live_snapshot(control->live);
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (slice_equal(snapshot->config->backends[i].id, id))
            control_mark_backend(control, i, 0);
}

enum config_overlay_verdict control_add_backend(void *context, struct slice json,
                                                struct config_problems *problems)
{
    struct control *control = context;
    enum config_overlay_verdict verdict =
        change(control, &(struct live_change){.added = json}, problems);
    const struct config_overlay *overlay = live_overlay(control->live);
    if (verdict == CONFIG_OVERLAY_GOOD)
        clear_marks(control, overlay->added[overlay->added_count - 1].id);
    return verdict;
}

enum config_overlay_verdict control_remove_backend(void *context, struct slice id,
                                                   struct config_problems *problems)
{
    return change(context, &(struct live_change){.removed = id}, problems);
}

/* False when it has these marks already. */
static bool mark_slot(struct state *state, u32 slot, u32 marks)
{
    static const enum state_mark each[] = {STATE_DRAINING, STATE_MAINTENANCE};
    u32 before = state_backend_marks(state, slot) & STATE_MANUAL;
    for (u32 i = 0; i < ARRAY_COUNT(each); i++)
        if ((before ^ marks) & each[i])
            state_backend_mark(state, slot, each[i], marks & each[i]);
    return before != marks;
}

/* All addresses of a name: they are one backend to the operator. */
void control_mark_backend(void *context, u32 backend, u32 marks)
{
    struct control *control = context;
    const struct snapshot *snapshot = live_snapshot(control->live);
    const struct config_backend *config = &snapshot->config->backends[backend];
    bool changed = false;
    for (u32 i = 0; i < snapshot->config->backend_count; i++)
        if (slice_equal(snapshot->config->backends[i].id, config->id))
            changed |= mark_slot(snapshot->state, snapshot->backend_slots[i], marks);
    if (!changed)
        return;
    state_file_touch(control->state_file);
    const char *now = marks == 0 ? "ready" : state_mark_name((enum state_mark)marks);
    char line[128];
    (void)snprintf(line, sizeof(line), "The operator has set the backend to: %s", now);
    control_log(control, &(struct log_event){
                             .severity = LOG_INFO,
                             .type = SLICE("backend_mark"),
                             .backend_id = config->id,
                             .url = config->url,
                             .message = slice_of_string(line),
                         });
}
