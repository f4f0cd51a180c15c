/*
 * What the tests of the log writer share: a writer on a fake ring (fake_ring.c) with three workers'
 * access buffers and one error buffer, in a directory of its own, and the passing of time. Included
 * by the test programs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "control/log_writer.h"
#include "directory.h"

#include "fake_ring.c"

enum { BUFFER_BYTES = 1 << 18, BUFFERS = 3, TEXT_MAX = 1 << 23, NUMBERS_MAX = 1 << 15 };

#define HOUR_NS (3600 * NS_PER_S)
/* 2026-01-13T10:30:45Z */
#define WALL_NS (1768300245 * NS_PER_S)

struct fixture {
    char root[64];
    char directory[96];
    struct config_logging logging;
    struct log_buffer *buffers[BUFFERS];
    struct log_buffer *error_buffer;
    struct log_writer *writer;
    u64 wall_ns;
    int report_fd;
    u32 next_record;
};

static char text[TEXT_MAX];

/* ---- The fixture ---- */

static void writer_start(struct fixture *f)
{
    f->writer = log_writer_create(&(struct log_writer_options){
        .logging = &f->logging,
        .report_fd = f->report_fd,
    });
    for (u32 i = 0; i < BUFFERS; i++)
        log_writer_add(f->writer, LOG_FILE_ACCESS, f->buffers[i]);
    log_writer_add(f->writer, LOG_FILE_ERROR, f->error_buffer);
}

static int setup(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    fake_ring_reset();
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->root, sizeof f->root, "/tmp/nextproxy-log-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(f->directory, sizeof f->directory, "%s/deep/logs", f->root);
    f->logging = (struct config_logging){
        .error = {.directory = slice_of_string(f->directory),
                  .pattern = SLICE("log_yyyy_mm_dd_HH.log"),
                  .enabled = true},
        .access = {.directory = slice_of_string(f->directory),
                   .pattern = SLICE("access_yyyy_mm_dd_HH.log"),
                   .enabled = true},
    };
    for (u32 i = 0; i < BUFFERS; i++)
        f->buffers[i] = log_buffer_create(BUFFER_BYTES);
    f->error_buffer = log_buffer_create(BUFFER_BYTES);
    f->wall_ns = WALL_NS;
    char report[128];
    snprintf(report, sizeof report, "%s/report", f->root);
    f->report_fd = open(report, O_RDWR | O_CREAT | O_APPEND, 0600);
    writer_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake.hold = false;
    while (fake.write_count > 0)
        ring_turn(NULL, 0);
    log_writer_destroy(f->writer);
    for (u32 i = 0; i < BUFFERS; i++)
        log_buffer_destroy(f->buffers[i]);
    log_buffer_destroy(f->error_buffer);
    close(f->report_fd);
    directory_remove(f->root);
    free(f);
    return 0;
}

/* ---- Steps ---- */

/* Lets time pass and everything that is due happen. */
static void pass_ns(struct fixture *f, u64 ns)
{
    fake.now_ns += ns;
    f->wall_ns += ns;
    log_writer_tick(f->writer, fake.now_ns, f->wall_ns);
    for (u32 turn = 0; fake.write_count > 0 && !fake.hold; turn++) {
        assert_true(turn < 1000);
        ring_turn(NULL, fake.now_ns);
    }
}

static void pass_ms(struct fixture *f, u64 ms)
{
    pass_ns(f, ms * NS_PER_MS);
}

/* One access record whose path is its number. False when it was dropped. */
static bool record(struct fixture *f, u32 buffer)
{
    char path[16];
    int length = snprintf(path, sizeof path, "/%u", f->next_record++);
    return log_access_write(f->buffers[buffer],
                            &(struct log_access){.wall_ns = f->wall_ns,
                                                 .method = SLICE("GET"),
                                                 .path = slice_of(path, (usize)length),
                                                 .status = 200});
}

static void records(struct fixture *f, u32 count)
{
    for (u32 i = 0; i < count; i++)
        assert_true(record(f, f->next_record % BUFFERS));
}

/* ---- What is there afterwards ---- */

static void path_of(const struct fixture *f, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", f->directory, name);
}

/* The content of a file, in `text`; NULL when it does not exist. */
static char *content_at(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    usize bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[bytes] = '\0';
    return text;
}

static char *content(const struct fixture *f, const char *name)
{
    char path[256];
    path_of(f, name, path);
    return content_at(path);
}

static char *reported(const struct fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/report", f->root);
    return content_at(path);
}

static u32 count_of(const char *haystack, const char *needle)
{
    if (haystack == NULL)
        return 0;
    /* Not strstr: under AddressSanitizer it measures the whole haystack at every call. */
    u32 count = 0;
    usize needle_bytes = strlen(needle);
    const char *end = haystack + strlen(haystack);
    for (const char *at = haystack;
         (at = memmem(at, (usize)(end - at), needle, needle_bytes)) != NULL; at++)
        count++;
    return count;
}

/* Every line is a whole record. */
static void assert_whole_lines(const char *haystack)
{
    assert_non_null(haystack);
    u32 lines = count_of(haystack, "\n");
    assert_int_equal(count_of(haystack, "{\"timestamp\""), lines);
    assert_int_equal(count_of(haystack, "\"attempts\":0}\n"), lines);
}

/* The records with these numbers, each once, and no others. */
static void assert_records(const char *haystack, u32 first, u32 last)
{
    static const char key[] = "\"path\":\"/";
    static bool seen[NUMBERS_MAX];
    memset(seen, 0, sizeof seen);
    assert_whole_lines(haystack);
    assert_int_equal(count_of(haystack, "\n"), last - first + 1);
    const char *end = haystack + strlen(haystack);
    for (const char *at = haystack;
         (at = memmem(at, (usize)(end - at), key, sizeof key - 1)) != NULL; at++) {
        usize number = 0;
        for (const char *digit = at + sizeof key - 1; *digit >= '0' && *digit <= '9'; digit++)
            number = number * 10 + (usize)(*digit - '0');
        assert_in_range(number, first, last);
        assert_false(seen[number]);
        seen[number] = true;
    }
}

static u64 lost(const struct fixture *f)
{
    struct log_writer_stats stats;
    log_writer_stats(f->writer, LOG_FILE_ACCESS, &stats);
    return stats.records_lost;
}

static const char ACCESS_10[] = "access_2026_01_13_10.log";
static const char ACCESS_11[] = "access_2026_01_13_11.log";
