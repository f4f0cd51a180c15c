/* See file_limit.h. */
#include "control/file_limit.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/files.h"

enum {
    /* Standard streams, signals, the supervisor, memory, logs, the watch, the API and its reserve,
     * probes. */
    FILES_TO_START = 32,
    FILES_PER_WORKER = 4, /* ring, wake-ups, a client and its upstream */
};

static u64 needed_to_start(const struct config *config)
{
    return FILES_TO_START + (u64)config->workers * (FILES_PER_WORKER + config->listener_count);
}

u64 file_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

u32 file_limit_share(const struct config *config)
{
    u64 limit = file_limit(), fixed = needed_to_start(config);
    return (u32)min_u64((limit - min_u64(fixed, limit)) / config->workers, UINT32_MAX);
}

bool file_limit_raise(const struct config *config, char *why, usize why_bytes)
{
    u64 needed = needed_to_start(config), allowed = files_raise_limit();
    if (allowed >= needed)
        return true;
    (void)snprintf(why, why_bytes,
                   "at most %llu file descriptors are allowed, and %llu are needed before the "
                   "first client: raise the limit (ulimit -n 1048576, LimitNOFILE=1048576)",
                   (unsigned long long)allowed, (unsigned long long)needed);
    return false;
}
