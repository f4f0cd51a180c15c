/* The probe of the running kernel, the rows of features.def, and the words for failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ring/probe.h"

/* ---- The rows ---- */

static void every_row_is_complete(void **state)
{
    for (u32 i = 0; i < RING_FEATURE_COUNT; i++) {
        const struct ring_feature_info *info = ring_feature_info((enum ring_feature)i);
        assert_true(strlen(info->name) > 0 && strlen(info->why) > 0 && strlen(info->without) > 0);
        assert_int_equal(strspn(info->since, "0123456789."), strlen(info->since));
        for (u32 j = 0; j < i; j++)
            assert_string_not_equal(info->name, ring_feature_info((enum ring_feature)j)->name);
    }
}

static void capabilities_are_the_optional_rows_in_order(void **state)
{
    u32 next = 0;
    for (u32 i = 0; i < RING_FEATURE_COUNT; i++) {
        const struct ring_feature_info *info = ring_feature_info((enum ring_feature)i);
        if (info->capability == 0)
            continue;
        assert_int_equal(info->capability, 1u << next);
        assert_string_equal(info->name, ring_capability_name((enum ring_capability)next));
        /* What it needs is itself and earlier rows, which ring_capabilities_reduce relies on. */
        assert_true(info->needs & info->capability);
        assert_true(info->needs < 2 * info->capability);
        next++;
    }
    assert_int_equal(next, RING_CAP_COUNT);
}

static void what_needs_a_missing_capability_is_missing_too(void **state)
{
    u32 all = (1u << RING_CAP_COUNT) - 1;
    assert_int_equal(ring_capabilities_reduce(all), all);
    assert_int_equal(ring_capabilities_reduce(0), 0);
    u32 reduced = ring_capabilities_reduce(all & ~(1u << RING_CAP_BUFFER_RING));
    assert_int_equal(reduced, all & ~(1u << RING_CAP_BUFFER_RING | 1u << RING_CAP_MULTISHOT_RECV |
                                      1u << RING_CAP_BUNDLE));
    reduced = ring_capabilities_reduce(all & ~(1u << RING_CAP_SINGLE_ISSUER));
    assert_int_equal(reduced, all & ~(1u << RING_CAP_SINGLE_ISSUER | 1u << RING_CAP_DEFER_TASKRUN));
}

static void lists_of_names_are_parsed(void **state)
{
    static const struct {
        const char *list;
        u32 bits;
    } rows[] = {
        {"", 0},
        {" , ,", 0},
        {"bundle", 1u << RING_CAP_BUNDLE},
        {"multishot_recv,bundle", 1u << RING_CAP_MULTISHOT_RECV | 1u << RING_CAP_BUNDLE},
        {" buffer_ring , restrictions,", 1u << RING_CAP_BUFFER_RING | 1u << RING_CAP_RESTRICTIONS},
        {"bundle,bundle", 1u << RING_CAP_BUNDLE},
    };
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        u32 bits = ~0u;
        const char *unknown = "";
        assert_true(ring_capabilities_parse(rows[i].list, &bits, &unknown));
        assert_int_equal(bits, rows[i].bits);
        assert_null(unknown);
    }
}

static void unknown_names_are_pointed_at(void **state)
{
    static const char *const lists[] = {"bundle,warp", "warp", "bundle, warp",
                                        "buffer_ring,,warp,x"};
    for (usize i = 0; i < ARRAY_COUNT(lists); i++) {
        u32 bits;
        const char *unknown = NULL;
        assert_false(ring_capabilities_parse(lists[i], &bits, &unknown));
        assert_ptr_equal(unknown, strstr(lists[i], "warp"));
    }
    u32 bits;
    const char *unknown;
    assert_false(ring_capabilities_parse("bundl", &bits, &unknown));
    assert_false(ring_capabilities_parse("bundles", &bits, &unknown));
    assert_false(ring_capabilities_parse("io_uring", &bits, &unknown)); /* required: cannot go */
}

/* ---- The running kernel ---- */

static u32 descriptors_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    u32 count = 0;
    while (readdir(folder))
        count++;
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void probe_or_skip(struct ring_probe *probe)
{
    ring_probe_run(probe);
    if (probe->usable)
        return;
    char why[RING_EXPLANATION_BYTES];
    ring_explain_setup_error(probe->error, why, sizeof(why));
    print_message("skipped: %s\n", why);
    skip();
}

static void every_row_is_tested(void **state)
{
    struct ring_probe probe;
    probe_or_skip(&probe);
    assert_int_equal(probe.error, 0);
    for (u32 i = 0; i < RING_FEATURE_COUNT; i++) {
        const struct ring_feature_info *info = ring_feature_info((enum ring_feature)i);
        const struct ring_probe_row *row = &probe.rows[i];
        assert_int_not_equal(row->state, RING_FEATURE_UNTESTED);
        assert_int_equal(row->state == RING_FEATURE_PRESENT, row->error == 0);
        if (info->capability == 0)
            assert_int_equal(row->state, RING_FEATURE_PRESENT);
        else if (row->state == RING_FEATURE_MISSING)
            assert_false(probe.capabilities & info->capability);
    }
    assert_int_equal(probe.capabilities, ring_capabilities_reduce(probe.capabilities));
}

static void repeated_probes_agree_and_leak_nothing(void **state)
{
    struct ring_probe first;
    probe_or_skip(&first);
    u32 open_before = descriptors_open();
    for (int i = 0; i < 20; i++) {
        struct ring_probe again;
        ring_probe_run(&again);
        assert_int_equal(again.capabilities, first.capabilities);
    }
    assert_int_equal(descriptors_open(), open_before);
}

/* Runs the probe while only `allowed` more descriptors can be opened. */
static void probe_with_descriptors(u32 allowed, struct ring_probe *out)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest_free = fcntl(0, F_DUPFD, 0);
    assert_true(lowest_free >= 0);
    assert_int_equal(close(lowest_free), 0);
    struct rlimit tight = {.rlim_cur = (rlim_t)lowest_free + allowed, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    ring_probe_run(out);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void without_descriptors_nothing_is_called_missing(void **state)
{
    struct ring_probe whole;
    probe_or_skip(&whole);
    u32 open_before = descriptors_open();
    struct ring_probe probe;
    probe_with_descriptors(0, &probe);
    assert_false(probe.usable);
    assert_int_equal(probe.error, EMFILE);
    assert_int_equal(probe.capabilities, 0);
    for (u32 allowed = 0; allowed < 8; allowed++) {
        probe_with_descriptors(allowed, &probe);
        for (u32 i = 0; i < RING_FEATURE_COUNT; i++)
            if (probe.rows[i].state == RING_FEATURE_MISSING)
                assert_int_equal(whole.rows[i].state, RING_FEATURE_MISSING);
        assert_int_equal(descriptors_open(), open_before);
    }
    assert_int_equal(probe.capabilities, whole.capabilities);
}

/* ---- The words ---- */

static const struct ring_host ordinary_host = {
    .seccomp_mode = 0,
    .io_uring_disabled = 0,
    .io_uring_group = -1,
    .memlock_bytes = UINT64_MAX,
    .descriptors_max = 1024,
};

static void expect_words(i32 error, const struct ring_host *host, const char *cause,
                         const char *cure)
{
    char text[RING_EXPLANATION_BYTES];
    char whole[4 * RING_EXPLANATION_BYTES];
    ring_explain(error, host, text, sizeof(text));
    ring_explain(error, host, whole, sizeof(whole));
    assert_string_equal(text, whole); /* nothing was cut off */
    const char *cure_at = strstr(text, "; cure: ");
    assert_non_null(cure_at);
    const char *cause_at = strstr(text, cause);
    if (!cause_at || cause_at > cure_at || !strstr(cure_at, cure))
        fail_msg("expected '%s' and '%s' in: %s", cause, cure, text);
}

static void denied_calls_are_told_apart(void **state)
{
    struct ring_host host = ordinary_host;
    expect_words(EPERM, &host, "security module", "audit log");
    host.seccomp_mode = 2;
    expect_words(EPERM, &host, "seccomp filter", "nextproxy.json");
    expect_words(EACCES, &host, "seccomp filter", "nextproxy.json");
    host.io_uring_disabled = 1;
    host.admitted = true; /* so it is not the sysctl */
    expect_words(EPERM, &host, "seccomp filter", "nextproxy.json");
    host.admitted = false;
    host.io_uring_group = INT32_MAX;
    expect_words(EPERM, &host, "io_uring_disabled=1", "in that group");
    host.io_uring_disabled = 2;
    expect_words(EPERM, &host, "io_uring_disabled=2", "io_uring_disabled=0");
    host.seccomp_mode = 0;
    expect_words(EPERM, &host, "io_uring_disabled=2", "io_uring_disabled=0");
}

static void an_unknown_call_may_be_a_hidden_one(void **state)
{
    struct ring_host host = ordinary_host;
    host.io_uring_disabled = -1;
    expect_words(ENOSYS, &host, "too old", "5.19");
    host.seccomp_mode = 2;
    expect_words(ENOSYS, &host, "or a seccomp filter", "nextproxy.json");
    host.io_uring_disabled = 0;
    expect_words(ENOSYS, &host, "a seccomp filter (container profile) hides", "nextproxy.json");
}

static void shortages_name_the_limit(void **state)
{
    struct ring_host host = ordinary_host;
    expect_words(ENOMEM, &host, "RLIMIT_MEMLOCK is not the reason", "memory.max");
    host.memlock_bytes = 65536;
    expect_words(ENOMEM, &host, "limited to 64 KiB", "LimitMEMLOCK=infinity");
    host.memlock_bytes = UINT64_MAX - 1; /* the longest number */
    expect_words(ENOMEM, &host, "RLIMIT_MEMLOCK", "ulimit -l");
    host.memory_unlimited = true;
    expect_words(ENOMEM, &host, "RLIMIT_MEMLOCK is not the reason", "memory.max");
    host.descriptors_max = UINT64_MAX;
    expect_words(EMFILE, &host, "RLIMIT_NOFILE", "ulimit -n");
    host.descriptors_max = 64;
    expect_words(EMFILE, &host, "64 descriptors", "LimitNOFILE=1048576");
    expect_words(ENFILE, &host, "whole system", "fs.file-max");
    expect_words(EINVAL, &host, "lacks", "5.19");
    expect_words(EFAULT, &host, "Bad address", "doctor");
}

static void words_fit_any_buffer(void **state)
{
    char text[40];
    memset(text, 'x', sizeof(text));
    ring_explain(EPERM, &ordinary_host, text, sizeof(text) - 1);
    assert_int_equal(strlen(text), sizeof(text) - 2);
    assert_int_equal(text[sizeof(text) - 1], 'x');
}

static void surroundings_are_those_of_this_process(void **state)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit other = {.rlim_cur = before.rlim_cur - 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &other), 0);
    struct ring_host host;
    ring_host_read(&host);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(host.descriptors_max, before.rlim_cur - 1);
    assert_in_range(host.seccomp_mode, 0, 2);
    assert_true(host.io_uring_disabled >= -1 && host.io_uring_disabled <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(capabilities_are_the_optional_rows_in_order),
        cmocka_unit_test(what_needs_a_missing_capability_is_missing_too),
        cmocka_unit_test(lists_of_names_are_parsed),
        cmocka_unit_test(unknown_names_are_pointed_at),
        cmocka_unit_test(every_row_is_tested),
        cmocka_unit_test(repeated_probes_agree_and_leak_nothing),
        cmocka_unit_test(without_descriptors_nothing_is_called_missing),
        cmocka_unit_test(denied_calls_are_told_apart),
        cmocka_unit_test(an_unknown_call_may_be_a_hidden_one),
        cmocka_unit_test(shortages_name_the_limit),
        cmocka_unit_test(words_fit_any_buffer),
        cmocka_unit_test(surroundings_are_those_of_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
