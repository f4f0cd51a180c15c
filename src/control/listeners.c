/* See listeners.h. */
#include "control/listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/socket_set.h"

struct listeners {
    struct handover *from;
    struct socket_set **sets;
    u32 set_count;
    struct socket_set *management[CONFIG_ADMIN_LISTENERS_MAX];
    u32 management_count; /* 0: the API is off */
    struct listeners_voice voice;
};

/* The one that serves a listener of this name. */
static struct socket_set *find(const struct listeners *listeners, struct slice name)
{
    for (u32 i = 0; i < listeners->set_count; i++)
        if (listeners->sets[i]->closing == 0 &&
            slice_equal(listeners->sets[i]->listener.name, name))
            return listeners->sets[i];
    return NULL;
}

static bool append(struct listeners *listeners, struct socket_set *set)
{
    struct socket_set **sets =
        realloc(listeners->sets, (listeners->set_count + 1) * sizeof(struct socket_set *));
    if (!sets)
        return false;
    sets[listeners->set_count++] = set;
    listeners->sets = sets;
    return true;
}

/* Nobody could open what a service manager gave a second time. */
static void undo(struct listeners *listeners, struct socket_set *set)
{
    if (set->given && set->served == 0)
        socket_set_give_back(set, listeners->from);
    socket_set_undo(set);
}

static bool prepare(struct listeners *listeners, const struct config *config, char *why,
                    usize why_bytes)
{
    for (u32 i = 0; i < config->listener_count; i++) {
        struct socket_set *set = find(listeners, config->listeners[i].name);
        if (set && !socket_set_fill(set, config->workers, why, why_bytes))
            return false;
        if (set)
            continue;
        set = socket_set_open(listeners->from, &config->listeners[i], config->workers, why,
                              why_bytes);
        if (set && append(listeners, set))
            continue;
        if (set) {
            undo(listeners, set);
            socket_set_free(set);
            (void)snprintf(why, why_bytes, "no memory for a listener");
        }
        return false;
    }
    return true;
}

void listeners_undo(struct listeners *listeners)
{
    u32 kept = 0;
    for (u32 i = 0; i < listeners->set_count; i++) {
        struct socket_set *set = listeners->sets[i];
        undo(listeners, set);
        if (set->count > 0)
            listeners->sets[kept++] = set;
        else
            socket_set_free(set);
    }
    listeners->set_count = kept;
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
        struct socket_set *set =
            socket_set_open(listeners->from, &admin->listeners[i], 1, why, why_bytes);
        if (!set)
            return false;
        listeners->management[listeners->management_count++] = set;
    }
    return true;
}

/* Engines before this one have served with what the service manager gave: see supervisor_spawn().
 */
static bool is_first(const struct handover *from)
{
    return from->restarts == 0 && from->state < 0;
}

/* Those that no listener uses any more. */
static void say_unused(const struct listeners *listeners)
{
    char line[512];
    for (u32 i = 0; i < listeners->from->socket_count; i++) {
        const struct handover_socket *it = &listeners->from->sockets[i];
        if (it->used || !it->given)
            continue;
        socket_describe_unused(it, line, sizeof(line));
        listeners->voice.say(listeners->voice.context, line);
    }
}

static bool use_all_given(const struct listeners *listeners, char *why, usize why_bytes)
{
    if (is_first(listeners->from))
        return socket_sets_use_all_given(listeners->from, why, why_bytes);
    say_unused(listeners);
    return true;
}

/* The management API first: who can reach a listener can reach it, too. */
struct listeners *listeners_open(const struct config *config, struct handover *from,
                                 struct listeners_voice voice, char *why, usize why_bytes)
{
    struct listeners *listeners = calloc(1, sizeof(*listeners));
    if (!listeners) {
        (void)snprintf(why, why_bytes, "no memory for a listener");
        return NULL;
    }
    listeners->from = from;
    listeners->voice = voice;
    if (open_management(listeners, &config->admin, why, why_bytes) &&
        prepare(listeners, config, why, why_bytes) && use_all_given(listeners, why, why_bytes))
        return listeners;
    listeners_undo(listeners);
    for (u32 i = 0; i < listeners->management_count; i++)
        socket_set_undo(listeners->management[i]);
    listeners_close(listeners, false);
    return NULL;
}

u32 listeners_management(const struct listeners *listeners, int fds[CONFIG_ADMIN_LISTENERS_MAX])
{
    for (u32 i = 0; i < listeners->management_count; i++)
        fds[i] = listeners->management[i]->fds[0];
    return listeners->management_count;
}

/* As it is configured, but with the port that it has. */
static usize write_name(struct slice name, u32 port, char *out, usize bytes)
{
    u32 len = name.len;
    if (port == 0)
        return (usize)snprintf(out, bytes, "%.*s", (int)len, name.data);
    while (name.data[len - 1] != ':')
        len--;
    return (usize)snprintf(out, bytes, "%.*s%u", (int)len, name.data, port);
}

void listeners_list(const struct listeners *listeners, const struct config *config, char *out,
                    usize bytes)
{
    usize len = 0;
    for (u32 i = 0; i < config->listener_count; i++) {
        struct slice name = config->listeners[i].name;
        if (len + name.len + sizeof("65535, ...") > bytes) {
            (void)snprintf(out + len, bytes - len, "...");
            return;
        }
        len += write_name(name, socket_set_port(find(listeners, name)), out + len, bytes - len);
        if (i + 1 < config->listener_count)
            len += (usize)snprintf(out + len, bytes - len, ", ");
    }
}

/* ---- Giving them out ---- */

/* With as many sockets as workers each has its own; with more of them some have several, and with
 * fewer they share. */
static bool is_of(const struct socket_set *set, u32 socket, u32 place, u32 places)
{
    return set->count >= places ? socket % places == place : place % set->count == socket;
}

/* Those of one worker, at a place among all. */
static struct snapshot_socket *sockets_of(const struct listeners *listeners,
                                          const struct config *config, u32 place, u32 places,
                                          u32 *count)
{
    struct snapshot_socket *sockets = NULL;
    *count = 0;
    for (u32 i = 0; i < config->listener_count; i++) {
        const struct socket_set *set = find(listeners, config->listeners[i].name);
        for (u32 k = 0; k < set->count; k++) {
            if (!is_of(set, k, place, places))
                continue;
            struct snapshot_socket *more = realloc(sockets, (*count + 1) * sizeof(*sockets));
            ASSERT(more); /* a few bytes, where whole configurations had room */
            sockets = more;
            sockets[(*count)++] = (struct snapshot_socket){set->fds[k], i};
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

static void give_set(struct socket_set *set, int channel)
{
    while (set->told < set->count && !set->given) {
        u32 count = min_u32(set->count - set->told, CHANNEL_FDS_MAX);
        give(channel, set->name, set->fds + set->told, count);
        set->told += count;
    }
}

void listeners_give(struct listeners *listeners, int channel)
{
    for (u32 i = 0; i < listeners->set_count; i++)
        if (listeners->sets[i]->closing == 0)
            give_set(listeners->sets[i], channel);
    for (u32 i = 0; i < listeners->management_count; i++)
        give_set(listeners->management[i], channel);
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
        struct handover_socket *it = &listeners->from->sockets[i];
        if (it->used || it->given)
            continue;
        forget(channel, it->name, used_of(listeners->from, it->name));
        (void)close(it->fd);
        it->fd = -1; /* a reload may bring the listener back */
    }
}

/* ---- From one configuration to the next ---- */

static void begin_closing(struct socket_set *set, u64 version)
{
    set->closing = version;
    socket_set_remove_file(set);
}

void listeners_settle(struct listeners *listeners, const struct snapshot *snapshot)
{
    const struct config *config = snapshot->config;
    for (u32 i = 0; i < listeners->set_count; i++)
        listeners->sets[i]->kept = false;
    for (u32 i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        struct socket_set *set = find(listeners, listener->name);
        if (set->listener.unix_mode != listener->unix_mode)
            socket_set_chmod(set, listener->unix_mode);
        set->served = set->count;
        set->kept = true;
    }
    for (u32 i = 0; i < listeners->set_count; i++)
        if (!listeners->sets[i]->kept && listeners->sets[i]->closing == 0)
            begin_closing(listeners->sets[i], snapshot->version);
}

/* Nobody accepts from it any more. */
static void end_set(struct listeners *listeners, struct socket_set *set, int channel)
{
    if (channel >= 0 && set->told > 0) /* control_furnish() sees that no other has the name */
        forget(channel, set->name, 0);
    if (set->given) {
        socket_set_give_back(set, listeners->from);
        say_unused(listeners);
    }
    socket_set_free(set);
}

u32 listeners_reap(struct listeners *listeners, u64 version, int channel)
{
    u32 kept = 0, closing = 0;
    for (u32 i = 0; i < listeners->set_count; i++) {
        struct socket_set *set = listeners->sets[i];
        if (set->closing == 0 || set->closing > version) {
            closing += set->closing > 0;
            listeners->sets[kept++] = set;
            continue;
        }
        end_set(listeners, set, channel);
    }
    listeners->set_count = kept;
    return closing;
}

/* ---- The end ---- */

/* The file goes while the sockets are ours: later, another process may have one of that name. */
static void shut(struct socket_set *set, bool remove_file)
{
    if (remove_file && set->count > 0 && set->closing == 0)
        socket_set_remove_file(set);
    while (set->count > 0)
        (void)close(set->fds[--set->count]);
}

void listeners_shut(struct listeners *listeners, bool remove_files)
{
    for (u32 i = 0; i < listeners->set_count; i++)
        shut(listeners->sets[i], remove_files);
}

void listeners_close(struct listeners *listeners, bool remove_files)
{
    listeners_shut(listeners, remove_files);
    for (u32 i = 0; i < listeners->set_count; i++)
        socket_set_free(listeners->sets[i]);
    for (u32 i = 0; i < listeners->management_count; i++) {
        shut(listeners->management[i], remove_files);
        socket_set_free(listeners->management[i]);
    }
    free(listeners->sets);
    free(listeners);
}
