/*
 * File names from patterns: access_yyyy_mm_dd_HH.log. A field is replaced wherever its letters
 * stand, and its value has as many digits as the field has letters, so a name is as long as its
 * pattern.
 */
#include <time.h>

#include "base/clock.h"
#include "log.h"

enum field { FIELD_YEAR, FIELD_MONTH, FIELD_DAY, FIELD_HOUR, FIELD_COUNT };

static const struct slice fields[FIELD_COUNT] = {
    [FIELD_YEAR] = {"yyyy", 4},
    [FIELD_MONTH] = {"mm", 2},
    [FIELD_DAY] = {"dd", 2},
    [FIELD_HOUR] = {"HH", 2},
};

/* The field that the pattern has at `at`; FIELD_COUNT when it has none there. */
static enum field field_at(struct slice pattern, u32 at)
{
    struct slice rest = {pattern.data + at, pattern.len - at};
    enum field field = FIELD_YEAR;
    while (field < FIELD_COUNT && !slice_starts_with(rest, fields[field]))
        field++;
    return field;
}

static bool is_plain_name(struct slice name)
{
    if (name.len == 0 || slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
        return false;
    return memchr(name.data, '/', name.len) == NULL && memchr(name.data, '\0', name.len) == NULL;
}

static bool local_fields(u64 wall_ns, u32 values[FIELD_COUNT])
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL)
        return false;
    values[FIELD_YEAR] = (u32)(local.tm_year + 1900);
    values[FIELD_MONTH] = (u32)(local.tm_mon + 1);
    values[FIELD_DAY] = (u32)local.tm_mday;
    values[FIELD_HOUR] = (u32)local.tm_hour;
    return true;
}

bool log_file_name(struct slice pattern, u64 wall_ns, char *out, usize capacity)
{
    u32 values[FIELD_COUNT];
    if (!is_plain_name(pattern) || pattern.len >= capacity || !local_fields(wall_ns, values))
        return false;
    for (u32 at = 0; at < pattern.len;) {
        enum field field = field_at(pattern, at);
        if (field == FIELD_COUNT) {
            out[at] = pattern.data[at];
            at++;
            continue;
        }
        u32 value = values[field];
        for (u32 i = fields[field].len; i-- > 0; value /= 10)
            out[at + i] = (char)('0' + value % 10);
        at += fields[field].len;
    }
    out[pattern.len] = '\0';
    return true;
}

static bool all_digits(const char *text, u32 len)
{
    for (u32 i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

bool log_file_name_matches(struct slice pattern, struct slice name)
{
    if (name.len != pattern.len)
        return false;
    for (u32 at = 0; at < pattern.len;) {
        enum field field = field_at(pattern, at);
        u32 len = field == FIELD_COUNT ? 1 : fields[field].len;
        bool same = field == FIELD_COUNT ? name.data[at] == pattern.data[at]
                                         : all_digits(name.data + at, len);
        if (!same)
            return false;
        at += len;
    }
    return true;
}
