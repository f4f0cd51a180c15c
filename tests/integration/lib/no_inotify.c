/* Preloaded into the proxy (glibc): no inotify, as long as the file exists that the variable
 * NO_INOTIFY_FILE names. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int inotify_init1(int flags)
{
    const char *name = getenv("NO_INOTIFY_FILE");
    if (!name)
        abort();
    if (access(name, F_OK) != 0)
        return (int)syscall(SYS_inotify_init1, flags);
    errno = EMFILE;
    return -1;
}
