/*
 * Arbitrary bytes in the fields of a record never make anything but one line with one JSON object
 * of the expected members, whose values another JSON reader gives back.
 *
 * The input: one byte that says which record, eight for the numbers, then the fields, each behind a
 * two-byte length.
 */
#include <jansson.h>
#include <stdlib.h>

#include "log.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { NUMBERS_BYTES = 8, GUARD_BYTES = 64, ACCESS_MEMBERS = 16, ACCESS_FIELDS = 8 };

struct input {
    const u8 *at;
    usize left;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct slice take(struct input *input)
{
    if (input->left < 2)
        return (struct slice){NULL, 0};
    usize len = (usize)(input->at[0] << 8 | input->at[1]);
    input->at += 2;
    input->left -= 2;
    if (len > input->left)
        len = input->left;
    struct slice field = slice_of((const char *)input->at, len);
    input->at += len;
    input->left -= len;
    return field;
}

/* Plain ASCII comes back as it is, unless it was cut. */
static void check_value(const json_t *object, const char *key, struct slice field)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || json_object_get(object, "cut") != NULL)
        return;
    for (u32 i = 0; i < field.len; i++)
        if ((u8)field.data[i] >= 0x80)
            return;
    require(json_string_length(value) == field.len);
    require(memcmp(json_string_value(value), field.data, field.len) == 0);
}

static json_t *parse_line(const char *line, usize length)
{
    require(length > 0 && length <= LOG_LINE_BYTES_MAX);
    require(memchr(line, '\n', length) == line + length - 1);
    for (usize i = 0; i + 1 < length; i++)
        require((u8)line[i] >= 0x20 && line[i] != 0x7f);
    json_t *object = json_loadb(
        line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    require(json_is_object(object));
    return object;
}

static void check_access(struct input *input, u64 numbers)
{
    struct log_access entry = {
        .wall_ns = numbers,
        .bytes_in = numbers,
        .duration_us = numbers >> 7,
        .own_us = (u32)numbers,
        .status = (u16)numbers,
        .reused = numbers & 1,
    };
    struct slice *const fields[ACCESS_FIELDS] = {
        &entry.method,     &entry.path,      &entry.host,       &entry.route,
        &entry.backend_id, &entry.client_ip, &entry.request_id, &entry.fault,
    };
    static const char *const keys[ACCESS_FIELDS] = {
        "method", "path", "host", "route", "backendId", "clientIp", "requestId", "fault",
    };
    for (u32 i = 0; i < ACCESS_FIELDS; i++)
        *fields[i] = take(input);
    char line[LOG_LINE_BYTES_MAX + GUARD_BYTES];
    memset(line + LOG_LINE_BYTES_MAX, '#', GUARD_BYTES);
    usize length = log_access_format(line, &entry);
    for (u32 i = 0; i < GUARD_BYTES; i++)
        require(line[LOG_LINE_BYTES_MAX + i] == '#');
    json_t *object = parse_line(line, length);
    bool cut = json_object_get(object, "cut") != NULL;
    require(json_object_size(object) == ACCESS_MEMBERS + (entry.fault.len > 0) + cut);
    require(json_number_value(json_object_get(object, "statusCode")) == entry.status);
    for (u32 i = 0; i < ACCESS_FIELDS; i++)
        check_value(object, keys[i], *fields[i]);
    json_decref(object);
}

enum { EVENT_FIELDS = 8 };

static void check_event(struct input *input, u64 numbers)
{
    struct log_event event = {
        .wall_ns = numbers,
        .severity = (enum log_severity)(numbers % 4),
        .attempt = (u32)(numbers >> 32),
    };
    struct slice *const fields[EVENT_FIELDS] = {
        &event.type,    &event.backend_id, &event.url,        &event.error,
        &event.message, &event.client_ip,  &event.request_id, &event.route,
    };
    static const char *const keys[EVENT_FIELDS] = {
        "type", "backendId", "url", "error", "message", "clientIp", "requestId", "route",
    };
    usize members = 2 + (event.attempt > 0);
    for (u32 i = 0; i < EVENT_FIELDS; i++) {
        *fields[i] = take(input);
        members += fields[i]->len > 0;
    }
    char line[LOG_LINE_BYTES_MAX];
    json_t *object = parse_line(line, log_event_format(line, &event));
    members += json_object_get(object, "cut") != NULL;
    require(json_object_size(object) == members);
    for (u32 i = 0; i < EVENT_FIELDS; i++)
        check_value(object, keys[i], *fields[i]);
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    if (size < 1 + NUMBERS_BYTES)
        return 0;
    u64 numbers;
    memcpy(&numbers, data + 1, sizeof numbers);
    struct input input = {data + 1 + NUMBERS_BYTES, size - 1 - NUMBERS_BYTES};
    if (data[0] & 1)
        check_access(&input, numbers);
    else
        check_event(&input, numbers);
    return 0;
}
