/* See socket_set.h. */
#include "control/socket_set.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker.h"

static struct socket_set *socket_set_create(const struct config_listener *listener)
{
    struct socket_set *set = calloc(1, sizeof(*set));
    if (!set)
        return NULL;
    set->listener = *listener;
    (void)snprintf(set->name, sizeof(set->name), "%s", listener->name.data);
    set->listener.name = slice_of_string(set->name);
    set->listener.proxy_protocol_from = (struct network_list){0}; /* a snapshot's business */
    return set;
}

static bool socket_set_add(struct socket_set *set, int fd)
{
    int *fds = realloc(set->fds, (set->count + 1) * sizeof(int));
    if (!fds)
        return false;
    fds[set->count++] = fd;
    set->fds = fds;
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

static bool adopt(struct handover *from, struct socket_set *set, u32 wanted)
{
    for (u32 i = 0; i < from->socket_count && set->count < wanted; i++) {
        struct handover_socket *it = &from->sockets[i];
        if (it->used || it->fd < 0 || !is_for(it, &set->listener))
            continue;
        if (!socket_set_add(set, it->fd))
            return false;
        it->used = true;
        set->given = it->given;
        listener_adopt(it->fd, &set->listener);
    }
    if (set->count > 0) /* it may have had another one */
        socket_set_chmod(set, set->listener.unix_mode);
    set->adopted = set->count;
    set->told = set->given ? 0 : set->count;
    return true;
}

/* Where it is, for people. */
static void describe(const struct handover_socket *socket, char *out, usize bytes)
{
    struct address address = {.len = sizeof(address.local)};
    char text[ADDRESS_TEXT_BYTES];
    if (!listens(socket->fd) || getsockname(socket->fd, &address.any, &address.len) != 0) {
        (void)snprintf(out, bytes, "something that is no listening stream socket");
    } else {
        address_format(&address, text);
        (void)snprintf(out, bytes, "a socket on %s", text);
    }
}

bool socket_sets_use_all_given(const struct handover *from, char *why, usize why_bytes)
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

void socket_describe_unused(const struct handover_socket *socket, char *out, usize bytes)
{
    char what[160];
    describe(socket, what, sizeof(what));
    (void)snprintf(out, bytes,
                   "Nobody serves %s (FileDescriptorName=%s), which the service manager passed: no "
                   "listener is configured there any more, and whoever connects waits; stop the "
                   ".socket unit",
                   what, socket->name);
}

/* ---- Opening ---- */

static bool no_memory(char *why, usize why_bytes)
{
    (void)snprintf(why, why_bytes, "no memory for a listener");
    return false;
}

/* Nobody else may open more of what a service manager gave. */
static u32 wanted_of(const struct socket_set *set, u32 workers)
{
    return set->given || socket_set_is_unix(set) || set->listener.exclusive ? 1 : workers;
}

static in_port_t *port_at(struct address *address)
{
    return address->any.sa_family == AF_INET6 ? &address->v6.sin6_port : &address->v4.sin_port;
}

u32 socket_set_port(const struct socket_set *set)
{
    struct address bound = {.len = sizeof(bound.local)};
    if (set->count == 0 || socket_set_is_unix(set) ||
        getsockname(set->fds[0], &bound.any, &bound.len) != 0)
        return 0;
    return ntohs(*port_at(&bound));
}

/* One listener has one port, also when the system chose it for the first of its sockets. */
static void keep_port(struct socket_set *set)
{
    u32 port = socket_set_port(set);
    if (port != 0)
        *port_at(&set->listener.address) = htons((u16)port);
}

bool socket_set_fill(struct socket_set *set, u32 workers, char *why, usize why_bytes)
{
    while (set->count < wanted_of(set, workers)) {
        keep_port(set);
        int fd = listener_open(&set->listener, why, why_bytes);
        if (fd < 0)
            return false;
        if (!socket_set_add(set, fd)) {
            (void)close(fd);
            return no_memory(why, why_bytes);
        }
    }
    return true;
}

struct socket_set *socket_set_open(struct handover *from, const struct config_listener *listener,
                                   u32 workers, char *why, usize why_bytes)
{
    struct socket_set *set = socket_set_create(listener);
    if (!set) {
        (void)no_memory(why, why_bytes);
        return NULL;
    }
    bool adopted = adopt(from, set, wanted_of(set, workers));
    if (!adopted)
        (void)no_memory(why, why_bytes);
    if (adopted && socket_set_fill(set, workers, why, why_bytes))
        return set;
    socket_set_undo(set);
    socket_set_free(set);
    return NULL;
}

/* ---- Closing ---- */

void socket_set_remove_file(const struct socket_set *set)
{
    if (socket_set_is_unix(set) && !set->given)
        (void)unlink(set->listener.address.local.sun_path);
}

void socket_set_undo(struct socket_set *set)
{
    bool file = set->served == 0 && set->count > set->adopted;
    while (set->count > set->served)
        (void)close(set->fds[--set->count]);
    if (file)
        socket_set_remove_file(set);
}

void socket_set_chmod(struct socket_set *set, u32 unix_mode)
{
    set->listener.unix_mode = unix_mode;
    if (socket_set_is_unix(set) && !set->given)
        (void)chmod(set->listener.address.local.sun_path, unix_mode);
}

void socket_set_give_back(struct socket_set *set, struct handover *from)
{
    for (u32 i = 0; i < from->socket_count; i++)
        for (u32 k = 0; k < set->count; k++)
            if (from->sockets[i].given && from->sockets[i].fd == set->fds[k])
                from->sockets[i].used = false;
    set->count = 0;
}

void socket_set_free(struct socket_set *set)
{
    for (u32 i = 0; i < set->count; i++)
        (void)close(set->fds[i]);
    free(set->fds);
    free(set);
}
