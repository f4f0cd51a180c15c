/* See include/base/calendar.h. */
#include "base/calendar.h"

enum {
    DAY_SECONDS = 86400,
    ERA_DAYS = 146097,       /* 400 Gregorian years */
    EPOCH_ERA_DAYS = 719468, /* from 1 March of the year 0 to 1 January 1970 */
    EPOCH_WEEKDAY = 4,       /* 1 January 1970 was a Thursday */
};

/* Years are counted from March, so that the leap day is the last of its year; then each month's
 * start is a straight line over 153 days in five months (Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms"). */
struct calendar calendar_utc(u64 seconds)
{
    u64 days = seconds / DAY_SECONDS;
    u32 of_day = (u32)(seconds % DAY_SECONDS);
    u32 era = (u32)((days + EPOCH_ERA_DAYS) / ERA_DAYS);
    u32 day_of_era = (u32)((days + EPOCH_ERA_DAYS) % ERA_DAYS);
    u32 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    u32 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    u32 march_month = (5 * day_of_year + 2) / 153;
    u32 month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct calendar){
        .year = era * 400 + year_of_era + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
        .weekday = (u32)((days + EPOCH_WEEKDAY) % 7),
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
    };
}
