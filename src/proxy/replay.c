/*
 * The body of a request that may have to be sent again. It is kept as it goes out, framing and all,
 * in a block of limits.replayBytes; what was not sent yet waits in the relay's queue. A second
 * attempt sends the head, what was kept, and goes on with the queue. What is larger, or finds no
 * block, is sent once only.
 */
#include "proxy/proxy_internal.h"

static bool fits(const struct exchange *exchange, u32 bytes_max)
{
    const struct relay *request = &exchange->request;
    if (request->body != HTTP_BODY_LENGTH)
        return bytes_max > 0;
    return request->remaining + request->queue.bytes <= bytes_max;
}

static struct replay *begin(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    u32 bytes_max = proxy->replay_bytes_max;
    if (!retry_repeatable(exchange) || !fits(exchange, bytes_max))
        return NULL;
    struct replay *replay = slab_acquire(&proxy->replays);
    if (replay)
        *replay = (struct replay){.bytes_max = bytes_max};
    return replay;
}

void replay_prepare(struct exchange *exchange)
{
    struct relay *request = &exchange->request;
    if (!request->replay && !request->lost) {
        request->replay = begin(exchange);
        request->lost = request->replay == NULL;
    } else if (request->replay && request->replay->bytes > 0) {
        request->replay->resend = true;
    }
}

struct slice replay_take(struct replay *replay)
{
    if (!replay->resend)
        return (struct slice){0};
    replay->resend = false;
    replay->sent = true;
    return slice_of(replay->data, replay->bytes);
}

/* False when it does not fit any more. */
static bool keep(struct replay *replay, const struct iovec *iov, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        if (iov[i].iov_len > replay->bytes_max - replay->bytes)
            return false;
        memcpy(replay->data + replay->bytes, iov[i].iov_base, iov[i].iov_len);
        replay->bytes += (u32)iov[i].iov_len;
    }
    return true;
}

void replay_keep(struct relay *relay, struct proxy *proxy, const struct iovec *iov, u32 count)
{
    if (relay->lost || keep(relay->replay, iov, count))
        return;
    relay->lost = true;
    if (relay->replay->sent) /* the kernel may still read from it: it goes with the exchange */
        return;
    slab_release(&proxy->replays, relay->replay);
    relay->replay = NULL;
}
