/* See history.h. */
#include "control/history.h"

#include "base/clock.h"

static struct history_entry *current(struct history *history)
{
    return &history->at[history->ended % ADMIN_EVENTS_MAX];
}

void history_begin(struct history *history, enum admin_event_kind kind)
{
    struct history_entry *entry = current(history);
    entry->wall_ns = clock_wall_ns();
    entry->kind = kind;
    entry->report_len = 0;
    entry->cut = false;
    history->open = true;
}

void history_say(struct history *history, const char *line)
{
    struct history_entry *entry = current(history);
    usize len = strlen(line);
    if (!history->open)
        return;
    entry->cut = entry->cut || entry->report_len + len + 1 > sizeof(entry->report);
    if (entry->cut)
        return;
    memcpy(entry->report + entry->report_len, line, len);
    entry->report[entry->report_len + len] = '\n';
    entry->report_len += (u32)len + 1;
}

void history_end(struct history *history, enum admin_event_result result, u64 version)
{
    struct history_entry *entry = current(history);
    entry->result = result;
    entry->version = version;
    history->counts[entry->kind][result]++;
    history->ended++;
    history->open = false;
}

u32 history_list(const struct history *history, struct admin_event out[ADMIN_EVENTS_MAX])
{
    /* The place of the oldest is that of an event which is under way. */
    u32 room = ADMIN_EVENTS_MAX - (history->open ? 1 : 0);
    u32 count = (u32)min_u64(history->ended, room);
    for (u32 i = 0; i < count; i++) {
        const struct history_entry *entry =
            &history->at[(history->ended - 1 - i) % ADMIN_EVENTS_MAX];
        out[i] = (struct admin_event){
            .wall_ns = entry->wall_ns,
            .version = entry->version,
            .kind = entry->kind,
            .result = entry->result,
            .report = slice_of(entry->report, entry->report_len),
            .cut = entry->cut,
        };
    }
    return count;
}
