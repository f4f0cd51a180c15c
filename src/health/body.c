/* See body.h. */
#include "health/body.h"

static void fallback_build(struct body_search *search)
{
    struct slice wanted = search->wanted;
    u32 shorter = 0;
    search->fallback[1] = 0;
    for (u32 len = 2; len <= wanted.len; len++) {
        char byte = wanted.data[len - 1];
        while (shorter > 0 && wanted.data[shorter] != byte)
            shorter = search->fallback[shorter];
        shorter += wanted.data[shorter] == byte;
        search->fallback[len] = (u8)shorter;
    }
}

static bool contains(struct body_search *search, const char *data, u32 len)
{
    struct slice wanted = search->wanted;
    u32 matched = search->matched;
    for (u32 i = 0; i < len && matched < wanted.len; i++) {
        while (matched > 0 && wanted.data[matched] != data[i])
            matched = search->fallback[matched];
        matched += wanted.data[matched] == data[i];
    }
    search->matched = matched;
    return matched == wanted.len;
}

enum body_verdict body_search_begin(struct body_search *search, struct slice wanted,
                                    struct http_framing framing)
{
    ASSERT(wanted.len > 0 && wanted.len <= CONFIG_PROBE_BODY_BYTES_MAX);
    search->chunked = (struct http_chunked){0};
    search->wanted = wanted;
    search->remaining = BODY_BYTES_MAX;
    search->matched = 0;
    search->is_chunked = framing.body == HTTP_BODY_CHUNKED;
    fallback_build(search);
    if (framing.body == HTTP_BODY_LENGTH)
        search->remaining = min_u64(framing.length, BODY_BYTES_MAX);
    return framing.body == HTTP_BODY_NONE ? BODY_MISSING : BODY_MORE;
}

static enum body_verdict take_payload(struct body_search *search, const char *data, u32 len)
{
    u32 bytes = (u32)min_u64(len, search->remaining);
    search->remaining -= bytes;
    if (contains(search, data, bytes))
        return BODY_FOUND;
    return search->remaining == 0 ? BODY_MISSING : BODY_MORE;
}

enum body_verdict body_search_take(struct body_search *search, char *data, u32 len)
{
    u32 payload_len = len;
    if (search->is_chunked)
        (void)http_chunked_decode(&search->chunked, data, len, &payload_len);
    enum body_verdict verdict = take_payload(search, data, payload_len);
    if (verdict != BODY_MORE || !search->is_chunked)
        return verdict;
    if (search->chunked.state == HTTP_CHUNKED_BAD)
        return BODY_BAD;
    return search->chunked.state == HTTP_CHUNKED_END ? BODY_MISSING : BODY_MORE;
}
