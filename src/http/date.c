/* IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7). */
#include "http.h"

enum {
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097,  /* 400 years */
    DAYS_TO_EPOCH = 719468, /* from 1 March of year 0 to 1 January 1970 */
};

static const char weekdays[7][3] = {
    {'S', 'u', 'n'}, {'M', 'o', 'n'}, {'T', 'u', 'e'}, {'W', 'e', 'd'},
    {'T', 'h', 'u'}, {'F', 'r', 'i'}, {'S', 'a', 't'},
};
static const char months[12][3] = {
    {'J', 'a', 'n'}, {'F', 'e', 'b'}, {'M', 'a', 'r'}, {'A', 'p', 'r'},
    {'M', 'a', 'y'}, {'J', 'u', 'n'}, {'J', 'u', 'l'}, {'A', 'u', 'g'},
    {'S', 'e', 'p'}, {'O', 'c', 't'}, {'N', 'o', 'v'}, {'D', 'e', 'c'},
};

static void two_digits(char *out, u32 value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

struct civil {
    u32 year;
    u32 month; /* 0..11 */
    u32 day;   /* 1..31 */
};

/* The day `days` after 1 January 1970 in the Gregorian calendar. Years are counted from March, so
 * that the leap day is the last of its year (Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms"). */
static struct civil civil_of_days(u64 days)
{
    u64 shifted = days + DAYS_TO_EPOCH;
    u32 era = (u32)(shifted / DAYS_PER_ERA);
    u32 day_of_era = (u32)(shifted % DAYS_PER_ERA);
    u32 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    u32 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    u32 month_from_march = (5 * day_of_year + 2) / 153;
    bool next_year = month_from_march >= 10; /* January and February */
    return (struct civil){
        .year = era * 400 + year_of_era + (next_year ? 1 : 0),
        .month = (month_from_march + 2) % 12,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
}

void http_date_format(u64 seconds, char out[HTTP_DATE_BYTES])
{
    u64 days = seconds / SECONDS_PER_DAY;
    u32 of_day = (u32)(seconds % SECONDS_PER_DAY);
    struct civil date = civil_of_days(days);
    ASSERT(date.year <= 9999);
    memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_BYTES);
    memcpy(out, weekdays[(days + 4) % 7], 3); /* 1 January 1970 was a Thursday */
    two_digits(out + 5, date.day);
    memcpy(out + 8, months[date.month], 3);
    two_digits(out + 12, date.year / 100);
    two_digits(out + 14, date.year % 100);
    two_digits(out + 17, of_day / 3600);
    two_digits(out + 20, of_day / 60 % 60);
    two_digits(out + 23, of_day % 60);
}
