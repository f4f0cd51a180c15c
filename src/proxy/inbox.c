/*
 * What a client has sent and nobody can take yet: up to a head's worth in an inbox, what goes
 * beyond it in the backlog, as it was received.
 */
#include "proxy/proxy_internal.h"

void client_inbox_release(struct client *client)
{
    if (client->inbox)
        slab_release(&client->proxy->inboxes, client->inbox);
    client->inbox = NULL;
    client->inbox_len = 0;
}

bool client_input_waiting(const struct client *client)
{
    return client->inbox_len > 0 || client->backlog.bytes > 0;
}

bool client_keep_back(struct client *client, struct lease_chain *data)
{
    struct proxy *proxy = client->proxy;
    if (data->bytes == 0)
        return true;
    if (!client->inbox && client->backlog.bytes == 0)
        client->inbox = slab_acquire(&proxy->inboxes);
    u32 room = client->inbox ? proxy->config->limits.http.head_bytes_max - client->inbox_len : 0;
    if (client->backlog.bytes == 0 && data->bytes <= room) {
        ring_chain_peek(proxy->ring, data, client->inbox + client->inbox_len, data->bytes);
        client->inbox_len += data->bytes;
        ring_chain_return(proxy->ring, data);
        return true;
    }
    ring_chain_append(proxy->ring, &client->backlog, data);
    if (client->exchange)
        client->exchange->request.held_back = true;
    transport_read(&client->transport, RECV_WATCH, 0);
    return !ring_leases_scarce(proxy->ring);
}

bool client_take_back(struct client *client, struct lease_chain *data)
{
    struct proxy *proxy = client->proxy;
    if (!ring_chain_write(proxy->ring, data, client->inbox, client->inbox_len))
        return false;
    ring_chain_append(proxy->ring, data, &client->backlog);
    client_inbox_release(client);
    return true;
}

bool client_inbox_refill(struct client *client)
{
    struct proxy *proxy = client->proxy;
    if (!client->inbox)
        client->inbox = slab_acquire(&proxy->inboxes);
    if (!client->inbox)
        return false;
    u32 room = proxy->config->limits.http.head_bytes_max - client->inbox_len;
    u32 bytes = min_u32(room, client->backlog.bytes);
    ring_chain_peek(proxy->ring, &client->backlog, client->inbox + client->inbox_len, bytes);
    ring_chain_skip(proxy->ring, &client->backlog, bytes);
    client->inbox_len += bytes;
    return true;
}
