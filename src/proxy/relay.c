/*
 * A relay moves the bytes of one message body from a source to a sink, whichever side each is.
 *
 *   source --relay_feed--> queue --relay_pump--> transport_send(sink) --relay_sent--> gone
 *
 *   FLOWING --last byte queued--> ENDED --last byte sent--> DONE
 *      \______________ sink lost, exchange failed ______________/--> BROKEN
 *
 * Bytes stay in the leases they were received into; only framing is looked at. What waits for the
 * sink is bounded by pacing the source:
 *
 *   little is coming            RECV_STREAM   (receives stay armed: nothing to do per message)
 *   much is coming (`bulk`)     RECV_ONCE     (large single receives, one at a time)
 *   a full window waiting       RECV_OFF      (until the sink has taken some of it; RECV_WATCH
 *                                              when the source is a client, which may go)
 *   through a pipe              RECV_READY    (see splice.c)
 *
 * The window is what may wait for the sink. It grows while the sink is quick, because few large
 * pieces cost less than many small ones, and shrinks when it is slow, so that slow readers hold
 * little memory. It is never more than ring_lease_allowance_bytes(), which is one lease when many
 * hold some: a relay of which nothing waits may always ask for so much, so each goes on as fast as
 * its sink takes it, and what has come for a sink that takes nothing is kept, but no more is asked
 * for. A request of which much is to come, or nobody knows how much, is received lease by lease as
 * long as there is no sink: until there is one (connecting, a queue, a pause) all of it waits.
 * Where that is not enough, see scarcity.c.
 */
#include <assert.h>

#include "base/clock.h"
#include "proxy/proxy_internal.h"

enum {
    WINDOW_BYTES_MIN = 256 * 1024,
    WINDOW_BYTES_MAX = 1024 * 1024,
    WINDOW_SLOW_MS = 100,        /* a sink that takes longer for what it was given gets less */
    BULK_BYTES_MIN = 128 * 1024, /* from so much to come, switching to RECV_ONCE pays */
    SEND_BYTES_MAX = 1024 * 1024,
};

void relay_init(struct relay *relay, struct transport *source, struct transport_hold *hold)
{
    static_assert(RELAY_FLOWING == 0, "it flows from the beginning");
    relay->source = source;
    relay->hold = hold;
    relay->window_bytes = WINDOW_BYTES_MIN;
    lease_chain_init(&relay->queue);
}

void relay_begin(struct relay *relay, struct http_framing framing)
{
    ASSERT(framing.body != HTTP_BODY_REJECT);
    relay->body = (u8)framing.body;
    relay->remaining = framing.body == HTTP_BODY_LENGTH ? framing.length : 0;
    relay->bulk = relay->remaining > BULK_BYTES_MIN;
    if (framing.body == HTTP_BODY_NONE)
        relay->state = RELAY_ENDED;
}

/* ---- Taking bytes from the source ---- */

static bool take(struct relay *relay, struct proxy *proxy, struct lease_chain *data, u32 bytes)
{
    if (bytes < data->bytes)
        return ring_chain_split(proxy->ring, data, bytes, &relay->queue);
    ring_chain_append(proxy->ring, &relay->queue, data);
    return true;
}

static enum relay_verdict feed_length(struct relay *relay, struct proxy *proxy,
                                      struct lease_chain *data)
{
    u32 bytes = (u32)min_u64(relay->remaining, data->bytes);
    if (!take(relay, proxy, data, bytes))
        return RELAY_NO_ROOM;
    relay->body_bytes += bytes;
    relay->remaining -= bytes;
    if (relay->remaining == 0)
        relay->state = RELAY_ENDED;
    return RELAY_OK;
}

static void release_trailer(struct relay *relay, struct proxy *proxy)
{
    if (relay->trailer)
        slab_release(&proxy->inboxes, relay->trailer);
    relay->trailer = NULL;
    relay->trailer_len = 0;
}

/* Keeps the trailer fields that may be forwarded, in place; returns the new length. */
static u32 filter_trailer(char *section, const struct http_fields *fields)
{
    const u8 dropped = HTTP_FIELD_NO_TRAILER | HTTP_FIELD_HOP_BY_HOP | HTTP_FIELD_FORWARDING;
    u32 len = 0;
    for (u32 i = 0; i < fields->count; i++) {
        const struct http_field *field = &fields->at[i];
        if (field->id != HTTP_FIELD_OTHER &&
            (http_field_info((enum http_field_id)field->id)->flags & dropped))
            continue;
        u32 line_bytes = (u32)(field->line_end - field->name_at);
        memmove(section + len, section + field->name_at, line_bytes);
        len += line_bytes;
    }
    memcpy(section + len, "\r\n", 2);
    return len + 2;
}

/* Reads the trailer section, which may come in any number of pieces. */
static enum relay_verdict feed_trailer(struct relay *relay, struct proxy *proxy,
                                       struct lease_chain *data)
{
    const struct http_limits *limits = &proxy->config->limits.http;
    if (!relay->trailer)
        relay->trailer = slab_acquire(&proxy->inboxes);
    if (!relay->trailer)
        return RELAY_NO_ROOM;
    u32 had = relay->trailer_len;
    u32 more = min_u32(data->bytes, limits->head_bytes_max - had);
    ring_chain_peek(proxy->ring, data, relay->trailer + had, more);
    struct http_fields *fields = &proxy->response.fields;
    u32 section_bytes = 0;
    switch (
        http_trailers_parse(slice_of(relay->trailer, had + more), limits, fields, &section_bytes)) {
    case HTTP_PARSE_PARTIAL:
        ring_chain_skip(proxy->ring, data, more);
        relay->trailer_len = (u16)(had + more);
        return relay->trailer_len < limits->head_bytes_max ? RELAY_OK : RELAY_BAD;
    case HTTP_PARSE_REJECTED:
        return RELAY_BAD;
    case HTTP_PARSE_DONE:
        break;
    }
    ring_chain_skip(proxy->ring, data, section_bytes - had);
    u32 len = filter_trailer(relay->trailer, fields);
    bool written =
        relay->decode || ring_chain_write(proxy->ring, &relay->queue, relay->trailer, len);
    release_trailer(relay, proxy);
    relay->state = RELAY_ENDED;
    return written ? RELAY_OK : RELAY_NO_ROOM;
}

/* Moves `used` bytes of the first lease of data, of which only the first `payload` count. */
static bool take_decoded(struct relay *relay, struct proxy *proxy, struct lease_chain *data,
                         u32 used, u32 payload)
{
    struct lease_chain piece;
    lease_chain_init(&piece);
    if (!ring_chain_split(proxy->ring, data, used, &piece))
        return false;
    if (piece.first != LEASE_NONE) {
        struct lease *lease = ring_lease(proxy->ring, piece.first);
        lease->len = payload;
        piece.bytes = payload;
    }
    if (payload == 0)
        ring_chain_return(proxy->ring, &piece);
    else
        ring_chain_append(proxy->ring, &relay->queue, &piece);
    return true;
}

static bool at_empty_line(const struct lease *lease, u32 at)
{
    return lease->len - at >= 2 && lease->data[at] == '\r' && lease->data[at + 1] == '\n';
}

/* Takes the first lease of data, or what belongs to the body of it. */
static enum relay_verdict feed_chunks(struct relay *relay, struct proxy *proxy,
                                      struct lease_chain *data)
{
    struct lease *lease = ring_lease(proxy->ring, data->first);
    struct http_chunked *chunked = &relay->chunked;
    u32 payload = 0;
    u32 used = relay->decode ? http_chunked_decode(chunked, lease->data, lease->len, &payload)
                             : http_chunked_scan(chunked, lease->data, lease->len);
    if (chunked->state == HTTP_CHUNKED_BAD)
        return RELAY_BAD;
    if (chunked->state == HTTP_CHUNKED_END && at_empty_line(lease, used)) { /* no trailer */
        used += 2;
        relay->state = RELAY_ENDED;
    }
    relay->body_bytes = chunked->payload_bytes;
    bool taken = relay->decode ? take_decoded(relay, proxy, data, used, payload)
                               : take(relay, proxy, data, used);
    return taken ? RELAY_OK : RELAY_NO_ROOM;
}

static enum relay_verdict feed_chunked(struct relay *relay, struct proxy *proxy,
                                       struct lease_chain *data)
{
    enum relay_verdict verdict = RELAY_OK;
    while (verdict == RELAY_OK && data->bytes > 0 && relay->state == RELAY_FLOWING) {
        if (relay->chunked.state == HTTP_CHUNKED_END)
            verdict = feed_trailer(relay, proxy, data);
        else
            verdict = feed_chunks(relay, proxy, data);
    }
    return verdict;
}

static enum relay_verdict feed_all(struct relay *relay, struct proxy *proxy,
                                   struct lease_chain *data)
{
    relay->body_bytes += data->bytes;
    ring_chain_append(proxy->ring, &relay->queue, data);
    return RELAY_OK;
}

enum relay_verdict relay_feed(struct relay *relay, struct proxy *proxy, struct lease_chain *data)
{
    enum relay_verdict verdict = RELAY_OK;
    if (relay->body_bytes > 0 && data->bytes < LEASE_BYTES && !relay_pending(relay))
        relay->bulk = false; /* it only trickles: no leases are to be held while waiting for it */
    if (relay->state == RELAY_BROKEN)
        ring_chain_return(proxy->ring, data);
    if (relay->state != RELAY_FLOWING || data->bytes == 0)
        return RELAY_OK;
    switch ((enum http_body)relay->body) {
    case HTTP_BODY_NONE:
    case HTTP_BODY_REJECT:
        return RELAY_OK;
    case HTTP_BODY_LENGTH:
        verdict = feed_length(relay, proxy, data);
        break;
    case HTTP_BODY_CHUNKED:
        verdict = feed_chunked(relay, proxy, data);
        break;
    case HTTP_BODY_UNTIL_CLOSE:
    case HTTP_BODY_TUNNEL:
        verdict = feed_all(relay, proxy, data);
        break;
    }
    if (relay->body_bytes_max > 0 && relay->body_bytes > relay->body_bytes_max)
        return RELAY_TOO_LONG;
    return verdict;
}

bool relay_source_ended(struct relay *relay)
{
    if (relay->state != RELAY_FLOWING)
        return true;
    if (relay->body != HTTP_BODY_UNTIL_CLOSE && relay->body != HTTP_BODY_TUNNEL)
        return false;
    relay->state = RELAY_ENDED;
    return true;
}

/* ---- Giving bytes to the sink ---- */

static void send_queued(struct relay *relay, struct proxy *proxy)
{
    struct iovec iov[RING_IOV_MAX];
    struct lease_chain sent;
    u32 count = 0, lease_bytes = 0;
    struct slice again = {0};
    if (relay->head.len > 0)
        iov[count++] = (struct iovec){(char *)(uintptr_t)relay->head.data, relay->head.len};
    if (UNLIKELY(relay->replay != NULL))
        again = replay_take(relay->replay);
    if (again.len > 0)
        iov[count++] = (struct iovec){(char *)(uintptr_t)again.data, again.len};
    u32 fixed = count;
    for (u16 id = relay->queue.first; id != LEASE_NONE && count < RING_IOV_MAX;) {
        struct lease *lease = ring_lease(proxy->ring, id);
        if (lease_bytes > 0 && lease_bytes + lease->len > SEND_BYTES_MAX)
            break;
        iov[count++] = (struct iovec){lease->data, lease->len};
        lease_bytes += lease->len;
        id = lease->next;
    }
    if (UNLIKELY(relay->replay != NULL))
        replay_keep(relay, proxy, iov + fixed, count - fixed);
    lease_chain_init(&sent);
    if (lease_bytes > 0) {
        bool moved = ring_chain_split(proxy->ring, &relay->queue, lease_bytes, &sent);
        ASSERT(moved); /* whole leases: nothing has to be copied */
    }
    relay->sending_bytes = relay->head.len + again.len + lease_bytes;
    relay->sending_since_ns = proxy_now_ns(proxy);
    relay->head.len = 0;
    transport_send(
        relay->sink,
        &(struct transport_message){
            .iov = iov, .count = count, .fixed = fixed, .leases = &sent, .hold = relay->hold});
}

/* Single receives pay: much is coming, and it has begun to; or it would only wait. */
static bool wants_singles(const struct relay *relay)
{
    bool large = relay->bulk || relay->body == HTTP_BODY_CHUNKED;
    return relay->sink ? relay->bulk && relay->body_bytes >= LEASE_BYTES : large;
}

/* Its leases are taken when a receive is armed: no more than the source has shown to fill. */
static u32 single_bytes(const struct relay *relay, u32 room)
{
    u64 shown = max_u64(relay->body_bytes, LEASE_BYTES);
    u64 to_come = relay->body == HTTP_BODY_LENGTH ? relay->remaining : room;
    return (u32)min_u64(min_u64(to_come, room), shown);
}

/* No more of the source until pace() asks for it. */
static void pause_source(struct relay *relay)
{
    transport_read(relay->source, relay->to_client ? RECV_OFF : RECV_WATCH, 0);
}

/* Asks the source for what the window has room for. */
static void pace(struct relay *relay, struct proxy *proxy)
{
    if (!transport_readable(relay->source))
        return;
    if (relay->state != RELAY_FLOWING) { /* the next message, or the peer's end */
        if (UNLIKELY(relay->held_back))
            pause_source(relay);
        else
            transport_stream(relay->source);
        return;
    }
    if (relay_splices(relay)) {
        if (relay_pending(relay))
            pause_source(relay);
        else
            transport_read(relay->source, RECV_READY, 0);
        return;
    }
    u32 waiting = relay->queue.bytes + relay->sending_bytes;
    u32 window = min_u32(relay->window_bytes, ring_lease_allowance_bytes(proxy->ring));
    u32 room = window - min_u32(window, waiting);
    if (room < window / 2) {
        relay->bulk = true;
        pause_source(relay);
    } else if (wants_singles(relay)) {
        transport_read(relay->source, RECV_ONCE, single_bytes(relay, room));
    } else {
        transport_stream(relay->source);
    }
}

/* The sink has taken all of a send: was it quick? */
static void adapt_window(struct relay *relay, const struct proxy *proxy)
{
    bool slow = proxy_now_ns(proxy) - relay->sending_since_ns > WINDOW_SLOW_MS * NS_PER_MS;
    if (slow)
        relay->window_bytes = max_u32(relay->window_bytes / 2, WINDOW_BYTES_MIN);
    else if (relay->sending_bytes >= relay->window_bytes / 2)
        relay->window_bytes = min_u32(relay->window_bytes * 2, WINDOW_BYTES_MAX);
}

void relay_pump(struct relay *relay, struct proxy *proxy)
{
    bool waiting = relay->head.len > 0 || relay->queue.bytes > 0;
    if (waiting && relay->state != RELAY_BROKEN && relay->sink && transport_is_open(relay->sink) &&
        !relay->sink->sending)
        send_queued(relay, proxy);
    if (UNLIKELY(relay_splices(relay)))
        relay_splice(relay, proxy);
    if (relay->state == RELAY_ENDED && relay->sink && !relay_pending(relay))
        relay->state = RELAY_DONE;
    if (relay->source)
        pace(relay, proxy);
}

void relay_sent(struct relay *relay, struct proxy *proxy)
{
    if (relay->sending_bytes > 0) /* else there was room for a pipe's bytes */
        adapt_window(relay, proxy);
    relay->sent_bytes += relay->sending_bytes;
    relay->sending_bytes = 0;
    relay_pump(relay, proxy);
}

void relay_abort(struct relay *relay, struct proxy *proxy)
{
    ring_chain_return(proxy->ring, &relay->queue);
    release_trailer(relay, proxy);
    relay_splice_end(relay, proxy);
    relay->head.len = 0;
    /* What still comes of this message is dropped. Behind its end comes the next one. */
    if (relay->state == RELAY_FLOWING)
        relay->state = RELAY_BROKEN;
    else if (relay->state == RELAY_ENDED)
        relay->state = RELAY_DONE;
}
