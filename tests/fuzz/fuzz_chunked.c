/*
 * Chunked bodies and trailer sections. Scanning and decoding, at once and in pieces, must agree
 * about everything, and with a second reader that is written in another way.
 *
 * The input: one byte for the size of the pieces, then the body.
 */
#include "fuzz_heads.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { SIZE_MAX_HERE = 4096 };

struct reading {
    struct http_chunked chunked;
    u32 taken;
    u32 payload_len;
    char payload[SIZE_MAX_HERE];
};

static struct reading whole;
static struct reading pieces;
static char scratch[SIZE_MAX_HERE];

static void decode(struct reading *reading, struct slice body, u32 piece_bytes)
{
    memset(reading, 0, offsetof(struct reading, payload));
    for (u32 at = 0; at < body.len; at += piece_bytes) {
        u32 len = min_u32(piece_bytes, body.len - at);
        u32 payload_len;
        memcpy(scratch, body.data + at, len);
        u32 taken = http_chunked_decode(&reading->chunked, scratch, len, &payload_len);
        REQUIRE(taken <= len && payload_len <= taken);
        memcpy(reading->payload + reading->payload_len, scratch, payload_len);
        reading->payload_len += payload_len;
        reading->taken += taken;
    }
}

static u32 scan(struct http_chunked *chunked, struct slice body, u32 piece_bytes)
{
    u32 taken = 0;
    for (u32 at = 0; at < body.len; at += piece_bytes)
        taken += http_chunked_scan(chunked, body.data + at, min_u32(piece_bytes, body.len - at));
    return taken;
}

/* Reads a body that is known to be complete and checks it line by line. */
static void check_complete(struct slice body)
{
    u32 at = 0;
    u32 payload = 0;
    for (;;) {
        const char *line = body.data + at;
        const char *line_end = memchr(line, '\n', body.len - at);
        REQUIRE(line_end != NULL && line_end > line + 1 && line_end[-1] == '\r');
        char *digits_end;
        unsigned long long bytes = strtoull(line, &digits_end, 16);
        REQUIRE(digits_end - line >= 1 && digits_end - line <= 16);
        REQUIRE(*digits_end == '\r' || *digits_end == ';');
        for (const char *byte = line; byte < line_end - 1; byte++)
            REQUIRE((u8)*byte >= 0x20 || *byte == '\t');
        at = (u32)(line_end + 1 - body.data);
        if (bytes == 0)
            break;
        REQUIRE(bytes + 2 <= body.len - at);
        REQUIRE(memcmp(whole.payload + payload, body.data + at, bytes) == 0);
        payload += (u32)bytes;
        at += (u32)bytes + 2;
        REQUIRE(memcmp(body.data + at - 2, "\r\n", 2) == 0);
    }
    REQUIRE(at == whole.taken && payload == whole.payload_len);
}

static void check_trailers(struct slice section)
{
    static const struct http_limits limits = {
        .head_bytes_max = 512, .target_bytes_max = 16, .fields_max = 8};
    static struct http_fields fields;
    u32 section_bytes;
    enum http_parse parse = http_trailers_parse(section, &limits, &fields, &section_bytes);
    fuzz_check_fields(&fields, parse == HTTP_PARSE_DONE || fields.count == 0
                                   ? section_bytes
                                   : fields.at[fields.count - 1].line_end + 2u);
    if (parse == HTTP_PARSE_DONE)
        REQUIRE(memcmp(section.data + section_bytes - 2, "\r\n", 2) == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    if (size == 0 || size > SIZE_MAX_HERE)
        return -1;
    u32 piece_bytes = 1u + data[0];
    struct slice body = fuzz_copy(data + 1, size - 1);
    struct http_chunked at_once = {0};
    struct http_chunked in_pieces = {0};
    u32 taken = scan(&at_once, body, SIZE_MAX_HERE);
    REQUIRE(scan(&in_pieces, body, piece_bytes) == taken);
    decode(&whole, body, SIZE_MAX_HERE);
    decode(&pieces, body, piece_bytes);
    REQUIRE(whole.taken == taken && pieces.taken == taken);
    REQUIRE(at_once.state == in_pieces.state && at_once.state == whole.chunked.state &&
            at_once.state == pieces.chunked.state);
    REQUIRE(at_once.payload_bytes == whole.payload_len);
    REQUIRE(pieces.payload_len == whole.payload_len);
    REQUIRE(memcmp(pieces.payload, whole.payload, whole.payload_len) == 0);
    if (at_once.state == HTTP_CHUNKED_END)
        check_complete(body);
    else
        REQUIRE(at_once.state == HTTP_CHUNKED_BAD || taken == body.len);
    check_trailers(slice_of(body.data + taken, body.len - taken));
    fuzz_free(body);
    return 0;
}
