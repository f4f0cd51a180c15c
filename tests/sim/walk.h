/* The two kinds of peers of the random walk, walk.c, and what they do in a tunnel. */
#ifndef NEXTPROXY_WALK_H
#define NEXTPROXY_WALK_H

#include "message.h"
#include "sim.h"

enum { WALK_PIPELINED_MAX = 6 };

/* What this walk is like. */
struct walk_mood {
    bool trouble; /* it has peers that misbehave */
    bool calm;    /* nothing at all can go wrong in it: every request is served, no one is cut */
    bool local;   /* it has unix sockets: only framing shows a cut, for there is no reset */
    bool hedged;  /* requests may be sent twice, and then one of the two is cut */
};

/* One side's view of a tunnel: it sends the bytes of its own body of the number, and expects those
 * of the other side's. */
struct walk_tunnel {
    u64 sent;
    u64 got;
    u32 number;
    u8 side; /* enum message_side: which body it sends */
    bool open;
    bool silent;   /* says nothing any more, and waits for the tunnel's timeout */
    bool finished; /* has sent all, and its FIN */
    bool whole;    /* has got all, and the FIN of the other side */
};

void walk_tunnel_begin(struct walk_tunnel *tunnel, u32 number, enum message_side side);
/* Sends and takes some; `open` ends when there is nothing more to do. */
void walk_tunnel_act(struct walk_tunnel *tunnel, struct sim *sim, struct sim_peer *peer);

/* A request that a client has sent, or part of it. */
struct walk_request {
    u32 number;
    bool head_only; /* HEAD */
};

struct walk_client {
    struct sim *sim;
    struct sim_peer *peer;
    struct message answer;                         /* being read */
    struct walk_request asked[WALK_PIPELINED_MAX]; /* not answered yet, oldest first */
    u32 asked_count;
    u32 wanted;
    u32 to_ask; /* requests still to be made, of `wanted` */
    u32 served; /* answered by a backend */
    u32 pages;  /* answered by the proxy */
    u32 asleep; /* steps in which it reads nothing */
    struct walk_mood mood;
    struct walk_tunnel tunnel;
    bool upgrading; /* has asked for a tunnel: nothing may follow before the answer */
    bool broken;    /* it has sent something that ends the connection */
    bool over;
};

void walk_client_init(struct walk_client *client, struct sim *sim, struct walk_mood mood);
void walk_client_act(struct walk_client *client, u32 *numbers);
/* In a walk without trouble all requests are answered by backends. */
void walk_client_check_served(const struct walk_client *client);

struct walk_backend {
    struct sim *sim;
    struct sim_peer *peer;
    struct message request; /* being read */
    u32 delay;              /* steps before it answers */
    u64 busy_until_ns;      /* it does not answer before */
    struct walk_mood mood;
    struct walk_tunnel tunnel;
    bool answered; /* this request */
    bool over;
};

void walk_backend_init(struct walk_backend *backend, struct sim *sim, struct sim_peer *peer,
                       struct walk_mood mood);
void walk_backend_act(struct walk_backend *backend);

#endif
