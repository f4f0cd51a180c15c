/* See message.h. c-ares has seen to it that the message answers our question (its number and its
 * question section); aliases (CNAME) are not followed by name: the answer section of a recursive
 * server's response is all about our question, and nothing else in it is looked at. */
#include "resolve/message.h"

#include <assert.h>

#include "base/slice.h"

enum {
    HEADER_BYTES = 12,
    QUESTION_BYTES = 4, /* behind its name */
    RECORD_BYTES = 10,  /* the same */
    LABEL_BYTES_MAX = 63,
    NAME_POINTER = 0xc0, /* and above: the first of two bytes */
    NAME_HOPS_MAX = 127, /* no name has more labels */
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

static bool name_char(u8 c, char *out)
{
    *out = ascii_lower((char)c);
    return (*out >= 'a' && *out <= 'z') || (*out >= '0' && *out <= '9') || *out == '-' ||
           *out == '_';
}

bool message_name_copy(const char *name, char out[MESSAGE_NAME_BYTES])
{
    usize len = strlen(name);
    if (len >= MESSAGE_NAME_BYTES)
        return false;
    for (usize i = 0; i < len; i++)
        if (!name_char((u8)name[i], &out[i]) && name[i] != '.')
            return false;
    memset(out + len, 0, MESSAGE_NAME_BYTES - len);
    return true;
}

/* The bytes that a name takes where it stands; 0 when it is malformed. Where it leads to is not
 * looked at: an answer of 64 KB can lead each of thousands of names over as many bytes. */
static u32 name_skip(const struct cursor *cursor, u32 from)
{
    u32 at = from;
    while (at < cursor->len) {
        u32 label = cursor->bytes[at];
        if (label >= NAME_POINTER)
            return cursor->len - at >= 2 ? at + 2 - from : 0;
        if (label > LABEL_BYTES_MAX)
            return 0;
        at += 1 + label;
        if (label == 0)
            return at - from;
    }
    return 0;
}

static bool label_copy(const struct cursor *cursor, u32 at, u32 len, char *out)
{
    for (u32 i = 0; i < len; i++)
        if (!name_char(cursor->bytes[at + i], &out[i]))
            return false;
    return true;
}

/* Compressed as it may be (RFC 1035 §4.1.4); false when it is malformed, or no host's name. A
 * pointer leads to an earlier place than any before, so that there is no loop. */
static bool name_read(const struct cursor *cursor, u32 at, char out[MESSAGE_NAME_BYTES])
{
    u32 len = 0, earliest = at, hops = 0;
    memset(out, 0, MESSAGE_NAME_BYTES);
    while (at < cursor->len && hops <= NAME_HOPS_MAX) {
        u32 label = cursor->bytes[at++];
        if (label == 0)
            return true;
        if (label >= NAME_POINTER && at < cursor->len) {
            at = (label - NAME_POINTER) << 8 | cursor->bytes[at];
            if (at >= earliest)
                return false;
            earliest = at;
            hops++;
            continue;
        }
        u32 dot = len > 0;
        if (label > LABEL_BYTES_MAX || label > cursor->len - at ||
            len + dot + label >= MESSAGE_NAME_BYTES ||
            !label_copy(cursor, at, label, out + len + dot))
            return false;
        if (dot)
            out[len] = '.';
        len += dot + label;
        at += label;
    }
    return false;
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
    return name_skip(cursor, at + SRV_BYTES) == len - SRV_BYTES &&
           name_read(cursor, at + SRV_BYTES, record->target);
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

/* The address "any" is where nobody is, or, to connect to, this machine: it is how some name
 * servers say that a name is barred. */
static bool is_any(const u8 address[16])
{
    static const u8 any[16];
    return memcmp(address, any, sizeof(any)) == 0;
}

/* "." says that there is no such service (RFC 2782); a port of 0 cannot be connected to. */
static bool is_usable(const struct message_record *record, enum message_type type)
{
    if (type == MESSAGE_SRV)
        return record->target[0] != '\0' && record->port != 0;
    return !is_any(record->address);
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
    u32 name_bytes = name_skip(cursor, cursor->at);
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
        u32 name_bytes = name_skip(cursor, cursor->at);
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
