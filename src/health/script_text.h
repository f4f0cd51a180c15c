/* The first line of what a script wrote, as it comes: printable, and no longer than a result has
 * room for. Pure. */
#ifndef NEXTPROXY_HEALTH_SCRIPT_TEXT_H
#define NEXTPROXY_HEALTH_SCRIPT_TEXT_H

#include "health/probe.h"

/* Zeroed is the beginning. */
struct script_text {
    char at[PROBE_TEXT_BYTES - 1];
    u8 len;
    bool whole; /* its line has ended, or is longer than there is room for */
};

/* Empty lines before the first one that says something are left out. */
void script_text_add(struct script_text *text, struct slice bytes);
/* Without the white space at its end, with NUL. */
void script_text_copy(const struct script_text *text, char out[PROBE_TEXT_BYTES]);
/* The first line of bytes that are all there. */
void script_text_line(struct slice bytes, char out[PROBE_TEXT_BYTES]);

#endif
