/* A queue that stands. See include/limit.h. */
#include "limit.h"

static void begin_interval(struct limit_codel *codel, u64 now_ns)
{
    codel->interval_start_ns = now_ns;
    codel->served = 0;
    codel->least_ns = UINT64_MAX;
}

/* An interval in which nobody was served is judged by the one at the head, who will have waited
 * longer still. */
static void end_interval(struct limit_codel *codel, const struct limit_codel_settings *settings,
                         u64 now_ns, u64 oldest_ns)
{
    u64 least_ns = codel->served > 0 ? codel->least_ns : oldest_ns;
    codel->standing |= least_ns > settings->target_ns;
    codel->served_ns = now_ns - codel->interval_start_ns;
    codel->served_last = codel->served;
    begin_interval(codel, now_ns);
}

static void pass_time(struct limit_codel *codel, const struct limit_codel_settings *settings,
                      u64 now_ns, u64 oldest_ns)
{
    if (codel->interval_start_ns == 0)
        begin_interval(codel, now_ns);
    else if (now_ns - codel->interval_start_ns >= settings->interval_ns)
        end_interval(codel, settings, now_ns, oldest_ns);
}

void limit_codel_served(struct limit_codel *codel, const struct limit_codel_settings *settings,
                        u64 now_ns, u64 waited_ns)
{
    pass_time(codel, settings, now_ns, waited_ns);
    codel->least_ns = codel->least_ns < waited_ns ? codel->least_ns : waited_ns;
    codel->served++;
}

u32 limit_codel_room(struct limit_codel *codel, const struct limit_codel_settings *settings,
                     u64 now_ns, u64 oldest_ns)
{
    pass_time(codel, settings, now_ns, oldest_ns);
    if (!codel->standing)
        return UINT32_MAX;
    u64 room = codel->served_last * settings->target_ns / codel->served_ns;
    return room > 1 ? (u32)room : 1;
}

void limit_codel_emptied(struct limit_codel *codel)
{
    *codel = (struct limit_codel){0};
}
