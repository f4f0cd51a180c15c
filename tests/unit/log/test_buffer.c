/* The log buffer: whole lines over the ring's end, loss when full, wake-ups, two threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/buffer.h"

enum { BYTES = LOG_BUFFER_BYTES_MIN };

/* A line of exactly `bytes` that says its number: <number>xxxxx\n. */
static usize line_make(char *out, u64 number, usize bytes)
{
    memset(out, 'x', bytes);
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    memcpy(out, digits, (usize)length);
    out[bytes - 1] = '\n';
    return bytes;
}

/* 12 to ~1800 bytes, the same for the same number. */
static usize line_bytes(u64 number)
{
    return 24 + (usize)(number * 2654435761u >> 7) % 1800;
}

static bool append(struct log_buffer *buffer, u64 number)
{
    char *room = log_buffer_reserve(buffer);
    if (room == NULL)
        return false;
    /* The whole room may be used, whatever the line takes in the end. */
    memset(room, '~', LOG_LINE_BYTES_MAX);
    log_buffer_commit(buffer, line_make(room, number, line_bytes(number)));
    return true;
}

/* Checks a run of whole lines that begins with line `number`; returns the number behind it. */
static u64 assert_lines(struct slice run, u64 number)
{
    static char expected[4096];
    while (run.len > 0) {
        usize bytes = line_make(expected, number, line_bytes(number));
        assert_true(run.len >= bytes);
        assert_memory_equal(run.data, expected, bytes);
        run = slice_of(run.data + bytes, run.len - bytes);
        number++;
    }
    return number;
}

static void test_empty(void **state)
{
    struct log_buffer *buffer = log_buffer_create(BYTES);
    struct slice runs[2];
    assert_int_equal(log_buffer_peek(buffer, runs), 0);
    assert_int_equal(runs[0].len + runs[1].len, 0);
    assert_int_equal(log_buffer_dropped(buffer), 0);
    assert_true(log_buffer_region_bytes(BYTES) >= BYTES + LOG_LINE_BYTES_MAX);
    log_buffer_destroy(buffer);
    log_buffer_destroy(NULL);
}

static void test_records_arrive(void **state)
{
    struct log_buffer *buffer = log_buffer_create(BYTES);
    const struct log_event event = {.type = SLICE("start"), .message = SLICE("a\nb")};
    const struct log_access access = {.method = SLICE("GET"), .path = SLICE("/")};
    char expected[2 * LOG_LINE_BYTES_MAX];
    usize length = log_event_format(expected, &event);
    length += log_access_format(expected + length, &access);
    assert_true(log_event_write(buffer, &event));
    assert_true(log_access_write(buffer, &access));
    struct slice runs[2];
    assert_int_equal(log_buffer_peek(buffer, runs), length);
    assert_int_equal(runs[0].len, length);
    assert_memory_equal(runs[0].data, expected, length);
    log_buffer_consume(buffer, length);
    assert_int_equal(log_buffer_peek(buffer, runs), 0);
    log_buffer_destroy(buffer);
}

/* Many laps with fills of all sizes: both runs are whole lines, in order. */
static void test_laps(void **state)
{
    struct log_buffer *buffer = log_buffer_create(2 * BYTES);
    u64 written = 0, read = 0;
    u32 split = 0;
    for (u32 round = 0; round < 20000; round++) {
        for (u32 i = 0; i < 1 + round % 9; i++)
            written += append(buffer, written);
        struct slice runs[2];
        usize unread = log_buffer_peek(buffer, runs);
        assert_int_equal(unread, runs[0].len + runs[1].len);
        split += runs[1].len > 0;
        read = assert_lines(runs[0], read);
        if (round % 3 == 0) {
            /* Only the first run is given back: the second comes first the next time. */
            log_buffer_consume(buffer, runs[0].len);
            continue;
        }
        read = assert_lines(runs[1], read);
        log_buffer_consume(buffer, unread);
    }
    assert_true(split > 10);
    assert_int_equal(log_buffer_dropped(buffer), 0);
    log_buffer_destroy(buffer);
}

/* A consume that ends inside a line, at every offset around the ring's end. */
static void test_consume_inside_a_line(void **state)
{
    struct log_buffer *buffer = log_buffer_create(BYTES);
    static char copy[BYTES], again[BYTES];
    u64 written = 0;
    for (u32 round = 0; round < 3000; round++) {
        for (u32 i = 0; i < 6; i++)
            written += append(buffer, written);
        struct slice runs[2];
        usize unread = log_buffer_peek(buffer, runs);
        memcpy(copy, runs[0].data, runs[0].len);
        if (runs[1].len > 0)
            memcpy(copy + runs[0].len, runs[1].data, runs[1].len);
        usize part = (round * 37u) % unread;
        log_buffer_consume(buffer, part);
        assert_int_equal(log_buffer_peek(buffer, runs), unread - part);
        memcpy(again, runs[0].data, runs[0].len);
        if (runs[1].len > 0)
            memcpy(again + runs[0].len, runs[1].data, runs[1].len);
        assert_memory_equal(again, copy + part, unread - part);
        assert_int_equal(runs[0].data[runs[0].len - 1], '\n');
        log_buffer_consume(buffer, unread - part);
    }
    log_buffer_destroy(buffer);
}

static void test_full(void **state)
{
    struct log_buffer *buffer = log_buffer_create(BYTES);
    const struct log_access access = {.method = SLICE("GET"), .path = SLICE("/")};
    u64 kept = 0;
    while (log_access_write(buffer, &access))
        kept++;
    assert_true(kept > 10);
    assert_int_equal(log_buffer_dropped(buffer), 1);
    const struct log_event event = {.type = SLICE("start")};
    assert_false(log_event_write(buffer, &event));
    assert_int_equal(log_buffer_dropped(buffer), 2);
    struct slice runs[2];
    usize unread = log_buffer_peek(buffer, runs);
    u64 lines = 0;
    for (u32 i = 0; i < runs[0].len; i++)
        lines += runs[0].data[i] == '\n';
    assert_int_equal(lines, kept);
    log_buffer_consume(buffer, unread);
    assert_true(log_access_write(buffer, &access));
    assert_int_equal(log_buffer_dropped(buffer), 2);
    log_buffer_destroy(buffer);
}

static void count_wake(void *context)
{
    u32 *wakes = context;
    ++*wakes;
}

/* Woken at half, and again a quarter later; not at all when the reader keeps up. */
static void test_wake(void **state)
{
    enum { WAKE_BYTES = 1 << 20 };
    struct log_buffer *buffer = log_buffer_create(WAKE_BYTES);
    u32 wakes = 0;
    log_buffer_set_wake(buffer, count_wake, &wakes);
    struct slice runs[2];
    u64 number = 0;
    for (; log_buffer_peek(buffer, runs) < WAKE_BYTES / 2; number++) {
        assert_int_equal(wakes, 0);
        assert_true(append(buffer, number));
    }
    assert_int_equal(wakes, 1);
    for (; log_buffer_peek(buffer, runs) < WAKE_BYTES / 4 * 3; number++)
        assert_true(append(buffer, number));
    assert_in_range(wakes, 1, 2);
    while (append(buffer, number))
        number++;
    assert_int_equal(wakes, 2);
    log_buffer_consume(buffer, log_buffer_peek(buffer, runs));
    for (u32 i = 0; i < 10000; i++) {
        assert_true(append(buffer, number++));
        log_buffer_consume(buffer, log_buffer_peek(buffer, runs));
    }
    assert_int_equal(wakes, 2);
    log_buffer_destroy(buffer);
}

enum { THREAD_LINES = 200000 };

struct writer_thread {
    struct log_buffer *buffer;
    atomic_bool finished;
    u64 dropped;
};

static void *writer_run(void *context)
{
    struct writer_thread *writer = context;
    for (u64 number = 0; number < THREAD_LINES;) {
        char *room = log_buffer_reserve(writer->buffer);
        if (room == NULL) {
            writer->dropped++;
            sched_yield();
            continue;
        }
        log_buffer_commit(writer->buffer, line_make(room, number, line_bytes(number)));
        number++;
    }
    atomic_store(&writer->finished, true);
    return NULL;
}

/* Reader and writer at the same time: every line arrives once, whole and in order. */
static void test_threads(void **state)
{
    struct writer_thread writer = {.buffer = log_buffer_create(BYTES)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, writer_run, &writer), 0);
    u64 read = 0;
    for (;;) {
        bool finished = atomic_load(&writer.finished);
        struct slice runs[2];
        usize unread = log_buffer_peek(writer.buffer, runs);
        if (unread == 0 && finished)
            break;
        if (unread == 0)
            sched_yield();
        read = assert_lines(runs[0], read);
        read = assert_lines(runs[1], read);
        log_buffer_consume(writer.buffer, unread);
    }
    pthread_join(thread, NULL);
    assert_int_equal(read, THREAD_LINES);
    assert_int_equal(log_buffer_dropped(writer.buffer), writer.dropped);
    log_buffer_destroy(writer.buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),   cmocka_unit_test(test_records_arrive),
        cmocka_unit_test(test_laps),    cmocka_unit_test(test_consume_inside_a_line),
        cmocka_unit_test(test_full),    cmocka_unit_test(test_wake),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
