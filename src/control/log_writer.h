/*
 * The log writer: takes what the workers and control have put into their log buffers and appends it
 * to the log files through control's ring, straight from the buffers' memory.
 *
 * Control calls log_writer_tick after every ring_turn and does not wait beyond
 * log_writer_deadline_ns. Nothing that goes wrong with a file ever reaches the traffic: records
 * then stay in their buffer until it is full, further ones are dropped by their worker and counted
 * here, and stderr gets one line a minute and file about it.
 */
#ifndef NEXTPROXY_CONTROL_LOG_WRITER_H
#define NEXTPROXY_CONTROL_LOG_WRITER_H

#include "config.h"
#include "ring.h"

struct log_writer;

struct log_writer_options {
    const struct config_logging *logging; /* its strings must outlive the writer */
    struct ring *ring;                    /* control's */
    int report_fd;                        /* where losses are reported: STDERR_FILENO */
};

/* Has nothing to write from before log_writer_add(). */
struct log_writer *log_writer_create(const struct log_writer_options *options);
/* One more buffer whose records go to this file: it wakes the ring when it fills. Who writes to it
 * has not started yet. It outlives the log writer; there may be one for each of STATE_WORKERS_MAX
 * workers and one besides. */
void log_writer_add(struct log_writer *writer, enum log_file file, struct log_buffer *buffer);
/* Closes the files. Only when log_writer_is_quiet. */
void log_writer_destroy(struct log_writer *writer);
/* True when the kernel holds no write of ours. */
bool log_writer_is_quiet(const struct log_writer *writer);

/* Starts writing what is due. Cheap when nothing is. Never waits for a write. */
void log_writer_tick(struct log_writer *writer, u64 now_ns, u64 wall_ns);
/* Whether files may be younger than the wall clock says: then none is deleted for its age. */
void log_writer_doubt(struct log_writer *writer, bool doubt);
/* When tick must be called at the latest (CLOCK_MONOTONIC). */
u64 log_writer_deadline_ns(const struct log_writer *writer);

/* At stop, when nobody writes to the buffers any more: writes everything out, turning the ring
 * until it is done, every file that still has something fails, or deadline_ns. What is left is
 * counted and reported as lost. True when nothing was lost here. When log_writer_is_quiet is false
 * afterwards (a dead network disk), leave the writer and the buffers as they are and end the
 * process. */
bool log_writer_flush(struct log_writer *writer, u64 deadline_ns);

struct log_writer_stats {
    u64 bytes;        /* written */
    u64 records_lost; /* dropped by the workers, or lost with their file */
    u64 writes;
    u64 failures; /* opens and writes that failed */
};
void log_writer_stats(const struct log_writer *writer, enum log_file file,
                      struct log_writer_stats *out);

#endif
