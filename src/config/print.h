/* From what the rows have filled to JSON. */
#ifndef NEXTPROXY_CONFIG_PRINT_H
#define NEXTPROXY_CONFIG_PRINT_H

#include <jansson.h>

#include "config/settings.h"

/* An object of this table, all defaults filled in. The caller drops the reference. */
json_t *table_print(const struct settings_table *table, const char *source);

#endif
