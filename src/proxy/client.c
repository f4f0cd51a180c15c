/*
 * A client: a connection accepted from outside, and the reading of request heads.
 *
 *              +--------------- next request ---------------+
 *              v                                            |
 *   [PROXY_HEADER] -> IDLE -> HEAD -> EXCHANGING -----------+
 *         |            |       |          |
 *         |            |       |          +-> LINGERING -+
 *         +------------+-------+---------------+---------+-> CLOSING -> released
 *
 * An idle client holds no buffer: only its receive is armed. A head that comes in pieces is copied
 * into an inbox; a complete one is parsed where it was received.
 */
#include "base/clock.h"
#include "proxy/proxy_internal.h"

enum { LINGER_MS = 2000 };

/* For each state: its name, and which states may follow. Which timeout applies is set by whoever
 * moves: client_set_deadline. */
static const struct {
    const char *name;
    u32 next;
} states[CLIENT_STATE_COUNT] = {
    [CLIENT_PROXY_HEADER] = {"proxy_header", 1u << CLIENT_IDLE | 1u << CLIENT_CLOSING},
    [CLIENT_IDLE] = {"idle", 1u << CLIENT_HEAD | 1u << CLIENT_EXCHANGING | 1u << CLIENT_LINGERING |
                                 1u << CLIENT_CLOSING},
    [CLIENT_HEAD] = {"head",
                     1u << CLIENT_EXCHANGING | 1u << CLIENT_LINGERING | 1u << CLIENT_CLOSING},
    [CLIENT_EXCHANGING] = {"exchanging",
                           1u << CLIENT_IDLE | 1u << CLIENT_LINGERING | 1u << CLIENT_CLOSING},
    [CLIENT_LINGERING] = {"lingering", 1u << CLIENT_CLOSING},
    [CLIENT_CLOSING] = {"closing", 0},
};

static const struct transport_events client_events;

static struct client *client_of(struct transport *transport)
{
    return container_of(transport, struct client, transport);
}

/* The only writer of `state`. */
static void client_move(struct client *client, enum client_state next)
{
    ASSERT(states[client->state].next & 1u << next);
    trace_event(states[next].name, (u64)(uintptr_t)client, client->state);
    client->state = (u8)next;
}

void client_set_deadline(struct client *client, u32 timeout_ms)
{
    struct proxy *proxy = client->proxy;
    wheel_set(proxy->wheel, &client->timer, proxy_now_ns(proxy) + timeout_ms * NS_PER_MS);
}

/* ---- The end ---- */

void client_close(struct client *client, bool reset)
{
    if (client->state == CLIENT_CLOSING)
        return;
    client_move(client, CLIENT_CLOSING);
    wheel_clear(client->proxy->wheel, &client->timer);
    client_inbox_release(client);
    ring_chain_return(client->proxy->ring, &client->backlog);
    transport_close(&client->transport, reset);
}

/* Our last byte is sent: FIN, then wait for the peer's, or its unread bytes would make the kernel
 * answer with RST and take the response with it. */
static void client_linger(struct client *client)
{
    if (!transport_readable(&client->transport)) {
        client_close(client, false);
        return;
    }
    client_move(client, CLIENT_LINGERING);
    transport_finish(&client->transport);
    transport_read(&client->transport, RECV_STREAM, 0);
    client_set_deadline(client, LINGER_MS);
}

static void on_closed(struct transport *transport)
{
    struct client *client = client_of(transport);
    list_remove(&client->node);
    client->proxy->asked -= client->asked;
    if (client->shed)
        overload_client_gone(client->proxy);
    slab_release(&client->proxy->clients, client);
}

/* ---- Reading heads ---- */

static void read_inbox(struct client *client);

static void start_exchange(struct client *client, u32 head_bytes, struct lease_chain *data)
{
    client_move(client, CLIENT_EXCHANGING);
    client->proxy->asked += !client->asked;
    client->asked = true;
    exchange_start(client, &client->proxy->request, head_bytes, data);
}

/* The bytes that were parsed must still be there: what is known of the request is logged. */
static void reject(struct client *client, const struct http_request *request)
{
    client_move(client, CLIENT_EXCHANGING);
    exchange_reject(client, FAULT_BAD_REQUEST, request);
}

/* Parses in `view`, which are the first bytes of what was received. Returns what came of it. */
static enum http_parse parse_head(struct client *client, struct slice view, u32 *head_bytes)
{
    struct proxy *proxy = client->proxy;
    u32 skip = http_skip_empty_lines(view);
    struct slice head = slice_of(view.data + skip, view.len - skip);
    enum http_parse result = http_request_parse(head, &proxy->config->limits.http, &proxy->request);
    *head_bytes = skip + proxy->request.head_bytes;
    return result;
}

static void note_first_byte(struct client *client)
{
    if (client->state != CLIENT_IDLE)
        return;
    client->request_start_ns = proxy_now_ns(client->proxy);
}

/* The head is incomplete: from now on the head timeout runs. */
static void await_rest(struct client *client)
{
    if (!transport_readable(&client->transport)) { /* there is none */
        client_close(client, false);
        return;
    }
    transport_read(&client->transport, RECV_STREAM, 0);
    if (client->state == CLIENT_HEAD)
        return;
    client_move(client, CLIENT_HEAD);
    client_set_deadline(client, client->proxy->config->timeouts.request_head_ms);
}

/* The usual way: nothing was kept, and the head is complete in the first buffer. */
static void read_direct(struct client *client, struct lease_chain *data)
{
    struct proxy *proxy = client->proxy;
    const struct lease *lease = ring_lease(proxy->ring, data->first);
    u32 head_bytes = 0;
    bool all_seen = lease->len == data->bytes;
    switch (parse_head(client, slice_of(lease->data, lease->len), &head_bytes)) {
    case HTTP_PARSE_DONE:
        start_exchange(client, head_bytes, data);
        return;
    case HTTP_PARSE_REJECTED:
        reject(client, &proxy->request);
        ring_chain_return(proxy->ring, data);
        return;
    case HTTP_PARSE_PARTIAL:
        break;
    }
    if (!client_keep_back(client, data)) {
        client_close(client, true);
        return;
    }
    if (all_seen)
        await_rest(client);
    else
        read_inbox(client);
}

/* A head that came in pieces, or behind an earlier request. What follows it in the inbox goes on as
 * leases, as if it had just been received. */
static void read_inbox(struct client *client)
{
    struct proxy *proxy = client->proxy;
    u32 head_bytes = 0;
    if (!client_inbox_refill(client)) {
        client_close(client, true);
        return;
    }
    switch (parse_head(client, slice_of(client->inbox, client->inbox_len), &head_bytes)) {
    case HTTP_PARSE_PARTIAL:
        if (client->inbox_len < proxy->config->limits.http.head_bytes_max) {
            await_rest(client);
            return;
        }
        /* Full, and the parser did not say so: it did not count the empty line in front. */
        proxy->request.reject = HTTP_REJECT_HEAD_LENGTH;
        proxy->request.head_bytes = client->inbox_len;
        reject(client, &proxy->request);
        return;
    case HTTP_PARSE_REJECTED:
        reject(client, &proxy->request);
        return;
    case HTTP_PARSE_DONE:
        break;
    }
    struct lease_chain rest;
    lease_chain_init(&rest);
    char *inbox = client->inbox; /* the request's slices point into it until the exchange began */
    client->inbox = NULL;
    if (!ring_chain_write(proxy->ring, &rest, inbox, client->inbox_len)) {
        slab_release(&proxy->inboxes, inbox);
        client_close(client, true);
        return;
    }
    client->inbox_len = 0;
    ring_chain_append(proxy->ring, &rest, &client->backlog);
    start_exchange(client, head_bytes, &rest);
    slab_release(&proxy->inboxes, inbox);
}

static void on_head_data(struct client *client, struct lease_chain *data)
{
    note_first_byte(client);
    if (client->inbox_len == 0 && client->backlog.bytes == 0) {
        read_direct(client, data);
        return;
    }
    if (!client_keep_back(client, data)) {
        client_close(client, true);
        return;
    }
    read_inbox(client);
}

/* ---- PROXY protocol ---- */

static void set_address(struct client *client, const struct address *address)
{
    const struct config *config = client->proxy->config;
    char text[64];
    u32 len = address_format_ip(address, text);
    client->ip_len = (u8)min_u32(len, CLIENT_IP_BYTES_MAX);
    memcpy(client->ip, text, client->ip_len);
    client->key = hash_bytes(client->ip, client->ip_len, 0);
    client->local = address->any.sa_family == AF_UNIX;
    client->trusted = network_list_contains(&config->trusted_proxies, address);
}

/* The header is small and comes first: it is put together in the inbox. */
static void on_proxy_header_data(struct client *client, struct lease_chain *data)
{
    struct proxy *proxy = client->proxy;
    struct proxy_header_info info;
    if (!client_keep_back(client, data) || !client_inbox_refill(client)) {
        client_close(client, true);
        return;
    }
    switch (proxy_header_parse(slice_of(client->inbox, client->inbox_len), &info)) {
    case PROXY_HEADER_PARTIAL:
        return;
    case PROXY_HEADER_BAD:
        record_client_fault(client, FAULT_PROXY_HEADER, "malformed PROXY protocol header");
        client_close(client, true);
        return;
    case PROXY_HEADER_DONE:
        break;
    }
    if (info.known)
        set_address(client, &info.source);
    client->inbox_len -= info.bytes;
    memmove(client->inbox, client->inbox + info.bytes, client->inbox_len);
    client_move(client, CLIENT_IDLE);
    client->request_start_ns = proxy_now_ns(proxy);
    if (client_input_waiting(client))
        read_inbox(client);
    else
        client_inbox_release(client);
}

/* ---- Events ---- */

static void on_data(struct transport *transport, struct lease_chain *data)
{
    struct client *client = client_of(transport);
    client->proxy->counters.bytes_from_clients += data->bytes;
    switch ((enum client_state)client->state) {
    case CLIENT_PROXY_HEADER:
        on_proxy_header_data(client, data);
        break;
    case CLIENT_IDLE:
    case CLIENT_HEAD:
        on_head_data(client, data);
        break;
    case CLIENT_EXCHANGING:
        exchange_on_client_data(client->exchange, data);
        break;
    case CLIENT_LINGERING:
        ring_chain_return(client->proxy->ring, data);
        transport_read(transport, RECV_STREAM, 0); /* it may have been a single receive */
        break;
    case CLIENT_CLOSING:
        ring_chain_return(client->proxy->ring, data);
        break;
    case CLIENT_STATE_COUNT:
        ASSERT(false);
    }
}

static void on_end(struct transport *transport)
{
    struct client *client = client_of(transport);
    if (client->state == CLIENT_EXCHANGING)
        exchange_on_client_end(client->exchange);
    else
        client_close(client, false);
}

/* It was not read from, as an exchange had it; what it has still sent will be. */
static void on_finished(struct transport *transport)
{
    struct client *client = client_of(transport);
    if (client->state == CLIENT_EXCHANGING)
        exchange_on_client_finished(client->exchange);
}

static void on_lost(struct transport *transport, struct ring_done done)
{
    struct client *client = client_of(transport);
    (void)done;
    if (client->state == CLIENT_EXCHANGING)
        exchange_cancel(client->exchange, FAULT_CLIENT_GONE);
    else
        client_close(client, true);
}

static void on_sent(struct transport *transport)
{
    struct client *client = client_of(transport);
    if (client->state == CLIENT_EXCHANGING)
        exchange_on_client_sent(client->exchange);
    else if (client->state == CLIENT_LINGERING && transport_readable(transport))
        transport_finish(transport); /* behind a refusal */
    else
        client_close(client, false);
}

static void on_paused(struct transport *transport)
{
    struct client *client = client_of(transport);
    if (client->state == CLIENT_EXCHANGING)
        exchange_on_client_paused(client->exchange);
    else if (client->backlog.bytes == 0)
        transport_read(transport, RECV_STREAM, 0);
}

static const struct transport_events client_events = {
    .on_data = on_data,
    .on_paused = on_paused,
    .on_end = on_end,
    .on_finished = on_finished,
    .on_sent = on_sent,
    .on_lost = on_lost,
    .on_send_failed = on_lost,
    .on_closed = on_closed,
};

static void on_timeout(struct wheel_timer *timer)
{
    struct client *client = container_of(timer, struct client, timer);
    switch ((enum client_state)client->state) {
    case CLIENT_PROXY_HEADER:
        record_client_fault(client, FAULT_PROXY_HEADER, "no PROXY protocol header in time");
        client_close(client, true);
        break;
    case CLIENT_IDLE:
    case CLIENT_LINGERING:
        client_close(client, false);
        break;
    case CLIENT_HEAD:
        client_move(client, CLIENT_EXCHANGING);
        exchange_reject(client, FAULT_HEAD_TIMEOUT, NULL);
        break;
    case CLIENT_EXCHANGING:
        exchange_on_timeout(client->exchange);
        break;
    case CLIENT_CLOSING:
    case CLIENT_STATE_COUNT:
        ASSERT(false);
    }
}

/* ---- Beginning, and from one request to the next ---- */

static bool expects_proxy_header(const struct config_listener *listener, const struct address *peer)
{
    return listener->proxy_protocol_from.count > 0 &&
           network_list_contains(&listener->proxy_protocol_from, peer);
}

bool proxy_header_expected(struct proxy *proxy, int fd, const struct config_listener *listener)
{
    struct address peer = {.len = sizeof(peer.local)};
    return listener->proxy_protocol_from.count > 0 &&
           ring_peer_address(proxy->ring, fd, &peer.any, &peer.len) &&
           expects_proxy_header(listener, &peer);
}

static void refuse_connection(struct proxy *proxy)
{
    proxy->counters.clients_refused++;
    record_refusal(proxy, "limits.clients connections are open");
}

void client_start(struct proxy *proxy, int fd, const struct config_listener *listener,
                  bool proxy_header)
{
    struct address peer = {.len = sizeof(peer.local)};
    struct client *client = slab_acquire(&proxy->clients);
    if (!client || !ring_peer_address(proxy->ring, fd, &peer.any, &peer.len)) {
        if (client)
            slab_release(&proxy->clients, client);
        else
            refuse_connection(proxy);
        ring_close(proxy->ring, fd, true);
        return;
    }
    *client = (struct client){.proxy = proxy, .state = CLIENT_IDLE};
    lease_chain_init(&client->backlog);
    wheel_timer_init(&client->timer, on_timeout);
    list_push_back(&proxy->connected, &client->node);
    transport_open(&client->transport, proxy->ring, &proxy->reaper, fd, &client_events);
    set_address(client, &peer);
    if (listener ? expects_proxy_header(listener, &peer) : proxy_header)
        client->state = CLIENT_PROXY_HEADER;
    client_set_deadline(client, proxy->config->timeouts.request_head_ms);
    transport_read(&client->transport, RECV_STREAM, 0);
    proxy->counters.clients_accepted++;
    if (proxy_turns_away(proxy)) /* it was on its way when accepting stopped */
        client_drain(client);
}

void client_exchange_ended(struct client *client, bool keep)
{
    struct proxy *proxy = client->proxy;
    client->exchange = NULL;
    if (!keep) {
        client_linger(client);
        return;
    }
    if (!transport_readable(&client->transport) && !client_input_waiting(client)) {
        client_close(client, false);
        return;
    }
    client_move(client, CLIENT_IDLE);
    client_set_deadline(client, proxy->config->timeouts.keep_alive_ms);
    if (proxy_turns_away(proxy))
        client_drain(client);
    if (client_input_waiting(client)) {
        note_first_byte(client);
        read_inbox(client);
    } else {
        client_inbox_release(client);
    }
    if (transport_readable(&client->transport) && client->state != CLIENT_EXCHANGING)
        transport_stream(&client->transport);
}

void client_drain(struct client *client)
{
    struct proxy *proxy = client->proxy;
    u64 soon_ns = proxy_now_ns(proxy) + proxy->config->timeouts.drain_idle_ms * NS_PER_MS;
    if (client->state == CLIENT_IDLE && client->timer.deadline_ns > soon_ns)
        wheel_set(proxy->wheel, &client->timer, soon_ns);
}

bool client_close_waiting(struct client *client)
{
    bool head = client->state == CLIENT_HEAD || client->state == CLIENT_PROXY_HEADER;
    if (!head && (client->state != CLIENT_IDLE || client_input_waiting(client)))
        return false;
    client_close(client, false);
    return true;
}

void client_refuse(struct client *client, struct lease_chain *page)
{
    struct ring *ring = client->proxy->ring;
    struct iovec iov[RING_IOV_MAX];
    u32 count = 0;
    for (u16 id = page->first; id != LEASE_NONE; count++) {
        struct lease *lease = ring_lease(ring, id);
        ASSERT(count < ARRAY_COUNT(iov)); /* the largest template is far smaller */
        iov[count] = (struct iovec){lease->data, lease->len};
        id = lease->next;
    }
    ASSERT(!client->transport.sending); /* a new request is taken up when all is sent */
    client_move(client, CLIENT_LINGERING);
    transport_send(&client->transport,
                   &(struct transport_message){.iov = iov, .count = count, .leases = page});
    client_set_deadline(client, LINGER_MS);
}
