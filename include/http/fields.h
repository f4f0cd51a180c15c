/* Fields (RFC 9110 §5): the names the proxy treats specially, the field table of a head, and
 * comma-separated lists. */
#ifndef NEXTPROXY_HTTP_FIELDS_H
#define NEXTPROXY_HTTP_FIELDS_H

#include "base/assert.h"
#include "base/slice.h"

enum {
    HTTP_HEAD_BYTES_MAX = 65535, /* field positions are u16 */
    HTTP_FIELDS_MAX = 256,       /* hard limit; the configured one may be lower */
    HTTP_METHOD_BYTES_MAX = 32,
    HTTP_TARGET_BYTES_MIN = 16,     /* the least that a configured limit may be */
    HTTP_CONNECTION_NAMES_MAX = 32, /* listed by all Connection fields of one head together */
};

/* Every field name the proxy treats specially. HTTP_FIELD_OTHER is everything else.
 * The rows are in src/http/fields.c. */
enum http_field_id {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_UNDERSCORED, /* X_Forwarded_For for X-Forwarded-For, and the like: a backend that
                               makes variables of fields (RFC 3875 §4.1.18) cannot tell them apart
                             */
    HTTP_FIELD_ACCEPT,
    HTTP_FIELD_AUTHORIZATION,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_CONTENT_TYPE,
    HTTP_FIELD_COOKIE,
    HTTP_FIELD_DATE,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_FORWARDED,
    HTTP_FIELD_HOST,
    HTTP_FIELD_KEEP_ALIVE,
    HTTP_FIELD_MAX_FORWARDS,
    HTTP_FIELD_PROXY_AUTHENTICATE,
    HTTP_FIELD_PROXY_AUTHORIZATION,
    HTTP_FIELD_PROXY_CONNECTION,
    HTTP_FIELD_SERVER,
    HTTP_FIELD_SET_COOKIE,
    HTTP_FIELD_TE,
    HTTP_FIELD_TRACEPARENT,
    HTTP_FIELD_TRAILER,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_UPGRADE,
    HTTP_FIELD_USER_AGENT,
    HTTP_FIELD_VIA,
    HTTP_FIELD_X_FORWARDED_FOR,
    HTTP_FIELD_X_FORWARDED_HOST,
    HTTP_FIELD_X_FORWARDED_PROTO,
    HTTP_FIELD_X_REAL_IP,
    HTTP_FIELD_X_REQUEST_ID,
    HTTP_FIELD_COUNT,
};

enum http_field_flags {
    HTTP_FIELD_HOP_BY_HOP = 1 << 0, /* never forwarded as it came (RFC 9110 §7.6.1) */
    HTTP_FIELD_END_TO_END = 1 << 1, /* `Connection: name` cannot remove it */
    HTTP_FIELD_SINGLE = 1 << 2,     /* a second one makes a request invalid */
    HTTP_FIELD_NO_TRAILER = 1 << 3, /* never taken from a trailer section (RFC 9110 §6.5.1) */
    HTTP_FIELD_FORWARDING = 1 << 4, /* says who forwarded: rewritten by the proxy */
};

struct http_field_info {
    struct slice name; /* canonical spelling */
    u8 flags;          /* of enum http_field_flags */
};

extern const struct http_field_info http_field_infos[HTTP_FIELD_COUNT];

/* A set of enum http_field_id, one bit each; and those with these flags. */
#define HTTP_FIELD_BIT(id) (1u << (id))
extern const u32 http_fields_hop_by_hop;
extern const u32 http_fields_end_to_end;
extern const u32 http_fields_forwarding;

/* What is known of a field; HTTP_FIELD_OTHER and HTTP_FIELD_UNDERSCORED have no name. */
static inline const struct http_field_info *http_field_info(enum http_field_id id)
{
    ASSERT((u32)id < HTTP_FIELD_COUNT);
    return &http_field_infos[id];
}
/* The id of a name, compared without case; never HTTP_FIELD_UNDERSCORED. */
enum http_field_id http_field_find(struct slice name);
/* X-Forwarded-For, X-Forwarded-Port and all others of that family, known or not. */
bool http_field_is_x_forwarded(struct slice name);

/* One field line: `name` ":" OWS value OWS CRLF, as positions in the head. */
struct http_field {
    u16 name_at;
    u16 name_len;
    u16 value_at; /* without the white space around it */
    u16 value_len;
    u16 line_end;             /* just behind the line's CRLF */
    u8 id;                    /* enum http_field_id */
    bool named_by_connection; /* listed in a Connection field of the same head */
};

/* The fields of one head, in order. `base` is where positions count from: the head's first byte.
 * `first[id]` is 1 + the index of the first field with that id, 0 when absent. */
struct http_fields {
    const char *base;
    u16 count;
    u16 first[HTTP_FIELD_COUNT];
    struct http_field at[HTTP_FIELDS_MAX];
};

static inline struct slice http_field_name(const struct http_fields *fields, u32 index)
{
    const struct http_field *field = &fields->at[index];
    return slice_of(fields->base + field->name_at, field->name_len);
}

static inline struct slice http_field_value(const struct http_fields *fields, u32 index)
{
    const struct http_field *field = &fields->at[index];
    return slice_of(fields->base + field->value_at, field->value_len);
}

/* The value of the first field with that id; an empty slice with NULL data when there is none. */
static inline struct slice http_field_first(const struct http_fields *fields, enum http_field_id id)
{
    u16 first = fields->first[id];
    struct slice none = {0};
    return first == 0 ? none : http_field_value(fields, first - 1u);
}

/* True when `token` is one of the comma-separated elements of `list`, without case. */
bool http_list_contains(struct slice list, struct slice token);
/* Takes the next element from a comma-separated list (RFC 9110 §5.6.1: empty elements are skipped);
 * false when none is left. */
bool http_list_next(struct slice *list, struct slice *element);

#endif
