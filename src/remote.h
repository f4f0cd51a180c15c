/* remote: the commands that ask or tell a proxy that runs: status, reload, backends. */
#ifndef NEXTPROXY_REMOTE_H
#define NEXTPROXY_REMOTE_H

#include <stdio.h>

#include "base/types.h"

/* Whether the command line (that of main) is one of those commands. */
bool remote_is_asked(int count, char **words);
/* Does what it says. 0 when it is done; 1 when it was refused, or nobody answers; 2 when the
 * command line or the configuration will not do. The reason is on stderr. */
int remote_run(int count, char **words);
/* A line for each command. */
void remote_help(FILE *out);

#endif
