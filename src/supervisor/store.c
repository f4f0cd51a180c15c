/* See store.h. */
#include "supervisor/store.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/files.h"

void store_begin(struct store *store, const struct handover *from)
{
    (void)files_raise_limit(); /* there are as many sockets as the engine has */
    store->count = from->socket_count;
    for (u32 i = 0; i < from->socket_count; i++)
        store->at[i] = (struct stored){.socket = from->sockets[i]};
}

bool store_keep(struct store *store, int fd, const char *name, i32 pending)
{
    usize len = strlen(name);
    if (store->count == HANDOVER_SOCKETS_MAX || len >= HANDOVER_NAME_BYTES || strchr(name, '\n')) {
        (void)close(fd);
        return false;
    }
    struct stored *it = &store->at[store->count++];
    *it = (struct stored){.socket = {.fd = fd}, .pending = pending};
    memcpy(it->socket.name, name, len + 1);
    return true;
}

void store_commit(struct store *store, i32 pid)
{
    for (u32 i = 0; i < store->count; i++)
        if (store->at[i].pending == pid)
            store->at[i].pending = 0;
}

/* What a service manager gave is its to remove. */
static void unlink_file(const struct handover_socket *socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t len = sizeof(address) - 1; /* so that a path always has an end */
    if (!socket->given && getsockname(socket->fd, (struct sockaddr *)(void *)&address, &len) == 0 &&
        address.sun_family == AF_UNIX && address.sun_path[0] != '\0')
        (void)unlink(address.sun_path);
}

/* Those behind it move up: their order says which worker they belong to. */
static void let_go(struct store *store, u32 i)
{
    unlink_file(&store->at[i].socket);
    (void)close(store->at[i].socket.fd);
    store->count--;
    memmove(&store->at[i], &store->at[i + 1], (store->count - i) * sizeof(store->at[0]));
}

void store_discard(struct store *store, i32 pid)
{
    for (u32 i = store->count; i-- > 0;)
        if (store->at[i].pending == pid)
            let_go(store, i);
}

void store_forget(struct store *store, const char *name, u32 from)
{
    u32 met = 0;
    for (u32 i = 0; i < store->count;) {
        const struct handover_socket *it = &store->at[i].socket;
        if (!it->given && strcmp(it->name, name) == 0 && met++ >= from)
            let_go(store, i);
        else
            i++;
    }
}

static bool is_of_operators(const struct handover_socket *socket)
{
    static const usize end_bytes = sizeof(HANDOVER_MANAGEMENT) - 1;
    usize len = strlen(socket->name);
    return !socket->given && len >= end_bytes &&
           strcmp(socket->name + len - end_bytes, HANDOVER_MANAGEMENT) == 0;
}

void store_forget_clients(struct store *store)
{
    for (u32 i = store->count; i-- > 0;)
        if (!is_of_operators(&store->at[i].socket))
            let_go(store, i);
}

void store_forget_all(struct store *store)
{
    while (store->count > 0)
        let_go(store, store->count - 1);
}

void store_add_to(const struct store *store, struct handover *out)
{
    for (u32 i = 0; i < store->count; i++)
        if (store->at[i].pending == 0 &&
            !handover_add(out, store->at[i].socket.fd, store->at[i].socket.name,
                          store->at[i].socket.given))
            return;
}
