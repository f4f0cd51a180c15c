/* Files, by the system. Runs at start-up and on the control thread only: it may block. */
#include "config/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_READ_BYTES = 16 << 10 };

/* Reads to the end into growing memory; false with errno. */
static bool bytes_read(int fd, usize bytes_max, char **bytes, usize *len)
{
    usize capacity = 0;
    /* One byte more than allowed tells a file that fits from one that does not. */
    for (*len = 0; *len <= bytes_max;) {
        if (*len == capacity) {
            capacity = capacity == 0 ? FIRST_READ_BYTES : capacity * 2;
            char *larger = realloc(*bytes, capacity);
            if (larger == NULL)
                return false;
            *bytes = larger;
        }
        ssize_t got = read(fd, *bytes + *len, capacity - *len);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *len += got > 0 ? (usize)got : 0;
    }
    return true;
}

/* A pipe would make control wait for whoever writes to it. Below /dev whoever names one means it:
 * `nextproxy --check --config /dev/stdin`. */
static int file_open(const char *file, const char **why)
{
    bool device = strncmp(file, "/dev/", 5) == 0;
    struct stat status;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | (device ? 0 : O_NONBLOCK));
    *why = NULL;
    if (fd < 0 || fstat(fd, &status) != 0)
        *why = strerror(errno);
    else if (S_ISDIR(status.st_mode))
        *why = strerror(EISDIR);
    else if (!device && !S_ISREG(status.st_mode))
        *why = "it is no regular file";
    if (*why && fd >= 0)
        (void)close(fd);
    return *why ? -1 : fd;
}

static const char *file_read(struct arena *arena, const char *file, usize bytes_max,
                             struct slice *content)
{
    const char *why;
    int fd = file_open(file, &why);
    if (fd < 0)
        return why;
    char *bytes = NULL;
    usize len = 0;
    why = bytes_read(fd, bytes_max, &bytes, &len) ? NULL : strerror(errno);
    close(fd);
    if (why == NULL && len > bytes_max)
        why = arena_printf(arena, "it is larger than %zu bytes", bytes_max);
    if (why == NULL)
        *content = arena_copy(arena, slice_of(bytes, len));
    free(bytes);
    return why;
}

/* By the user that we are now, who is the one that will execute it. */
static const char *program_check(const char *file)
{
    struct stat status;
    if (stat(file, &status) != 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "it is no regular file";
    return faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) == 0 ? NULL : strerror(errno);
}

const struct config_world config_world_system = {file_read, program_check, NULL};
