/* Timestamps: 2026-01-13T10:30:45.123Z. The calendar is worked out once a second. */
#include "base/calendar.h"
#include "base/clock.h"
#include "log.h"

enum { MILLISECONDS_AT = 20 };

static void put_digits(char *out, u32 value, u32 digits)
{
    for (u32 i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
}

static void clock_refresh(struct log_clock *clock, u64 second)
{
    struct calendar date = calendar_utc(second);
    memcpy(clock->text, "0000-00-00T00:00:00.000Z", sizeof(clock->text));
    put_digits(clock->text, date.year, 4);
    put_digits(clock->text + 5, date.month, 2);
    put_digits(clock->text + 8, date.day, 2);
    put_digits(clock->text + 11, date.hour, 2);
    put_digits(clock->text + 14, date.minute, 2);
    put_digits(clock->text + 17, date.second, 2);
    clock->second = second;
}

void log_timestamp(struct log_clock *clock, u64 wall_ns, char out[24])
{
    u64 second = wall_ns / NS_PER_S;
    if (clock->second != second || clock->text[0] == '\0')
        clock_refresh(clock, second);
    memcpy(out, clock->text, sizeof(clock->text));
    put_digits(out + MILLISECONDS_AT, (u32)(wall_ns % NS_PER_S / NS_PER_MS), 3);
}
