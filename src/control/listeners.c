/* See listeners.h. */
#include "control/listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/listener_slot.h"

struct listeners {
    struct handover *from;
    struct slot **slots;
    u32 slot_count;
    struct slot *management[CONFIG_ADMIN_LISTENERS_MAX];
    u32 management_count; /* 0: the API is off */
};

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

static bool prepare(struct listeners *listeners, const struct config *config, char *why,
                    usize why_bytes)
{
    for (u32 i = 0; i < config->listener_count; i++) {
        struct slot *slot = find(listeners, config->listeners[i].name);
        if (slot && !slot_fill(slot, config->workers, why, why_bytes))
            return false;
        if (slot)
            continue;
        slot = slot_open(listeners->from, &config->listeners[i], config->workers, why, why_bytes);
        if (slot && append(listeners, slot))
            continue;
        if (slot) {
            slot_undo(slot);
            slot_free(slot);
            (void)snprintf(why, why_bytes, "no memory for a listener");
        }
        return false;
    }
    return true;
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

static bool open_management(struct listeners *listeners, const struct config_admin *admin,
                            char *why, usize why_bytes)
{
    for (u32 i = 0; admin->enabled && i < admin->listener_count; i++) {
        struct slot *slot = slot_open(listeners->from, &admin->listeners[i], 1, why, why_bytes);
        if (!slot)
            return false;
        listeners->management[listeners->management_count++] = slot;
    }
    return true;
}

/* The management API first: who can reach a listener can reach it, too. */
struct listeners *listeners_open(const struct config *config, struct handover *from, char *why,
                                 usize why_bytes)
{
    struct listeners *listeners = calloc(1, sizeof(*listeners));
    if (!listeners) {
        (void)snprintf(why, why_bytes, "no memory for a listener");
        return NULL;
    }
    listeners->from = from;
    if (open_management(listeners, &config->admin, why, why_bytes) &&
        prepare(listeners, config, why, why_bytes) && slots_use_all_given(from, why, why_bytes))
        return listeners;
    listeners_undo(listeners);
    for (u32 i = 0; i < listeners->management_count; i++)
        slot_undo(listeners->management[i]);
    listeners_close(listeners, false);
    return NULL;
}

u32 listeners_management(const struct listeners *listeners, int fds[CONFIG_ADMIN_LISTENERS_MAX])
{
    for (u32 i = 0; i < listeners->management_count; i++)
        fds[i] = listeners->management[i]->fds[0];
    return listeners->management_count;
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
    for (u32 i = 0; i < listeners->management_count; i++)
        give_slot(listeners->management[i], channel);
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
    slot_remove_file(slot);
}

void listeners_settle(struct listeners *listeners, const struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    for (u32 i = 0; i < listeners->slot_count; i++)
        listeners->slots[i]->kept = false;
    for (u32 i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        struct slot *slot = find(listeners, listener->name);
        if (slot->listener.unix_mode != listener->unix_mode)
            slot_set_mode(slot, listener->unix_mode);
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

/* The file goes while the sockets are ours: later, another process may have one of that name. */
static void shut(struct slot *slot, bool remove_file)
{
    if (remove_file && slot->count > 0 && slot->closing == 0)
        slot_remove_file(slot);
    while (slot->count > 0)
        (void)close(slot->fds[--slot->count]);
}

void listeners_shut(struct listeners *listeners, bool remove_files)
{
    for (u32 i = 0; i < listeners->slot_count; i++)
        shut(listeners->slots[i], remove_files);
}

void listeners_close(struct listeners *listeners, bool remove_files)
{
    listeners_shut(listeners, remove_files);
    for (u32 i = 0; i < listeners->slot_count; i++)
        slot_free(listeners->slots[i]);
    for (u32 i = 0; i < listeners->management_count; i++) {
        shut(listeners->management[i], remove_files);
        slot_free(listeners->management[i]);
    }
    free(listeners->slots);
    free(listeners);
}
