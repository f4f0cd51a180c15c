/* See state_writer.h. */
#include "control/state_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

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

/* Who has given up waiting may be gone, and the ring with it. */
static void *run(void *argument)
{
    struct state_writer *writer = argument;
    const char *step = replace(writer->path, writer->text, writer->bytes);
    int error = errno;
    (void)pthread_mutex_lock(&writer->lock);
    writer->step = step;
    writer->error = error;
    writer->done = true;
    if (!writer->abandoned)
        ring_wake(writer->ring);
    (void)pthread_cond_signal(&writer->ended);
    (void)pthread_mutex_unlock(&writer->lock);
    return NULL;
}

bool state_writer_init(struct state_writer *writer, const char *path, struct ring *ring)
{
    pthread_condattr_t by_monotonic;
    *writer = (struct state_writer){.path = path, .ring = ring};
    bool good = pthread_mutex_init(&writer->lock, NULL) == 0 &&
                pthread_condattr_init(&by_monotonic) == 0 &&
                pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&writer->ended, &by_monotonic) == 0;
    return good;
}

void state_writer_begin(struct state_writer *writer, char *text, usize bytes)
{
    ASSERT(!writer->text);
    writer->text = text;
    writer->bytes = bytes;
    writer->done = false;
    if (pthread_create(&writer->thread, NULL, run, writer) == 0)
        return;
    writer->thread = pthread_self();
    (void)run(writer);
}

static void release(struct state_writer *writer)
{
    if (!pthread_equal(writer->thread, pthread_self()))
        (void)pthread_join(writer->thread, NULL);
    free(writer->text);
    writer->text = NULL;
}

bool state_writer_wait(struct state_writer *writer, u64 given_up_ns)
{
    const struct timespec until = {
        .tv_sec = (time_t)(given_up_ns / NS_PER_S),
        .tv_nsec = (long)(given_up_ns % NS_PER_S),
    };
    if (!writer->text)
        return true;
    int error = 0;
    (void)pthread_mutex_lock(&writer->lock);
    while (!writer->done && error == 0)
        error = pthread_cond_timedwait(&writer->ended, &writer->lock, &until);
    bool done = writer->done;
    writer->abandoned = !done;
    (void)pthread_mutex_unlock(&writer->lock);
    if (done)
        release(writer);
    return done;
}

bool state_writer_ended(struct state_writer *writer)
{
    if (!writer->text)
        return false;
    (void)pthread_mutex_lock(&writer->lock);
    bool done = writer->done;
    (void)pthread_mutex_unlock(&writer->lock);
    if (done)
        release(writer);
    return done;
}
