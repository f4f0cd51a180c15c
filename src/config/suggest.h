/* "Did you mean": the nearest of many names to one that was written. */
#ifndef NEXTPROXY_CONFIG_SUGGEST_H
#define NEXTPROXY_CONFIG_SUGGEST_H

#include "base/arena.h"

enum { SUGGEST_BYTES_MAX = 96 }; /* longer names are not compared */

struct suggestion {
    struct slice wanted;
    struct slice best; /* len 0: nothing is near enough */
    u32 distance;
};

void suggest_begin(struct suggestion *suggestion, struct slice wanted);
/* `candidate` must live until suggest_text. */
void suggest_consider(struct suggestion *suggestion, struct slice candidate);
/* ` (did you mean "x"?)`, or "". */
const char *suggest_text(const struct suggestion *suggestion, struct arena *arena);

#endif
