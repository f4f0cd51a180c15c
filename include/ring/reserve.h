/*
 * The reserve: a few descriptors of the process for the moment when there is no other one left, for
 * whoever has to be served even then.
 *
 * All threads share one table of descriptors, and so all rings share one reserve. What it lacks it
 * gets before anybody else: ring_close() does not close the next sockets, it puts something else in
 * their place in one step (dup3), wherever that is. Such a number is never free in between, and
 * nobody who waits for one can be quicker.
 */
#ifndef NEXTPROXY_RING_RESERVE_H
#define NEXTPROXY_RING_RESERVE_H

#include "base/types.h"

enum { RING_RESERVE = 4 };

/* From now on there is one, until it is ended; it takes one descriptor more, and when not even that
 * is there, there is no reserve. These are for one thread, whichever that is. */
void ring_reserve_begin(void);
void ring_reserve_end(void);
/* Takes what is lacking from what is free just now. */
void ring_reserve_fill(void);
/* Frees one: the caller's next descriptor, if nobody comes before. False when there is none. */
MUST_CHECK bool ring_reserve_give_up(void);

#endif
