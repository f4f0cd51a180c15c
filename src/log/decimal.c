/* Decimal numbers, two digits at a time. */
#include "base/assert.h"
#include "log/line.h"

/* clang-format off */
static const char digit_pairs[200] =
    "00010203040506070809" "10111213141516171819" "20212223242526272829" "30313233343536373839"
    "40414243444546474849" "50515253545556575859" "60616263646566676869" "70717273747576777879"
    "80818283848586878889" "90919293949596979899";
/* clang-format on */

static u32 digit_count(u64 value)
{
    u32 count = 1;
    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

char *log_decimal(char *out, u64 value)
{
    char *end = out + digit_count(value);
    char *at = end;
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(at, &digit_pairs[value % 100 * 2], 2);
    }
    if (value >= 10)
        memcpy(at - 2, &digit_pairs[value * 2], 2);
    else
        at[-1] = (char)('0' + value);
    return end;
}
