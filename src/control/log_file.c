/* See log_file.h. */
#include "control/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    FILE_MODE = 0640,
    DIRECTORY_MODE = 0750,
    RETIRE_MAX = 64, /* files deleted at once */
};

#define DAY_NS (86400 * NS_PER_S)

void log_file_init(struct log_file_target *target, const struct config_log_file *config)
{
    *target = (struct log_file_target){.config = *config, .fd = -1};
}

/* ---- Opening ---- */

static bool path_join(char out[PATH_MAX], struct slice directory, const char *name)
{
    int length = snprintf(out, PATH_MAX, "%.*s/%s", (int)directory.len, directory.data, name);
    return length > 0 && length < PATH_MAX;
}

/* Creates a directory and those above it. */
static int directory_create(struct slice directory)
{
    char path[PATH_MAX];
    if (!path_join(path, directory, ""))
        return ENAMETOOLONG;
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST)
            return errno;
        *slash = '/';
    }
    return 0;
}

/* O_NONBLOCK only so that a FIFO in the file's place cannot hold up the thread. */
static int file_open(const char *path)
{
    return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                FILE_MODE);
}

/* Appends the newline that a broken last line lacks. */
static int end_last_line(int fd, off_t file_bytes)
{
    char last;
    if (file_bytes == 0 || pread(fd, &last, 1, file_bytes - 1) != 1 || last == '\n')
        return 0;
    return write(fd, "\n", 1) == 1 ? 0 : errno;
}

/* Checks and prepares the file behind a fresh descriptor. */
static int file_adopt(struct log_file_target *target, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EINVAL;
    /* A ring does not wait for the disk on a descriptor that is O_NONBLOCK: it fails instead. */
    if (fcntl(fd, F_SETFL, O_APPEND) != 0)
        return errno;
    int error = end_last_line(fd, status.st_size);
    if (error == 0) {
        target->fd = fd;
        target->device = status.st_dev;
        target->inode = status.st_ino;
    }
    return error;
}

int log_file_open(struct log_file_target *target, u64 wall_ns)
{
    ASSERT(target->fd < 0);
    if (!log_file_name(target->config.pattern, wall_ns, target->name, sizeof target->name))
        return EINVAL;
    if (!path_join(target->path, target->config.directory, target->name))
        return ENAMETOOLONG;
    int fd = file_open(target->path);
    if (fd < 0 && errno == ENOENT) {
        int error = directory_create(target->config.directory);
        if (error != 0)
            return error;
        fd = file_open(target->path);
    }
    if (fd < 0)
        return errno;
    int error = file_adopt(target, fd);
    if (error != 0)
        close(fd);
    return error;
}

void log_file_close(struct log_file_target *target)
{
    if (target->fd >= 0)
        close(target->fd);
    target->fd = -1;
}

bool log_file_is_current(const struct log_file_target *target, u64 wall_ns)
{
    char name[NAME_MAX + 1];
    if (target->fd < 0 || !log_file_name(target->config.pattern, wall_ns, name, sizeof name) ||
        strcmp(name, target->name) != 0)
        return false;
    struct stat status;
    return lstat(target->path, &status) == 0 && status.st_dev == target->device &&
           status.st_ino == target->inode;
}

bool log_file_ends_in_line(const struct log_file_target *target)
{
    struct stat status;
    char last;
    return fstat(target->fd, &status) == 0 && status.st_size > 0 &&
           pread(target->fd, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

/* ---- Retention ---- */

struct old_file {
    u64 modified_ns;
    const char *name;
};

struct old_files {
    struct arena arena;
    struct old_file *at;
    u32 count;
    u32 capacity;
};

static void old_files_add(struct old_files *files, const char *name, u64 modified_ns)
{
    if (files->count == files->capacity) {
        u32 capacity = files->capacity * 2 + 64;
        struct old_file *more = arena_alloc(&files->arena, capacity * sizeof *more);
        if (files->count > 0)
            memcpy(more, files->at, files->count * sizeof *more);
        files->at = more;
        files->capacity = capacity;
    }
    files->at[files->count++] = (struct old_file){
        .modified_ns = modified_ns,
        .name = arena_copy(&files->arena, slice_of_string(name)).data,
    };
}

/* Every file of this log except the open one. */
static void old_files_collect(struct old_files *files, const struct log_file_target *target,
                              DIR *directory)
{
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        struct slice name = slice_of_string(entry->d_name);
        struct stat status;
        if (!log_file_name_matches(target->config.pattern, name) ||
            fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode) || strcmp(entry->d_name, target->name) == 0)
            continue;
        u64 seconds = status.st_mtim.tv_sec > 0 ? (u64)status.st_mtim.tv_sec : 0;
        old_files_add(files, entry->d_name, seconds * NS_PER_S + (u64)status.st_mtim.tv_nsec);
    }
}

/* Newest first; files of the same age by name, so that the order is always the same. */
static int old_file_compare(const void *left, const void *right)
{
    const struct old_file *a = left;
    const struct old_file *b = right;
    if (a->modified_ns != b->modified_ns)
        return a->modified_ns > b->modified_ns ? -1 : 1;
    return strcmp(b->name, a->name);
}

static bool is_beyond(const struct config_log_file *config, u32 newer, u64 age_ns)
{
    bool too_many = config->files_max > 0 && newer >= config->files_max;
    bool too_old = config->age_days_max > 0 && age_ns > config->age_days_max * DAY_NS;
    return too_many || too_old;
}

static struct log_retirement old_files_delete(const struct old_files *files,
                                              const struct config_log_file *config, int directory,
                                              u64 wall_ns)
{
    struct log_retirement result = {0};
    for (u32 i = 0; i < files->count && !result.more; i++) {
        const struct old_file *file = &files->at[i];
        u64 age_ns = wall_ns > file->modified_ns ? wall_ns - file->modified_ns : 0;
        /* One more than i are newer: the open file is not in the list. */
        if (!is_beyond(config, i + 1, age_ns))
            continue;
        if (unlinkat(directory, file->name, 0) == 0)
            result.deleted++;
        else if (errno != ENOENT)
            result.error = errno;
        result.more = result.deleted == RETIRE_MAX;
    }
    return result;
}

struct log_retirement log_file_retire(const struct log_file_target *target, u64 wall_ns)
{
    const struct config_log_file *config = &target->config;
    char path[PATH_MAX];
    struct log_retirement result = {0};
    if ((config->files_max == 0 && config->age_days_max == 0) ||
        !path_join(path, config->directory, ""))
        return result;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return (struct log_retirement){.error = errno};
    struct old_files files = {0};
    arena_init(&files.arena);
    old_files_collect(&files, target, directory);
    if (files.count > 0) {
        qsort(files.at, files.count, sizeof *files.at, old_file_compare);
        result = old_files_delete(&files, config, dirfd(directory), wall_ns);
    }
    arena_deinit(&files.arena);
    closedir(directory);
    return result;
}
