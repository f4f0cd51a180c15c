/* From JSON to settings: a walk over the document that is guided by the rows. */
#ifndef NEXTPROXY_CONFIG_READ_H
#define NEXTPROXY_CONFIG_READ_H

#include <jansson.h>

#include "config/place.h"

enum { NOTES_MAX = 8 };

/* Settings that are in use but have no effect yet, one per row. */
struct notes {
    struct note {
        const struct setting *row;
        const char *place;
        const char *path;
        u32 count;
    } at[NOTES_MAX];
    u32 count;
};

struct reader {
    struct arena *arena; /* for what outlives reading: the configuration's */
    const struct source *source;
    struct config_problems *problems;
    struct notes *notes;
};

/* Fills `settings` (zeroed); what is absent or wrong gets its fallback, so that later checks can
 * go on. Every wrong value adds a problem. */
void settings_read(struct reader *reader, json_t *root, struct settings *settings);
/* The same for one object of this table. */
void table_read(struct reader *reader, const struct settings_table *table, json_t *root,
                void *target);

/* True when further problems are not kept. What only serves a message may then be left undone:
 * a large file can have millions of them. */
MUST_CHECK bool reader_full(const struct reader *reader);
/* Adds a problem with the value at this path. */
void reader_complain(struct reader *reader, const struct path *path, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* True when there is a problem at this path or below: what stands there instead is a fallback, and
 * nothing may be concluded from it. */
MUST_CHECK bool reader_complained(const struct reader *reader, const struct path *path);

#endif
