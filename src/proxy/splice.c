/*
 * A relay whose bytes go through a pipe: for the rest of a long body of known length, of which
 * nothing is to be looked at any more. The kernel hands its pages from one socket to the other,
 * which saves both copies, for more system calls: it gains where much has come each time.
 *
 *   source --ring_pipe_fill--> pipe --ring_pipe_drain--> sink
 *
 * Both are system calls that do not wait; while neither can go on, the transport that has to come
 * first is waited for: a sink without room (on_sent), or a source without bytes (on_paused). What
 * was received the usual way goes before. No more than the body is taken from the source, so the
 * next message is received the usual way again.
 */
#include "proxy/proxy_internal.h"

enum {
    SPLICE_BYTES_MIN = 32 * 1024,       /* to come: with less, changing over costs more */
    SPLICE_BYTES_AT_ONCE = 1024 * 1024, /* then the others have their turn */
    SMALL_MOVES_MAX = 8,                /* in a row: it only trickles */
};

/* What is kept to be sent again has to be seen. */
static bool wanted(const struct relay *relay)
{
    return relay->bulk && (!relay->replay || relay->lost) && !relay->no_splice &&
           relay->body == HTTP_BODY_LENGTH && relay->state == RELAY_FLOWING &&
           relay->remaining >= SPLICE_BYTES_MIN && relay->body_bytes >= LEASE_BYTES &&
           relay->source && relay->sink;
}

bool relay_splices(const struct relay *relay)
{
    return relay->pipe || wanted(relay);
}

void relay_splice_end(struct relay *relay, struct proxy *proxy)
{
    if (relay->pipe)
        ring_pipe_return(proxy->ring, relay->pipe);
    relay->pipe = NULL;
}

static bool begin(struct relay *relay, struct proxy *proxy)
{
    if (relay_pending(relay) || transport_reading(relay->source))
        return false;
    relay->pipe = ring_pipe_take(proxy->ring);
    relay->no_splice = !relay->pipe;
    return relay->pipe != NULL;
}

/* Bytes from the source into the pipe; false when that is of no use at the moment. */
static bool fill(struct relay *relay, struct proxy *proxy, u32 *bytes)
{
    struct ring_pipe *pipe = relay->pipe;
    u32 bytes_max = (u32)min_u64(relay->remaining, pipe->capacity_bytes);
    *bytes = 0;
    if (relay->state != RELAY_FLOWING || relay->no_splice || pipe->bytes == pipe->capacity_bytes)
        return false;
    enum ring_moved moved = ring_pipe_fill(proxy->ring, pipe, relay->source->fd, bytes_max, bytes);
    relay->no_splice = moved == RING_MOVED_LOST; /* a receive will tell why */
    relay->remaining -= *bytes;
    relay->body_bytes += *bytes;
    if (!relay->to_client)
        proxy->counters.bytes_from_clients += *bytes;
    if (relay->remaining == 0)
        relay->state = RELAY_ENDED;
    return moved == RING_MOVED_SOME;
}

static enum ring_moved drain(struct relay *relay, struct proxy *proxy)
{
    u32 bytes;
    enum ring_moved moved = ring_pipe_drain(proxy->ring, relay->pipe, relay->sink->fd, &bytes);
    relay->sent_bytes += bytes;
    if (relay->to_client)
        proxy->counters.bytes_to_clients += bytes;
    return moved;
}

/* A source that trickles is better off with a receive that stays armed. */
static void note_size(struct relay *relay, u32 moved)
{
    if (moved >= LEASE_BYTES)
        relay->small_moves = 0;
    else if (moved > 0)
        relay->small_moves++;
    relay->bulk = relay->small_moves < SMALL_MOVES_MAX;
}

/* Afterwards the pipe is empty, or the sink is waited for. */
static void move(struct relay *relay, struct proxy *proxy)
{
    enum ring_moved drained = RING_MOVED_SOME;
    u32 bytes, moved = 0;
    do {
        bool filled = fill(relay, proxy, &bytes);
        moved += bytes;
        if (relay->pipe->bytes == 0)
            break;
        drained = drain(relay, proxy);
        if (!filled && drained != RING_MOVED_SOME)
            break;
    } while (drained != RING_MOVED_LOST && moved < SPLICE_BYTES_AT_ONCE);
    note_size(relay, moved);
    if (relay->pipe->bytes == 0)
        return;
    if (drained == RING_MOVED_LOST)
        transport_lose(relay->sink);
    else
        transport_await_room(relay->sink);
}

void relay_splice(struct relay *relay, struct proxy *proxy)
{
    bool ready = relay->sink && transport_is_open(relay->sink) && !relay->sink->sending;
    if (!ready || relay->state == RELAY_BROKEN || (!relay->pipe && !begin(relay, proxy)))
        return;
    move(relay, proxy);
    bool over = relay->state != RELAY_FLOWING || relay->no_splice || !relay->bulk;
    if (over && relay->pipe->bytes == 0)
        relay_splice_end(relay, proxy);
}
