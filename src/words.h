/* Reading a command line: what main and remote, who have options of their own, do alike. */
#ifndef NEXTPROXY_WORDS_H
#define NEXTPROXY_WORDS_H

#include "base/types.h"

/* True when `word` is this option, or this option with "=" and its value behind: *value points
 * there, and is NULL otherwise. */
bool word_is_option(const char *word, const char *name, const char **value);
/* Says on stderr what is wrong with the command line, and where to read. Returns false. */
PRINTF_LIKE(1, 2) bool words_refuse(const char *format, ...);

#endif
