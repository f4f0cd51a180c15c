/* Which header fields hold secrets, as far as their names tell. */
#ifndef NEXTPROXY_CONFIG_SECRECY_H
#define NEXTPROXY_CONFIG_SECRECY_H

#include "config/settings.h"

/* True when the value of a field of this name is not to be shown to whoever may read the rest. */
bool field_is_secret(struct slice name);
/* How many such fields there are in what these rows have filled. */
u32 secret_fields_count(const struct settings_table *table, const char *source);

#endif
