/*
 * transport: one connection's bytes both ways, whoever is at the other end, and its end of life.
 * Clients and upstreams embed one each. It is plain TCP or a unix socket; TLS will be a second kind
 * behind the same functions.
 *
 *   OPEN --transport_close--> CLOSING --nothing owed--> CLOSED --transport_reap--> on_closed
 *
 * No event is delivered from inside a call below, and none but on_closed after transport_close().
 */
#ifndef NEXTPROXY_TRANSPORT_H
#define NEXTPROXY_TRANSPORT_H

#include "base/list.h"
#include "base/slice.h"
#include "base/wheel.h"
#include "ring.h"

struct transport;

struct transport_events {
    /* Bytes arrived. The handler takes the chain over. */
    void (*on_data)(struct transport *transport, struct lease_chain *data);
    /* Reading may be arranged anew: a transport_read() that had to wait is possible now, or in
     * RECV_READY there is something to read. */
    void (*on_paused)(struct transport *transport);
    /* The peer has finished sending, and all of it was delivered. It may still receive. */
    void (*on_end)(struct transport *transport);
    /* RECV_WATCH: it has finished, and some of it may still have to be read. on_end is to come. */
    void (*on_finished)(struct transport *transport);
    /* All bytes of transport_send() are with the kernel, or there is room for more after
     * transport_await_room(); the next send may follow. */
    void (*on_sent)(struct transport *transport);
    /* Reading failed: the connection is broken, what remains is to close it. */
    void (*on_lost)(struct transport *transport, struct ring_done done);
    /* Sending failed. What the peer sent before it stopped listening may still be read. */
    void (*on_send_failed)(struct transport *transport, struct ring_done done);
    /* Everything is over; the memory may be released. */
    void (*on_closed)(struct transport *transport);
};

/* Keeps memory alive that sends read from: the owner embeds it, every send of a transport counts on
 * it until it is over, and on_free runs when the owner has let go and the last send is over. */
struct transport_hold {
    void (*on_free)(struct transport_hold *hold);
    u8 count;
    bool released;
};

void transport_hold_init(struct transport_hold *hold, void (*on_free)(struct transport_hold *));
/* The owner lets go: on_free runs now or after the last send. */
void transport_hold_release(struct transport_hold *hold);

enum { TRANSPORT_FIXED_MAX = 2 };

/* What to send: the iovec array and the chain's struct may go when the call returns; the leases
 * become the transport's, which returns them; other memory must be kept alive by `hold`, or be
 * static when that is NULL. */
struct transport_message {
    const struct iovec *iov; /* first what is not in leases, then all leases in order */
    u32 count;
    u32 fixed; /* how many of them are not in leases: at most TRANSPORT_FIXED_MAX */
    struct lease_chain *leases; /* emptied; may be NULL */
    struct transport_hold *hold;
};

enum transport_state { TRANSPORT_OPEN, TRANSPORT_CLOSING, TRANSPORT_CLOSED };

/* What the transports of a worker share. */
struct transport_reaper {
    struct list closed;  /* done with, waiting for the end of the turn */
    struct list stalled; /* waiting for room in their socket, see transport_send */
    struct list resting; /* to be watched, when that lasts, by `recv.waiting` */
    struct wheel *wheel;
    struct wheel_timer retry; /* set while some are stalled */
    struct wheel_timer watch; /* ... resting, and perhaps once more */
};

struct transport {
    struct ring_recv recv;
    struct ring_op send_op;
    const struct transport_events *events;
    struct ring *ring;
    struct transport_reaper *reaper;
    struct list node; /* in one of the reaper's lists */
    struct slice sending_fixed[TRANSPORT_FIXED_MAX];
    struct lease_chain sending_leases;
    struct transport_hold *sending_hold;
    int fd;
    u8 state; /* enum transport_state */
    bool sending;
    bool awaiting_room;  /* ... nothing of ours: it waits for room */
    bool lost;           /* ... and what follows is on_send_failed */
    bool stalled;        /* a send found no room: it goes on by timer */
    bool resting;        /* not read from, nor watched yet */
    bool finished;       /* the peer's FIN was seen, with or without what came before */
    bool impatient;      /* sends may not wait in the kernel any more */
    bool reset;          /* close with RST */
    bool write_finished; /* our FIN is out */
};

void transport_reaper_init(struct transport_reaper *reaper, struct wheel *wheel);
/* Nothing may be open any more. For those that ask for RECV_WATCH. */
void transport_reaper_stop(struct transport_reaper *reaper);
/* Closes the sockets of all transports that are quiet by now and calls their on_closed. */
void transport_reap(struct transport_reaper *reaper);

/* Takes the connected socket over. */
void transport_open(struct transport *transport, struct ring *ring, struct transport_reaper *reaper,
                    int fd, const struct transport_events *events);

/* Asks for a way of reading. RECV_STREAM: as bytes come; RECV_ONCE: one delivery of at most
 * bytes_max; RECV_READY: on_paused when there is something to read; RECV_OFF: none (what is under
 * way may still arrive); RECV_WATCH: none, but on_finished or on_lost when the peer goes meanwhile,
 * a moment later than otherwise: pauses are many, and most are too short to ask the kernel for it.
 * Where the current way has to end first, on_paused tells when to ask again.
 * Calling it again with the same wish costs nothing. */
void transport_read(struct transport *transport, enum recv_mode mode, u32 bytes_max);
/* The wish that is repeated most. */
static inline void transport_stream(struct transport *transport)
{
    bool streaming = transport->recv.mode == RECV_STREAM && ring_recv_owed(&transport->recv);
    if (UNLIKELY(!streaming))
        transport_read(transport, RECV_STREAM, 0);
}
/* An on_paused for those who read whatever comes, all the time. */
void transport_read_on(struct transport *transport);
/* Sends all of it, then on_sent. One send at a time: ASSERTs that none is under way. When the peer
 * has finished sending, the kernel cannot wait for room in the socket (ring_send_now): what finds
 * none is tried again a few milliseconds later, for a bounded number of transports each time. */
void transport_send(struct transport *transport, const struct transport_message *message);
/* For whoever writes to the socket without a send (see ring/pipe.h): on_sent when it takes bytes.
 * Counts as a send until then. */
void transport_await_room(struct transport *transport);
/* The same for one whose writing has failed: on_send_failed follows. */
void transport_lose(struct transport *transport);
/* Sends FIN behind everything that was sent. */
void transport_finish(struct transport *transport);
/* Ends the connection from our side, now; on_closed follows. `reset` shows the peer that what it
 * got is incomplete. Harmless when it is closing already. */
void transport_close(struct transport *transport, bool reset);

static inline bool transport_is_open(const struct transport *transport)
{
    return transport->state == TRANSPORT_OPEN;
}

/* True while a receive is armed. */
static inline bool transport_reading(const struct transport *transport)
{
    return ring_recv_owed(&transport->recv);
}

/* Leases that a send under way reads from, and those that an armed receive is to fill. */
static inline u32 transport_leases_out(const struct transport *transport)
{
    return ring_chain_leases(transport->ring, &transport->sending_leases);
}

static inline u32 transport_leases_in(const struct transport *transport)
{
    return ring_chain_leases(transport->ring, &transport->recv.into);
}

/* True while there may be more to read. */
static inline bool transport_readable(const struct transport *transport)
{
    return transport->state == TRANSPORT_OPEN && !transport->recv.ended;
}

/* True while the peer may still send, as far as we know. */
static inline bool transport_unfinished(const struct transport *transport)
{
    return transport_readable(transport) && !transport->finished;
}

#endif
