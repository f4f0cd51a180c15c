/* See file_limit.h. */
#include "control/file_limit.h"

#include <stdio.h>
#include <sys/resource.h>

enum {
    FILES_TO_START = 26,  /* standard streams, signals, logs, the watch, the API, a few probes */
    FILES_PER_WORKER = 4, /* ring, wake-ups, a client and its upstream */
};

bool file_limit_raise(const struct config *config, char *why, usize why_bytes)
{
    u64 needed =
        FILES_TO_START + (u64)config->workers * (FILES_PER_WORKER + config->listener_count);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return true;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= needed)
        return true;
    (void)snprintf(why, why_bytes,
                   "at most %llu file descriptors are allowed, and %llu are needed before the "
                   "first client: raise the limit (ulimit -n 1048576, LimitNOFILE=1048576)",
                   (unsigned long long)limit.rlim_max, (unsigned long long)needed);
    return false;
}
