/* Passive checks, control's part. */
#ifndef NEXTPROXY_HEALTH_CIRCUITS_H
#define NEXTPROXY_HEALTH_CIRCUITS_H

#include "health/health_internal.h"

/* After each turn; and when the next has to end for it at the latest. */
void circuits_tick(struct health *health, u64 now_ns);
u64 circuits_deadline_ns(const struct health *health);
/* A probe of the check has ended. */
void circuits_probed(const struct check *check, bool good);
/* Another snapshot is to be health->snapshot. */
void circuits_move(struct health *health, struct snapshot *snapshot);
/* It is, and the checks follow it. */
void circuits_follow(struct health *health);

#endif
