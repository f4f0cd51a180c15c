/* How an engine ended, in words. */
#ifndef NEXTPROXY_SUPERVISOR_REPORT_H
#define NEXTPROXY_SUPERVISOR_REPORT_H

#include "base/types.h"

/* One sentence without its full stop: "The engine (process 12) was ended by SIGSEGV after 3.214 s".
 * `status` is as from waitpid(2). */
void report_write(char *out, usize bytes, i32 pid, int status, u64 ran_ms);
/* The exit status for a shell: of one that was ended by a signal 128 and its number. */
int report_exit_status(int status);

#endif
