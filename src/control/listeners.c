/* See listeners.h. */
#include "control/listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

/* Every worker has its own socket for each TCP listener; a unix socket is one for all. */
static bool open_all(const struct config *config, int *fds, char *why, usize why_bytes)
{
    for (u32 i = 0; i < config->workers * config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i % config->listener_count];
        if (listener->address.any.sa_family == AF_UNIX && i >= config->listener_count)
            fds[i] = fds[i - config->listener_count];
        else
            fds[i] = listener_open(listener, why, why_bytes);
        if (fds[i] < 0)
            return false;
    }
    return true;
}

int *listeners_open(const struct config *config, char *why, usize why_bytes)
{
    usize total = (usize)config->workers * config->listener_count;
    int *fds = calloc(total, sizeof(int));
    if (!fds) {
        (void)snprintf(why, why_bytes, "no memory to start: lower workers");
        return NULL;
    }
    memset(fds, 0xff, total * sizeof(int)); /* -1: not open */
    if (open_all(config, fds, why, why_bytes))
        return fds;
    listeners_close(config, fds, 0);
    return NULL;
}

void listeners_close(const struct config *config, int *fds, u32 started)
{
    u32 served = started * config->listener_count;
    for (u32 i = 0; fds && i < config->workers * config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i % config->listener_count];
        bool local = listener->address.any.sa_family == AF_UNIX;
        bool ours = local ? i < config->listener_count : i >= served;
        if (fds[i] < 0 || !ours)
            continue;
        (void)close(fds[i]);
        if (local)
            (void)unlink(listener->address.local.sun_path);
    }
    free(fds);
}
