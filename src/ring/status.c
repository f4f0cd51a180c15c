/* From errno to what a caller can act on. errno goes no further than this module. */
#include <errno.h>

#include "ring/ring_internal.h"

enum ring_status ring_status_of(i32 error)
{
    switch (error) {
    case ECANCELED:
        return RING_CANCELED;
    case ECONNREFUSED:
    case ENOENT: /* a unix socket that is not there */
        return RING_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
        return RING_UNREACHABLE;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ESHUTDOWN:
    case ECONNABORTED:
        return RING_RESET;
    case ETIMEDOUT:
        return RING_TIMED_OUT;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return RING_EXHAUSTED;
    default: /* errno is open-ended */
        return RING_FAILED;
    }
}

const char *ring_status_name(enum ring_status status)
{
    static const char *const names[RING_STATUS_COUNT] = {
        [RING_OK] = "ok",
        [RING_END] = "end",
        [RING_CANCELED] = "canceled",
        [RING_REFUSED] = "refused",
        [RING_UNREACHABLE] = "unreachable",
        [RING_RESET] = "reset",
        [RING_SHORT] = "short",
        [RING_TIMED_OUT] = "timed_out",
        [RING_EXHAUSTED] = "exhausted",
        [RING_FAILED] = "failed",
    };
    ASSERT(status < RING_STATUS_COUNT);
    return names[status];
}
