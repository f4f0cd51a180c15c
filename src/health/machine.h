/* What a row of good and failed probes says of a backend, and when to ask again. Pure. */
#ifndef NEXTPROXY_HEALTH_MACHINE_H
#define NEXTPROXY_HEALTH_MACHINE_H

#include "base/hash.h"
#include "health.h"

struct health_machine {
    u32 against; /* probes in a row that contradict the state; one that agrees ends the row */
    u32 lasting; /* failed probes since it went down, or since the last good one */
    u8 state;    /* enum health_state */
};

enum health_change { HEALTH_SAME, HEALTH_WENT_UP, HEALTH_WENT_DOWN };

/* Takes in one probe's result. A backend of which nothing is known yet goes up with the first good
 * one. */
enum health_change health_machine_step(struct health_machine *machine,
                                       const struct config_health_check *check, bool good);

/* Time from the beginning of the last probe to that of the next one, without jitter. */
u32 health_machine_wait_ms(const struct health_machine *machine,
                           const struct config_health_check *check);

/* When the next probe begins: up to an eighth of the wait earlier than it says, and never later, so
 * that a backend that dies is out after unhealthyThreshold times the interval at the latest. All
 * probes with this wait begin at multiples of 1/32 of it: with many backends some together cost
 * less than each on its own, since one wake-up takes in the answers of several. */
u64 health_next_ns(u64 started_ns, u64 wait_ns, struct rng *rng);

/* When the first probe begins: 0 to 10 ms for each backend, and no more than the interval. So a few
 * backends are known at once, and a thousand are not asked at once. */
u64 health_spread_ns(u32 backends, u32 interval_ms, struct rng *rng);

#endif
