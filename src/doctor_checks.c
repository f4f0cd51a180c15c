/* One function for each thing that is looked at; the thresholds are explained where they stand. */
#include "doctor_checks.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "config.h"

enum {
    /* A worker's ring: 2048 submissions of 64 bytes, 8192 completions of 16, and indexes. Kernels
     * from 6.14 on charge it to the user. */
    LOCKED_BYTES_PER_RING = 288 * 1024,
    /* Logs, signals, wake-ups and the listeners of each worker. */
    DESCRIPTORS_TO_START = 32,
    DESCRIPTORS_PER_WORKER = 8,
    DESCRIPTORS_FEW = 8192,   /* a client and its upstream take two: 4000 clients */
    DESCRIPTORS_MANY = 65536, /* 32,000 clients */
    BACKLOG_WANTED = 4096,    /* the default since Linux 5.4 */
    SYN_BACKLOG_WANTED = 1024,
    LOCAL_PORTS_WANTED = 28000, /* the default range has 28232 */
    CAPABILITY_NET_BIND_SERVICE = 10,
    HTTP_PORT = 80,
};

/* ---- Reading ---- */

static void line_read(const char *path, char *out, usize bytes)
{
    out[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(out, (int)bytes, file))
        out[0] = '\0';
    (void)fclose(file);
}

static i32 sysctl_read(const char *path)
{
    char line[64];
    line_read(path, line, sizeof(line));
    return line[0] == '\0' ? -1 : (i32)strtol(line, NULL, 10);
}

static void local_ports_read(struct doctor_facts *out)
{
    char line[64];
    line_read("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line));
    char *rest = line;
    out->local_port_first = line[0] == '\0' ? -1 : (i32)strtol(line, &rest, 10);
    out->local_port_last = line[0] == '\0' ? -1 : (i32)strtol(rest, NULL, 10);
}

void doctor_facts_read(const struct ring_probe *probe, struct doctor_facts *out)
{
    *out = (struct doctor_facts){
        .ring_error = probe->error,
        .cpus = config_cpus_allowed(),
        .backlog_max = sysctl_read("/proc/sys/net/core/somaxconn"),
        .syn_backlog_max = sysctl_read("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
        .unprivileged_port_first = sysctl_read("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    };
    ring_host_read(&out->host);
    out->may_bind_service = out->host.capabilities >> CAPABILITY_NET_BIND_SERVICE & 1;
    local_ports_read(out);
    line_read("/proc/sys/net/ipv4/tcp_congestion_control", out->congestion_control,
              sizeof(out->congestion_control));
    out->congestion_control[strcspn(out->congestion_control, "\n")] = '\0';
    struct utsname name;
    if (uname(&name) == 0)
        (void)snprintf(out->kernel, sizeof(out->kernel), "%s", name.release);
}

/* ---- Judging ---- */

/* Writes a number, "unlimited", or "not known" for -1. */
static void value_set(struct doctor_check *check, u64 value)
{
    if (value == UINT64_MAX)
        (void)snprintf(check->value, sizeof(check->value), "unlimited");
    else
        (void)snprintf(check->value, sizeof(check->value), "%llu", (unsigned long long)value);
}

static void sysctl_set(struct doctor_check *check, i32 value)
{
    if (value < 0)
        (void)snprintf(check->value, sizeof(check->value), "not known");
    else
        value_set(check, (u64)value);
}

PRINTF_LIKE(2, 3) static void meaning_set(struct doctor_check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(check->meaning, sizeof(check->meaning), format, arguments);
    va_end(arguments);
}

PRINTF_LIKE(3, 4)
static void judge(struct doctor_check *check, enum doctor_verdict verdict, const char *cure, ...)
{
    va_list arguments;
    va_start(arguments, cure);
    (void)vsnprintf(check->cure, sizeof(check->cure), cure, arguments);
    va_end(arguments);
    check->verdict = verdict;
}

static void check_kernel(const struct doctor_facts *facts, struct doctor_check *check)
{
    (void)snprintf(check->value, sizeof(check->value), "%s", facts->kernel);
    meaning_set(check, "for information: what it offers is tried out, not concluded from this");
}

static void check_cpus(const struct doctor_facts *facts, struct doctor_check *check)
{
    value_set(check, facts->cpus);
    meaning_set(check, "\"workers\": \"auto\" starts as many workers");
}

/* True when kernel.io_uring_disabled alone explains that there is no ring. */
static bool switch_denies(const struct doctor_facts *facts)
{
    i32 disabled = facts->host.io_uring_disabled;
    return facts->ring_error == EPERM &&
           (disabled == 2 || (disabled == 1 && !facts->host.admitted));
}

static void check_seccomp(const struct doctor_facts *facts, struct doctor_check *check)
{
    static const char *const modes[] = {"off", "strict", "filter"};
    i32 mode = facts->host.seccomp_mode;
    bool known = mode >= 0 && (usize)mode < ARRAY_COUNT(modes);
    bool denied = facts->ring_error == EPERM || facts->ring_error == ENOSYS;
    (void)snprintf(check->value, sizeof(check->value), "%s", known ? modes[mode] : "not known");
    if (mode <= 0) {
        meaning_set(check,
                    known ? "no system call is filtered" : "/proc/self/status cannot be read");
    } else if (!denied) {
        meaning_set(check, "a filter is active and lets io_uring through");
    } else if (switch_denies(facts)) {
        meaning_set(check, "a filter is active; what it does shows when io_uring is not disabled");
    } else {
        meaning_set(check, "a filter is active and io_uring is denied: most likely by the filter");
        judge(check, DOCTOR_FAILURE,
              "run with the profile kernel-reqs/seccomp/nextproxy.json, for example docker run "
              "--security-opt seccomp=nextproxy.json (kernel-reqs/seccomp/README.md)");
    }
}

static void check_io_uring_disabled(const struct doctor_facts *facts, struct doctor_check *check)
{
    static const char cure[] = "sysctl -w kernel.io_uring_disabled=0; to keep it: "
                               "kernel-reqs/sysctl.d/60-nextproxy.conf";
    i32 disabled = facts->host.io_uring_disabled;
    if (disabled < 0) {
        (void)snprintf(check->value, sizeof(check->value), "not there");
        meaning_set(check, "this kernel has no such switch");
        return;
    }
    sysctl_set(check, disabled);
    if (disabled == 0) {
        meaning_set(check, "everybody may use io_uring");
    } else if (switch_denies(facts)) {
        meaning_set(check, disabled == 2 ? "nobody may use io_uring"
                                         : "only kernel.io_uring_group may use io_uring");
        judge(check, DOCTOR_FAILURE, "%s", cure);
    } else {
        meaning_set(check, "this process may use io_uring, others perhaps not");
        judge(check, DOCTOR_NOTE, "when the service runs as another user: %s", cure);
    }
}

static void check_memlock(const struct doctor_facts *facts, struct doctor_check *check)
{
    u64 wanted = (u64)LOCKED_BYTES_PER_RING * (facts->cpus + 1);
    value_set(check, facts->host.memlock_bytes);
    meaning_set(check,
                "bytes; from Linux 6.14 on the rings of all processes of a user count, here "
                "%llu bytes%s",
                (unsigned long long)wanted,
                facts->host.memory_unlimited ? "; CAP_IPC_LOCK lifts the limit" : "");
    if (facts->host.memory_unlimited || facts->host.memlock_bytes >= wanted)
        return;
    judge(check, facts->ring_error == ENOMEM ? DOCTOR_FAILURE : DOCTOR_WARNING,
          "ulimit -l unlimited, LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker)");
}

static void check_descriptors(const struct doctor_facts *facts, struct doctor_check *check)
{
    static const char cure[] = "ulimit -n 1048576, LimitNOFILE=1048576 (systemd), --ulimit "
                               "nofile=1048576 (docker)";
    u64 limit = facts->host.descriptors_max;
    u64 needed = DESCRIPTORS_TO_START + (u64)DESCRIPTORS_PER_WORKER * facts->cpus;
    value_set(check, limit);
    if (facts->ring_error == EMFILE || limit < needed) {
        meaning_set(check, "too few to start: %llu are needed before the first client",
                    (unsigned long long)needed);
        judge(check, DOCTOR_FAILURE, "%s", cure);
        return;
    }
    if (limit == UINT64_MAX) {
        meaning_set(check, "a client and its upstream take two");
        return;
    }
    meaning_set(check, "a client and its upstream take two: enough for about %llu clients",
                (unsigned long long)((limit - needed) / 2));
    if (limit < DESCRIPTORS_MANY)
        judge(check, limit < DESCRIPTORS_FEW ? DOCTOR_WARNING : DOCTOR_NOTE, "%s", cure);
}

static void check_backlog(const struct doctor_facts *facts, struct doctor_check *check)
{
    sysctl_set(check, facts->backlog_max);
    meaning_set(check, "connections that may wait for a worker, for each listener");
    if (facts->backlog_max >= 0 && facts->backlog_max < BACKLOG_WANTED)
        judge(check, DOCTOR_NOTE, "sysctl -w net.core.somaxconn=%d", BACKLOG_WANTED);
}

static void check_syn_backlog(const struct doctor_facts *facts, struct doctor_check *check)
{
    sysctl_set(check, facts->syn_backlog_max);
    meaning_set(check, "connections whose handshake is not finished, for each listener");
    if (facts->syn_backlog_max >= 0 && facts->syn_backlog_max < SYN_BACKLOG_WANTED)
        judge(check, DOCTOR_NOTE, "sysctl -w net.ipv4.tcp_max_syn_backlog=%d",
              4 * SYN_BACKLOG_WANTED);
}

static void check_local_ports(const struct doctor_facts *facts, struct doctor_check *check)
{
    if (facts->local_port_first < 0) {
        sysctl_set(check, -1);
        meaning_set(check, "upstreams to one backend address are limited by the free local ports");
        return;
    }
    i32 count = facts->local_port_last - facts->local_port_first + 1;
    (void)snprintf(check->value, sizeof(check->value), "%d-%d", (int)facts->local_port_first,
                   (int)facts->local_port_last);
    meaning_set(check, "at most %d upstreams to one backend address at a time", (int)count);
    if (count < LOCAL_PORTS_WANTED)
        judge(check, DOCTOR_NOTE, "sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\"");
}

/* It paces: a timer for each connection that sends more than a little. Where no network is to be
 * spared, that is most of what a large body costs (bench/README.md). */
static void check_congestion_control(const struct doctor_facts *facts, struct doctor_check *check)
{
    const char *name = facts->congestion_control;
    (void)snprintf(check->value, sizeof(check->value), "%s", name[0] ? name : "not known");
    if (strncmp(name, "bbr", 3) != 0) {
        meaning_set(check, "how fast a sender is, and what sending costs");
        return;
    }
    meaning_set(check, "good for clients far away; to those on this machine or in a fast network, "
                       "large bodies cost several times the CPU");
    judge(check, DOCTOR_NOTE,
          "where all are near: sysctl -w net.ipv4.tcp_congestion_control=cubic");
}

static void check_low_ports(const struct doctor_facts *facts, struct doctor_check *check)
{
    i32 first = facts->unprivileged_port_first;
    (void)snprintf(check->value, sizeof(check->value), "%s",
                   facts->may_bind_service ? "yes" : "no");
    if (facts->may_bind_service || (first >= 0 && first <= HTTP_PORT)) {
        meaning_set(check,
                    facts->may_bind_service ? "listeners may use any port"
                                            : "not needed: net.ipv4.ip_unprivileged_port_start=%d",
                    (int)first);
        return;
    }
    meaning_set(check, "listeners on ports below %d are refused", first >= 0 ? (int)first : 1024);
    judge(check, DOCTOR_NOTE,
          "AmbientCapabilities=CAP_NET_BIND_SERVICE (systemd), or setcap "
          "cap_net_bind_service=+ep on the binary, or a higher port");
}

static const struct check {
    const char *name;
    void (*judge)(const struct doctor_facts *facts, struct doctor_check *check);
} checks[] = {
    {"kernel", check_kernel},
    {"cpus", check_cpus},
    {"seccomp", check_seccomp},
    {"kernel.io_uring_disabled", check_io_uring_disabled},
    {"RLIMIT_MEMLOCK", check_memlock},
    {"RLIMIT_NOFILE", check_descriptors},
    {"net.core.somaxconn", check_backlog},
    {"net.ipv4.tcp_max_syn_backlog", check_syn_backlog},
    {"net.ipv4.ip_local_port_range", check_local_ports},
    {"net.ipv4.tcp_congestion_control", check_congestion_control},
    {"CAP_NET_BIND_SERVICE", check_low_ports},
};

static_assert(ARRAY_COUNT(checks) == DOCTOR_CHECK_COUNT, "the header says how many there are");

void doctor_checks_run(const struct doctor_facts *facts,
                       struct doctor_check out[DOCTOR_CHECK_COUNT])
{
    for (usize i = 0; i < ARRAY_COUNT(checks); i++) {
        out[i] = (struct doctor_check){.name = checks[i].name, .verdict = DOCTOR_OK};
        checks[i].judge(facts, &out[i]);
    }
}

const char *doctor_verdict_name(enum doctor_verdict verdict)
{
    static const char *const names[DOCTOR_VERDICT_COUNT] = {
        [DOCTOR_OK] = "ok",
        [DOCTOR_NOTE] = "note",
        [DOCTOR_WARNING] = "warning",
        [DOCTOR_FAILURE] = "failure",
    };
    ASSERT(verdict < DOCTOR_VERDICT_COUNT);
    return names[verdict];
}
