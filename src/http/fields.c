/*
 * The field table: one row per name the proxy treats specially, and the lookup of a name in it.
 *
 * Length and first letter together tell all rows apart, so a lookup is one slot and one compare.
 * That the slots do not collide is proved by the compiler: two rows in one slot would be an
 * initialiser overriding another, which is an error with our warnings.
 */
#include "http/head.h"

enum {
    HOP = HTTP_FIELD_HOP_BY_HOP,
    END = HTTP_FIELD_END_TO_END,
    ONE = HTTP_FIELD_SINGLE,
    HEAD = HTTP_FIELD_NO_TRAILER,
    FORWARD = HTTP_FIELD_FORWARDING,
};

/* id, first letter, canonical spelling, flags.
 *
 * Single are those whose repetition makes two readers of one message disagree about where it ends,
 * where it goes, or who sent it. Others that ought to be single (Content-Type, User-Agent) come
 * twice from real clients and decide nothing here.
 *
 * No trailer: framing, routing, request modifiers, authentication and content processing
 * (RFC 9110 §6.5.1), and everything by which a backend tells who is calling. */
#define FIELD_ROWS(ROW)                                                                            \
    ROW(ACCEPT, 'a', "Accept", HEAD)                                                               \
    ROW(AUTHORIZATION, 'a', "Authorization", END | ONE | HEAD)                                     \
    ROW(CONNECTION, 'c', "Connection", HOP | HEAD)                                                 \
    ROW(CONTENT_LENGTH, 'c', "Content-Length", END | ONE | HEAD)                                   \
    ROW(CONTENT_TYPE, 'c', "Content-Type", END | HEAD)                                             \
    ROW(COOKIE, 'c', "Cookie", END | HEAD)                                                         \
    ROW(DATE, 'd', "Date", END | HEAD)                                                             \
    ROW(EXPECT, 'e', "Expect", END | ONE | HEAD)                                                   \
    ROW(FORWARDED, 'f', "Forwarded", END | HEAD | FORWARD)                                         \
    ROW(HOST, 'h', "Host", END | ONE | HEAD)                                                       \
    ROW(KEEP_ALIVE, 'k', "Keep-Alive", HOP | HEAD)                                                 \
    ROW(MAX_FORWARDS, 'm', "Max-Forwards", END | HEAD)                                             \
    ROW(PROXY_AUTHENTICATE, 'p', "Proxy-Authenticate", HOP | HEAD)                                 \
    ROW(PROXY_AUTHORIZATION, 'p', "Proxy-Authorization", HOP | ONE | HEAD)                         \
    ROW(PROXY_CONNECTION, 'p', "Proxy-Connection", HOP | HEAD)                                     \
    ROW(SERVER, 's', "Server", 0)                                                                  \
    ROW(SET_COOKIE, 's', "Set-Cookie", END | HEAD)                                                 \
    ROW(TE, 't', "TE", HOP | HEAD)                                                                 \
    ROW(TRACEPARENT, 't', "traceparent", END | HEAD)                                               \
    ROW(TRAILER, 't', "Trailer", HEAD)                                                             \
    ROW(TRANSFER_ENCODING, 't', "Transfer-Encoding", HOP | ONE | HEAD)                             \
    ROW(UPGRADE, 'u', "Upgrade", HOP | HEAD)                                                       \
    ROW(USER_AGENT, 'u', "User-Agent", 0)                                                          \
    ROW(VIA, 'v', "Via", END | HEAD | FORWARD)                                                     \
    ROW(X_FORWARDED_FOR, 'x', "X-Forwarded-For", END | HEAD | FORWARD)                             \
    ROW(X_FORWARDED_HOST, 'x', "X-Forwarded-Host", END | HEAD | FORWARD)                           \
    ROW(X_FORWARDED_PROTO, 'x', "X-Forwarded-Proto", END | HEAD | FORWARD)                         \
    ROW(X_REAL_IP, 'x', "X-Real-IP", END | HEAD | FORWARD)                                         \
    ROW(X_REQUEST_ID, 'x', "X-Request-ID", END | HEAD)

enum { SLOTS = 128, NAME_BYTES_MAX = 24 };

/* The factor was found by search: it is the smallest that leaves no two rows in one slot. */
#define SLOT(len, first) (((len) + 5u * ((u32)(first)&0x1fu)) & (SLOTS - 1u))
#define TEXT_LEN(text) (sizeof(text) - 1)

#define INFO_ROW(row_id, first, text, row_flags)                                                   \
    [HTTP_FIELD_##row_id] = {.name = {text, TEXT_LEN(text)}, .flags = (row_flags)},
#define SLOT_ROW(row_id, first, text, row_flags)                                                   \
    [SLOT(TEXT_LEN(text), first)] = HTTP_FIELD_##row_id,
#define HOP_ROW(row_id, first, text, row_flags)                                                    \
    | (((row_flags)&HOP) != 0 ? HTTP_FIELD_BIT(HTTP_FIELD_##row_id) : 0)
#define END_ROW(row_id, first, text, row_flags)                                                    \
    | (((row_flags)&END) != 0 ? HTTP_FIELD_BIT(HTTP_FIELD_##row_id) : 0)
#define FORWARD_ROW(row_id, first, text, row_flags)                                                \
    | (((row_flags)&FORWARD) != 0 ? HTTP_FIELD_BIT(HTTP_FIELD_##row_id) : 0)
#define CHECK_ROW(row_id, first, text, row_flags)                                                  \
    static_assert(TEXT_LEN(text) >= 2 && TEXT_LEN(text) <= NAME_BYTES_MAX, "see name_equal");

const struct http_field_info http_field_infos[HTTP_FIELD_COUNT] = {
    [HTTP_FIELD_UNDERSCORED] = {.flags = HEAD}, FIELD_ROWS(INFO_ROW)};
const u32 http_fields_hop_by_hop = 0 FIELD_ROWS(HOP_ROW);
const u32 http_fields_end_to_end = 0 FIELD_ROWS(END_ROW);
const u32 http_fields_forwarding = 0 FIELD_ROWS(FORWARD_ROW);
static const u8 field_slots[SLOTS] = {FIELD_ROWS(SLOT_ROW)};
FIELD_ROWS(CHECK_ROW)

static inline u64 lower_8(const char *at)
{
    u64 word;
    memcpy(&word, at, sizeof(word));
    return word | 0x2020202020202020ull;
}

static inline u32 lower_4(const char *at)
{
    u32 word;
    memcpy(&word, at, sizeof(word));
    return word | 0x20202020u;
}

/* Equality without case of two names of `len` bytes, 2..NAME_BYTES_MAX. Setting bit 5 is exact here
 * because a row has only letters and '-', and of all token bytes only a letter's other case becomes
 * a row's byte that way. */
static inline bool name_equal(const char *a, const char *b, u32 len)
{
    if (LIKELY(len >= 8)) {
        u64 differ = lower_8(a) ^ lower_8(b);
        differ |= lower_8(a + len - 8) ^ lower_8(b + len - 8);
        if (len > 16)
            differ |= lower_8(a + 8) ^ lower_8(b + 8);
        return differ == 0;
    }
    if (LIKELY(len >= 4))
        return lower_4(a) == lower_4(b) && lower_4(a + len - 4) == lower_4(b + len - 4);
    for (u32 i = 0; i < len; i++)
        if ((a[i] | 0x20) != (b[i] | 0x20))
            return false;
    return true;
}

/* A name that is unlike the row's, which has its length: whether '_' for '-' is all the difference,
 * and the row is one by which messages are framed or clients are told apart. */
__attribute__((cold, noinline)) static enum http_field_id
underscored(const char *name, const struct http_field_info *info)
{
    for (u32 i = 0; i < info->name.len; i++) {
        char byte = name[i] == '_' ? '-' : ascii_lower(name[i]);
        if (byte != ascii_lower(info->name.data[i]))
            return HTTP_FIELD_OTHER;
    }
    return (info->flags & (HOP | ONE | FORWARD)) != 0 ? HTTP_FIELD_UNDERSCORED : HTTP_FIELD_OTHER;
}

enum http_field_id http_field_find_token(const char *name, u32 len)
{
    u32 id = field_slots[SLOT(len, name[0])];
    const struct http_field_info *info = &http_field_infos[id];
    if (id == HTTP_FIELD_OTHER || info->name.len != len)
        return HTTP_FIELD_OTHER;
    if (LIKELY(name_equal(name, info->name.data, len)))
        return (enum http_field_id)id;
    return underscored(name, info);
}

enum http_field_id http_field_find(struct slice name)
{
    if (name.len == 0)
        return HTTP_FIELD_OTHER;
    enum http_field_id id = http_field_find_token(name.data, name.len);
    /* The name may hold bytes that no token has. */
    return slice_equal_nocase(name, http_field_infos[id].name) ? id : HTTP_FIELD_OTHER;
}

bool http_field_is_x_forwarded(struct slice name)
{
    const struct slice prefix = SLICE("X-Forwarded-");
    return name.len > prefix.len && slice_equal_nocase(slice_of(name.data, prefix.len), prefix);
}
