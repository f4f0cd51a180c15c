/*
 * Response heads. What is accepted must hold together, and every prefix must be incomplete or have
 * the verdict of the whole.
 *
 * The input: one byte for the method of the request that is answered (its highest bit: an upgrade
 * was asked for), then the head.
 */
#include "fuzz_heads.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { SIZE_MAX_HERE = 1024, UPGRADE_BIT = 0x80 };

static const struct http_limits all_limits[] = {
    {.head_bytes_max = 16384, .target_bytes_max = 8192, .fields_max = 100},
    {.head_bytes_max = 64, .target_bytes_max = 24, .fields_max = 3},
};

static struct http_response response;

static void check_framing(enum http_method method, bool upgrade_sent)
{
    struct http_framing framing = http_response_framing(&response, method, upgrade_sent);
    bool coding = response.fields.first[HTTP_FIELD_TRANSFER_ENCODING] != 0;
    bool length = response.fields.first[HTTP_FIELD_CONTENT_LENGTH] != 0;
    REQUIRE((framing.body == HTTP_BODY_REJECT) == (framing.reject != HTTP_REJECT_NONE));
    REQUIRE((framing.body == HTTP_BODY_LENGTH) == (framing.length > 0));
    if (coding && (length || response.minor == 0))
        REQUIRE(framing.body == HTTP_BODY_REJECT);
    if (framing.body == HTTP_BODY_TUNNEL)
        REQUIRE(response.status == 101 && upgrade_sent && response.upgrade);
    bool bodiless = response.status < 200 || response.status == 204 || response.status == 304 ||
                    method == HTTP_METHOD_HEAD;
    if (bodiless)
        REQUIRE(framing.body == HTTP_BODY_NONE || framing.body == HTTP_BODY_TUNNEL ||
                framing.body == HTTP_BODY_REJECT);
    if (framing.body == HTTP_BODY_UNTIL_CLOSE)
        REQUIRE(!coding && !length);
}

static void check_accepted(struct slice data, const struct http_limits *limits)
{
    struct slice head = slice_of(data.data, response.head_bytes);
    REQUIRE(response.head_bytes <= data.len && response.head_bytes <= limits->head_bytes_max);
    fuzz_check_lines(head);
    fuzz_check_fields(&response.fields, response.head_bytes);
    REQUIRE(response.fields.count <= limits->fields_max);
    REQUIRE(response.status >= 100 && response.status <= 599);
    REQUIRE(fuzz_inside(response.reason, head));
}

static void check_prefixes(struct slice data, const struct http_limits *limits,
                           enum http_parse whole, enum http_reject reject)
{
    bool decided = false;
    for (u32 len = 0; len <= data.len; len++) {
        enum http_parse parse = http_response_parse(slice_of(data.data, len), limits, &response);
        if (parse == HTTP_PARSE_PARTIAL) {
            REQUIRE(!decided);
            continue;
        }
        decided = true;
        REQUIRE(parse == whole && response.reject == reject);
    }
    REQUIRE(decided == (whole != HTTP_PARSE_PARTIAL));
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    if (size == 0 || size > SIZE_MAX_HERE)
        return -1;
    enum http_method method = (enum http_method)((data[0] & ~UPGRADE_BIT) % HTTP_METHOD_COUNT);
    bool upgrade_sent = (data[0] & UPGRADE_BIT) != 0;
    struct slice copy = fuzz_copy(data + 1, size - 1);
    for (u32 i = 0; i < ARRAY_COUNT(all_limits); i++) {
        enum http_parse parse = http_response_parse(copy, &all_limits[i], &response);
        enum http_reject reject = response.reject;
        REQUIRE((parse == HTTP_PARSE_REJECTED) == (reject != HTTP_REJECT_NONE));
        if (parse == HTTP_PARSE_DONE) {
            check_accepted(copy, &all_limits[i]);
            check_framing(method, upgrade_sent);
        }
        check_prefixes(copy, &all_limits[i], parse, reject);
    }
    fuzz_free(copy);
    return 0;
}
