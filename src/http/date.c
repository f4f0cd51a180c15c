/* IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7). */
#include "base/calendar.h"
#include "http.h"

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

void http_date_format(u64 seconds, char out[HTTP_DATE_BYTES])
{
    struct calendar date = calendar_utc(seconds);
    ASSERT(date.year <= 9999);
    memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_BYTES);
    memcpy(out, weekdays[date.weekday], 3);
    two_digits(out + 5, date.day);
    memcpy(out + 8, months[date.month - 1], 3);
    two_digits(out + 12, date.year / 100);
    two_digits(out + 14, date.year % 100);
    two_digits(out + 17, date.hour);
    two_digits(out + 20, date.minute);
    two_digits(out + 23, date.second);
}
