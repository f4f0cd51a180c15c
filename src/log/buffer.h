/* The writer's side of a log buffer, for the record formats. */
#ifndef NEXTPROXY_LOG_BUFFER_H
#define NEXTPROXY_LOG_BUFFER_H

#include "log.h"

/* Room for one line of LOG_LINE_BYTES_MAX, in one piece; NULL when there is none: the record is
 * then counted as dropped. */
char *log_buffer_reserve(struct log_buffer *buffer);
/* Publishes the line of `bytes` that was written into the reserved room. */
void log_buffer_commit(struct log_buffer *buffer, usize bytes);
/* The writer's clock. */
struct log_clock *log_buffer_clock(struct log_buffer *buffer);

#endif
