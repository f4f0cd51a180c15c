/* A receiver that keeps what it gets and checks the order in which it is called. */
#ifndef NEXTPROXY_TEST_RECEIVER_H
#define NEXTPROXY_TEST_RECEIVER_H

#include "ring_fixture.h"

struct receiver {
    struct ring_recv recv;
    struct ring *ring;
    struct lease_chain kept; /* what was delivered and not taken yet */
    struct ring_done end;
    u64 received; /* bytes so far, checked against pattern `seed` */
    u32 seed;
    u32 deliveries;
    u32 largest;  /* delivery */
    u32 stops;    /* calls of on_stopped */
    u32 finishes; /* on_finished */
    bool ended;
    bool keeps; /* leases are given back by the test, not at once */
};

void receiver_init(struct receiver *receiver, struct ring *ring, int fd, u32 seed);
/* Gives the kept leases back. */
void receiver_let_go(struct receiver *receiver);

static inline bool receiver_quiet(const struct receiver *receiver)
{
    return !ring_recv_owed(&receiver->recv);
}

#endif
