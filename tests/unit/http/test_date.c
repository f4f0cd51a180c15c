/* Dates as HTTP writes them, compared with those of the C library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "base/hash.h"
#include "http.h"

static void test_known_dates(void **state)
{
    static const struct {
        u64 seconds;
        const char *date;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the example of RFC 9110 §5.6.7 */
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        char date[HTTP_DATE_BYTES];
        http_date_format(rows[i].seconds, date);
        assert_memory_equal(date, rows[i].date, HTTP_DATE_BYTES);
    }
}

/* Every day of the years 1970 to 2400, and random seconds up to the year 9999. */
static void test_as_the_c_library(void **state)
{
    struct rng rng;
    rng_seed(&rng, 1);
    for (u64 i = 0; i < 157000 + 20000; i++) {
        u64 seconds = i < 157000 ? i * 86400 + i % 86400 : rng_next(&rng) % 253402300800u;
        time_t time = (time_t)seconds;
        struct tm parts;
        char expected[64];
        assert_non_null(gmtime_r(&time, &parts));
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        char date[HTTP_DATE_BYTES];
        http_date_format(seconds, date);
        assert_memory_equal(date, expected, HTTP_DATE_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_dates),
        cmocka_unit_test(test_as_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
