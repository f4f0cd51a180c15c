/* The log writer on a fake ring: what reaches which file and when, stop, and workers at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <pthread.h>

#include "log_fixture.c"

static bool has_record(const char *haystack, u32 number)
{
    char needle[32];
    snprintf(needle, sizeof needle, "\"path\":\"/%u\"", number);
    return strstr(haystack, needle) != NULL;
}

/* The directory is made, both files hold what was logged, nobody but the owner's group reads it. */
static void test_records_reach_their_files(void **state)
{
    struct fixture *f = *state;
    records(f, 30);
    assert_true(log_event_write(f->error_buffer, &(struct log_event){.type = SLICE("start")}));
    pass_ms(f, 250);
    assert_records(content(f, ACCESS_10), 0, 29);
    assert_int_equal(count_of(content(f, "log_2026_01_13_10.log"), "\"type\":\"start\""), 1);
    char path[256];
    struct stat status;
    path_of(f, ACCESS_10, path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0137, 0);
    assert_string_equal(reported(f), "");
    struct log_writer_stats stats;
    log_writer_stats(f->writer, LOG_FILE_ACCESS, &stats);
    assert_int_equal(stats.bytes, status.st_size);
    assert_int_equal(stats.writes, BUFFERS);
    assert_int_equal(stats.failures + stats.records_lost, 0);
}

/* Within one tick of a quarter second at most; the batch is all there is. */
static void test_ticks_and_batches(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 0);
    assert_int_equal(log_writer_deadline_ns(f->writer), fake.now_ns + 250 * NS_PER_MS);
    for (u32 i = 0; i < 100; i++)
        assert_true(record(f, 0));
    pass_ms(f, 249);
    assert_int_equal(fake.writes_total, 0);
    pass_ms(f, 1);
    assert_int_equal(fake.writes_total, 1);
    assert_records(content(f, ACCESS_10), 0, 99);
}

/* A buffer that fills wakes the ring, and the next tick writes although none was due. */
static void test_woken_by_a_full_buffer(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 0);
    while (atomic_load(&fake.wakes) == 0)
        assert_true(record(f, 1));
    assert_true(record(f, 2));
    pass_ms(f, 0);
    assert_records(content(f, ACCESS_10), 0, f->next_record - 1);
    pass_ms(f, 1);
    assert_int_equal(fake.writes_total, 2);
}

/* One write in flight per file; what arrives meanwhile goes out with the next. */
static void test_one_write_in_flight(void **state)
{
    struct fixture *f = *state;
    records(f, 3);
    fake.hold = true;
    pass_ms(f, 250);
    assert_int_equal(fake.write_count, 1);
    assert_false(log_writer_is_quiet(f->writer));
    records(f, 3);
    pass_ms(f, 250);
    assert_int_equal(fake.write_count, 1);
    fake.hold = false;
    pass_ms(f, 0);
    assert_true(log_writer_is_quiet(f->writer));
    assert_records(content(f, ACCESS_10), 0, 5);
}

/* Many laps of the buffers' rings: nothing lost, doubled or torn. */
static void test_many_laps(void **state)
{
    struct fixture *f = *state;
    for (u32 round = 0; round < 300; round++) {
        records(f, 1 + round % 13 * 7);
        pass_ms(f, 250);
    }
    assert_records(content(f, ACCESS_10), 0, f->next_record - 1);
    assert_int_equal(lost(f), 0);
}

static void test_disabled_file(void **state)
{
    struct fixture *f = *state;
    log_writer_destroy(f->writer);
    f->logging.access.enabled = false;
    writer_start(f);
    for (u32 round = 0; round < 50; round++) {
        records(f, 100);
        pass_ms(f, 250);
    }
    assert_null(content(f, ACCESS_10));
    assert_int_equal(lost(f), 0);
    assert_non_null(content(f, "log_2026_01_13_10.log"));
}

/* ---- Another file ---- */

static void test_new_file_each_hour(void **state)
{
    struct fixture *f = *state;
    records(f, 5);
    pass_ms(f, 250);
    f->wall_ns = WALL_NS - WALL_NS % HOUR_NS + HOUR_NS;
    pass_ms(f, 1000);
    records(f, 5);
    pass_ms(f, 250);
    assert_records(content(f, ACCESS_10), 0, 4);
    assert_records(content(f, ACCESS_11), 5, 9);
}

/* Writing without a pause: the hour is noticed between two rounds. */
static void test_new_file_under_load(void **state)
{
    struct fixture *f = *state;
    records(f, 5);
    fake.hold = true;
    pass_ms(f, 250);
    f->wall_ns += HOUR_NS;
    pass_ms(f, 1000);
    records(f, 5);
    fake.hold = false;
    while (fake.write_count > 0)
        ring_turn(NULL, fake.now_ns);
    assert_whole_lines(content(f, ACCESS_10));
    assert_non_null(content(f, ACCESS_11));
    records(f, 1);
    pass_ms(f, 250);
    assert_true(has_record(content(f, ACCESS_11), 10));
}

/* Restarted within the hour: the file is continued. */
static void test_appends_to_what_is_there(void **state)
{
    struct fixture *f = *state;
    records(f, 5);
    pass_ms(f, 250);
    log_writer_destroy(f->writer);
    writer_start(f);
    records(f, 5);
    pass_ms(f, 250);
    assert_records(content(f, ACCESS_10), 0, 9);
}

static void test_deleted_file(void **state)
{
    struct fixture *f = *state;
    char path[256];
    records(f, 5);
    pass_ms(f, 250);
    path_of(f, ACCESS_10, path);
    assert_int_equal(unlink(path), 0);
    pass_ms(f, 1000);
    records(f, 5);
    pass_ms(f, 250);
    assert_records(content(f, ACCESS_10), 5, 9);
    assert_int_equal(lost(f), 0);
}

/* Moved away by a log rotator, and another file put in its place. */
static void test_replaced_file(void **state)
{
    struct fixture *f = *state;
    char path[256], moved[256];
    records(f, 5);
    pass_ms(f, 250);
    path_of(f, ACCESS_10, path);
    path_of(f, "moved", moved);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0640)), 0);
    pass_ms(f, 1000);
    records(f, 5);
    pass_ms(f, 250);
    assert_records(content_at(moved), 0, 4);
    assert_records(content(f, ACCESS_10), 5, 9);
}

static void test_deleted_directory(void **state)
{
    struct fixture *f = *state;
    records(f, 5);
    pass_ms(f, 250);
    char deep[128];
    snprintf(deep, sizeof deep, "%s/deep", f->root);
    directory_remove(deep);
    pass_ms(f, 1000);
    records(f, 5);
    pass_ms(f, 250);
    assert_records(content(f, ACCESS_10), 5, 9);
}

/* ---- Stop ---- */

static void test_flush(void **state)
{
    struct fixture *f = *state;
    records(f, 50);
    assert_true(log_event_write(f->error_buffer, &(struct log_event){.type = SLICE("stop")}));
    pass_ns(f, 0);
    records(f, 50);
    assert_true(log_writer_flush(f->writer, fake.now_ns + NS_PER_S));
    assert_true(log_writer_is_quiet(f->writer));
    assert_records(content(f, ACCESS_10), 0, 99);
    assert_string_equal(reported(f), "");
}

static void test_flush_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 250);
    records(f, 50);
    fake.disk_bytes = 0;
    u64 start_ns = fake.now_ns;
    assert_false(log_writer_flush(f->writer, start_ns + NS_PER_S));
    assert_int_equal(fake.now_ns, start_ns);
    assert_true(log_writer_is_quiet(f->writer));
    assert_int_equal(lost(f), 50);
    assert_int_equal(count_of(reported(f), "access log: 50 records lost since "), 1);
}

/* A write that does not come back: given up at the deadline. */
static void test_flush_deadline(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 250);
    records(f, 6);
    fake.hold = true;
    u64 deadline_ns = fake.now_ns + NS_PER_S;
    assert_false(log_writer_flush(f->writer, deadline_ns));
    assert_int_equal(fake.now_ns, deadline_ns);
    assert_false(log_writer_is_quiet(f->writer));
}

/* ---- Threads ---- */

enum { THREAD_RECORDS = 20000 };

struct worker_thread {
    struct log_buffer *buffer;
    u64 dropped;
    atomic_bool finished;
};

static void *worker_run(void *context)
{
    struct worker_thread *worker = context;
    for (u32 i = 0; i < THREAD_RECORDS; i++)
        worker->dropped += !log_access_write(
            worker->buffer, &(struct log_access){.wall_ns = WALL_NS, .method = SLICE("GET")});
    atomic_store(&worker->finished, true);
    return NULL;
}

/* Two workers at full speed: written and lost records add up. */
static void test_workers_at_work(void **state)
{
    struct fixture *f = *state;
    struct worker_thread workers[2];
    pthread_t threads[2];
    for (u32 i = 0; i < 2; i++) {
        workers[i] = (struct worker_thread){.buffer = f->buffers[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    while (!atomic_load(&workers[0].finished) || !atomic_load(&workers[1].finished)) {
        fake.now_ns += NS_PER_MS;
        log_writer_tick(f->writer, fake.now_ns, WALL_NS);
        ring_turn(NULL, fake.now_ns);
    }
    u64 dropped = 0;
    for (u32 i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        dropped += workers[i].dropped;
    }
    assert_true(log_writer_flush(f->writer, fake.now_ns + NS_PER_S));
    char path[256];
    path_of(f, ACCESS_10, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    u64 lines = 0;
    while (fgets(text, sizeof text, file) != NULL) {
        assert_whole_lines(text);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines + dropped, 2 * THREAD_RECORDS);
    assert_int_equal(lost(f), dropped);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_reach_their_files),
        TEST(test_ticks_and_batches),
        TEST(test_woken_by_a_full_buffer),
        TEST(test_one_write_in_flight),
        TEST(test_many_laps),
        TEST(test_disabled_file),
        TEST(test_new_file_each_hour),
        TEST(test_new_file_under_load),
        TEST(test_appends_to_what_is_there),
        TEST(test_deleted_file),
        TEST(test_replaced_file),
        TEST(test_deleted_directory),
        TEST(test_flush),
        TEST(test_flush_on_a_full_disk),
        TEST(test_flush_deadline),
        TEST(test_workers_at_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
