/* See listener_slot.h. */
#include "control/listener_slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker.h"

static struct slot *slot_create(const struct config_listener *listener)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    if (!slot)
        return NULL;
    slot->listener = *listener;
    (void)snprintf(slot->name, sizeof(slot->name), "%s", listener->name.data);
    slot->listener.name = slice_of_string(slot->name);
    slot->listener.proxy_protocol_from = (struct network_list){0}; /* a snapshot's business */
    return slot;
}

static bool slot_add(struct slot *slot, int fd)
{
    int *fds = realloc(slot->fds, (slot->count + 1) * sizeof(int));
    if (!fds)
        return false;
    fds[slot->count++] = fd;
    slot->fds = fds;
    return true;
}

/* ---- Taking over ---- */

/* As far as clients can tell: two paths may lead to the same file. */
static bool address_same(const struct address *a, const struct address *b)
{
    if (a->any.sa_family == AF_UNIX && b->any.sa_family == AF_UNIX)
        return strncmp(a->local.sun_path, b->local.sun_path, sizeof(a->local.sun_path)) == 0;
    return address_equal(a, b);
}

static bool listens(int fd)
{
    int type = 0, accepts = 0;
    socklen_t bytes = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 || type != SOCK_STREAM)
        return false;
    bytes = sizeof(accepts);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &bytes) == 0 && accepts != 0;
}

static bool is_for(const struct handover_socket *socket, const struct config_listener *listener)
{
    struct address address = {.len = sizeof(address.local)};
    if (!socket->given)
        return strcmp(socket->name, listener->name.data) == 0;
    return listens(socket->fd) && getsockname(socket->fd, &address.any, &address.len) == 0 &&
           address_same(&address, &listener->address);
}

static bool adopt(struct handover *from, struct slot *slot, u32 wanted)
{
    for (u32 i = 0; i < from->socket_count && slot->count < wanted; i++) {
        struct handover_socket *it = &from->sockets[i];
        if (it->used || !is_for(it, &slot->listener))
            continue;
        if (!slot_add(slot, it->fd))
            return false;
        it->used = true;
        slot->given = it->given;
        listener_adopt(it->fd, &slot->listener);
    }
    if (slot->count > 0) /* it may have had another one */
        slot_set_mode(slot, slot->listener.unix_mode);
    slot->adopted = slot->count;
    slot->told = slot->given ? 0 : slot->count;
    return true;
}

/* Where it is, for people. */
static void describe(const struct handover_socket *socket, char *out, usize bytes)
{
    struct address address = {.len = sizeof(address.local)};
    char ip[64];
    if (!listens(socket->fd) || getsockname(socket->fd, &address.any, &address.len) != 0) {
        (void)snprintf(out, bytes, "something that is no listening stream socket");
    } else if (address.any.sa_family == AF_UNIX) {
        (void)snprintf(out, bytes, "a socket on unix:%.*s", (int)sizeof(address.local.sun_path),
                       address.local.sun_path);
    } else {
        bool v6 = address.any.sa_family == AF_INET6;
        u32 len = address_format_ip(&address, ip);
        (void)snprintf(out, bytes, v6 ? "a socket on [%.*s]:%u" : "a socket on %.*s:%u", (int)len,
                       ip, ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port));
    }
}

bool slots_use_all_given(const struct handover *from, char *why, usize why_bytes)
{
    char what[160];
    for (u32 i = 0; i < from->socket_count; i++) {
        const struct handover_socket *it = &from->sockets[i];
        if (it->used || !it->given)
            continue;
        describe(it, what, sizeof(what));
        (void)snprintf(
            why, why_bytes,
            "the service manager passed %s (FileDescriptorName=%s), where no listener is "
            "configured: correct the .socket unit, or add it to `listeners`",
            what, it->name);
        return false;
    }
    return true;
}

/* ---- Opening ---- */

static bool no_memory(char *why, usize why_bytes)
{
    (void)snprintf(why, why_bytes, "no memory for a listener");
    return false;
}

/* Nobody else may open more of what a service manager gave. */
static u32 wanted_of(const struct slot *slot, u32 workers)
{
    return slot->given || slot_is_unix(slot) || slot->listener.exclusive ? 1 : workers;
}

bool slot_fill(struct slot *slot, u32 workers, char *why, usize why_bytes)
{
    while (slot->count < wanted_of(slot, workers)) {
        int fd = listener_open(&slot->listener, why, why_bytes);
        if (fd < 0)
            return false;
        if (!slot_add(slot, fd)) {
            (void)close(fd);
            return no_memory(why, why_bytes);
        }
    }
    return true;
}

struct slot *slot_open(struct handover *from, const struct config_listener *listener, u32 workers,
                       char *why, usize why_bytes)
{
    struct slot *slot = slot_create(listener);
    if (!slot) {
        (void)no_memory(why, why_bytes);
        return NULL;
    }
    bool adopted = adopt(from, slot, wanted_of(slot, workers));
    if (!adopted)
        (void)no_memory(why, why_bytes);
    if (adopted && slot_fill(slot, workers, why, why_bytes))
        return slot;
    slot_undo(slot);
    slot_free(slot);
    return NULL;
}

/* ---- Closing ---- */

void slot_remove_file(const struct slot *slot)
{
    if (slot_is_unix(slot) && !slot->given)
        (void)unlink(slot->listener.address.local.sun_path);
}

void slot_undo(struct slot *slot)
{
    bool file = slot->served == 0 && slot->count > slot->adopted;
    while (slot->count > slot->served)
        (void)close(slot->fds[--slot->count]);
    if (file)
        slot_remove_file(slot);
}

void slot_set_mode(struct slot *slot, u32 unix_mode)
{
    slot->listener.unix_mode = unix_mode;
    if (slot_is_unix(slot) && !slot->given)
        (void)chmod(slot->listener.address.local.sun_path, unix_mode);
}

void slot_free(struct slot *slot)
{
    for (u32 i = 0; i < slot->count; i++)
        (void)close(slot->fds[i]);
    free(slot->fds);
    free(slot);
}
