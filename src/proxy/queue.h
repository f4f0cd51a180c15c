/*
 * Queues: exchanges that wait for a place on their route, or for room at a backend, one queue for
 * each route and worker. How many run and how many wait over all workers, and whose turn it is
 * among them, is in state/routes.h.
 *
 * An exchange on a route without limits does not come here at all.
 */
#ifndef NEXTPROXY_PROXY_QUEUE_H
#define NEXTPROXY_PROXY_QUEUE_H

#include "base/list.h"
#include "config.h"
#include "limit.h"
#include "state/exchanges.h"
#include "state/routes.h"

struct exchange;
struct http_request;
struct proxy;

/* In the exchange that waits. */
struct queue_waiter {
    struct list node;
    u64 since_ns;
    u64 turn_ns; /* what is earlier goes first: since_ns, and what the priority costs */
};

struct queue {
    struct list levels[CONFIG_PRIORITY_COUNT]; /* of waiters by priority, longest first */
    struct list waiting;                       /* in queues.waiting, while there are some */
    struct list due;                           /* in queues.due: somebody's turn may have come */
    struct list for_room;     /* in queues.for_room: the first waits for room at a backend */
    struct limit_codel codel; /* of those that wait here */
    /* Of the newest configuration that has the route. */
    struct limit_codel_settings shedding;    /* target_ns 0 = none */
    struct limit_gradient_settings adaptive; /* least 0 = the limit does not follow the latency */
    u32 active_max;                          /* 0 = no limit any more */
    u32 slot;
    u32 count;
    bool ready; /* has been used before: the lists are lists */
};

/* One worker's. */
struct queues {
    struct state_routes *routes;
    struct state_waits *waits;         /* by slot, as the next one: the worker's own */
    struct state_route_tally *tallies; /* by slot */
    struct queue *by_slot;
    struct list waiting;
    struct list due;
    struct list for_room;
    u64 room_turn_ns; /* as told: the first turn of those queues; 0 = there are none */
    bool rooms;       /* some configuration so far had backends with a limit */
    bool room_freed;  /* there may be more room since the last round began */
};

/* False when memory is refused. */
MUST_CHECK bool queues_create(struct proxy *proxy);
void queues_destroy(struct proxy *proxy);

/* The priority that a request has on this route. */
u8 queue_priority(const struct config_route *route, const struct http_request *request,
                  bool trusted);

/* Begins the exchange's first attempt: now, when its turn comes, or never. It may be over when this
 * returns. Only for routes that are `limited`. */
void queue_enter(struct exchange *exchange);
/* The exchange, which is in EXCHANGE_QUEUED, waits no more. Its phase is for the caller to set. */
void queue_abandon(struct exchange *exchange);
/* It has waited for its route's timeouts.queue. */
void queue_timed_out(struct exchange *exchange);
/* Gives back the place that the exchange has. */
void queue_leave(struct exchange *exchange);

/* How many its route may serve at a time, all workers together; 0 = any number. */
u32 queue_places(const struct exchange *exchange);

/* The exchange's request was answered, or should have been: a sample for the route's limit. */
void queue_sample(struct exchange *exchange);
/* The exchange ends before that, because its client is gone or for another reason. */
void queue_sample_unanswered(struct exchange *exchange);
/* There is one request less at a backend. */
void queue_room_freed(struct proxy *proxy);

/* Begins exchanges whose turn has come. At the end of a turn of the loop: no handler finds that one
 * exchange's end was another's beginning. */
void queues_run(struct proxy *proxy);
/* The proxy has another configuration, perhaps with other limits. */
void queues_adopt(struct proxy *proxy);

#endif
