/* Seconds since 1970 as a date and a time of day, in UTC. Pure, unlike gmtime_r, which may look for
 * a file with leap seconds. */
#ifndef NEXTPROXY_BASE_CALENDAR_H
#define NEXTPROXY_BASE_CALENDAR_H

#include "base/types.h"

struct calendar {
    u32 year;
    u32 month;   /* 1..12 */
    u32 day;     /* 1..31 */
    u32 weekday; /* 0..6, Sunday is 0 */
    u32 hour;
    u32 minute;
    u32 second;
};

struct calendar calendar_utc(u64 seconds);

#endif
