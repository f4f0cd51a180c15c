/* Lists of status codes and ranges of them. Short enough to be read anew for each answer. */
#include "config/status.h"

#include "config.h"

enum { STATUS_DIGITS = 3, STATUS_MIN = 100, STATUS_MAX = 599 };

static bool status_take(struct slice *text, u32 *status)
{
    u64 value;
    if (text->len < STATUS_DIGITS ||
        !slice_parse_number(slice_of(text->data, STATUS_DIGITS), STATUS_MAX, &value))
        return false;
    *text = slice_of(text->data + STATUS_DIGITS, text->len - STATUS_DIGITS);
    *status = (u32)value;
    return value >= STATUS_MIN;
}

static bool byte_take(struct slice *text, char byte)
{
    if (text->len == 0 || text->data[0] != byte)
        return false;
    *text = slice_of(text->data + 1, text->len - 1);
    return true;
}

/* Takes "200" or "200-399" from the front. */
static bool range_take(struct slice *text, u32 *first, u32 *last)
{
    if (!status_take(text, first))
        return false;
    *last = *first;
    return !byte_take(text, '-') || (status_take(text, last) && *last > *first);
}

bool status_ranges_valid(struct slice ranges)
{
    u32 first, last;
    if (ranges.len > CONFIG_STATUS_RANGES_BYTES_MAX)
        return false;
    do {
        if (!range_take(&ranges, &first, &last))
            return false;
    } while (byte_take(&ranges, ','));
    return ranges.len == 0;
}

bool config_status_in(struct slice ranges, u32 status)
{
    u32 first, last;
    do {
        if (!range_take(&ranges, &first, &last))
            return false;
        if (status >= first && status <= last)
            return true;
    } while (byte_take(&ranges, ','));
    return false;
}
