/* Reading a command line: what main and remote, who have options of their own, do alike. */
#ifndef NEXTPROXY_WORDS_H
#define NEXTPROXY_WORDS_H

#include "base/types.h"

/* What goes with a command. Each may be given once. */
struct word_option {
    const char *name;
    const char *value; /* what must follow; NULL = nothing does */
};

/* The index of the option that `word` is, or is before "=": *value is what stands behind that, or
 * NULL. `count` when it is none. */
u32 words_find_option(const struct word_option *options, u32 count, const char *word,
                      const char **value);
/* The word behind words[*at] as a value, *at being moved there; NULL when there is none: a word of
 * ours is no value, `--config --check` has forgotten the file. */
const char *words_take_value(int count, char **words, int *at);
/* False, which is said, when the option is given twice, or lacks its value or has one too many. */
bool words_check_option(const struct word_option *option, bool given, const char *value);
/* Says on stderr what is wrong with the command line, and where to read. Returns false. */
PRINTF_LIKE(1, 2) bool words_refuse(const char *format, ...);

#endif
