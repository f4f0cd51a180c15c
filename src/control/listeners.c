/* See listeners.h. */
#include "control/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker.h"

/* The sockets of one listener. A unix socket, or one of the service manager's, is shared by all
 * workers as far as there is none for each. */
struct slot {
    struct config_listener listener; /* what its sockets were made from; the name is `name` */
    int *fds;
    u32 count;
    u32 adopted; /* the first ones were handed over */
    u32 served;  /* the first ones are some worker's */
    u32 told;    /* the supervisor has the first ones */
    bool given;  /* by a service manager: neither the file nor the number of sockets is ours */
    bool kept;   /* by the configuration that is looked at */
    u64 closing; /* the first snapshot without it; 0 = it is served */
    char name[HANDOVER_NAME_BYTES];
};

struct listeners {
    struct handover *from;
    struct slot **slots;
    u32 slot_count;
    struct slot *management; /* NULL: the API is off */
};

static bool is_unix(const struct config_listener *listener)
{
    return listener->address.any.sa_family == AF_UNIX;
}

/* ---- Slots ---- */

static void slot_free(struct slot *slot)
{
    for (u32 i = 0; i < slot->count; i++)
        (void)close(slot->fds[i]);
    free(slot->fds);
    free(slot);
}

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

/* The one that serves a listener of this name. */
static struct slot *find(const struct listeners *listeners, struct slice name)
{
    for (u32 i = 0; i < listeners->slot_count; i++)
        if (listeners->slots[i]->closing == 0 &&
            slice_equal(listeners->slots[i]->listener.name, name))
            return listeners->slots[i];
    return NULL;
}

static bool append(struct listeners *listeners, struct slot *slot)
{
    struct slot **slots =
        realloc(listeners->slots, (listeners->slot_count + 1) * sizeof(struct slot *));
    if (!slots)
        return false;
    slots[listeners->slot_count++] = slot;
    listeners->slots = slots;
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

static bool adopt(const struct listeners *listeners, struct slot *slot, u32 wanted)
{
    for (u32 i = 0; i < listeners->from->socket_count && slot->count < wanted; i++) {
        struct handover_socket *it = &listeners->from->sockets[i];
        if (it->used || !is_for(it, &slot->listener))
            continue;
        if (!slot_add(slot, it->fd))
            return false;
        it->used = true;
        slot->given = it->given;
        listener_adopt(it->fd, &slot->listener);
    }
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

static bool no_memory(char *why, usize why_bytes)
{
    (void)snprintf(why, why_bytes, "no memory for a listener");
    return false;
}

/* Nobody else may open more of what a service manager gave. */
static u32 wanted_of(const struct slot *slot, u32 workers)
{
    return slot->given || is_unix(&slot->listener) || slot->listener.exclusive ? 1 : workers;
}

/* Opens what is missing for so many workers. */
static bool fill(struct slot *slot, u32 workers, char *why, usize why_bytes)
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

/* NULL, with nothing left open that was opened here. */
static struct slot *open_slot(const struct listeners *listeners,
                              const struct config_listener *listener, u32 workers, char *why,
                              usize why_bytes)
{
    struct slot *slot = slot_create(listener);
    if (!slot) {
        (void)no_memory(why, why_bytes);
        return NULL;
    }
    if (!adopt(listeners, slot, wanted_of(slot, workers))) {
        (void)no_memory(why, why_bytes);
        slot_free(slot);
        return NULL;
    }
    if (fill(slot, workers, why, why_bytes))
        return slot;
    bool file = is_unix(listener) && slot->count > slot->adopted;
    slot_free(slot);
    if (file)
        (void)unlink(listener->address.local.sun_path);
    return NULL;
}

static bool prepare(struct listeners *listeners, const struct config *config, char *why,
                    usize why_bytes)
{
    for (u32 i = 0; i < config->listener_count; i++) {
        struct slot *slot = find(listeners, config->listeners[i].name);
        if (slot && !fill(slot, config->workers, why, why_bytes))
            return false;
        if (slot)
            continue;
        slot = open_slot(listeners, &config->listeners[i], config->workers, why, why_bytes);
        if (slot && append(listeners, slot))
            continue;
        if (slot) {
            slot_free(slot);
            (void)no_memory(why, why_bytes);
        }
        return false;
    }
    return true;
}

static void slot_undo(struct slot *slot)
{
    bool file = slot->served == 0 && is_unix(&slot->listener) && slot->count > slot->adopted;
    while (slot->count > slot->served)
        (void)close(slot->fds[--slot->count]);
    if (file)
        (void)unlink(slot->listener.address.local.sun_path);
}

void listeners_undo(struct listeners *listeners)
{
    u32 kept = 0;
    for (u32 i = 0; i < listeners->slot_count; i++) {
        struct slot *slot = listeners->slots[i];
        slot_undo(slot);
        if (slot->count > 0)
            listeners->slots[kept++] = slot;
        else
            slot_free(slot);
    }
    listeners->slot_count = kept;
}

bool listeners_prepare(struct listeners *listeners, const struct config *config, char *why,
                       usize why_bytes)
{
    if (prepare(listeners, config, why, why_bytes))
        return true;
    listeners_undo(listeners);
    return false;
}

/* The management API first: who can reach a listener can reach it, too. */
struct listeners *listeners_open(const struct config *config, struct handover *from, char *why,
                                 usize why_bytes)
{
    struct listeners *listeners = calloc(1, sizeof(*listeners));
    if (!listeners) {
        (void)no_memory(why, why_bytes);
        return NULL;
    }
    listeners->from = from;
    if (config->admin.enabled)
        listeners->management =
            open_slot(listeners, &config->admin.listener, config->workers, why, why_bytes);
    if ((!config->admin.enabled || listeners->management) &&
        prepare(listeners, config, why, why_bytes) && all_given_are_used(listeners, why, why_bytes))
        return listeners;
    listeners_close(listeners, from->role == HANDOVER_NONE);
    return NULL;
}

int listeners_management(const struct listeners *listeners)
{
    return listeners->management ? listeners->management->fds[0] : -1;
}

/* ---- Giving them out ---- */

/* With as many sockets as workers each has its own; with more of them some have several, and with
 * fewer they share. */
static bool is_of(const struct slot *slot, u32 socket, u32 place, u32 places)
{
    return slot->count >= places ? socket % places == place : place % slot->count == socket;
}

/* Two listeners at port 0 have one name, and one socket. */
static bool has(const struct snapshot_socket *sockets, u32 count, int fd)
{
    for (u32 i = 0; i < count; i++)
        if (sockets[i].fd == fd)
            return true;
    return false;
}

/* Those of one worker, at a place among all. */
static struct snapshot_socket *sockets_of(const struct listeners *listeners,
                                          const struct config *config, u32 place, u32 places,
                                          u32 *count)
{
    struct snapshot_socket *sockets = NULL;
    *count = 0;
    for (u32 i = 0; i < config->listener_count; i++) {
        const struct slot *slot = find(listeners, config->listeners[i].name);
        for (u32 k = 0; k < slot->count; k++) {
            if (!is_of(slot, k, place, places) || has(sockets, *count, slot->fds[k]))
                continue;
            struct snapshot_socket *more = realloc(sockets, (*count + 1) * sizeof(*sockets));
            ASSERT(more); /* a few bytes, where whole configurations had room */
            sockets = more;
            sockets[(*count)++] = (struct snapshot_socket){slot->fds[k], i};
        }
    }
    return sockets;
}

void listeners_furnish(const struct listeners *listeners, struct snapshot *snapshot,
                       const struct listeners_workers *workers)
{
    for (u32 place = 0; place < workers->count; place++) {
        u32 count;
        struct snapshot_socket *sockets =
            sockets_of(listeners, snapshot->config, place, workers->count, &count);
        snapshot_set_sockets(snapshot, workers->at[place],
                             (struct snapshot_sockets){sockets, count});
        free(sockets);
    }
}

/* ---- The supervisor's copies ---- */

static void give(int channel, const char *name, const int *fds, u32 count)
{
    char text[CHANNEL_TEXT_BYTES];
    (void)snprintf(text, sizeof(text), MESSAGE_KEEP "%s", name);
    if (count > 0)
        (void)channel_send_patiently(channel, text, fds, count);
}

static void forget(int channel, const char *name, u32 stay)
{
    char text[CHANNEL_TEXT_BYTES];
    (void)snprintf(text, sizeof(text), MESSAGE_FORGET "%u %s", stay, name);
    (void)channel_send_patiently(channel, text, NULL, 0);
}

static void give_slot(struct slot *slot, int channel)
{
    while (slot->told < slot->count && !slot->given) {
        u32 count = min_u32(slot->count - slot->told, CHANNEL_FDS_MAX);
        give(channel, slot->name, slot->fds + slot->told, count);
        slot->told += count;
    }
}

void listeners_give(struct listeners *listeners, int channel)
{
    for (u32 i = 0; i < listeners->slot_count; i++)
        if (listeners->slots[i]->closing == 0)
            give_slot(listeners->slots[i], channel);
    if (listeners->management)
        give_slot(listeners->management, channel);
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
    for (u32 i = 0; i < listeners->from->socket_count; i++) {
        const struct handover_socket *it = &listeners->from->sockets[i];
        if (it->used || it->given)
            continue;
        forget(channel, it->name, used_of(listeners->from, it->name));
        (void)close(it->fd);
    }
}

/* ---- From one configuration to the next ---- */

static void begin_closing(struct slot *slot, u64 version)
{
    slot->closing = version;
    if (is_unix(&slot->listener) && !slot->given)
        (void)unlink(slot->listener.address.local.sun_path);
}

void listeners_settle(struct listeners *listeners, const struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    for (u32 i = 0; i < listeners->slot_count; i++)
        listeners->slots[i]->kept = false;
    for (u32 i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        struct slot *slot = find(listeners, listener->name);
        if (is_unix(listener) && slot->listener.unix_mode != listener->unix_mode && !slot->given)
            (void)chmod(listener->address.local.sun_path, listener->unix_mode);
        slot->listener.unix_mode = listener->unix_mode;
        slot->served = slot->count;
        slot->kept = true;
    }
    for (u32 i = 0; i < listeners->slot_count; i++)
        if (!listeners->slots[i]->kept && listeners->slots[i]->closing == 0)
            begin_closing(listeners->slots[i], snapshot->version);
}

u32 listeners_reap(struct listeners *listeners, u64 version, int channel)
{
    u32 kept = 0, closing = 0;
    for (u32 i = 0; i < listeners->slot_count; i++) {
        struct slot *slot = listeners->slots[i];
        if (slot->closing == 0 || slot->closing > version) {
            closing += slot->closing > 0;
            listeners->slots[kept++] = slot;
            continue;
        }
        if (channel >= 0 && slot->told > 0) /* control_furnish() sees that no other has the name */
            forget(channel, slot->name, 0);
        slot_free(slot);
    }
    listeners->slot_count = kept;
    return closing;
}

/* ---- The end ---- */

void listeners_shut(struct listeners *listeners)
{
    for (u32 i = 0; i < listeners->slot_count; i++) {
        struct slot *slot = listeners->slots[i];
        while (slot->count > 0)
            (void)close(slot->fds[--slot->count]);
    }
}

void listeners_close(struct listeners *listeners, bool remove_files)
{
    listeners_shut(listeners);
    for (u32 i = 0; i < listeners->slot_count; i++) {
        struct slot *slot = listeners->slots[i];
        if (is_unix(&slot->listener) && remove_files && !slot->given && slot->closing == 0)
            (void)unlink(slot->listener.address.local.sun_path);
        slot_free(slot);
    }
    if (listeners->management)
        slot_free(listeners->management);
    free(listeners->slots);
    free(listeners);
}
