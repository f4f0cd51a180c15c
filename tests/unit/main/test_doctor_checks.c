/* What the doctor concludes from surroundings that this machine does not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "doctor_checks.h"

static const struct doctor_facts good = {
    .host =
        {
            .seccomp_mode = 0,
            .io_uring_disabled = 0,
            .io_uring_group = -1,
            .memlock_bytes = UINT64_MAX,
            .descriptors_max = 1048576,
        },
    .kernel = "6.12.0",
    .cpus = 4,
    .backlog_max = 4096,
    .syn_backlog_max = 4096,
    .congestion_control = "cubic",
    .local_port_first = 32768,
    .local_port_last = 60999,
    .unprivileged_port_first = 1024,
    .may_bind_service = true,
};

/* The verdict on one check; everything that is not ok has a cure, and nothing is cut off. */
static enum doctor_verdict verdict_on(const char *name, const struct doctor_facts *facts)
{
    struct doctor_check checks[DOCTOR_CHECK_COUNT];
    doctor_checks_run(facts, checks);
    const struct doctor_check *found = NULL;
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++) {
        const struct doctor_check *check = &checks[i];
        assert_true(check->value[0] != '\0' && check->meaning[0] != '\0');
        assert_int_equal(check->cure[0] != '\0', check->verdict != DOCTOR_OK);
        assert_true(strlen(check->value) < sizeof(check->value) - 1);
        assert_true(strlen(check->meaning) < sizeof(check->meaning) - 1);
        assert_true(strlen(check->cure) < sizeof(check->cure) - 1);
        if (strcmp(check->name, name) == 0)
            found = check;
    }
    assert_non_null(found);
    return found->verdict;
}

static void good_surroundings_have_no_verdict_but_ok(void **state)
{
    struct doctor_check checks[DOCTOR_CHECK_COUNT];
    doctor_checks_run(&good, checks);
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++)
        assert_string_equal(doctor_verdict_name(checks[i].verdict), "ok");
}

static void a_filter_is_blamed_only_when_the_ring_was_denied(void **state)
{
    struct doctor_facts facts = good;
    facts.host.seccomp_mode = 2;
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_OK);
    facts.ring_error = ENOMEM;
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_OK);
    facts.ring_error = EPERM;
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_FAILURE);
    facts.ring_error = ENOSYS;
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_FAILURE);
    facts.host.seccomp_mode = 0;
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_OK);
}

static void the_switch_counts_for_whom_it_locks_out(void **state)
{
    struct doctor_facts facts = good;
    facts.host.io_uring_disabled = -1;
    assert_int_equal(verdict_on("kernel.io_uring_disabled", &facts), DOCTOR_OK);
    facts.host.io_uring_disabled = 1;
    facts.host.admitted = true;
    assert_int_equal(verdict_on("kernel.io_uring_disabled", &facts), DOCTOR_NOTE);
    facts.host.admitted = false;
    facts.ring_error = EPERM;
    assert_int_equal(verdict_on("kernel.io_uring_disabled", &facts), DOCTOR_FAILURE);
    facts.host.io_uring_disabled = 2;
    facts.host.admitted = true;
    assert_int_equal(verdict_on("kernel.io_uring_disabled", &facts), DOCTOR_FAILURE);
}

static void a_filter_is_not_blamed_for_what_the_switch_does(void **state)
{
    struct doctor_facts facts = good;
    facts.host.seccomp_mode = 2;
    facts.ring_error = EPERM;
    facts.host.io_uring_disabled = 2;
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_OK);
    assert_int_equal(verdict_on("kernel.io_uring_disabled", &facts), DOCTOR_FAILURE);
}

static void locked_memory_is_counted_per_worker(void **state)
{
    struct doctor_facts facts = good;
    facts.host.memlock_bytes = 8 << 20;
    assert_int_equal(verdict_on("RLIMIT_MEMLOCK", &facts), DOCTOR_OK);
    facts.cpus = 64;
    assert_int_equal(verdict_on("RLIMIT_MEMLOCK", &facts), DOCTOR_WARNING);
    facts.ring_error = ENOMEM;
    assert_int_equal(verdict_on("RLIMIT_MEMLOCK", &facts), DOCTOR_FAILURE);
    facts.host.memory_unlimited = true;
    assert_int_equal(verdict_on("RLIMIT_MEMLOCK", &facts), DOCTOR_OK);
}

static void descriptors_are_few_fewer_or_too_few(void **state)
{
    static const struct {
        u64 limit;
        enum doctor_verdict verdict;
    } rows[] = {
        {UINT64_MAX, DOCTOR_OK}, {65536, DOCTOR_OK},   {20000, DOCTOR_NOTE}, {1024, DOCTOR_WARNING},
        {64, DOCTOR_WARNING},    {63, DOCTOR_FAILURE}, {0, DOCTOR_FAILURE},
    };
    struct doctor_facts facts = good;
    for (usize i = 0; i < ARRAY_COUNT(rows); i++) {
        facts.host.descriptors_max = rows[i].limit;
        assert_int_equal(verdict_on("RLIMIT_NOFILE", &facts), rows[i].verdict);
    }
    facts.host.descriptors_max = 1048576;
    facts.ring_error = EMFILE;
    assert_int_equal(verdict_on("RLIMIT_NOFILE", &facts), DOCTOR_FAILURE);
}

static void small_network_settings_are_noted(void **state)
{
    struct doctor_facts facts = good;
    facts.backlog_max = 128;
    assert_int_equal(verdict_on("net.core.somaxconn", &facts), DOCTOR_NOTE);
    memcpy(facts.congestion_control, "bbr", sizeof("bbr"));
    assert_int_equal(verdict_on("net.ipv4.tcp_congestion_control", &facts), DOCTOR_NOTE);
    facts.syn_backlog_max = 128;
    assert_int_equal(verdict_on("net.ipv4.tcp_max_syn_backlog", &facts), DOCTOR_NOTE);
    facts.local_port_last = facts.local_port_first + 1000;
    assert_int_equal(verdict_on("net.ipv4.ip_local_port_range", &facts), DOCTOR_NOTE);
}

static void settings_that_cannot_be_read_are_not_held_against_anybody(void **state)
{
    struct doctor_facts facts = good;
    facts.host.seccomp_mode = -1;
    facts.host.io_uring_disabled = -1;
    facts.backlog_max = -1;
    facts.syn_backlog_max = -1;
    facts.local_port_first = -1;
    facts.local_port_last = -1;
    facts.unprivileged_port_first = -1;
    struct doctor_check checks[DOCTOR_CHECK_COUNT];
    doctor_checks_run(&facts, checks);
    for (u32 i = 0; i < DOCTOR_CHECK_COUNT; i++)
        assert_int_equal(checks[i].verdict, DOCTOR_OK);
    assert_int_equal(verdict_on("seccomp", &facts), DOCTOR_OK);
}

static void low_ports_need_a_capability_or_a_sysctl(void **state)
{
    struct doctor_facts facts = good;
    facts.may_bind_service = false;
    assert_int_equal(verdict_on("CAP_NET_BIND_SERVICE", &facts), DOCTOR_NOTE);
    facts.unprivileged_port_first = -1;
    assert_int_equal(verdict_on("CAP_NET_BIND_SERVICE", &facts), DOCTOR_NOTE);
    facts.unprivileged_port_first = 80;
    assert_int_equal(verdict_on("CAP_NET_BIND_SERVICE", &facts), DOCTOR_OK);
    facts.unprivileged_port_first = 0;
    assert_int_equal(verdict_on("CAP_NET_BIND_SERVICE", &facts), DOCTOR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_surroundings_have_no_verdict_but_ok),
        cmocka_unit_test(a_filter_is_blamed_only_when_the_ring_was_denied),
        cmocka_unit_test(the_switch_counts_for_whom_it_locks_out),
        cmocka_unit_test(a_filter_is_not_blamed_for_what_the_switch_does),
        cmocka_unit_test(locked_memory_is_counted_per_worker),
        cmocka_unit_test(descriptors_are_few_fewer_or_too_few),
        cmocka_unit_test(small_network_settings_are_noted),
        cmocka_unit_test(settings_that_cannot_be_read_are_not_held_against_anybody),
        cmocka_unit_test(low_ports_need_a_capability_or_a_sysctl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
