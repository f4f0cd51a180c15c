/* Access and error records: the exact lines, optional members, and lines at their longest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "log.h"

/* 2026-01-13T10:30:45.123Z */
#define WALL_NS 1768300245123456789ull

static const struct log_access ACCESS = {
    .wall_ns = WALL_NS,
    .method = {"GET", 3},
    .path = {"/api/users", 10},
    .host = {"www.example.com", 15},
    .route = {"api", 3},
    .backend_id = {"backend-2", 9},
    .client_ip = {"192.168.1.100", 13},
    .request_id = {"0194612a-5b73-7c11-9d5e-6f0a1b2c3d4e", 36},
    .bytes_in = 312,
    .bytes_out = 1480,
    .duration_us = 45210,
    .head_us = 12,
    .queue_us = 0,
    .connect_us = 180,
    .first_byte_us = 44000,
    .body_us = 950,
    .own_us = 68,
    .status = 200,
    .attempts = 1,
    .protocol_minor = 1,
    .reused = true,
};

static void assert_line(struct slice line, const char *expected)
{
    if (!slice_equal(line, slice_of_string(expected)))
        fail_msg("got      %.*sexpected %s", (int)line.len, line.data, expected);
}

static void test_access_line(void **state)
{
    char line[LOG_LINE_BYTES_MAX];
    usize length = log_access_format(line, &ACCESS);
    assert_line(slice_of(line, length),
                "{\"timestamp\":\"2026-01-13T10:30:45.123Z\",\"method\":\"GET\","
                "\"path\":\"/api/users\",\"backendId\":\"backend-2\",\"statusCode\":200,"
                "\"duration\":45,\"clientIp\":\"192.168.1.100\","
                "\"requestId\":\"0194612a-5b73-7c11-9d5e-6f0a1b2c3d4e\",\"route\":\"api\","
                "\"host\":\"www.example.com\",\"protocol\":\"HTTP/1.1\",\"bytesIn\":312,"
                "\"bytesOut\":1480,\"latency\":{\"totalUs\":45210,\"headUs\":12,\"queueUs\":0,"
                "\"connectUs\":180,\"firstByteUs\":44000,\"bodyUs\":950,\"ownUs\":68},"
                "\"reused\":true,\"attempts\":1}\n");
}

/* A request that never got far: the same members, null where there is no value. */
static void test_access_line_without_values(void **state)
{
    const struct log_access entry = {.wall_ns = WALL_NS, .fault = SLICE("client_gone")};
    char line[LOG_LINE_BYTES_MAX];
    usize length = log_access_format(line, &entry);
    assert_line(slice_of(line, length),
                "{\"timestamp\":\"2026-01-13T10:30:45.123Z\",\"method\":null,\"path\":null,"
                "\"backendId\":null,\"statusCode\":0,\"duration\":0,\"clientIp\":null,"
                "\"requestId\":null,\"route\":null,\"host\":null,\"protocol\":\"HTTP/1.0\","
                "\"bytesIn\":0,\"bytesOut\":0,\"latency\":{\"totalUs\":0,\"headUs\":0,"
                "\"queueUs\":0,\"connectUs\":0,\"firstByteUs\":0,\"bodyUs\":0,\"ownUs\":0},"
                "\"reused\":false,\"attempts\":0,\"fault\":\"client_gone\"}\n");
}

static void test_access_line_of_a_hedge(void **state)
{
    struct log_access entry = ACCESS;
    entry.hedge = SLICE("won");
    char line[LOG_LINE_BYTES_MAX];
    usize length = log_access_format(line, &entry);
    static const char end[] = "\"reused\":true,\"attempts\":1,\"hedge\":\"won\"}\n";
    assert_true(length > sizeof(end));
    assert_line(slice_of(line + length - strlen(end), strlen(end)), end);
}

static void test_duration_is_rounded(void **state)
{
    static const struct {
        u64 us, ms;
    } rows[] = {{0, 0},
                {499, 0},
                {500, 1},
                {1499, 1},
                {1500, 2},
                {45000, 45},
                {UINT64_MAX, UINT64_MAX / 1000 + 1}};
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        struct log_access entry = ACCESS;
        entry.duration_us = rows[i].us;
        char line[LOG_LINE_BYTES_MAX], expected[64];
        usize length = log_access_format(line, &entry);
        line[length - 1] = '\0';
        snprintf(expected, sizeof expected, "\"duration\":%llu,", (unsigned long long)rows[i].ms);
        assert_non_null(strstr(line, expected));
    }
}

static void test_event_line(void **state)
{
    const struct log_event event = {
        .wall_ns = WALL_NS,
        .severity = LOG_ERROR,
        .type = SLICE("backend_failure"),
        .backend_id = SLICE("backend-1"),
        .url = SLICE("http://api1.example.com"),
        .error = SLICE("ETIMEDOUT"),
        .message = SLICE("Backend connection timeout"),
        .client_ip = SLICE("192.168.1.100"),
        .request_id = SLICE("0194612a"),
        .route = SLICE("default"),
        .attempt = 2,
    };
    char line[LOG_LINE_BYTES_MAX];
    usize length = log_event_format(line, &event);
    assert_line(slice_of(line, length),
                "{\"timestamp\":\"2026-01-13T10:30:45.123Z\",\"level\":\"error\","
                "\"type\":\"backend_failure\",\"backendId\":\"backend-1\","
                "\"url\":\"http://api1.example.com\",\"error\":\"ETIMEDOUT\","
                "\"message\":\"Backend connection timeout\",\"clientIp\":\"192.168.1.100\","
                "\"requestId\":\"0194612a\",\"route\":\"default\",\"attempt\":2}\n");
}

static void test_event_leaves_out_what_is_empty(void **state)
{
    static const struct {
        enum log_severity severity;
        const char *line;
    } rows[] = {
        {LOG_DEBUG, "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"debug\"}\n"},
        {LOG_INFO, "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\"}\n"},
        {LOG_WARN, "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\"}\n"},
        {LOG_ERROR, "{\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"level\":\"error\"}\n"},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct log_event event = {.severity = rows[i].severity};
        char line[LOG_LINE_BYTES_MAX];
        usize length = log_event_format(line, &event);
        assert_line(slice_of(line, length), rows[i].line);
    }
}

/* A hostile path cannot end its string, its object or its line. */
static void test_forgery(void **state)
{
    struct log_access entry = ACCESS;
    entry.path = SLICE("/x\",\"statusCode\":500}\n{\"timestamp\":\"0\",\"path\":\"/y\xff");
    char line[LOG_LINE_BYTES_MAX];
    usize length = log_access_format(line, &entry);
    assert_ptr_equal(memchr(line, '\n', length), line + length - 1);
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    assert_int_equal(json_object_size(object), 16);
    assert_int_equal(json_integer_value(json_object_get(object, "statusCode")), 200);
    json_decref(object);
}

static struct log_access access_of(struct slice all)
{
    return (struct log_access){
        .wall_ns = UINT64_MAX,
        .method = all,
        .path = all,
        .host = all,
        .route = all,
        .backend_id = all,
        .client_ip = all,
        .request_id = all,
        .fault = all,
        .hedge = all,
        .bytes_in = UINT64_MAX,
        .bytes_out = UINT64_MAX,
        .duration_us = UINT64_MAX,
        .head_us = UINT32_MAX,
        .queue_us = UINT32_MAX,
        .connect_us = UINT32_MAX,
        .first_byte_us = UINT32_MAX,
        .body_us = UINT32_MAX,
        .own_us = UINT32_MAX,
        .status = UINT16_MAX,
        .attempts = UINT8_MAX,
        .protocol_minor = UINT8_MAX,
    };
}

static struct log_event event_of(struct slice all)
{
    return (struct log_event){
        .wall_ns = UINT64_MAX,
        .severity = LOG_ERROR,
        .type = all,
        .backend_id = all,
        .url = all,
        .error = all,
        .message = all,
        .client_ip = all,
        .request_id = all,
        .route = all,
        .attempt = UINT32_MAX,
    };
}

/* `out` was filled with '#' and holds a formatted line: nothing stands behind the largest line, and
 * the line is one object that says that it is cut. */
static void check_cut_line(const char *out, usize length)
{
    assert_in_range(length, 1, LOG_LINE_BYTES_MAX);
    assert_int_equal(out[LOG_LINE_BYTES_MAX], '#');
    assert_int_equal(out[length - 1], '\n');
    json_t *object =
        json_loadb(out, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(object);
    assert_true(json_is_true(json_object_get(object, "cut")));
    json_decref(object);
}

/* Every value as long and as costly to escape as can be: the line fits, and says that it is cut. */
static void test_longest_lines(void **state)
{
    static char bytes[65536];
    static const char fills[] = {'a', '\x01', '"', '\xff'};
    static char out[LOG_LINE_BYTES_MAX + 64];
    for (usize i = 0; i < sizeof fills; i++) {
        memset(bytes, fills[i], sizeof bytes);
        struct log_access entry = access_of(slice_of(bytes, sizeof bytes));
        struct log_event event = event_of(slice_of(bytes, sizeof bytes));
        memset(out, '#', sizeof out);
        check_cut_line(out, log_access_format(out, &entry));
        memset(out, '#', sizeof out);
        check_cut_line(out, log_event_format(out, &event));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_line),
        cmocka_unit_test(test_access_line_without_values),
        cmocka_unit_test(test_access_line_of_a_hedge),
        cmocka_unit_test(test_duration_is_rounded),
        cmocka_unit_test(test_event_line),
        cmocka_unit_test(test_event_leaves_out_what_is_empty),
        cmocka_unit_test(test_forgery),
        cmocka_unit_test(test_longest_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
