/*
 * A log's file on disk: opened by its pattern's name for the hour, noticed when it is gone, old
 * ones deleted. Plain system calls, each short; the records themselves are written through the ring
 * (log_writer.c). Control thread only.
 */
#ifndef NEXTPROXY_CONTROL_LOG_FILE_H
#define NEXTPROXY_CONTROL_LOG_FILE_H

#include <limits.h>
#include <sys/types.h>

#include "config.h"

struct log_file_target {
    struct config_log_file config; /* its slices must outlive this */
    int fd;                        /* -1 = not open */
    dev_t device;
    ino_t inode;
    char name[NAME_MAX + 1];
    char path[PATH_MAX]; /* of the open file, or of the one that could not be opened */
};

void log_file_init(struct log_file_target *target, const struct config_log_file *config);

/* Opens the file for this time to append to it, creating it (mode 0640) and its directory (0750).
 * Only regular files, and no symbolic link in place of one: whoever may write to the directory
 * must not be able to lead our writes elsewhere. When the file ends inside a line, because a disk
 * was full or the machine stopped, the line is ended first. 0, or an errno value. */
MUST_CHECK int log_file_open(struct log_file_target *target, u64 wall_ns);
/* Harmless when it is not open. Nothing may be in flight. */
void log_file_close(struct log_file_target *target);

/* True when the open file is still the one that the pattern names at this time: same hour, and the
 * path still leads to it (not deleted, moved or replaced). */
MUST_CHECK bool log_file_is_current(const struct log_file_target *target, u64 wall_ns);

/* True when the open file's last line lacks its end. */
MUST_CHECK bool log_file_ends_in_line(const struct log_file_target *target);

/* What log_file_retire did. */
struct log_retirement {
    u32 deleted;
    int error; /* errno of the last file that could not be deleted; 0 = none */
    bool more; /* it stopped early so as not to hold up the thread: call again later */
};

/* Deletes what is beyond config.files_max (the open file counts) or older than config.age_days_max
 * by its modification time. Touches only regular files whose names have the pattern's shape, and
 * never the open file. With LOG_AGE_UNKNOWN for the time, none for its age. */
enum { LOG_AGE_UNKNOWN = 0 };
struct log_retirement log_file_retire(const struct log_file_target *target, u64 wall_ns);

#endif
