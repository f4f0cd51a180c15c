/* See restarts.h. */
#include "supervisor/restarts.h"

bool restarts_next(struct restarts *restarts, u64 ran_ms, u64 *delay_ms)
{
    if (ran_ms >= RESTARTS_SETTLED_MS)
        restarts->in_a_row = 0;
    *delay_ms = 0;
    if (restarts->in_a_row > 0)
        *delay_ms = min_u64((u64)RESTARTS_DELAY_FIRST_MS << (restarts->in_a_row - 1),
                            RESTARTS_DELAY_MAX_MS);
    restarts->in_a_row++;
    restarts->total++;
    return restarts->in_a_row < RESTARTS_MAX;
}
