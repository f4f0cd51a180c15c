/* What a configuration was made from: saved, and loaded when the files are not good any more. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

static void file_write(const char *file, const char *text)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static char directory[] = "/tmp/test_sources_XXXXXX";
static const char *const files[] = {"c.json", "page", "token", "key", "check"};

/* Relative paths, as the configuration has them. */
static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(files); i++)
        (void)unlink(files[i]);
    return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

static void files_write(void)
{
    char json[1024];
    (void)snprintf(json, sizeof(json),
                   "{\"errorTemplates\":{\"html\":\"page\",\"json\":\"page\"},"
                   "\"admin\":{\"enabled\":true,\"tokenFile\":\"token\"},"
                   "\"loadBalancing\":{\"stickySession\":{\"keyFile\":\"key\"}},"
                   "\"proxy\":{\"retries\":3},"
                   "\"backends\":[{\"url\":\"http://127.0.0.1:1\",\"healthCheck\":{\"enabled\":"
                   "true,\"type\":\"script\",\"command\":[\"%s/check\"]}}]}",
                   directory);
    file_write("c.json", json);
    file_write("page", "{status}\n10 3\nabc");
    file_write("token", "a-token-of-sixteen-bytes-and-more\n");
    file_write("key", "a-key-of-sixteen-bytes-and-more");
    file_write("check", "");
    assert_int_equal(chmod("check", 0755), 0);
}

static struct config *load_file(char **environment)
{
    struct config_problems problems;
    struct config *config = config_load("c.json", environment, &problems);
    if (config == NULL)
        fail_msg("%s", problems.at[0].text);
    config_problems_deinit(&problems);
    return config;
}

static struct config *load_saved(int fd, char **environment)
{
    struct config_problems problems;
    struct config *config = config_sources_load(fd, environment, &problems);
    if (config == NULL)
        fail_msg("%s: %s", problems.at[0].path, problems.at[0].text);
    config_problems_deinit(&problems);
    return config;
}

static void assert_is_as_written(const struct config *config)
{
    assert_slice(config->file, "c.json");
    assert_slice(config->error_templates.html, "{status}\n10 3\nabc");
    assert_slice(config->error_templates.json, "{status}\n10 3\nabc");
    assert_slice(config->admin.token, "a-token-of-sixteen-bytes-and-more");
    assert_slice(config->sticky_key, "a-key-of-sixteen-bytes-and-more");
    assert_int_equal(config->backend_count, 1);
}

static void the_same_when_all_files_are_gone(void **state)
{
    char *environment[] = {(char[]){"NEXTPROXY_PROXY_RETRIES=7"}, NULL};
    (void)state;
    files_write();
    struct config *first = load_file(environment);
    int fd = config_sources_save(first);
    assert_true(fd >= 0);
    assert_is_as_written(first);
    config_destroy(first);
    for (u32 i = 0; i < ARRAY_COUNT(files); i++)
        assert_int_equal(unlink(files[i]), 0);
    struct config *second = load_saved(fd, environment);
    assert_is_as_written(second);
    assert_int_equal(second->routes[0].retry.retries, 7);
    /* And again, for the crash after that one; without the environment as without it. */
    int again = config_sources_save(second);
    struct config *third = load_saved(again, NULL);
    assert_is_as_written(third);
    assert_int_equal(third->routes[0].retry.retries, 3);
    config_destroy(second);
    config_destroy(third);
    assert_int_equal(close(fd) + close(again), 0);
}

static void what_is_saved_stays_as_it_is(void **state)
{
    (void)state;
    files_write();
    struct config *config = load_file(NULL);
    int fd = config_sources_save(config);
    assert_true(write(fd, "x", 1) < 0 && ftruncate(fd, 0) < 0 && ftruncate(fd, 1 << 20) < 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    config_destroy(config);
    assert_int_equal(close(fd), 0);
}

/* Cut anywhere, or something else altogether. */
static void all_else_is_refused(void **state)
{
    (void)state;
    files_write();
    struct config *config = load_file(NULL);
    int saved = config_sources_save(config);
    off_t bytes = lseek(saved, 0, SEEK_END);
    char *text = malloc((usize)bytes);
    assert_true(text != NULL && pread(saved, text, (usize)bytes, 0) == bytes);
    for (off_t cut = 0; cut < bytes; cut++) {
        struct config_problems problems;
        int fd = memfd_create("cut", MFD_CLOEXEC);
        assert_true(fd >= 0 && write(fd, text, (usize)cut) == cut);
        struct config *other = config_sources_load(fd, NULL, &problems);
        /* Behind a whole entry the files are read that are not in it. */
        assert_true(other != NULL || problems.count > 0);
        if (other != NULL)
            assert_is_as_written(other);
        config_destroy(other);
        config_problems_deinit(&problems);
        assert_int_equal(close(fd), 0);
    }
    struct config_problems problems;
    assert_null(config_sources_load(-1, NULL, &problems));
    assert_int_equal(problems.count, 1);
    config_problems_deinit(&problems);
    free(text);
    config_destroy(config);
    assert_int_equal(close(saved), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_when_all_files_are_gone),
        cmocka_unit_test(what_is_saved_stays_as_it_is),
        cmocka_unit_test(all_else_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
