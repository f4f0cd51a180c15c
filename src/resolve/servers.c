/* The c-ares channel, as the settings want it. */
#include <stdlib.h>

#include "resolve/resolve_internal.h"

static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = context;
    /* Where there are too many, this one's questions time out. */
    (void)sockets_want(&resolver->sockets, fd, readable != 0, writable != 0);
}

static bool servers_set(struct resolver *resolver)
{
    const struct config_dns *settings = &resolver->settings;
    struct ares_addr_port_node nodes[16];
    u32 count = min_u32(settings->server_count, ARRAY_COUNT(nodes));
    if (count == 0)
        return true; /* those of the system */
    for (u32 i = 0; i < count; i++) {
        const struct address *from = &settings->servers[i];
        struct ares_addr_port_node *to = &nodes[i];
        *to = (struct ares_addr_port_node){.family = from->any.sa_family};
        to->next = i + 1 < count ? to + 1 : NULL;
        to->udp_port = to->tcp_port =
            ntohs(to->family == AF_INET ? from->v4.sin_port : from->v6.sin6_port);
        if (to->family == AF_INET)
            to->addr.addr4 = from->v4.sin_addr;
        else
            memcpy(&to->addr.addr6, &from->v6.sin6_addr, sizeof(to->addr.addr6));
    }
    return ares_set_servers_ports(resolver->channel, nodes) == ARES_SUCCESS;
}

void servers_close(struct resolver *resolver)
{
    ares_channel channel = resolver->channel;
    if (!channel)
        return;
    resolver->channel = NULL; /* names that end by this are not asked for here again */
    ares_destroy(channel);
    wheel_clear(resolver->with.wheel, &resolver->ares_timer);
}

static void servers_make(struct resolver *resolver, int flags)
{
    struct ares_options options = {
        .flags = flags,
        .timeout = (int)resolver->settings.timeout_ms,
        .tries = (int)resolver->settings.tries,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = resolver,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    servers_close(resolver);
    if (ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS)
        resolver->channel = NULL;
    else if (!servers_set(resolver))
        servers_close(resolver);
}

static bool has_one_server(const struct resolver *resolver)
{
    struct ares_addr_port_node *servers = NULL;
    if (!resolver->channel || ares_get_servers_ports(resolver->channel, &servers) != ARES_SUCCESS)
        return false;
    bool one = servers && !servers->next;
    ares_free_data(servers);
    return one;
}

void servers_open(struct resolver *resolver)
{
    servers_make(resolver, 0);
    /* An answer such as SERVFAIL makes c-ares turn to the next server, and what it was is lost.
     * With one server alone we want to know it. */
    if (has_one_server(resolver))
        servers_make(resolver, ARES_FLAG_NOCHECKRESP);
}
