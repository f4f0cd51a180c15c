/* See vectors.h. */
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guard_page.h"

const struct http_limits vector_limits = {
    .head_bytes_max = 16384,
    .target_bytes_max = 8192,
    .fields_max = 100,
};

/* What came of one parse, framing included. */
struct outcome {
    enum http_parse parse;
    enum http_reject reject;
    struct http_framing framing;
    u32 head_bytes;
};

typedef struct outcome (*judge_fn)(struct slice data, const struct vector *vector,
                                   const struct http_limits *limits);

static struct outcome judge_framing(struct http_framing framing, u32 head_bytes)
{
    bool rejected = framing.body == HTTP_BODY_REJECT;
    return (struct outcome){
        .parse = rejected ? HTTP_PARSE_REJECTED : HTTP_PARSE_DONE,
        .reject = rejected ? framing.reject : HTTP_REJECT_NONE,
        .framing = framing,
        .head_bytes = head_bytes,
    };
}

static struct outcome judge_request(struct slice data, const struct vector *vector,
                                    const struct http_limits *limits)
{
    static struct http_request request;
    memset(&request, 0xa5, sizeof(request)); /* what an earlier request left must not matter */
    enum http_parse parse = http_request_parse(data, limits, &request);
    if (parse != HTTP_PARSE_DONE)
        return (struct outcome){.parse = parse, .reject = request.reject};
    return judge_framing(http_request_framing(&request), request.head_bytes);
}

static struct outcome judge_response(struct slice data, const struct vector *vector,
                                     const struct http_limits *limits)
{
    static struct http_response response;
    memset(&response, 0xa5, sizeof(response));
    enum http_parse parse = http_response_parse(data, limits, &response);
    if (parse != HTTP_PARSE_DONE)
        return (struct outcome){.parse = parse, .reject = response.reject};
    enum http_method method =
        vector->method == HTTP_METHOD_OTHER ? HTTP_METHOD_GET : vector->method;
    return judge_framing(http_response_framing(&response, method, vector->upgrade_sent),
                         response.head_bytes);
}

static void check_whole(const struct vector *vector, const struct outcome *whole)
{
    if (whole->parse == HTTP_PARSE_PARTIAL)
        fail_msg("%s: taken for incomplete", vector->name);
    if (whole->reject != vector->reject)
        fail_msg("%s: verdict %s, expected %s", vector->name, http_reject_info(whole->reject)->name,
                 http_reject_info(vector->reject)->name);
    if (vector->reject != HTTP_REJECT_NONE)
        return;
    if (whole->framing.body != vector->body)
        fail_msg("%s: body %d, expected %d", vector->name, (int)whole->framing.body,
                 (int)vector->body);
    if (vector->body == HTTP_BODY_LENGTH)
        assert_int_equal(whole->framing.length, vector->length);
    assert_true(whole->head_bytes > 0 && whole->head_bytes <= vector->len);
}

/* Every prefix is incomplete, or has the verdict of the whole; once there is a verdict it stays. */
static void check_prefix(const struct vector *vector, u32 len, const struct outcome *whole,
                         const struct outcome *prefix)
{
    if (prefix->parse == HTTP_PARSE_PARTIAL) {
        assert_int_equal(prefix->reject, HTTP_REJECT_NONE);
        return;
    }
    if (prefix->parse != whole->parse || prefix->reject != whole->reject)
        fail_msg("%s: the first %u bytes are judged %s, the whole %s", vector->name, len,
                 http_reject_info(prefix->reject)->name, http_reject_info(whole->reject)->name);
    assert_int_equal(prefix->head_bytes, whole->head_bytes);
}

static void check(const struct vector *vector, const struct http_limits *limits, judge_fn judge)
{
    struct guard_page page = guard_page_create(vector->len);
    const char *data = guard_page_copy(&page, vector->bytes, vector->len);
    struct outcome whole = judge(slice_of(data, vector->len), vector, limits);
    check_whole(vector, &whole);
    bool decided = false;
    for (u32 len = 0; len <= vector->len; len++) {
        data = guard_page_copy(&page, vector->bytes, len);
        struct outcome prefix = judge(slice_of(data, len), vector, limits);
        check_prefix(vector, len, &whole, &prefix);
        if (decided && prefix.parse == HTTP_PARSE_PARTIAL)
            fail_msg("%s: no verdict at %u bytes after there was one", vector->name, len);
        decided = prefix.parse != HTTP_PARSE_PARTIAL;
    }
    guard_page_destroy(&page);
}

void vector_check_request(const struct vector *vector, const struct http_limits *limits)
{
    check(vector, limits, judge_request);
}

void vector_check_response(const struct vector *vector, const struct http_limits *limits)
{
    check(vector, limits, judge_response);
}

static void test_request(void **state)
{
    vector_check_request(*state, &vector_limits);
}

static void test_response(void **state)
{
    vector_check_response(*state, &vector_limits);
}

static int run(const char *group, const struct vector *vectors, usize count,
               CMUnitTestFunction test)
{
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    if (tests == NULL)
        return 1;
    for (usize i = 0; i < count; i++) {
        void *vector = (void *)(uintptr_t)&vectors[i]; /* cmocka's state is not const */
        tests[i] = (struct CMUnitTest){
            .name = vectors[i].name, .test_func = test, .initial_state = vector};
    }
    int failed = _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    free(tests);
    return failed;
}

int vectors_run_requests(const char *group, const struct vector *vectors, usize count)
{
    return run(group, vectors, count, test_request);
}

int vectors_run_responses(const char *group, const struct vector *vectors, usize count)
{
    return run(group, vectors, count, test_response);
}
