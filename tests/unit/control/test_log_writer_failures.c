/* The log writer on a fake ring, when a file cannot be written. */
/* link: -Wl,--wrap=unlinkat */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "log_fixture.c"

static int unlink_error; /* 0 = files can be deleted */

int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags)
{
    errno = unlink_error;
    return unlink_error == 0 ? __real_unlinkat(directory, name, flags) : -1;
}

/* Nothing is lost while the buffers have room, and it goes on by itself. */
static void test_full_disk_without_loss(void **state)
{
    struct fixture *f = *state;
    records(f, 6);
    fake.disk_bytes = 0;
    for (u32 second = 0; second < 10; second++) {
        pass_ms(f, 1000);
        records(f, 6);
    }
    assert_int_equal(lost(f), 0);
    char *line = reported(f);
    assert_int_equal(count_of(line, "\n"), 1);
    assert_non_null(strstr(line, "nextproxy: access log: cannot write "));
    assert_non_null(strstr(line, ACCESS_10));
    assert_non_null(strstr(line, "ENOSPC (No space left on device)"));
    fake.disk_bytes = UINT32_MAX;
    pass_ms(f, 1000);
    assert_records(content(f, ACCESS_10), 0, 65);
    pass_ms(f, 60000);
    line = reported(f);
    assert_int_equal(count_of(line, "\n"), 2);
    assert_non_null(strstr(line, "is written again\n"));
}

/* It is tried once a second, not at every tick. */
static void test_retried_each_second(void **state)
{
    struct fixture *f = *state;
    records(f, 1);
    fake.fail_error = ENOSPC;
    pass_ms(f, 250);
    u32 tries = fake.writes_total;
    for (u32 tick = 0; tick < 40; tick++)
        pass_ms(f, 250);
    assert_in_range(fake.writes_total - tries, 9, 11);
}

/* Sums the numbers in front of "records lost". */
static u64 reported_losses(const struct fixture *f, u32 *lines)
{
    u64 sum = 0;
    *lines = 0;
    char *rest = reported(f);
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *at = strstr(line, " records lost since ");
        if (at == NULL)
            continue;
        while (at > line && at[-1] != ' ')
            at--;
        sum += strtoull(at, NULL, 10);
        ++*lines;
    }
    return sum;
}

/* The worker goes on, the loss is counted exactly and told once a minute. */
static void test_full_disk_with_loss(void **state)
{
    struct fixture *f = *state;
    fake.disk_bytes = 0;
    u64 dropped = 0;
    for (u32 second = 0; second < 300; second++) {
        for (u32 i = 0; i < 30; i++)
            dropped += !record(f, i % BUFFERS);
        pass_ms(f, 1000);
    }
    assert_true(dropped > 1000);
    assert_int_equal(lost(f), dropped);
    u32 lines;
    u64 told = reported_losses(f, &lines);
    assert_in_range(lines, 3, 5);
    assert_in_range(told, dropped / 2, dropped);
    assert_non_null(strstr(reported(f), ": ENOSPC (No space left on device), "));

    fake.disk_bytes = UINT32_MAX;
    pass_ms(f, 1000);
    assert_whole_lines(content(f, ACCESS_10));
    assert_int_equal(count_of(text, "\n"), f->next_record - dropped);
    for (u32 second = 0; second < 180; second++)
        pass_ms(f, 1000);
    told = reported_losses(f, &lines);
    assert_int_equal(told, dropped);
    assert_int_equal(lost(f), dropped);
}

/* Fills a pipe that then blocks whoever writes to it, as stderr is; the bytes that it took. */
static usize pipe_fill(const int ends[2])
{
    usize bytes = 0;
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], "#", 1) == 1)
        bytes++;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    return bytes;
}

/* Whoever reads stderr has stalled and its pipe is full: the logs go on, and when there is room
 * again one line covers all that was lost meanwhile. */
static void test_reader_of_stderr_stalls(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    char line[1024] = "", expected[64];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], f->report_fd), f->report_fd);
    usize filled = pipe_fill(ends);

    fake.disk_bytes = 0;
    u64 dropped = 0;
    for (u32 second = 0; second < 150; second++) {
        for (u32 i = 0; i < 60; i++)
            dropped += !record(f, i % BUFFERS);
        pass_ms(f, 1000);
    }
    assert_true(dropped > 0);
    fake.disk_bytes = UINT32_MAX;
    pass_ms(f, 1000);
    assert_int_equal(count_of(content(f, ACCESS_10), "\n"), f->next_record - dropped);

    for (; filled > 0; filled--)
        assert_true(read(ends[0], line, 1) == 1 && line[0] == '#');
    pass_ms(f, 1000);
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    snprintf(expected, sizeof expected, "access log: %llu records lost since 2026-01-13T10:30:4",
             (unsigned long long)dropped);
    assert_non_null(strstr(line, expected));
    close(ends[0]);
    close(ends[1]);
}

/* A loss without any failure: control was too slow. */
static void test_loss_without_failure(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 250);
    u64 dropped = 0;
    for (u32 i = 0; i < 3000; i++)
        dropped += !record(f, 0);
    assert_true(dropped > 0);
    pass_ms(f, 250);
    char expected[160];
    snprintf(expected, sizeof expected,
             "nextproxy: access log: %llu records lost since 2026-01-13T10:30:45.500Z: its buffer "
             "was full before it could be written\n",
             (unsigned long long)dropped);
    assert_string_equal(reported(f), expected);
}

/* Every length at which a disk can become full: afterwards each line is there once and whole. */
static void test_short_writes(void **state)
{
    struct fixture *f = *state;
    records(f, 1);
    pass_ms(f, 250);
    for (u32 room = 1; room < 900; room += 7) {
        fake.disk_bytes = room;
        records(f, 5);
        pass_ms(f, 1000);
        pass_ms(f, 1000);
        fake.disk_bytes = room / 2 + 1;
        pass_ms(f, 1000);
        fake.disk_bytes = UINT32_MAX;
        pass_ms(f, 1000);
    }
    assert_records(content(f, ACCESS_10), 0, f->next_record - 1);
    assert_int_equal(lost(f), 0);
}

/* Three records, and a disk that is full behind the first 100 bytes of them. */
static void break_a_line(struct fixture *f)
{
    for (u32 i = 0; i < 3; i++)
        assert_true(record(f, 1));
    fake.disk_bytes = 100;
    pass_ms(f, 250);
}

/* The hour ends inside a line that the full disk broke: its rest does not begin the new file. */
static void test_short_write_then_another_hour(void **state)
{
    struct fixture *f = *state;
    break_a_line(f);
    fake.disk_bytes = UINT32_MAX;
    f->wall_ns += HOUR_NS;
    pass_ms(f, 1000);
    assert_records(content(f, ACCESS_11), 1, 2);
    assert_int_equal(lost(f), 1);
    assert_int_equal(strlen(content(f, ACCESS_10)), 100);
    u32 lines;
    pass_ms(f, 60000);
    assert_int_equal(reported_losses(f, &lines), 1);
}

/* The same when the file fails for another reason and is opened anew: the broken line is ended. */
static void test_short_write_then_io_error(void **state)
{
    struct fixture *f = *state;
    break_a_line(f);
    fake.disk_bytes = UINT32_MAX;
    fake.fail_error = EIO;
    pass_ms(f, 1000);
    fake.fail_error = 0;
    pass_ms(f, 1000);
    assert_memory_equal(content(f, ACCESS_10) + 100, "\n", 1);
    assert_records(text + 101, 1, 2);
    assert_int_equal(lost(f), 1);
}

/* Who meets a full disk empties its largest file: the rest does not begin that file anew. */
static void test_short_write_then_emptied(void **state)
{
    struct fixture *f = *state;
    break_a_line(f);
    char path[256];
    path_of(f, ACCESS_10, path);
    assert_int_equal(truncate(path, 0), 0);
    fake.disk_bytes = UINT32_MAX;
    pass_ms(f, 1000);
    assert_records(content(f, ACCESS_10), 1, 2);
    assert_int_equal(lost(f), 1);
}

/* A run ended in the middle of a line: the first record of this one gets a line of its own. */
static void test_broken_last_line_is_ended(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 250);
    log_writer_destroy(f->writer);
    char path[256];
    path_of(f, ACCESS_10, path);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"times", 7), 7);
    close(fd);
    writer_start(f);
    records(f, 2);
    pass_ms(f, 250);
    assert_memory_equal(content(f, ACCESS_10), "{\"times\n", 8);
    assert_records(text + 8, 0, 1);
}

/* The path of the directory is a file: reported, and cured by removing it. */
static void test_directory_that_cannot_be(void **state)
{
    struct fixture *f = *state;
    char deep[128];
    snprintf(deep, sizeof deep, "%s/deep", f->root);
    assert_int_equal(close(open(deep, O_CREAT | O_WRONLY, 0600)), 0);
    records(f, 5);
    pass_ms(f, 250);
    assert_int_equal(count_of(reported(f), "\n"), 2);
    assert_int_equal(count_of(text, "ENOTDIR"), 2);
    assert_int_equal(count_of(text, "nextproxy: error log: "), 1);
    assert_int_equal(unlink(deep), 0);
    pass_ms(f, 1000);
    assert_records(content(f, ACCESS_10), 0, 4);
}

/* Neither a symbolic link nor a FIFO is followed or waited for. */
static void test_not_a_regular_file(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 250);
    log_writer_destroy(f->writer);
    char path[256], victim[256];
    path_of(f, ACCESS_10, path);
    path_of(f, "victim", victim);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(close(open(victim, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(symlink(victim, path), 0);
    writer_start(f);
    records(f, 3);
    pass_ms(f, 250);
    assert_string_equal(content_at(victim), "");
    assert_int_equal(count_of(reported(f), "ELOOP"), 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    pass_ms(f, 1000);
    pass_ms(f, 60000);
    assert_int_equal(unlink(path), 0);
    pass_ms(f, 1000);
    assert_records(content(f, ACCESS_10), 0, 2);
}

/* A file that fails does not keep the other one from being written. */
static void test_files_are_independent(void **state)
{
    struct fixture *f = *state;
    pass_ms(f, 250);
    fake.hold = true;
    records(f, 1);
    pass_ms(f, 250);
    assert_int_equal(fake.write_count, 1);
    assert_true(log_event_write(f->error_buffer, &(struct log_event){.type = SLICE("start")}));
    pass_ms(f, 250);
    assert_int_equal(fake.write_count, 2);
}

/* Told once for each time that it was tried, and no reason not to write. */
static void test_old_files_that_cannot_be_deleted(void **state)
{
    struct fixture *f = *state;
    log_writer_destroy(f->writer);
    f->logging.access.files_max = 1;
    writer_start(f);
    records(f, 1);
    pass_ms(f, 250);
    unlink_error = EROFS;
    records(f, 1);
    pass_ns(f, HOUR_NS);
    records(f, 1);
    pass_ms(f, 250);
    pass_ms(f, 120000);
    char *line = reported(f);
    assert_int_equal(count_of(line, "\n"), 1);
    assert_non_null(strstr(line, "nextproxy: access log: cannot delete old files beside "));
    assert_non_null(strstr(line, ACCESS_11));
    assert_non_null(strstr(line, ": EROFS (Read-only file system)"));
    assert_int_equal(lost(f), 0);
    assert_non_null(content(f, ACCESS_10));
    assert_non_null(content(f, ACCESS_11));
    unlink_error = 0;
    pass_ns(f, HOUR_NS);
    assert_null(content(f, ACCESS_10));
    assert_null(content(f, ACCESS_11));
    assert_int_equal(count_of(reported(f), "\n"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_full_disk_without_loss),        TEST(test_retried_each_second),
        TEST(test_full_disk_with_loss),           TEST(test_reader_of_stderr_stalls),
        TEST(test_loss_without_failure),          TEST(test_short_writes),
        TEST(test_short_write_then_another_hour), TEST(test_short_write_then_io_error),
        TEST(test_short_write_then_emptied),      TEST(test_broken_last_line_is_ended),
        TEST(test_directory_that_cannot_be),      TEST(test_not_a_regular_file),
        TEST(test_files_are_independent),         TEST(test_old_files_that_cannot_be_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
