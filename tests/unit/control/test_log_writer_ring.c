/* The log writer on the real ring: records reach the file, a write that the kernel cuts short is
 * completed without a broken line, and a worker's full buffer wakes the waiting ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/log_writer.h"
#include "directory.h"

enum { BUFFER_BYTES = 1 << 18, TEXT_MAX = 1 << 21, LIMIT_BYTES = 10000, SKIPPED = 77 };

/* Far more than a local disk needs; reached only when something is broken. */
#define PATIENCE_NS (60 * NS_PER_S)

static struct ring *ring;

struct fixture {
    char directory[64];
    struct config_logging logging;
    struct log_buffer *buffer;
    struct log_writer *writer;
    int report_fd;
};

static char text[TEXT_MAX];

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/nextproxy-ring-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->logging.access = (struct config_log_file){
        .directory = slice_of_string(f->directory),
        .pattern = SLICE("access.log"),
        .enabled = true,
    };
    f->buffer = log_buffer_create(BUFFER_BYTES);
    f->report_fd = open("/dev/null", O_WRONLY);
    f->writer = log_writer_create(&(struct log_writer_options){
        .logging = &f->logging,
        .ring = ring,
        .report_fd = f->report_fd,
    });
    log_writer_add(f->writer, LOG_FILE_ACCESS, f->buffer);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_writer_destroy(f->writer);
    log_buffer_destroy(f->buffer);
    close(f->report_fd);
    directory_remove(f->directory);
    free(f);
    return 0;
}

static void record(struct fixture *f, u32 number)
{
    char path[16];
    int length = snprintf(path, sizeof path, "/%u", number);
    assert_true(
        log_access_write(f->buffer, &(struct log_access){.method = SLICE("GET"),
                                                         .path = slice_of(path, (usize)length)}));
}

/* As control does it, until `bytes` are written or the writer has failed so often. */
static void run_until(struct fixture *f, u64 bytes, u64 failures)
{
    struct log_writer_stats stats = {0};
    u64 now_ns = ring_now_ns(ring);
    u64 give_up_ns = now_ns + PATIENCE_NS;
    while (stats.bytes < bytes && stats.failures < failures) {
        assert_true(now_ns < give_up_ns);
        log_writer_tick(f->writer, now_ns, clock_wall_ns());
        now_ns = ring_turn(ring, log_writer_deadline_ns(f->writer));
        log_writer_stats(f->writer, LOG_FILE_ACCESS, &stats);
    }
}

static usize content(const struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/access.log", f->directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    usize bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = '\0';
    return bytes;
}

/* Lines of the file are the records first, first + 1, ... in order; returns how many. */
static u32 assert_sequence(const char *lines, u32 first)
{
    u32 count = 0;
    for (const char *at = lines; *at != '\0'; count++) {
        char expected[32];
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        snprintf(expected, sizeof expected, "\"path\":\"/%u\"", first + count);
        const char *found = strstr(at, expected);
        assert_true(found != NULL && found < end);
        assert_memory_equal(at, "{\"timestamp\"", 12);
        at = end + 1;
    }
    return count;
}

static void test_records_reach_the_file(void **state)
{
    struct fixture *f = *state;
    u64 bytes = 0;
    for (u32 number = 0; number < 3000; number += 300) {
        for (u32 i = 0; i < 300; i++)
            record(f, number + i);
        struct slice runs[2];
        bytes += log_buffer_peek(f->buffer, runs);
        run_until(f, bytes, 1);
    }
    assert_int_equal(content(f), bytes);
    assert_int_equal(assert_sequence(text, 0), 3000);
}

static void file_size_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The kernel writes a part, up to the limit, and then refuses. The broken line is ended when the
 * file is opened anew, its record counted as lost, and all others are there. */
static void test_short_write(void **state)
{
    struct fixture *f = *state;
    for (u32 number = 0; number < 100; number++)
        record(f, number);
    file_size_limit(LIMIT_BYTES);
    run_until(f, UINT64_MAX, 1);
    file_size_limit(RLIM_INFINITY);
    struct log_writer_stats stats;
    log_writer_stats(f->writer, LOG_FILE_ACCESS, &stats);
    assert_int_equal(stats.bytes, LIMIT_BYTES);
    assert_int_equal(stats.records_lost, 1);
    struct slice runs[2];
    usize rest = log_buffer_peek(f->buffer, runs);
    run_until(f, LIMIT_BYTES + rest, UINT64_MAX);

    assert_int_equal(content(f), LIMIT_BYTES + 1 + rest);
    assert_int_equal(text[LIMIT_BYTES], '\n');
    /* Before the limit: whole records and the beginning of one. */
    text[LIMIT_BYTES] = '\0';
    char *broken = strrchr(text, '\n') + 1;
    assert_true(*broken != '\0');
    *broken = '\0';
    u32 before = assert_sequence(text, 0);
    u32 after = assert_sequence(text + LIMIT_BYTES + 1, before + 1);
    assert_int_equal(before + 1 + after, 100);
}

static void *fill(void *context)
{
    struct fixture *f = context;
    const struct log_access entry = {.method = SLICE("GET"), .path = SLICE("/")};
    struct slice runs[2];
    while (log_buffer_peek(f->buffer, runs) < BUFFER_BYTES / 2)
        assert_true(log_access_write(f->buffer, &entry));
    return NULL;
}

/* Control waits with a deadline that is far away; the worker's thread fills half of its buffer. */
static void test_wakes_the_ring(void **state)
{
    struct fixture *f = *state;
    log_writer_tick(f->writer, ring_now_ns(ring), clock_wall_ns());
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fill, f), 0);
    u64 deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
    u64 now_ns = ring_turn(ring, deadline_ns);
    assert_true(now_ns < deadline_ns);
    pthread_join(thread, NULL);
    run_until(f, BUFFER_BYTES / 2, 1);
    content(f);
}

static void test_flush(void **state)
{
    struct fixture *f = *state;
    log_writer_tick(f->writer, ring_now_ns(ring), clock_wall_ns());
    for (u32 number = 0; number < 200; number++)
        record(f, number);
    assert_true(log_writer_flush(f->writer, clock_monotonic_ns() + PATIENCE_NS));
    content(f);
    assert_int_equal(assert_sequence(text, 0), 200);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    char why[256];
    const struct ring_options options = {.entries = 64};
    ring = ring_create(&options, why, sizeof why);
    if (ring == NULL) {
        fprintf(stderr, "skipped: %s\n", why);
        return SKIPPED;
    }
    /* Beyond RLIMIT_FSIZE a write fails with EFBIG, as in the program itself. */
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_records_reach_the_file),
        TEST(test_short_write),
        TEST(test_wakes_the_ring),
        TEST(test_flush),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ring_destroy(ring);
    return failed;
}
