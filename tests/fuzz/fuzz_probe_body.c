/*
 * What a health check looks for in a body. In pieces and at once the verdict must be the same, and
 * that of a second reader, which has all of the body and looks through it with memmem(3).
 *
 * The input: one byte each for the size of the pieces, the framing (its two lowest bits) and the
 * length of what is looked for; that; then the body.
 */
#include "fuzz_heads.h"

#include "health/body.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { SIZE_MAX_HERE = 4096, FRAMINGS = 3 };

static char scratch[SIZE_MAX_HERE];

static enum body_verdict search(struct slice body, struct slice wanted, struct http_framing framing,
                                u32 piece_bytes)
{
    struct body_search found;
    enum body_verdict verdict = body_search_begin(&found, wanted, framing);
    for (u32 at = 0; at < body.len && verdict == BODY_MORE; at += piece_bytes) {
        u32 len = min_u32(piece_bytes, body.len - at);
        memcpy(scratch, body.data + at, len);
        verdict = body_search_take(&found, scratch, len);
    }
    return verdict;
}

static enum body_verdict expected(struct slice body, struct slice wanted,
                                  struct http_framing framing)
{
    struct http_chunked chunked = {0};
    u32 len = body.len;
    memcpy(scratch, body.data, body.len);
    if (framing.body == HTTP_BODY_CHUNKED)
        (void)http_chunked_decode(&chunked, scratch, body.len, &len);
    if (framing.body == HTTP_BODY_LENGTH)
        len = (u32)min_u64(len, framing.length);
    if (memmem(scratch, len, wanted.data, wanted.len) != NULL)
        return BODY_FOUND;
    if (chunked.state == HTTP_CHUNKED_BAD)
        return BODY_BAD;
    bool ended = chunked.state == HTTP_CHUNKED_END ||
                 (framing.body == HTTP_BODY_LENGTH && len == framing.length);
    return ended ? BODY_MISSING : BODY_MORE;
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    enum { PREFIX = 3 };
    if (size < PREFIX || size > SIZE_MAX_HERE || data[2] == 0 || size < PREFIX + data[2])
        return -1;
    const struct http_framing framings[FRAMINGS] = {
        {.body = HTTP_BODY_UNTIL_CLOSE},
        {.body = HTTP_BODY_CHUNKED},
        {.body = HTTP_BODY_LENGTH, .length = 1u + data[1]},
    };
    struct http_framing framing = framings[(data[1] & 3) % FRAMINGS];
    struct slice wanted = fuzz_copy(data + PREFIX, data[2]);
    struct slice body = fuzz_copy(data + PREFIX + data[2], size - PREFIX - data[2]);
    enum body_verdict verdict = expected(body, wanted, framing);
    REQUIRE(search(body, wanted, framing, SIZE_MAX_HERE) == verdict);
    REQUIRE(search(body, wanted, framing, 1u + data[0]) == verdict);
    fuzz_free(wanted);
    fuzz_free(body);
    return 0;
}
