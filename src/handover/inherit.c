/* Taking over what a process was started with. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "handover.h"

enum { LISTEN_FD_FIRST = 3 }; /* SD_LISTEN_FDS_START */

/* False when it is not open. */
static bool close_on_exec(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    return flags >= 0 && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0;
}

bool handover_take(struct handover *out, const char **problem)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    handover_init(out);
    if (!text)
        return true;
    bool ok = handover_parse(text, out, problem);
    (void)unsetenv(HANDOVER_VARIABLE);
    if (ok)
        *problem = "a descriptor that it names is not open";
    ok = ok && (out->channel < 0 || close_on_exec(out->channel));
    ok = ok && (out->state < 0 || close_on_exec(out->state));
    ok = ok && (out->config < 0 || close_on_exec(out->config));
    for (u32 i = 0; ok && i < out->engine_count; i++)
        ok = close_on_exec(out->engines[i].channel);
    for (u32 i = 0; ok && i < out->socket_count; i++)
        ok = close_on_exec(out->sockets[i].fd);
    return ok;
}

/* ---- Socket activation ---- */

/* The name of one descriptor, up to the next colon; an empty one when the list has ended. */
static const char *next_name(const char *names, char out[HANDOVER_NAME_BYTES])
{
    usize len = strcspn(names, ":");
    usize kept = len < HANDOVER_NAME_BYTES ? len : HANDOVER_NAME_BYTES - 1;
    memcpy(out, names, kept);
    out[kept] = '\0';
    return names + len + (names[len] == ':');
}

bool activation_parse(const struct activation *activation, i32 pid, struct handover *out,
                      const char **problem)
{
    u64 for_pid, count;
    char name[HANDOVER_NAME_BYTES];
    const char *names = activation->names ? activation->names : "";
    if (!activation->pid || !activation->count)
        return true;
    *problem = "LISTEN_PID is no process";
    if (!slice_parse_number(slice_of_string(activation->pid), INT32_MAX, &for_pid))
        return false;
    if (for_pid != (u64)pid)
        return true;
    *problem = "LISTEN_FDS is no number, or too large";
    if (!slice_parse_number(slice_of_string(activation->count),
                            HANDOVER_SOCKETS_MAX - out->socket_count, &count))
        return false;
    *problem = "LISTEN_FDNAMES has a name that is none";
    for (u64 i = 0; i < count; i++) {
        names = next_name(names, name);
        if (!handover_add(out, LISTEN_FD_FIRST + (int)i, name, true))
            return false;
    }
    return true;
}

bool activation_take(struct handover *out, const char **problem)
{
    const struct activation activation = {getenv("LISTEN_PID"), getenv("LISTEN_FDS"),
                                          getenv("LISTEN_FDNAMES")};
    u32 first = out->socket_count;
    bool ok = activation_parse(&activation, getpid(), out, problem);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (ok)
        *problem = "LISTEN_FDS counts descriptors that are not open";
    for (u32 i = first; ok && i < out->socket_count; i++)
        ok = close_on_exec(out->sockets[i].fd);
    return ok;
}

u64 watchdog_parse(const char *usec, const char *for_pid, i32 pid)
{
    u64 wanted_by, value;
    if (!usec || !slice_parse_number(slice_of_string(usec), UINT64_MAX, &value))
        return 0;
    if (for_pid && (!slice_parse_number(slice_of_string(for_pid), INT32_MAX, &wanted_by) ||
                    wanted_by != (u64)pid))
        return 0;
    return value;
}
