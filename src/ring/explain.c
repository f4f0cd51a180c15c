/* Why there is no ring, in words: the errno alone is ambiguous, the surroundings tell. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ring/probe.h"

/* ---- The surroundings ---- */

enum {
    STATUS_BYTES = 8192,
    GROUPS_MAX = 1024,
    CAPABILITY_IPC_LOCK = 14,
    CAPABILITY_SYS_ADMIN = 21
};

/* The file's beginning as a string; empty when it cannot be read. */
static void file_read(const char *path, char *out, usize bytes)
{
    ssize_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        len = read(fd, out, bytes - 1);
        (void)close(fd);
    }
    out[len > 0 ? len : 0] = '\0';
}

static i32 number_read(const char *path)
{
    char text[32];
    file_read(path, text, sizeof(text));
    return text[0] == '\0' ? -1 : (i32)strtol(text, NULL, 10);
}

/* The value behind "\n<key>:" in /proc/self/status; NULL when there is none. */
static const char *status_value(const char *status, const char *key)
{
    const char *found = strstr(status, key);
    return found ? found + strlen(key) : NULL;
}

static bool is_member(i32 group)
{
    gid_t groups[GROUPS_MAX];
    if (group < 0)
        return false;
    if (getegid() == (gid_t)group)
        return true;
    int count = getgroups(GROUPS_MAX, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == (gid_t)group)
            return true;
    return false;
}

static u64 limit_value(const struct rlimit *limit)
{
    return limit->rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit->rlim_cur;
}

void ring_host_read(struct ring_host *out)
{
    char status[STATUS_BYTES];
    file_read("/proc/self/status", status, sizeof(status));
    const char *seccomp = status_value(status, "\nSeccomp:");
    const char *effective = status_value(status, "\nCapEff:");
    u64 capabilities = effective ? strtoull(effective, NULL, 16) : 0;
    i32 group = number_read("/proc/sys/kernel/io_uring_group");
    struct rlimit memlock = {.rlim_cur = RLIM_INFINITY};
    struct rlimit descriptors = {.rlim_cur = RLIM_INFINITY};
    (void)getrlimit(RLIMIT_MEMLOCK, &memlock);
    (void)getrlimit(RLIMIT_NOFILE, &descriptors);
    *out = (struct ring_host){
        .capabilities = capabilities,
        .seccomp_mode = seccomp ? (i32)strtol(seccomp, NULL, 10) : -1,
        .io_uring_disabled = number_read("/proc/sys/kernel/io_uring_disabled"),
        .io_uring_group = group,
        .admitted = (capabilities >> CAPABILITY_SYS_ADMIN & 1) || is_member(group),
        .memory_unlimited = capabilities >> CAPABILITY_IPC_LOCK & 1,
        .memlock_bytes = limit_value(&memlock),
        .descriptors_max = limit_value(&descriptors),
    };
}

/* ---- The words ---- */

#define PROFILE_CURE                                                                               \
    "allow io_uring_setup, io_uring_enter and io_uring_register: "                                 \
    "kernel-reqs/seccomp/nextproxy.json is a profile that does"

static void explain_denied(const struct ring_host *host, char *out, usize bytes)
{
    if (host->io_uring_disabled == 2)
        (void)snprintf(out, bytes,
                       "EPERM: kernel.io_uring_disabled=2 denies io_uring to everybody; "
                       "cure: sysctl -w kernel.io_uring_disabled=0 "
                       "(kernel-reqs/sysctl.d/60-nextproxy.conf)");
    else if (host->io_uring_disabled == 1 && !host->admitted)
        (void)snprintf(out, bytes,
                       "EPERM: kernel.io_uring_disabled=1 and this user is not in "
                       "kernel.io_uring_group (%d); cure: run nextproxy in that group, or "
                       "sysctl -w kernel.io_uring_disabled=0",
                       (int)host->io_uring_group);
    else if (host->seccomp_mode > 0)
        (void)snprintf(out, bytes,
                       "EPERM: a seccomp filter (container profile) denies io_uring; "
                       "cure: " PROFILE_CURE);
    else
        (void)snprintf(out, bytes,
                       "EPERM: a security module (SELinux, AppArmor) denies io_uring; "
                       "cure: allow it for nextproxy, see the audit log "
                       "(journalctl -k | grep denied)");
}

static void explain_unknown_call(const struct ring_host *host, char *out, usize bytes)
{
    /* The sysctl exists only in a kernel that has io_uring. */
    if (host->seccomp_mode > 0 && host->io_uring_disabled >= 0)
        (void)snprintf(out, bytes,
                       "ENOSYS: a seccomp filter (container profile) hides io_uring; "
                       "cure: " PROFILE_CURE);
    else if (host->seccomp_mode > 0)
        (void)snprintf(out, bytes,
                       "ENOSYS: the kernel has no io_uring, or a seccomp filter hides "
                       "it; cure: Linux 5.19 or newer with CONFIG_IO_URING, and "
                       "kernel-reqs/seccomp/nextproxy.json as the container's profile");
    else
        (void)snprintf(out, bytes,
                       "ENOSYS: the kernel is too old or was built without io_uring; "
                       "cure: Linux 5.19 or newer (6.1 or newer is faster) with "
                       "CONFIG_IO_URING");
}

static void explain_memory(const struct ring_host *host, char *out, usize bytes)
{
    if (host->memory_unlimited || host->memlock_bytes == UINT64_MAX)
        (void)snprintf(out, bytes,
                       "ENOMEM: no memory for a ring, and RLIMIT_MEMLOCK is not the "
                       "reason; cure: more memory (cgroup memory.max), or fewer workers");
    else
        (void)snprintf(
            out, bytes,
            "ENOMEM: locked memory is limited to %llu KiB for all processes of this user "
            "(RLIMIT_MEMLOCK); cure: ulimit -l unlimited, LimitMEMLOCK=infinity "
            "(systemd), --ulimit memlock=-1 (docker), or CAP_IPC_LOCK",
            (unsigned long long)(host->memlock_bytes / 1024));
}

static void explain_descriptors(const struct ring_host *host, char *out, usize bytes)
{
    (void)snprintf(
        out, bytes,
        "EMFILE: all of this process' %llu descriptors are in use (RLIMIT_NOFILE); cure: "
        "ulimit -n 1048576, LimitNOFILE=1048576 (systemd), "
        "--ulimit nofile=1048576 (docker)",
        (unsigned long long)host->descriptors_max);
}

static void explain_table_full(const struct ring_host *host, char *out, usize bytes)
{
    (void)host;
    (void)snprintf(out, bytes,
                   "ENFILE: all descriptors of the whole system are in use; cure: "
                   "sysctl -w fs.file-max=<more>; /proc/sys/fs/file-nr shows the use");
}

static void explain_refused(const struct ring_host *host, char *out, usize bytes)
{
    (void)host;
    (void)snprintf(out, bytes,
                   "EINVAL: the kernel's io_uring lacks something that nextproxy cannot "
                   "do without; cure: Linux 5.19 or newer; `nextproxy doctor` shows what "
                   "is missing");
}

static const struct explanation {
    i32 error;
    void (*write)(const struct ring_host *host, char *out, usize bytes);
} explanations[] = {
    {EPERM, explain_denied},   {EACCES, explain_denied},      {ENOSYS, explain_unknown_call},
    {ENOMEM, explain_memory},  {EMFILE, explain_descriptors}, {ENFILE, explain_table_full},
    {EINVAL, explain_refused},
};

void ring_explain(i32 error, const struct ring_host *host, char *out, usize bytes)
{
    static const char prefix[] = "cannot set up io_uring: ";
    ASSERT(bytes > sizeof(prefix));
    int len = snprintf(out, bytes, "%s", prefix);
    out += len;
    bytes -= (usize)len;
    for (usize i = 0; i < ARRAY_COUNT(explanations); i++) {
        if (explanations[i].error == error) {
            explanations[i].write(host, out, bytes);
            return;
        }
    }
    (void)snprintf(out, bytes,
                   "%s (error %d); cure: `nextproxy doctor` shows what the kernel offers",
                   strerror(error), (int)error);
}

void ring_explain_setup_error(i32 error, char *out, usize bytes)
{
    struct ring_host host;
    ring_host_read(&host);
    ring_explain(error, &host, out, bytes);
}
