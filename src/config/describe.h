/* Rows in words, for messages and for the reference. */
#ifndef NEXTPROXY_CONFIG_DESCRIBE_H
#define NEXTPROXY_CONFIG_DESCRIBE_H

#include "config/settings.h"

/* What may stand there: "a whole number of milliseconds from 100 to 86400000". */
const char *setting_allowed(const struct setting *row, struct arena *arena);

#endif
