/*
 * The conformance vectors against the code that decides: what tests/conformance says of a message
 * must follow from parse, framing and chunked alone. Each case is a test of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "vectors.h"

enum { MESSAGE_BYTES_MAX = 128 * 1024, ANSWERS_MAX = 4 };

struct message {
    u32 len;
    char bytes[MESSAGE_BYTES_MAX];
};

static struct message message;
static struct message payload;
static struct http_fields trailers;

/* --- From JSON to bytes --- */

/* Text whose characters are bytes: UTF-8 of U+0000..U+00FF. */
static void append_latin1(struct message *out, const char *text, usize len)
{
    for (usize i = 0; i < len; i++) {
        u8 byte = (u8)text[i];
        if (byte >= 0x80) {
            assert_true((byte & 0xfc) == 0xc0 && i + 1 < len);
            byte = (u8)(byte << 6 | ((u8)text[++i] & 0x3f));
        }
        assert_true(out->len < MESSAGE_BYTES_MAX);
        out->bytes[out->len++] = (char)byte;
    }
}

static void append_part(struct message *out, const json_t *part)
{
    const json_t *text = json_is_object(part) ? json_object_get(part, "repeat") : part;
    json_int_t times =
        json_is_object(part) ? json_integer_value(json_object_get(part, "times")) : 1;
    assert_true(json_is_string(text) && times > 0);
    for (json_int_t i = 0; i < times; i++)
        append_latin1(out, json_string_value(text), json_string_length(text));
}

static void read_message(struct message *out, const json_t *parts)
{
    out->len = 0;
    assert_non_null(parts);
    if (!json_is_array(parts))
        append_part(out, parts);
    for (usize i = 0; i < json_array_size(parts); i++)
        append_part(out, json_array_get(parts, i));
}

/* --- Bodies --- */

enum outcome { COMPLETE, BAD, INCOMPLETE };

static void keep_payload(const char *bytes, u32 len)
{
    memcpy(payload.bytes + payload.len, bytes, len);
    payload.len += len;
}

static enum outcome read_chunked(struct slice *rest)
{
    static char scratch[MESSAGE_BYTES_MAX];
    struct http_chunked chunked = {0};
    u32 payload_len;
    if (rest->len == 0)
        return INCOMPLETE;
    memcpy(scratch, rest->data, rest->len);
    u32 taken = http_chunked_decode(&chunked, scratch, rest->len, &payload_len);
    keep_payload(scratch, payload_len);
    if (chunked.state != HTTP_CHUNKED_END)
        return chunked.state == HTTP_CHUNKED_BAD ? BAD : INCOMPLETE;
    *rest = slice_of(rest->data + taken, rest->len - taken);
    u32 section_bytes;
    enum http_parse parse = http_trailers_parse(*rest, &vector_limits, &trailers, &section_bytes);
    *rest = slice_of(rest->data + section_bytes, rest->len - section_bytes);
    if (parse == HTTP_PARSE_DONE)
        return COMPLETE;
    return parse == HTTP_PARSE_REJECTED ? BAD : INCOMPLETE;
}

static enum outcome read_body(struct http_framing framing, struct slice *rest, bool ends)
{
    payload.len = 0;
    if (framing.body == HTTP_BODY_CHUNKED)
        return read_chunked(rest);
    u64 wanted = framing.body == HTTP_BODY_LENGTH        ? framing.length
                 : framing.body == HTTP_BODY_UNTIL_CLOSE ? rest->len
                                                         : 0;
    u32 len = (u32)min_u64(wanted, rest->len);
    keep_payload(rest->data, len);
    *rest = slice_of(rest->data + len, rest->len - len);
    bool complete = len == wanted && (framing.body != HTTP_BODY_UNTIL_CLOSE || ends);
    return complete ? COMPLETE : INCOMPLETE;
}

static void check_payload(const json_t *expected)
{
    static struct message wanted;
    if (expected == NULL)
        return;
    read_message(&wanted, expected);
    assert_int_equal(payload.len, wanted.len);
    assert_memory_equal(payload.bytes, wanted.bytes, wanted.len);
}

/* --- Requests --- */

struct answers {
    u32 count;
    u32 status[ANSWERS_MAX];
    bool closes;
};

static void answer(struct answers *answers, u32 status, bool closes)
{
    assert_true(answers->count < ANSWERS_MAX);
    answers->status[answers->count++] = status;
    answers->closes = closes;
}

/* Answers one request; returns whether another may follow. */
static bool answer_next(struct answers *answers, struct slice *rest, const json_t *expected_payload)
{
    static struct http_request request;
    u32 skipped = http_skip_empty_lines(*rest);
    *rest = slice_of(rest->data + skipped, rest->len - skipped);
    enum http_parse parse = http_request_parse(*rest, &vector_limits, &request);
    if (parse == HTTP_PARSE_PARTIAL)
        fail_msg("the request is incomplete");
    if (parse == HTTP_PARSE_REJECTED) {
        answer(answers, http_reject_info(request.reject)->status, true);
        return false;
    }
    *rest = slice_of(rest->data + request.head_bytes, rest->len - request.head_bytes);
    struct http_framing framing = http_request_framing(&request);
    if (framing.body == HTTP_BODY_REJECT) {
        answer(answers, http_reject_info(framing.reject)->status, true);
        return false;
    }
    enum outcome outcome = read_body(framing, rest, false);
    if (outcome == INCOMPLETE)
        fail_msg("the body is incomplete");
    if (outcome == COMPLETE && answers->count == 0)
        check_payload(expected_payload);
    bool goes_on = outcome == COMPLETE && request.keep_alive;
    answer(answers, outcome == COMPLETE ? 200 : 400, !goes_on);
    return goes_on;
}

static void test_request(void **state)
{
    const json_t *vector = *state;
    read_message(&message, json_object_get(vector, "request"));
    struct slice rest = slice_of(message.bytes, message.len);
    struct answers answers = {0};
    bool goes_on = true;
    while (goes_on && rest.len > 0)
        goes_on = answer_next(&answers, &rest, json_object_get(vector, "payload"));
    const json_t *status = json_object_get(vector, "status");
    usize expected = json_is_array(status) ? json_array_size(status) : 1;
    assert_int_equal(answers.count, expected);
    for (usize i = 0; i < expected; i++)
        assert_int_equal(
            answers.status[i],
            json_integer_value(json_is_array(status) ? json_array_get(status, i) : status));
    assert_true(json_is_boolean(json_object_get(vector, "closes")));
    assert_int_equal(answers.closes, json_is_true(json_object_get(vector, "closes")));
}

/* --- Responses --- */

static enum http_method method_of(const json_t *vector)
{
    const char *name = json_string_value(json_object_get(vector, "method"));
    if (name == NULL)
        return HTTP_METHOD_GET;
    assert_string_equal(name, "HEAD");
    return HTTP_METHOD_HEAD;
}

struct seen {
    const char *outcome;
    u32 status;
};

/* What a client must be shown, from the bytes alone. */
static struct seen judge_response(struct slice rest, enum http_method method, bool ends)
{
    static struct http_response response;
    const struct seen bad_gateway = {"bad_gateway", 502};
    for (;;) {
        enum http_parse parse = http_response_parse(rest, &vector_limits, &response);
        if (parse == HTTP_PARSE_PARTIAL)
            assert_true(ends); /* or the case would wait for ever */
        if (parse != HTTP_PARSE_DONE)
            return bad_gateway;
        rest = slice_of(rest.data + response.head_bytes, rest.len - response.head_bytes);
        struct http_framing framing = http_response_framing(&response, method, false);
        if (framing.body == HTTP_BODY_REJECT)
            return bad_gateway;
        if (response.status < 200)
            continue;
        enum outcome outcome = read_body(framing, &rest, ends);
        if (outcome == INCOMPLETE)
            assert_true(ends);
        return (struct seen){outcome == COMPLETE ? "ok" : "cut_short", response.status};
    }
}

static void test_response(void **state)
{
    const json_t *vector = *state;
    read_message(&message, json_object_get(vector, "response"));
    bool ends = json_is_true(json_object_get(vector, "origin_closes"));
    struct slice bytes = slice_of(message.bytes, message.len);
    struct seen seen = judge_response(bytes, method_of(vector), ends);
    assert_string_equal(seen.outcome, json_string_value(json_object_get(vector, "outcome")));
    assert_int_equal(seen.status, json_integer_value(json_object_get(vector, "status")));
    if (seen.status != 502)
        check_payload(json_object_get(vector, "body"));
}

/* --- Running a file --- */

static int run_file(const char *path, CMUnitTestFunction test, usize cases_min)
{
    json_error_t error;
    json_t *vectors = json_load_file(path, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    usize count = json_array_size(vectors);
    struct CMUnitTest *tests = calloc(count == 0 ? 1 : count, sizeof(*tests));
    if (vectors == NULL || count < cases_min || tests == NULL) {
        print_error("%s: %s (line %d), %zu cases\n", path, error.text, error.line, count);
        return 1;
    }
    for (usize i = 0; i < count; i++) {
        json_t *vector = json_array_get(vectors, i);
        const char *name = json_string_value(json_object_get(vector, "name"));
        tests[i] = (struct CMUnitTest){
            .name = name == NULL ? path : name, .test_func = test, .initial_state = vector};
    }
    int failed = _cmocka_run_group_tests(path, tests, count, NULL, NULL);
    free(tests);
    json_decref(vectors);
    return failed;
}

int main(void)
{
    int failed = run_file("tests/conformance/requests.json", test_request, 80);
    return failed + run_file("tests/conformance/responses.json", test_response, 40);
}
