/* See listeners.h. */
#include "control/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

/* The sockets of one listener. A unix socket is one for all workers. */
struct slot {
    const struct config_listener *listener;
    u32 wanted;
    u32 adopted; /* the first ones were handed over */
    bool given;  /* by a service manager: its file is not ours */
};

struct listeners {
    const struct config *config;
    struct handover *from;
    struct slot *slots; /* one for each listener, then the management API's */
    int *fds;           /* per worker, per listener; then the management API's */
    u32 slot_count;
};

static bool is_unix(const struct config_listener *listener)
{
    return listener->address.any.sa_family == AF_UNIX;
}

/* Where the i-th socket of a slot is. */
static int *place(const struct listeners *listeners, const struct slot *slot, u32 i)
{
    const struct config *config = listeners->config;
    u32 index = (u32)(slot - listeners->slots);
    bool management = index == config->listener_count;
    return &listeners->fds[(usize)(management ? config->workers : i) * config->listener_count +
                           (management ? 0 : index)];
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

static void adopt(struct listeners *listeners, struct slot *slot)
{
    for (u32 i = 0; i < listeners->from->socket_count && slot->adopted < slot->wanted; i++) {
        struct handover_socket *it = &listeners->from->sockets[i];
        if (it->used || !is_for(it, slot->listener))
            continue;
        it->used = true;
        slot->given = it->given;
        listener_adopt(it->fd, slot->listener);
        *place(listeners, slot, slot->adopted++) = it->fd;
    }
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

/* What a service manager gives was asked for: to leave it unserved would only be seen by clients.
 */
static bool all_given_are_used(const struct listeners *listeners, char *why, usize why_bytes)
{
    char what[160];
    for (u32 i = 0; i < listeners->from->socket_count; i++) {
        const struct handover_socket *it = &listeners->from->sockets[i];
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

/* Workers without a socket of their own accept from one that the service manager gave: nobody else
 * may open more of them. */
static bool share(struct listeners *listeners, const struct slot *slot, char *why, usize why_bytes)
{
    for (u32 i = slot->adopted; i < slot->wanted; i++) {
        int fd = fcntl(*place(listeners, slot, i % slot->adopted), F_DUPFD_CLOEXEC, 0);
        *place(listeners, slot, i) = fd;
        if (fd >= 0)
            continue;
        (void)snprintf(why, why_bytes,
                       "cannot listen on %s: %s; raise the limit (ulimit -n, LimitNOFILE=)",
                       slot->listener->name.data, strerror(errno));
        return false;
    }
    return true;
}

static bool fill(struct listeners *listeners, struct slot *slot, char *why, usize why_bytes)
{
    adopt(listeners, slot);
    if (slot->given)
        return share(listeners, slot, why, why_bytes);
    for (u32 i = slot->adopted; i < slot->wanted; i++) {
        int fd = listener_open(slot->listener, why, why_bytes);
        *place(listeners, slot, i) = fd;
        if (fd < 0)
            return false;
    }
    return true;
}

/* All workers accept from the first one's. */
static void spread(struct listeners *listeners, const struct slot *slot)
{
    for (u32 i = 1; i < listeners->config->workers; i++)
        *place(listeners, slot, i) = *place(listeners, slot, 0);
}

static bool open_slot(struct listeners *listeners, u32 index, char *why, usize why_bytes)
{
    const struct config *config = listeners->config;
    struct slot *slot = &listeners->slots[index];
    bool management = index == config->listener_count;
    slot->listener = management ? &config->admin.listener : &config->listeners[index];
    bool shared = management || is_unix(slot->listener);
    slot->wanted = shared ? 1 : config->workers;
    if (!fill(listeners, slot, why, why_bytes))
        return false;
    if (shared && !management)
        spread(listeners, slot);
    return true;
}

/* The management API first: who can reach a listener can reach it, too. */
static bool open_all(struct listeners *listeners, char *why, usize why_bytes)
{
    u32 count = listeners->config->listener_count;
    if (listeners->slot_count > count && !open_slot(listeners, count, why, why_bytes))
        return false;
    for (u32 i = 0; i < count; i++)
        if (!open_slot(listeners, i, why, why_bytes))
            return false;
    return all_given_are_used(listeners, why, why_bytes);
}

struct listeners *listeners_open(const struct config *config, struct handover *from, char *why,
                                 usize why_bytes)
{
    usize total = (usize)config->workers * config->listener_count + 1;
    u32 slot_count = config->listener_count + (config->admin.enabled ? 1 : 0);
    struct listeners *listeners = calloc(1, sizeof(*listeners));
    int *fds = calloc(total, sizeof(int));
    struct slot *slots = calloc(slot_count, sizeof(struct slot));
    if (!listeners || !fds || !slots) {
        (void)snprintf(why, why_bytes, "no memory to start: lower workers");
        free(listeners);
        free(fds);
        free(slots);
        return NULL;
    }
    memset(fds, 0xff, total * sizeof(int)); /* -1: not open */
    *listeners = (struct listeners){
        .config = config, .from = from, .slots = slots, .fds = fds, .slot_count = slot_count};
    if (open_all(listeners, why, why_bytes))
        return listeners;
    listeners_close(listeners, 0, from->role == HANDOVER_NONE);
    return NULL;
}

const int *listeners_of_worker(const struct listeners *listeners, u32 worker)
{
    return listeners->fds + (usize)worker * listeners->config->listener_count;
}

int listeners_management(const struct listeners *listeners)
{
    return listeners->fds[(usize)listeners->config->workers * listeners->config->listener_count];
}

/* ---- The supervisor's copies ---- */

static void give(int channel, const char *name, const int *fds, u32 count)
{
    char text[CHANNEL_TEXT_BYTES];
    (void)snprintf(text, sizeof(text), MESSAGE_KEEP "%s", name);
    if (count > 0)
        (void)channel_send_patiently(channel, text, fds, count);
}

void listeners_give(const struct listeners *listeners, int channel)
{
    for (u32 i = 0; i < listeners->slot_count; i++) {
        const struct slot *slot = &listeners->slots[i];
        int batch[CHANNEL_FDS_MAX];
        u32 count = 0;
        for (u32 k = slot->adopted; k < slot->wanted && !slot->given; k++) {
            batch[count++] = *place(listeners, slot, k);
            if (count == CHANNEL_FDS_MAX) {
                give(channel, slot->listener->name.data, batch, count);
                count = 0;
            }
        }
        give(channel, slot->listener->name.data, batch, count);
    }
}

/* How many sockets of that name are used: those at the beginning. */
static u32 used_of(const struct handover *from, const char *name)
{
    u32 count = 0;
    for (u32 i = 0; i < from->socket_count; i++)
        count += from->sockets[i].used && strcmp(from->sockets[i].name, name) == 0;
    return count;
}

void listeners_give_up_rest(const struct listeners *listeners, int channel)
{
    char text[CHANNEL_TEXT_BYTES];
    for (u32 i = 0; i < listeners->from->socket_count; i++) {
        const struct handover_socket *it = &listeners->from->sockets[i];
        if (it->used || it->given)
            continue;
        (void)snprintf(text, sizeof(text), MESSAGE_FORGET "%u %s",
                       used_of(listeners->from, it->name), it->name);
        (void)channel_send_patiently(channel, text, NULL, 0);
        (void)close(it->fd);
    }
}

/* ---- The end ---- */

void listeners_close(struct listeners *listeners, u32 served, bool remove_files)
{
    const struct config *config = listeners->config;
    for (u32 i = 0; i < listeners->slot_count; i++) {
        const struct slot *slot = &listeners->slots[i];
        bool local = slot->listener && is_unix(slot->listener);
        bool management = i == config->listener_count;
        u32 first = local || management ? 0 : served;
        for (u32 k = first; slot->listener && k < slot->wanted; k++) {
            int fd = *place(listeners, slot, k);
            if (fd >= 0)
                (void)close(fd);
            if (fd >= 0 && local && remove_files && !slot->given)
                (void)unlink(slot->listener->address.local.sun_path);
        }
    }
    free(listeners->slots);
    free(listeners->fds);
    free(listeners);
}
