/* Leases: receive buffers shared by all connections of a ring. */
#ifndef NEXTPROXY_RING_LEASE_H
#define NEXTPROXY_RING_LEASE_H

#include "base/assert.h"
#include "base/slice.h"
#include "base/types.h"

struct ring;

enum { LEASE_BYTES = 16384, LEASE_NONE = 0xffff };

/* A chain of leases with received bytes, in order. Whoever holds it returns every lease exactly
 * once through ring_lease_return() or ring_chain_return(). */
struct lease_chain {
    u16 first; /* LEASE_NONE when empty */
    u16 last;
    u32 bytes; /* unread bytes in all of them */
};

/* The unread part of one lease. */
struct lease {
    char *data;
    u32 len;
    u16 next;
};

static inline void lease_chain_init(struct lease_chain *chain)
{
    *chain = (struct lease_chain){.first = LEASE_NONE, .last = LEASE_NONE};
}

/* The bookkeeping entry of a held lease. The data belongs to the holder, who may change it. */
struct lease *ring_lease(struct ring *ring, u16 id);
void ring_lease_return(struct ring *ring, u16 id);
/* Returns all leases of a chain and leaves it empty. */
void ring_chain_return(struct ring *ring, struct lease_chain *chain);
/* Moves all of `more` to the end of `chain`. Small pieces are merged into the last lease, so a
 * chain never holds many leases for few bytes. Not for a chain that a send is reading from. */
void ring_chain_append(struct ring *ring, struct lease_chain *chain, struct lease_chain *more);
/* Drops `bytes` (<= chain->bytes) from the front, returning the leases that become empty. */
void ring_chain_skip(struct ring *ring, struct lease_chain *chain, u32 bytes);
/* Moves the first `bytes` (<= from->bytes) to the end of `to`. At most one lease is split, by
 * copying its shorter part into a fresh one; false, and nothing moved, when none is free. */
MUST_CHECK bool ring_chain_split(struct ring *ring, struct lease_chain *from, u32 bytes,
                                 struct lease_chain *to);
/* Copies `bytes` into the room in front of the first lease's unread bytes, which skipping leaves
 * there; false, and nothing changed, when they do not fit. */
MUST_CHECK bool ring_chain_push_front(struct ring *ring, struct lease_chain *chain,
                                      struct slice bytes);
/* Copies bytes into fresh leases at the end of the chain; false, and nothing changed, when there
 * are not enough. */
MUST_CHECK bool ring_chain_write(struct ring *ring, struct lease_chain *chain, const char *data,
                                 u32 bytes);
/* Copies the first `bytes` (<= chain->bytes) out without taking them. */
void ring_chain_peek(struct ring *ring, const struct lease_chain *chain, char *out, u32 bytes);
/* Leases in a chain. Its length in bytes does not say: they may be filled in part. */
u32 ring_chain_leases(const struct ring *ring, const struct lease_chain *chain);
/* How many bytes one connection should hold at most, now: a share of what is left above a quarter
 * of all, so that many slow connections get little each (dynamic thresholds, Choudhury and Hahne
 * 1998). At least one lease. */
u32 ring_lease_allowance_bytes(const struct ring *ring);
/* True when so few leases are free that bytes which need not be kept should not be. */
bool ring_leases_scarce(const struct ring *ring);
/* True when more than seven eighths are held: what is left is for those who hold nothing yet, and
 * whoever holds much has to give it back. */
bool ring_leases_short(const struct ring *ring);
/* Leases held by anyone at the moment: 0 when nothing is in flight. */
u32 ring_leases_held(const struct ring *ring);
/* All that there are. */
u32 ring_lease_count(const struct ring *ring);

#endif
