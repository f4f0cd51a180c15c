/* See watch.h. */
#include "control/watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    SETTLE_MS = 200, /* a deployment is rarely one event */
    SETTLE_MAX_MS = 1000,
    LOOK_MS = 2000,
    TIMER_MS = 10,
};

/* What tells one version of a file from the next. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified;
    struct timespec changed;
};

struct watch {
    struct ring *ring;
    struct ring_op op;
    const char *file;
    struct watch_listener listener;
    struct identity loaded;
    struct identity seen; /* when it was last looked at without an event */
    u64 first_event_ns;   /* 0 = none is waiting */
    u64 due_ns;
    u64 look_ns;
    int fd;
    int target; /* the watched directory of what the file leads to; -1 = it has none of its own */
};

/* False when there is no such file now. */
static bool identify(const char *file, struct identity *identity)
{
    struct stat status;
    memset(identity, 0, sizeof(*identity));
    if (stat(file, &status) != 0)
        return false;
    identity->device = status.st_dev;
    identity->inode = status.st_ino;
    identity->bytes = status.st_size;
    identity->modified = status.st_mtim;
    identity->changed = status.st_ctim;
    return true;
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Returns the watch, or -1. The same directory twice is one watch. */
static int watch_directory_of(const struct watch *watch, const char *file)
{
    char path[PATH_MAX];
    usize bytes = strlen(file) + 1;
    if (bytes > sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path, file, bytes); /* dirname() writes to it */
    return inotify_add_watch(watch->fd, dirname(path),
                             IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
}

/* A link may lead elsewhere after each change. */
static void watch_target(struct watch *watch)
{
    char path[PATH_MAX];
    int target = realpath(watch->file, path) ? watch_directory_of(watch, path) : -1;
    int own = watch_directory_of(watch, watch->file);
    if (watch->target >= 0 && watch->target != target && watch->target != own)
        (void)inotify_rm_watch(watch->fd, watch->target);
    watch->target = target == own ? -1 : target;
}

static void note_event(struct watch *watch)
{
    u64 now_ns = ring_now_ns(watch->ring);
    if (watch->first_event_ns == 0)
        watch->first_event_ns = now_ns;
    watch->due_ns =
        min_u64(now_ns + SETTLE_MS * NS_PER_MS, watch->first_event_ns + SETTLE_MAX_MS * NS_PER_MS);
}

static void on_readable(struct ring_op *op, struct ring_done done)
{
    struct watch *watch = container_of(op, struct watch, op);
    /* What happened does not matter: that something did is a reason to look. */
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    if (done.status != RING_OK)
        return;
    while (read(watch->fd, events, sizeof(events)) > 0)
        note_event(watch);
    ring_poll_readable(watch->ring, op, watch->fd);
}

static const struct ring_op_class watch_class = {"watch", on_readable};

/* The times of files are those of the last timer interrupt: a bit in the past. */
static bool changed_since(const struct identity *identity, u64 wall_ns)
{
    u64 changed_ns = (u64)identity->changed.tv_sec * NS_PER_S + (u64)identity->changed.tv_nsec;
    return changed_ns + TIMER_MS * NS_PER_MS >= wall_ns;
}

struct watch *watch_create(struct ring *ring, const char *file, struct watch_listener listener,
                           u64 read_wall_ns)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    *watch = (struct watch){
        .ring = ring,
        .file = file,
        .listener = listener,
        .due_ns = UINT64_MAX,
        .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
        .target = -1,
    };
    if (watch->fd < 0 || watch_directory_of(watch, file) < 0) {
        watch_destroy(watch);
        return NULL;
    }
    watch->look_ns = ring_now_ns(ring) + LOOK_MS * NS_PER_MS;
    watch_loaded(watch);
    if (changed_since(&watch->loaded, read_wall_ns)) {
        memset(&watch->loaded, 0, sizeof(watch->loaded));
        watch->due_ns = ring_now_ns(ring);
    }
    ring_op_init(&watch->op, &watch_class);
    ring_poll_readable(ring, &watch->op, watch->fd);
    return watch;
}

void watch_destroy(struct watch *watch)
{
    int error = errno; /* of a watch_create() that failed */
    if (watch->fd >= 0)
        (void)close(watch->fd);
    free(watch);
    errno = error;
}

void watch_loaded(struct watch *watch)
{
    (void)identify(watch->file, &watch->loaded);
    watch_target(watch);
}

u64 watch_deadline_ns(const struct watch *watch)
{
    return min_u64(watch->due_ns, watch->look_ns);
}

/* Events come from two directories. When one of these is replaced, a link above them leads
 * elsewhere, or the file system is a remote one, there is none. Whoever writes slowly is given
 * time: what is found has to be the same the next time. */
static void look(struct watch *watch, u64 now_ns)
{
    struct identity now;
    if (now_ns < watch->look_ns)
        return;
    watch->look_ns = now_ns + LOOK_MS * NS_PER_MS;
    watch_target(watch);
    bool there = identify(watch->file, &now);
    if (there && same(&now, &watch->seen) && !same(&now, &watch->loaded) &&
        watch->first_event_ns == 0)
        watch->due_ns = now_ns;
    watch->seen = now;
}

void watch_tick(struct watch *watch, u64 now_ns)
{
    struct identity now;
    look(watch, now_ns);
    if (now_ns < watch->due_ns)
        return;
    watch->due_ns = UINT64_MAX;
    watch->first_event_ns = 0;
    /* A file that is gone is about to come back: there will be an event. */
    if (identify(watch->file, &now) && !same(&now, &watch->loaded))
        watch->listener.on_change(watch->listener.context);
}
