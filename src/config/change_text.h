/* Values and paths as a log line may show them: printable ASCII of bounded length. */
#ifndef NEXTPROXY_CONFIG_CHANGE_TEXT_H
#define NEXTPROXY_CONFIG_CHANGE_TEXT_H

#include "config/settings.h"

struct change_text {
    char bytes[CONFIG_CHANGE_PATH_BYTES_MAX];
    u32 len;
    u32 bytes_max; /* "..." included */
    bool cut;
};

/* What stands in the place of a value that may be secret. */
extern const char change_hidden[];

/* `bytes_max` is one of the CONFIG_CHANGE_ limits. */
void change_text_init(struct change_text *text, u32 bytes_max);
/* Appends; what is not printable ASCII as \xNN, so that a value can neither break a line nor look
 * like another one. */
void change_text_put(struct change_text *text, struct slice bytes);
/* A copy in the arena, with "..." when not all of it had room. */
const char *change_text_keep(const struct change_text *text, struct arena *arena);

/* The member of a row of any type but FIELDS, OBJECT and LIST. NULL when nothing is there. */
const char *change_member_keep(const struct setting *row, const char *member, struct arena *arena);
/* A string alone, of a form, which knows what may be secret. NULL for an empty one. */
const char *change_string_keep(const struct setting_form *form, struct slice value,
                               struct arena *arena);

#endif
