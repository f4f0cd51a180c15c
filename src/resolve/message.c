/* See message.h. c-ares has seen to it that the message answers our question (its number and its
 * question section); aliases (CNAME) are not followed by name: the answer section of a recursive
 * server's response is all about our question, and nothing else in it is looked at. */
#include "resolve/message.h"

#include <ares.h>
#include <assert.h>
#include <limits.h>

#include "base/slice.h"

enum {
    HEADER_BYTES = 12,
    QUESTION_BYTES = 4, /* behind its name */
    RECORD_BYTES = 10,  /* the same */
    SRV_BYTES = 6,
    CLASS_IN = 1,
    TYPE_CNAME = 5,
};
static_assert(sizeof(struct message_record) == 16 + 6 + MESSAGE_NAME_BYTES, "no padding");

struct cursor {
    const u8 *bytes;
    u32 len;
    u32 at;
};

static u16 read_u16(const u8 *bytes)
{
    return (u16)(bytes[0] << 8 | bytes[1]);
}

static u32 read_u32(const u8 *bytes)
{
    return (u32)read_u16(bytes) << 16 | read_u16(bytes + 2);
}

/* A name in the message at `at`, however it is compressed; `out` NULL: to be skipped. Returns the
 * bytes it takes there, 0 when it is malformed or no host's name. */
static u32 name_read(const struct cursor *cursor, u32 at, char *out)
{
    char *name = NULL;
    long taken = 0;
    if (at >= cursor->len || cursor->len > INT_MAX ||
        ares_expand_name(cursor->bytes + at, cursor->bytes, (int)cursor->len, &name, &taken) !=
            ARES_SUCCESS)
        return 0;
    bool good = !out || message_name_copy(name, out);
    ares_free_string(name);
    return good && taken > 0 && taken <= (long)(cursor->len - at) ? (u32)taken : 0;
}

bool message_name_copy(const char *name, char out[MESSAGE_NAME_BYTES])
{
    usize len = strlen(name);
    if (len >= MESSAGE_NAME_BYTES)
        return false;
    for (usize i = 0; i < len; i++) {
        char c = ascii_lower(name[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
        out[i] = c;
    }
    memset(out + len, 0, MESSAGE_NAME_BYTES - len);
    return true;
}

int message_compare(const struct message_record *a, const struct message_record *b)
{
    int order = (int)a->priority - (int)b->priority;
    if (order == 0)
        order = memcmp(a->address, b->address, sizeof(a->address));
    if (order == 0)
        order = memcmp(a->target, b->target, sizeof(a->target));
    if (order == 0)
        order = (int)a->port - (int)b->port;
    return order != 0 ? order : (int)a->weight - (int)b->weight;
}

void message_begin(struct message_answer *answer, u32 ttl_s)
{
    answer->ttl_s = ttl_s;
    answer->count = 0;
    answer->unused = 0;
}

void message_add(struct message_answer *answer, const struct message_record *record)
{
    u32 at = answer->count;
    while (at > 0 && message_compare(&answer->at[at - 1], record) > 0)
        at--;
    if (at > 0 && message_compare(&answer->at[at - 1], record) == 0)
        return;
    if (answer->count == MESSAGE_RECORDS_MAX) {
        answer->unused++; /* this one, or the last one to make room */
        if (at == MESSAGE_RECORDS_MAX)
            return;
        answer->count--;
    }
    memmove(&answer->at[at + 1], &answer->at[at], (answer->count - at) * sizeof(answer->at[0]));
    answer->at[at] = *record;
    answer->count++;
}

static bool srv_read(const struct cursor *cursor, u32 at, u32 len, struct message_record *record)
{
    if (len <= SRV_BYTES)
        return false;
    record->priority = read_u16(cursor->bytes + at);
    record->weight = read_u16(cursor->bytes + at + 2);
    record->port = read_u16(cursor->bytes + at + 4);
    return name_read(cursor, at + SRV_BYTES, record->target) == len - SRV_BYTES;
}

static bool data_read(const struct cursor *cursor, u32 len, enum message_type type,
                      struct message_record *record)
{
    switch (type) {
    case MESSAGE_A:
    case MESSAGE_AAAA:
        if (len != (type == MESSAGE_A ? 4 : 16))
            return false;
        memcpy(record->address, cursor->bytes + cursor->at, len);
        return true;
    case MESSAGE_SRV:
        return srv_read(cursor, cursor->at, len, record);
    }
    return false;
}

/* "." says that there is no such service (RFC 2782); a port of 0 cannot be connected to. */
static bool is_usable(const struct message_record *record, enum message_type type)
{
    return type != MESSAGE_SRV || (record->target[0] != '\0' && record->port != 0);
}

/* A time with its first bit set is 0 (RFC 2181 §8). */
static u32 ttl_read(const u8 *bytes)
{
    u32 ttl_s = read_u32(bytes);
    return ttl_s > INT32_MAX ? 0 : ttl_s;
}

static bool record_read(struct cursor *cursor, enum message_type type,
                        struct message_answer *answer)
{
    u32 name_bytes = name_read(cursor, cursor->at, NULL);
    if (name_bytes == 0 || cursor->len - cursor->at - name_bytes < RECORD_BYTES)
        return false;
    const u8 *head = cursor->bytes + cursor->at + name_bytes;
    u32 len = read_u16(head + 8);
    bool wanted = read_u16(head) == (u16)type && read_u16(head + 2) == CLASS_IN;
    cursor->at += name_bytes + RECORD_BYTES;
    if (len > cursor->len - cursor->at)
        return false;
    if (wanted || read_u16(head) == TYPE_CNAME)
        answer->ttl_s = min_u32(answer->ttl_s, ttl_read(head + 4));
    if (wanted) {
        struct message_record record = {.port = 0};
        if (!data_read(cursor, len, type, &record))
            return false;
        if (is_usable(&record, type))
            message_add(answer, &record);
    }
    cursor->at += len;
    return true;
}

static bool questions_skip(struct cursor *cursor, u32 count)
{
    for (; count > 0; count--) {
        u32 name_bytes = name_read(cursor, cursor->at, NULL);
        if (name_bytes == 0 || cursor->len - cursor->at - name_bytes < QUESTION_BYTES)
            return false;
        cursor->at += name_bytes + QUESTION_BYTES;
    }
    return true;
}

bool message_decode(const u8 *bytes, u32 len, enum message_type type, struct message_answer *answer)
{
    struct cursor cursor = {bytes, len, HEADER_BYTES};
    message_begin(answer, UINT32_MAX);
    if (len < HEADER_BYTES || !questions_skip(&cursor, read_u16(bytes + 4)))
        return false;
    for (u32 left = read_u16(bytes + 6); left > 0; left--)
        if (!record_read(&cursor, type, answer))
            return false;
    return true;
}
