/* Sockets: what src/ring/socket.c is to the real ring, and the peers at the other ends. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "config/address.h"
#include "sim_internal.h"

/* ---- Bytes ---- */

void sim_bytes_append(struct sim_bytes *bytes, const void *data, usize len)
{
    if (bytes->head + bytes->len + len > bytes->capacity) {
        if (bytes->len > 0)
            memmove(bytes->data, bytes->data + bytes->head, bytes->len);
        bytes->head = 0;
        if (bytes->len + len > bytes->capacity) {
            bytes->capacity = 2 * (bytes->len + len);
            bytes->data = realloc(bytes->data, bytes->capacity);
            SIM_CHECK(bytes->data);
        }
    }
    if (len > 0)
        memcpy(bytes->data + bytes->head + bytes->len, data, len);
    bytes->len += len;
}

void sim_bytes_drop(struct sim_bytes *bytes, usize len)
{
    SIM_CHECK(len <= bytes->len);
    bytes->head += len;
    bytes->len -= len;
}

/* Often all there is, often a few bytes, otherwise anything in between. */
usize sim_piece(struct sim *sim, usize available)
{
    u32 kind = sim_random(sim, 4);
    if (available <= 1 || kind == 0)
        return available;
    u32 bits = kind == 1 ? 2 : sim_random(sim, sim->manners.piece_bits + 1);
    usize piece = 1 + sim_random(sim, 1u << bits);
    return piece < available ? piece : available;
}

/* ---- The table ---- */

struct sim_peer *sim_peer_new(struct sim *sim, enum sim_link link)
{
    if (sim->peer_count == sim->peer_capacity) {
        sim->peer_capacity = 2 * sim->peer_capacity + 64;
        sim->peers = realloc(sim->peers, sim->peer_capacity * sizeof(struct sim_peer *));
        SIM_CHECK(sim->peers);
    }
    struct sim_peer *peer = calloc(1, sizeof(*peer));
    SIM_CHECK(peer);
    peer->sim = sim;
    peer->fd = SIM_FD_FIRST + (int)sim->peer_count;
    peer->number = sim->peer_count;
    peer->link = (u8)link;
    peer->backend = UINT32_MAX;
    peer->listen_fd = -1;
    peer->window = sim->manners.window;
    sim->peers[sim->peer_count++] = peer;
    return peer;
}

void sim_sockets_deinit(struct sim *sim)
{
    for (u32 i = 0; i < sim->peer_count; i++) {
        free(sim->peers[i]->out.data);
        free(sim->peers[i]->in.data);
        free(sim->peers[i]);
    }
    free(sim->peers);
    sim_pipes_deinit(sim);
}

struct sim_peer *sim_socket(struct sim *sim, int fd)
{
    u32 index = (u32)(fd - SIM_FD_FIRST);
    if (fd < SIM_FD_FIRST || index >= sim->peer_count)
        sim_fail("descriptor %d is none of ours", fd);
    struct sim_peer *peer = sim->peers[index];
    if (peer->closed)
        sim_fail("descriptor %d is used after its close", fd);
    return peer;
}

/* ---- Bytes and ends move ---- */

bool sim_readable(const struct sim_peer *peer)
{
    return peer->visible > 0 || peer->error || peer->fin_visible || peer->shut_read;
}

/* POLLERR, POLLHUP and POLLRDHUP end every poll; of those who wait for bytes nobody looks at them.
 */
i32 sim_poll_events(const struct sim_peer *peer, u32 asked)
{
    bool ended = peer->fin_visible || peer->shut_read;
    bool closed = peer->local && peer->peer_closed;
    i32 events = ended ? POLLRDHUP : 0;
    switch (asked) {
    case POLLIN:
        return sim_readable(peer) ? POLLIN : 0;
    case POLLOUT:
        if (peer->reset_visible || peer->end_pending == SIM_RESET || peer->shut_write || closed)
            events |= POLLERR | POLLHUP;
        if (peer->window > peer->in.len || peer->peer_closed)
            events |= POLLOUT;
        return events;
    case POLLRDHUP: /* a FIN of both sides is POLLHUP, too */
        if (ended && (peer->reset_visible || peer->shut_write || closed))
            events |= POLLHUP;
        return peer->reset_visible ? events | POLLERR : events;
    default:
        sim_fail("a poll for %u", asked);
    }
}

/* The peer learns that the connection is broken, perhaps before it got what is under way. */
static void reset_peer(struct sim_peer *peer)
{
    if (peer->end_pending == SIM_RESET || peer->end == SIM_FIN)
        return;
    usize under_way = peer->in.len - peer->arrived;
    if (under_way > 0 && !peer->local)
        peer->in.len -= sim_random(peer->sim, (u32)under_way + 1);
    peer->end_pending = SIM_RESET;
}

/* The proxy's side learns it: what it has not seen yet is lost, and maybe some of what it has. */
static void reset_proxy(struct sim_peer *peer)
{
    peer->reset_visible = true;
    if (peer->local)
        peer->visible = peer->out.len;
    else if (sim_chance(peer->sim, 50))
        peer->visible = sim_random(peer->sim, (u32)peer->visible + 1);
    peer->out.len = peer->visible;
    peer->error = true;
    peer->fin_visible = true;
}

static bool advance_out(struct sim_peer *peer)
{
    if (peer->reset_sent && !peer->reset_visible) {
        reset_proxy(peer);
    } else if (peer->visible < peer->out.len) {
        peer->visible += sim_piece(peer->sim, peer->out.len - peer->visible);
    } else if (peer->fin_sent && !peer->fin_visible) {
        peer->fin_visible = true;
    } else {
        return false;
    }
    sim_trace("visible", (u64)peer->number, peer->visible);
    return true;
}

static bool advance_in(struct sim_peer *peer)
{
    if (peer->bounced) {
        peer->bounced = false;
        reset_peer(peer);
        return true;
    }
    if (peer->peer_closed && peer->in.len > 0) {
        sim_bytes_drop(&peer->in, peer->in.len);
        peer->arrived = 0;
        peer->reset_sent = true;
        return true;
    }
    if (peer->arrived < peer->in.len) {
        usize piece = sim_piece(peer->sim, peer->in.len - peer->arrived);
        peer->arrived += piece;
        peer->acked += piece;
    } else if (peer->end != peer->end_pending) {
        peer->end = peer->end_pending;
    } else {
        return false;
    }
    peer->sim->news = true;
    return true;
}

bool sim_sockets_advance(struct sim *sim, bool force)
{
    bool changed = false;
    u32 first = sim->peer_count > 0 ? sim_random(sim, sim->peer_count) : 0;
    for (u32 i = 0; i < sim->peer_count; i++) {
        struct sim_peer *peer = sim->peers[(first + i) % sim->peer_count];
        if (peer->link != SIM_LINK_UP)
            continue;
        if (!peer->closed && (force || !sim_chance(sim, sim->manners.rest_percent)))
            changed |= advance_out(peer);
        if (force || !sim_chance(sim, sim->manners.rest_percent))
            changed |= advance_in(peer);
    }
    return changed;
}

/* ---- What the proxy calls (include/ring.h) ---- */

int ring_socket(struct ring *ring, const struct sockaddr *address, i32 *error)
{
    (void)ring;
    if (sim_current->sockets_fail) {
        *error = EMFILE;
        return -1;
    }
    struct sim_peer *peer = sim_peer_new(sim_current, SIM_LINK_NEW);
    peer->local = address->sa_family == AF_UNIX;
    return peer->fd;
}

bool ring_peer_address(struct ring *ring, int fd, struct sockaddr *address,
                       socklen_t *address_bytes)
{
    (void)ring;
    struct sim_peer *peer = sim_socket(sim_current, fd);
    if (peer->reset_visible && !peer->local)
        return false;
    SIM_CHECK(*address_bytes >= peer->address.len);
    memcpy(address, &peer->address, peer->address.len);
    *address_bytes = peer->address.len;
    return true;
}

struct sim_peer *sim_waiting_client(struct sim *sim, int listen_fd)
{
    for (u32 i = 0; i < sim->peer_count; i++) {
        struct sim_peer *peer = sim->peers[i];
        if (peer->listen_fd == listen_fd && peer->link == SIM_LINK_UP && !peer->taken)
            return peer;
    }
    return NULL;
}

int ring_accept_now(struct ring *ring, int listen_fd)
{
    (void)ring;
    struct sim_peer *peer = sim_waiting_client(sim_current, listen_fd);
    errno = EAGAIN;
    if (!peer)
        return -1;
    if (sim_current->accepts_fail) {
        sim_current->accept_failures++;
        errno = EMFILE;
        return -1;
    }
    peer->taken = true;
    return peer->fd;
}

u64 ring_bytes_acked(struct ring *ring, int fd)
{
    (void)ring;
    const struct sim_peer *peer = sim_socket(sim_current, fd);
    return peer->local ? peer->in.len : peer->acked;
}

void ring_shutdown(struct ring *ring, int fd, int how)
{
    (void)ring;
    struct sim_peer *peer = sim_socket(sim_current, fd);
    sim_trace("shutdown", (u64)peer->number, (u64)how);
    if (peer->link != SIM_LINK_UP)
        return;
    if (how != SHUT_WR)
        peer->shut_read = true;
    if (how != SHUT_RD && !peer->shut_write) {
        peer->shut_write = true;
        if (peer->end_pending == SIM_OPEN)
            peer->end_pending = SIM_FIN;
    }
}

/* A unix socket tells its peer that it left bytes unread, and nothing else. */
static bool close_resets(const struct sim_peer *peer, bool reset)
{
    return peer->local ? peer->out.len > 0 : reset || peer->visible > 0;
}

/* With unread bytes the kernel sends RST instead of FIN, and RST again for those that come later.
 */
void ring_close(struct ring *ring, int fd, bool reset)
{
    (void)ring;
    struct sim_peer *peer = sim_socket(sim_current, fd);
    sim_trace(reset ? "close with reset" : "close", (u64)peer->number, peer->visible);
    if (sim_op_armed(sim_current, fd))
        sim_fail("descriptor %d is closed while an op is armed on it", fd);
    peer->closed = true;
    if (close_resets(peer, reset))
        reset_peer(peer);
    else if (peer->end_pending == SIM_OPEN)
        peer->end_pending = SIM_FIN;
    peer->bounced |= !peer->local && peer->out.len > peer->visible;
}

ssize_t recv_into(int fd, void *data, usize len)
{
    struct sim_peer *peer = sim_socket(sim_current, fd);
    if (peer->visible > 0) {
        usize taken = sim_piece(sim_current, peer->visible < len ? peer->visible : len);
        memcpy(data, sim_bytes_front(&peer->out), taken);
        sim_bytes_drop(&peer->out, taken);
        peer->visible -= taken;
        return (ssize_t)taken;
    }
    if (peer->error) {
        peer->error = false;
        return -ECONNRESET;
    }
    return peer->fin_visible || peer->shut_read ? 0 : -EAGAIN;
}

/* ---- What the worlds call ---- */

struct sim_peer *sim_accept(struct sim *sim, u32 backend)
{
    for (u32 i = 0; i < sim->peer_count; i++) {
        struct sim_peer *peer = sim->peers[i];
        if (peer->backend != backend || peer->link != SIM_LINK_UP || peer->taken)
            continue;
        peer->taken = true;
        return peer;
    }
    return NULL;
}

u32 sim_backend(const struct sim_peer *peer)
{
    SIM_CHECK(peer->backend < SIM_BACKENDS_MAX);
    return peer->backend;
}

void sim_send(struct sim_peer *peer, const void *data, usize len)
{
    if (peer->fin_sent || peer->reset_sent || peer->peer_closed || peer->end == SIM_RESET)
        return;
    sim_trace("peer sends", peer->number, len);
    if (peer->closed)
        peer->bounced = !peer->local;
    else
        sim_bytes_append(&peer->out, data, len);
}

void sim_say(struct sim_peer *peer, const char *text)
{
    sim_send(peer, text, strlen(text));
}

struct slice sim_received(const struct sim_peer *peer)
{
    if (peer->arrived == 0)
        return (struct slice){"", 0};
    return slice_of(sim_bytes_front(&peer->in), peer->arrived);
}

void sim_take(struct sim_peer *peer, usize len)
{
    SIM_CHECK(len <= peer->arrived);
    sim_bytes_drop(&peer->in, len);
    peer->arrived -= len;
}

enum sim_end sim_end(const struct sim_peer *peer)
{
    return peer->peer_closed ? SIM_RESET : (enum sim_end)peer->end;
}

void sim_finish(struct sim_peer *peer)
{
    sim_trace("peer finishes", peer->number, 0);
    peer->fin_sent = true;
}

void sim_close(struct sim_peer *peer)
{
    sim_trace("peer closes", peer->number, peer->arrived);
    peer->fin_sent = true;
    peer->peer_closed = true;
    if (peer->arrived > 0)
        peer->reset_sent = true;
}

void sim_reset(struct sim_peer *peer)
{
    if (peer->local) {
        sim_close(peer);
        return;
    }
    sim_trace("peer resets", peer->number, 0);
    peer->reset_sent = true;
    peer->peer_closed = true;
}

void sim_leave(struct sim_peer *peer, u32 way)
{
    static void (*const ways[])(struct sim_peer *) = {sim_finish, sim_close, sim_reset};
    ways[way % ARRAY_COUNT(ways)](peer);
}

void sim_window(struct sim_peer *peer, usize bytes)
{
    peer->window = bytes;
}

u32 sim_number(const struct sim_peer *peer)
{
    return peer->number;
}

bool sim_gone(const struct sim_peer *peer)
{
    return peer->closed;
}

void sim_backend_set(struct sim *sim, u32 backend, enum sim_connect connect)
{
    SIM_CHECK(backend < SIM_BACKENDS_MAX);
    sim->connects[backend] = (u8)connect;
}

void sim_sockets_fail(struct sim *sim, bool fail)
{
    sim->sockets_fail = fail;
}
