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
