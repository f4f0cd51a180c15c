/* Checks by programs that wait because as many programs as there may be are there: the log says so,
 * and when it is over. */
#ifndef NEXTPROXY_HEALTH_WAITING_H
#define NEXTPROXY_HEALTH_WAITING_H

#include "health/health_internal.h"

/* After those that are due were begun, as far as there is room. */
void waiting_tick(struct health *health, u64 now_ns);
u64 waiting_deadline_ns(const struct health *health);

#endif
