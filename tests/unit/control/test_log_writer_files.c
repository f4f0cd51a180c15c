/* The files of a log: which are deleted, and which never are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/log_file.h"
#include "directory.h"

/* 2026-01-13T10:30:45Z */
#define WALL_S 1768300245
#define WALL_NS (WALL_S * NS_PER_S)

enum { HOUR_S = 3600, DAY_S = 86400 };

struct fixture {
    char directory[64];
    struct config_log_file config;
    struct log_file_target target;
};

static int setup(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/nextproxy-files-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->config = (struct config_log_file){
        .directory = slice_of_string(f->directory),
        .pattern = SLICE("log_yyyy_mm_dd_HH.log"),
        .enabled = true,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_file_close(&f->target);
    directory_remove(f->directory);
    free(f);
    return 0;
}

static void in_directory(const struct fixture *f, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", f->directory, name);
}

/* A file last written `age_s` ago. */
static void make_file(const struct fixture *f, const char *name, i64 age_s)
{
    char path[256];
    in_directory(f, name, path);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    struct timespec times[2] = {{.tv_sec = WALL_S - age_s}, {.tv_sec = WALL_S - age_s}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool exists(const struct fixture *f, const char *name)
{
    char path[256];
    struct stat status;
    in_directory(f, name, path);
    return lstat(path, &status) == 0;
}

static void open_target(struct fixture *f)
{
    log_file_init(&f->target, &f->config);
    assert_int_equal(log_file_open(&f->target, WALL_NS), 0);
}

static void name_of_hour(u32 hours_ago, char out[64])
{
    assert_true(log_file_name(SLICE("log_yyyy_mm_dd_HH.log"),
                              WALL_NS - hours_ago * HOUR_S * NS_PER_S, out, 64));
}

static void make_hours(const struct fixture *f, u32 count)
{
    for (u32 hour = 1; hour <= count; hour++) {
        char name[64];
        name_of_hour(hour, name);
        make_file(f, name, hour * HOUR_S);
    }
}

static void assert_hours_kept(const struct fixture *f, u32 kept, u32 made)
{
    for (u32 hour = 0; hour <= made; hour++) {
        char name[64];
        name_of_hour(hour, name);
        assert_int_equal(exists(f, name), hour <= kept);
    }
}

/* The open file is one of files_max. */
static void test_count(void **state)
{
    struct fixture *f = *state;
    f->config.files_max = 5;
    make_hours(f, 30);
    open_target(f);
    struct log_retirement result = log_file_retire(&f->target, WALL_NS);
    assert_int_equal(result.deleted, 26);
    assert_int_equal(result.error, 0);
    assert_false(result.more);
    assert_hours_kept(f, 4, 30);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).deleted, 0);
}

static void test_only_the_open_file_is_kept(void **state)
{
    struct fixture *f = *state;
    f->config.files_max = 1;
    make_hours(f, 3);
    open_target(f);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).deleted, 3);
    assert_hours_kept(f, 0, 3);
}

static void test_age(void **state)
{
    struct fixture *f = *state;
    f->config.age_days_max = 2;
    make_hours(f, 60);
    open_target(f);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).deleted, 12);
    assert_hours_kept(f, 48, 60);
    /* A clock that was set back deletes nothing. */
    assert_int_equal(log_file_retire(&f->target, NS_PER_S).deleted, 0);
}

static void test_no_limits(void **state)
{
    struct fixture *f = *state;
    make_hours(f, 40);
    open_target(f);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).deleted, 0);
    assert_hours_kept(f, 40, 40);
}

/* Many at once: a part of them, and the caller is told to come again. */
static void test_in_parts(void **state)
{
    struct fixture *f = *state;
    f->config.files_max = 2;
    make_hours(f, 150);
    open_target(f);
    u32 deleted = 0;
    struct log_retirement result;
    do {
        result = log_file_retire(&f->target, WALL_NS);
        assert_in_range(result.deleted, 1, 64);
        deleted += result.deleted;
    } while (result.more);
    assert_int_equal(deleted, 149);
    assert_hours_kept(f, 1, 150);
}

/* Whatever else is in the directory is not ours. */
static void test_others_are_left_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const others[] = {
        "access_2020_01_01_00.log",
        "log_2020_01_01_00.log.gz",
        "log_2020_01_01_0.log",
        "log_2020_01_01_xx.log",
        "xlog_2020_01_01_00.log",
        "log_yyyy_mm_dd_HH.log",
        "notes.txt",
    };
    for (usize i = 0; i < ARRAY_COUNT(others); i++)
        make_file(f, others[i], 3000 * (i64)DAY_S);
    char path[256];
    in_directory(f, "log_2020_01_01_01.log", path);
    assert_int_equal(symlink("notes.txt", path), 0);
    in_directory(f, "log_2020_01_01_02.log", path);
    assert_int_equal(mkdir(path, 0700), 0);
    f->config.files_max = 1;
    f->config.age_days_max = 1;
    make_file(f, "log_2020_01_01_03.log", 3000 * (i64)DAY_S);
    open_target(f);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).deleted, 1);
    assert_false(exists(f, "log_2020_01_01_03.log"));
    for (usize i = 0; i < ARRAY_COUNT(others); i++)
        assert_true(exists(f, others[i]));
    assert_true(exists(f, "log_2020_01_01_01.log"));
    assert_true(exists(f, "log_2020_01_01_02.log"));
    assert_true(exists(f, "log_2026_01_13_10.log"));
}

/* The open file stays even when it is the oldest. */
static void test_open_file_is_kept(void **state)
{
    struct fixture *f = *state;
    f->config.files_max = 1;
    f->config.age_days_max = 1;
    make_file(f, "log_2026_01_13_10.log", 100 * (i64)DAY_S);
    open_target(f);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).deleted, 0);
    assert_true(exists(f, "log_2026_01_13_10.log"));
}

static void test_directory_gone(void **state)
{
    struct fixture *f = *state;
    f->config.files_max = 1;
    open_target(f);
    directory_remove(f->directory);
    assert_int_equal(log_file_retire(&f->target, WALL_NS).error, ENOENT);
    assert_false(log_file_is_current(&f->target, WALL_NS));
}

static void test_is_current(void **state)
{
    struct fixture *f = *state;
    log_file_init(&f->target, &f->config);
    assert_false(log_file_is_current(&f->target, WALL_NS));
    open_target(f);
    assert_true(log_file_is_current(&f->target, WALL_NS));
    assert_true(log_file_is_current(&f->target, WALL_NS + 29 * 60 * NS_PER_S));
    assert_false(log_file_is_current(&f->target, WALL_NS + 30 * 60 * NS_PER_S));
    assert_false(log_file_is_current(&f->target, WALL_NS - 31 * 60 * NS_PER_S));
}

/* Paths that cannot be: an error, never a crash or a file elsewhere. */
static void test_impossible_paths(void **state)
{
    struct fixture *f = *state;
    static char longest[PATH_MAX + 16];
    memset(longest, 'x', sizeof longest);
    const struct {
        struct slice directory, pattern;
        int error;
    } rows[] = {
        {slice_of(longest, sizeof longest), SLICE("log"), ENAMETOOLONG},
        {slice_of_string(f->directory), slice_of(longest, NAME_MAX + 1), EINVAL},
        {slice_of_string(f->directory), SLICE("../escaped"), EINVAL},
        {slice_of_string(f->directory), SLICE(""), EINVAL},
        {SLICE("/dev/null/logs"), SLICE("log"), ENOTDIR},
        {SLICE("/dev"), SLICE("null"), EINVAL},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct config_log_file config = {.directory = rows[i].directory,
                                               .pattern = rows[i].pattern};
        log_file_init(&f->target, &config);
        assert_int_equal(log_file_open(&f->target, WALL_NS), rows[i].error);
        assert_int_equal(f->target.fd, -1);
    }
}

/* The directory may be given relative to the working directory. */
static void test_relative_directory(void **state)
{
    struct fixture *f = *state;
    int before = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(f->directory), 0);
    f->config.directory = SLICE("logs/here");
    open_target(f);
    assert_true(log_file_is_current(&f->target, WALL_NS));
    assert_int_equal(fchdir(before), 0);
    close(before);
    assert_true(exists(f, "logs/here/log_2026_01_13_10.log"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_count),
        TEST(test_only_the_open_file_is_kept),
        TEST(test_age),
        TEST(test_no_limits),
        TEST(test_in_parts),
        TEST(test_others_are_left_alone),
        TEST(test_open_file_is_kept),
        TEST(test_directory_gone),
        TEST(test_is_current),
        TEST(test_impossible_paths),
        TEST(test_relative_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
