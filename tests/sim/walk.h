/* The two kinds of peers of the random walk, walk.c. */
#ifndef NEXTPROXY_WALK_H
#define NEXTPROXY_WALK_H

#include "message.h"
#include "sim.h"

enum { WALK_PIPELINED_MAX = 6 };

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
    bool trouble;
    bool broken; /* it has sent something that ends the connection */
    bool over;
};

void walk_client_init(struct walk_client *client, struct sim *sim, bool trouble);
void walk_client_act(struct walk_client *client, u32 *numbers);
/* In a walk without trouble all requests are answered by backends. */
void walk_client_check_served(const struct walk_client *client);

struct walk_backend {
    struct sim *sim;
    struct sim_peer *peer;
    struct message request; /* being read */
    u32 delay;              /* steps before it answers */
    bool trouble;
    bool calm;     /* no request may be cut */
    bool answered; /* this request */
    bool over;
};

void walk_backend_init(struct walk_backend *backend, struct sim *sim, struct sim_peer *peer,
                       bool trouble, bool calm);
void walk_backend_act(struct walk_backend *backend);

#endif
