/* What became of the last reloads and changes, for /status. */
#ifndef NEXTPROXY_CONTROL_HISTORY_H
#define NEXTPROXY_CONTROL_HISTORY_H

#include "admin.h"

enum { HISTORY_REPORT_BYTES = 2048 };

struct history_entry {
    u64 wall_ns;
    u64 version; /* what is served since */
    enum admin_event_kind kind;
    enum admin_event_result result;
    u32 report_len;
    bool cut; /* there was more to say */
    char report[HISTORY_REPORT_BYTES];
};

struct history {
    struct history_entry at[ADMIN_EVENTS_MAX]; /* a ring */
    u64 ended;                                 /* entries so far */
    u64 counts[ADMIN_EVENT_KINDS][ADMIN_EVENT_RESULTS];
    bool open;
};

/* What is said from now on belongs to this event, until it ends. */
void history_begin(struct history *history, enum admin_event_kind kind);
/* One line. What is said outside of an event is not kept. */
void history_say(struct history *history, const char *line);
void history_end(struct history *history, enum admin_event_result result, u64 version);
/* The newest first; reports stay in the history, until its next event. Returns how many. */
u32 history_list(const struct history *history, struct admin_event out[ADMIN_EVENTS_MAX]);

#endif
