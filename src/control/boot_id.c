/* See boot_id.h. */
#include "control/boot_id.h"

#include <fcntl.h>
#include <unistd.h>

struct slice boot_id_read(char out[BOOT_ID_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return slice_of(out, 0);
    ssize_t bytes = read(fd, out, BOOT_ID_BYTES);
    (void)close(fd);
    struct slice text = slice_of(out, bytes > 0 ? (usize)bytes : 0);
    return slice_take_until(&text, '\n');
}
