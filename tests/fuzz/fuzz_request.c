/*
 * Request heads. What is accepted must hold together, and every prefix must be incomplete or have
 * the verdict of the whole.
 *
 * The input is the head. Two sets of limits are tried, the second so tight that they matter.
 */
#include "fuzz_heads.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { SIZE_MAX_HERE = 1024 };

static const struct http_limits all_limits[] = {
    {.head_bytes_max = 16384, .target_bytes_max = 8192, .fields_max = 100},
    {.head_bytes_max = 128, .target_bytes_max = 24, .fields_max = 4},
};

static struct http_request request;

static void check_framing(const struct http_request *parsed)
{
    const struct http_fields *fields = &parsed->fields;
    struct http_framing framing = http_request_framing(parsed);
    bool coding = fields->first[HTTP_FIELD_TRANSFER_ENCODING] != 0;
    bool length = fields->first[HTTP_FIELD_CONTENT_LENGTH] != 0;
    REQUIRE((framing.body == HTTP_BODY_REJECT) == (framing.reject != HTTP_REJECT_NONE));
    REQUIRE(framing.body != HTTP_BODY_UNTIL_CLOSE && framing.body != HTTP_BODY_TUNNEL);
    REQUIRE((framing.body == HTTP_BODY_LENGTH) == (framing.length > 0));
    if (coding && length)
        REQUIRE(framing.body == HTTP_BODY_REJECT);
    if (framing.body == HTTP_BODY_CHUNKED)
        REQUIRE(coding && parsed->minor == 1);
    if (framing.body == HTTP_BODY_LENGTH)
        REQUIRE(length && framing.length <= INT64_MAX);
    u32 framing_fields = 0;
    for (u32 i = 0; i < fields->count; i++)
        framing_fields += fields->at[i].id == HTTP_FIELD_CONTENT_LENGTH ||
                          fields->at[i].id == HTTP_FIELD_TRANSFER_ENCODING;
    if (framing.body != HTTP_BODY_REJECT)
        REQUIRE(framing_fields <= 1);
}

static bool has(struct slice text, struct slice part)
{
    return memmem(text.data, text.len, part.data, part.len) != NULL;
}

/* A slash is put behind the path, so that the last segment is found like the others. */
static void check_path(struct slice path)
{
    static char decoded[HTTP_HEAD_BYTES_MAX + 1];
    enum http_path kind = http_path_judge(path);
    struct slice read = slice_of(decoded, http_path_decode(path, decoded));
    REQUIRE(read.len > 0 && read.len <= path.len);
    REQUIRE(kind != HTTP_PATH_PLAIN || slice_equal(read, path));
    decoded[read.len++] = '/';
    if (has(read, SLICE("/../")) || has(read, SLICE("/./")))
        REQUIRE(kind == HTTP_PATH_DOTS);
    if (path.data[path.len - 1] != '/')
        REQUIRE(kind != HTTP_PATH_PLAIN || http_path_below(path, path));
}

static void check_accepted(struct slice data, const struct http_limits *limits)
{
    struct slice head = slice_of(data.data, request.head_bytes);
    REQUIRE(request.head_bytes <= data.len && request.head_bytes <= limits->head_bytes_max);
    fuzz_check_lines(head);
    fuzz_check_fields(&request.fields, request.head_bytes);
    REQUIRE(request.fields.count <= limits->fields_max);
    REQUIRE(fuzz_inside(request.method_name, head) && request.method_name.len > 0);
    REQUIRE(request.target.len > 0 && request.target.len <= limits->target_bytes_max);
    REQUIRE(request.target.data == head.data + request.method_name.len + 1);
    REQUIRE(fuzz_inside(request.authority, head) && fuzz_inside(request.host, request.authority));
    REQUIRE(fuzz_inside(request.query, request.target));
    REQUIRE(request.query.len == 0 || request.query.data[0] == '?');
    REQUIRE(request.path.len > 0 && memchr(request.path.data, '?', request.path.len) == NULL);
    REQUIRE(request.path.data[0] == '/' || slice_equal(request.path, SLICE("*")));
    check_path(request.path);
    REQUIRE(request.method != HTTP_METHOD_CONNECT);
    REQUIRE(request.minor == 0 || request.fields.first[HTTP_FIELD_HOST] != 0);
    REQUIRE(!(request.upgrade || request.expect_continue) || request.minor == 1);
    check_framing(&request);
}

static void check_prefixes(struct slice data, const struct http_limits *limits,
                           enum http_parse whole, enum http_reject reject)
{
    bool decided = false;
    for (u32 len = 0; len <= data.len; len++) {
        enum http_parse parse = http_request_parse(slice_of(data.data, len), limits, &request);
        if (parse == HTTP_PARSE_PARTIAL) {
            REQUIRE(!decided);
            continue;
        }
        decided = true;
        REQUIRE(parse == whole && request.reject == reject);
    }
    REQUIRE(decided == (whole != HTTP_PARSE_PARTIAL));
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    if (size > SIZE_MAX_HERE)
        return -1;
    struct slice copy = fuzz_copy(data, size);
    for (u32 i = 0; i < ARRAY_COUNT(all_limits); i++) {
        enum http_parse parse = http_request_parse(copy, &all_limits[i], &request);
        enum http_reject reject = request.reject;
        REQUIRE((parse == HTTP_PARSE_REJECTED) == (reject != HTTP_REJECT_NONE));
        if (parse == HTTP_PARSE_DONE)
            check_accepted(copy, &all_limits[i]);
        check_prefixes(copy, &all_limits[i], parse, reject);
    }
    fuzz_free(copy);
    return 0;
}
