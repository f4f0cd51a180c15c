/*
 * Relay: one direction of body bytes.
 */
#ifndef NEXTPROXY_PROXY_RELAY_H
#define NEXTPROXY_PROXY_RELAY_H

#include "http.h"
#include "proxy.h"
#include "transport.h"

enum relay_state {
    RELAY_FLOWING, /* more bytes are to come from the source */
    RELAY_ENDED,   /* the last byte of the message is queued */
    RELAY_DONE,    /* ... and with the kernel */
    RELAY_BROKEN,  /* the sink takes no more; what still comes is dropped */
};

enum relay_verdict {
    RELAY_OK,
    RELAY_BAD,      /* the source broke the framing */
    RELAY_TOO_LONG, /* more than body_bytes_max */
    RELAY_NO_ROOM,  /* out of leases */
};

/* What was sent of a request's body, kept to be sent again: see replay.c. */
struct replay {
    u32 bytes;
    u32 bytes_max;
    bool resend; /* goes out with the next send, in front of the queue */
    bool sent;   /* a send may be reading from it */
    char data[];
};

/* What every message needs fills two cache lines. */
struct relay {
    struct transport *source;
    struct transport *sink;      /* NULL until there is one that may be sent to */
    struct transport_hold *hold; /* keeps `head` alive: the exchange's */
    struct lease_chain queue;
    struct slice head;  /* goes out before the queue; lies in the exchange's head block */
    u64 remaining;      /* HTTP_BODY_LENGTH: bytes to come */
    u64 body_bytes;     /* taken from the source so far */
    u64 body_bytes_max; /* 0 = no limit */
    u64 sent_bytes;     /* with the kernel, heads included */
    u64 sending_since_ns;
    u32 sending_bytes;      /* in the send under way; 0 = none is */
    u32 window_bytes;       /* how much may wait for the sink */
    struct replay *replay;  /* what was sent and is kept; NULL = nothing has to be */
    struct ring_pipe *pipe; /* through which the rest of the body goes, or NULL (splice.c) */
    char *trailer;          /* an inbox while a trailer section is read, or NULL */
    u8 body;                /* enum http_body */
    u8 state;               /* enum relay_state */
    bool decode;            /* take the chunk framing off, for an HTTP/1.0 client */
    bool bulk;              /* so much is coming that single, paced receives are cheaper */
    bool held_back;         /* the source is ahead of us with its next message: it has to wait */
    bool to_client;
    bool no_splice; /* one side cannot, or there is no pipe */
    bool lost;      /* some of what was sent is not in `replay` */
    struct http_chunked chunked;
    u16 trailer_len;
    u8 small_moves;
};

/* A relay without a message yet; what is queued is sent. Its memory is all zero. */
void relay_init(struct relay *relay, struct transport *source, struct transport_hold *hold);
/* The message's framing is known: bytes may be fed. */
void relay_begin(struct relay *relay, struct http_framing framing);
/* Takes what belongs to the message from the front of `data`; the rest stays in `data`. */
MUST_CHECK enum relay_verdict relay_feed(struct relay *relay, struct proxy *proxy,
                                         struct lease_chain *data);
/* The source has finished sending. False when the message is thereby cut short. */
MUST_CHECK bool relay_source_ended(struct relay *relay);
/* Sends what is queued if the sink is free, and asks the source for more or less. */
void relay_pump(struct relay *relay, struct proxy *proxy);
/* A send of the sink is done: gives its leases back. */
void relay_sent(struct relay *relay, struct proxy *proxy);
/* Gives all leases back; nothing more is sent. */
void relay_abort(struct relay *relay, struct proxy *proxy);
/* replay.c: what goes out in front of the queue, once. */
struct slice replay_take(struct replay *replay);
/* Keeps what a send takes from the queue. Lets go of relay->replay when it is too much. */
void replay_keep(struct relay *relay, struct proxy *proxy, const struct iovec *iov, u32 count);
/* True while bytes wait for the sink, or are being sent to it. */
static inline bool relay_pending(const struct relay *relay)
{
    return relay->head.len > 0 || relay->queue.bytes > 0 || relay->sending_bytes > 0 ||
           (relay->pipe && relay->pipe->bytes > 0);
}

/* True when all of the message is sent, or in the send under way. */
static inline bool relay_handed_over(const struct relay *relay)
{
    return relay->state == RELAY_DONE || (relay->state == RELAY_ENDED && relay->head.len == 0 &&
                                          relay->queue.bytes == 0 && !relay->pipe);
}

/* splice.c: bodies that do not pass through our memory. */

/* Begins when it can, and moves what can be moved. */
void relay_splice(struct relay *relay, struct proxy *proxy);
/* True when the rest of the body is to go through a pipe. */
bool relay_splices(const struct relay *relay);
/* What is in the pipe is dropped. */
void relay_splice_end(struct relay *relay, struct proxy *proxy);

#endif
