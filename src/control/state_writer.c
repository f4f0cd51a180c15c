/* See state_writer.h. */
#include "control/state_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False with errno. */
static bool write_all(int fd, const char *text, usize bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, text, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        bytes -= (usize)written;
    }
    return true;
}

/* A rename is safe on the disk only when its directory is. */
static bool sync_directory(const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", path); /* dirname() writes to it */
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return synced;
}

/* The step that failed, with errno; NULL when all is well. */
static const char *replace(const char *path, const char *text, usize bytes)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return "open";
    }
    (void)unlink(temporary); /* what an earlier process has left, or a link to somewhere else */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return "open";
    const char *step = NULL;
    if (!write_all(fd, text, bytes))
        step = "write";
    else if (fsync(fd) != 0)
        step = "sync";
    int error = errno;
    if (close(fd) != 0 && !step) {
        step = "close";
        error = errno;
    }
    errno = error;
    if (!step && rename(temporary, path) != 0)
        step = "rename";
    if (!step)
        return sync_directory(path) ? NULL : "sync the directory of";
    error = errno;
    (void)unlink(temporary);
    errno = error;
    return step;
}

static void *run(void *argument)
{
    struct state_writer *writer = argument;
    writer->step = replace(writer->path, writer->text, writer->bytes);
    writer->error = errno;
    atomic_store(&writer->done, true);
    ring_wake(writer->ring);
    return NULL;
}

void state_writer_begin(struct state_writer *writer, char *text, usize bytes)
{
    ASSERT(!writer->text);
    writer->text = text;
    writer->bytes = bytes;
    atomic_store(&writer->done, false);
    if (pthread_create(&writer->thread, NULL, run, writer) == 0)
        return;
    writer->thread = pthread_self();
    (void)run(writer);
}

void state_writer_wait(struct state_writer *writer)
{
    if (!writer->text)
        return;
    if (!pthread_equal(writer->thread, pthread_self()))
        (void)pthread_join(writer->thread, NULL);
    free(writer->text);
    writer->text = NULL;
}

bool state_writer_ended(struct state_writer *writer)
{
    if (!writer->text || !atomic_load(&writer->done))
        return false;
    state_writer_wait(writer);
    return true;
}
