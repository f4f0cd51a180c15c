/* proxy: what a worker does when something runs out. A part of proxy.h. */
#ifndef NEXTPROXY_PROXY_OVERLOAD_H
#define NEXTPROXY_PROXY_OVERLOAD_H

#include "base/types.h"

struct proxy;

/* In each stage what belongs to those before it is done as well, unless it is configured never to
 * be. */
enum overload_stage {
    OVERLOAD_NONE,
    OVERLOAD_NO_KEEP_ALIVE, /* each response is its connection's last */
    OVERLOAD_CLOSE_IDLE,    /* clients that have been idle for longest are closed */
    OVERLOAD_REFUSE,        /* requests are answered 503 */
    OVERLOAD_NO_ACCEPT,     /* new connections wait in the kernel's queue */
    OVERLOAD_STAGES,
};

/* "none", "dropKeepAlive" and so on, as the settings; static. */
const char *overload_stage_name(enum overload_stage stage);

/* What the process has left, as control sees it now and then. */
struct overload_budget {
    u32 files;           /* that this worker may have open; 0 = not known */
    u32 memory_permille; /* in use, of limits.memoryBytes; 0 = not known */
};
void proxy_budget_changed(struct proxy *proxy, struct overload_budget budget);
/* How many more connections it is to accept before it stops accepting: UINT32_MAX when it never
 * does. */
u32 proxy_room(const struct proxy *proxy);
/* True while the worker is to accept nothing. */
bool proxy_is_full(const struct proxy *proxy);

#endif
