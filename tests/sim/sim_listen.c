/* Listening sockets, and the clients that come to them. */
#include <stdio.h>

#include "sim_internal.h"
#include "src/config/address.h"

int sim_listening(struct sim *sim, const struct config_listener *listener)
{
    for (u32 i = 0; i < sim->socket_count; i++)
        if (slice_equal(slice_of_string(sim->sockets[i].name), listener->name))
            return sim->sockets[i].fd;
    SIM_CHECK(sim->socket_count < ARRAY_COUNT(sim->sockets));
    struct sim_listening *socket = &sim->sockets[sim->socket_count++];
    struct sim_peer *listening = sim_peer_new(sim, SIM_LINK_LISTENING);
    listening->local = listener->address.any.sa_family == AF_UNIX;
    (void)snprintf(socket->name, sizeof(socket->name), "%s", listener->name.data);
    socket->fd = listening->fd;
    return socket->fd;
}

static struct address address_of(const struct sim_peer *peer, const char *ip)
{
    struct address address = {.v4 = {.sin_family = AF_INET, .sin_port = htons(4000)},
                              .len = sizeof(address.v4)};
    address.v4.sin_addr.s_addr = htonl(0x7f000000u + peer->number);
    if (peer->local)
        return (struct address){.any = {.sa_family = AF_UNIX}, .len = sizeof(sa_family_t)};
    SIM_CHECK(!ip || address_parse_ip(slice_of_string(ip), 4000, &address));
    return address;
}

struct sim_peer *sim_connect_to(struct sim *sim, u32 listener, const char *address)
{
    const struct config *config = sim->snapshot->config;
    SIM_CHECK(listener < config->listener_count);
    struct sim_peer *peer = sim_peer_new(sim, SIM_LINK_UP);
    peer->listen_fd = sim_listening(sim, &config->listeners[listener]);
    peer->local = config->listeners[listener].address.any.sa_family == AF_UNIX;
    peer->address = address_of(peer, address);
    sim_trace("client", peer->number, listener);
    return peer;
}

struct sim_peer *sim_connect_aside(struct sim *sim, u32 listener, const char *address)
{
    struct sim_peer *peer = sim_connect_to(sim, listener, address);
    peer->listen_fd = SIM_FD_ASIDE;
    return peer;
}

struct sim_peer *sim_connect(struct sim *sim)
{
    return sim_connect_to(sim, 0, NULL);
}
