/* Preloaded into the proxy (glibc): a disk that does not answer. As long as the file exists that
 * the variable HOLD_FSYNC_FILE names, fsync(2) does not return; that it waits is said by a file of
 * that name with ".held" behind it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd)
{
    const char *name = getenv("HOLD_FSYNC_FILE");
    char held[PATH_MAX];
    if (!name)
        abort();
    snprintf(held, sizeof(held), "%s.held", name);
    while (access(name, F_OK) == 0) {
        close(open(held, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        usleep(1000);
    }
    return (int)syscall(SYS_fsync, fd);
}
