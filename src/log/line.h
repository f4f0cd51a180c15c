/*
 * One JSON line being written, front to back, into memory that is known to be large enough.
 *
 * Nothing here checks for room: every value has a limit (LINE_*_MAX, in bytes as written), their
 * sum and everything fixed stay below LOG_LINE_BYTES_MAX, which access.c and event.c assert at
 * compile time. That leaves the writer without a branch per byte.
 */
#ifndef NEXTPROXY_LOG_LINE_H
#define NEXTPROXY_LOG_LINE_H

#include "log.h"

enum {
    LINE_FIXED_MAX = 1024, /* keys, punctuation, numbers; and what escaping stores ahead */
    LINE_TOKEN_MAX = 128,
    LINE_IP_MAX = 64,
    LINE_ID_MAX = 512,
    LINE_HOST_MAX = 1024,
};

struct line {
    char *at;
    bool cut; /* some value was longer than its limit */
};

/* Writes `value` escaped for a JSON string, at most `out_max` bytes and never half a character,
 * and returns the bytes written. Up to 7 bytes behind them may be overwritten. */
usize log_escape(char *out, usize out_max, struct slice value, bool *cut);

/* Decimal digits; returns the end. */
char *log_decimal(char *out, u64 value);

/* Inlined, so that a literal becomes a few stores. */
static inline void line_put(struct line *line, struct slice text)
{
    memcpy(line->at, text.data, text.len);
    line->at += text.len;
}

/* `key` brings its punctuation: `,"path":`. */
static inline void line_number(struct line *line, struct slice key, u64 value)
{
    line_put(line, key);
    line->at = log_decimal(line->at, value);
}

static inline void line_string(struct line *line, struct slice key, struct slice value,
                               usize value_max)
{
    line_put(line, key);
    *line->at++ = '"';
    line->at += log_escape(line->at, value_max, value, &line->cut);
    *line->at++ = '"';
}

/* Ends the line. */
static inline usize line_finish(struct line *line, const char *start)
{
    if (line->cut)
        line_put(line, SLICE(",\"cut\":true"));
    line_put(line, SLICE("}\n"));
    return (usize)(line->at - start);
}

#endif
