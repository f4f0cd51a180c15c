/* Timestamps: 2026-01-13T10:30:45.123Z. The calendar is worked out once a second. */
#include "base/clock.h"
#include "log.h"

enum {
    DAY_SECONDS = 86400,
    ERA_DAYS = 146097,       /* 400 Gregorian years */
    EPOCH_ERA_DAYS = 719468, /* from 1 March of the year 0 to 1 January 1970 */
    MILLISECONDS_AT = 20,
};

struct civil_date {
    u32 year, month, day;
};

/* Days since 1970 as a Gregorian date. Years are counted from March, so that the leap day is the
 * last of its year; then each month's start is a straight line over 153 days in five months. */
static struct civil_date civil_date(u64 days)
{
    u64 shifted = days + EPOCH_ERA_DAYS;
    u32 era = (u32)(shifted / ERA_DAYS);
    u32 day_of_era = (u32)(shifted % ERA_DAYS);
    u32 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    u32 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    u32 march_month = (5 * day_of_year + 2) / 153;
    u32 month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct civil_date){
        .year = era * 400 + year_of_era + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
    };
}

static void put_digits(char *out, u32 value, u32 digits)
{
    for (u32 i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
}

static void clock_refresh(struct log_clock *clock, u64 second)
{
    struct civil_date date = civil_date(second / DAY_SECONDS);
    u32 of_day = (u32)(second % DAY_SECONDS);
    memcpy(clock->text, "0000-00-00T00:00:00.000Z", sizeof clock->text);
    put_digits(clock->text, date.year, 4);
    put_digits(clock->text + 5, date.month, 2);
    put_digits(clock->text + 8, date.day, 2);
    put_digits(clock->text + 11, of_day / 3600, 2);
    put_digits(clock->text + 14, of_day / 60 % 60, 2);
    put_digits(clock->text + 17, of_day % 60, 2);
    clock->second = second;
}

void log_timestamp(struct log_clock *clock, u64 wall_ns, char out[24])
{
    u64 second = wall_ns / NS_PER_S;
    if (clock->second != second || clock->text[0] == '\0')
        clock_refresh(clock, second);
    memcpy(out, clock->text, sizeof clock->text);
    put_digits(out + MILLISECONDS_AT, (u32)(wall_ns % NS_PER_S / NS_PER_MS), 3);
}
