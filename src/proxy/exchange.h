/*
 * Exchange: one request and its response (exchange.c), how it begins (request.c), its attempts
 * (attempt.c), its answer (response.c), and its time (deadline.c).
 */
#ifndef NEXTPROXY_PROXY_EXCHANGE_H
#define NEXTPROXY_PROXY_EXCHANGE_H

#include "proxy/queue.h"
#include "proxy/relay.h"
#include "proxy/uploads.h"
#include "state/circuit.h"
#include "upstream.h"

struct client;
struct rival;

enum {
    TRIED_MAX = 16, /* backends one request may be tried on */
};

enum exchange_phase {
    EXCHANGE_CONNECTING,    /* waits for the upstream connection */
    EXCHANGE_BACKING_OFF,   /* waits before another attempt; there is no upstream */
    EXCHANGE_RESPONSE_HEAD, /* waits for the final response head (the request may still flow) */
    EXCHANGE_RELAYING,      /* the response flows to the client */
    EXCHANGE_REPLYING,      /* our own page flows to the client; no upstream any more */
    EXCHANGE_TUNNEL,        /* bytes both ways until both sides have ended */
    EXCHANGE_QUEUED,        /* waits for a place among those that its route serves */
};

/* What became of retry.hedge. */
enum exchange_hedge {
    HEDGE_POSSIBLE, /* nothing yet */
    HEDGE_DENIED,   /* it was time for one, and it could not be */
    HEDGE_BEHIND,   /* there was one, or is; the exchange's attempt is another one */
    HEDGE_AHEAD,    /* the exchange's attempt is the second of the two */
    HEDGE_WON,      /* ... and its response is the one that is sent */
};

/* What is to be undone when it is over, and seldom there. */
enum exchange_dues {
    DUE_BUDGET = 1, /* it is one of the retries that the pool's budget counts */
    DUE_UPLOAD = 2, /* uploads_add() */
};

/* What every request needs comes first, in the order in which it is touched. */
struct exchange {
    struct transport_hold hold;
    struct proxy *proxy;
    struct client *client;            /* may be gone before the exchange's memory is, see `hold` */
    struct upstream *upstream;        /* NULL when there is none (yet, any more) */
    struct snapshot *snapshot;        /* pinned: `route` and `backend` are of its configuration */
    const struct config_route *route; /* the default one until `routed` */
    struct lease_chain response_head; /* pieces of a response head until it is complete */
    struct relay request;
    struct relay response;
    u64 start_ns;        /* first byte of the request */
    u64 head_ns;         /* its head was complete */
    u64 attempt_ns;      /* this attempt began */
    u64 connected_ns;    /* ... its connection was there */
    u64 first_byte_ns;   /* final response head */
    u64 own_ns;          /* spent in our own handlers */
    u64 key;             /* hash of what must stay together, for BALANCE_IP_HASH */
    char *request_block; /* rewritten request head and inline body */
    /* Rewritten response head, or our own page; NULL when there is none. Taken late and given back
     * early: a few blocks serve all exchanges, and stay in the cache. */
    char *response_block;
    u32 backend;             /* index into config.backends, BALANCE_NONE before one is chosen */
    u32 received_head_bytes; /* of the request head, as it came */
    u32 head_len;            /* of the rewritten request head */
    u32 inline_body_len;     /* request body bytes copied behind it */
    u16 status;              /* sent to the client; 0 = none yet */
    u8 reject;               /* enum http_reject: with FAULT_BAD_REQUEST, what was wrong */
    u8 method;               /* enum http_method */
    u8 phase;
    u8 fault;
    u8 attempts;
    u8 tried_count;
    u8 priority; /* enum config_priority_level, on routes with limits */
    u8 client_minor;
    u8 hedge; /* enum exchange_hedge */
    bool retried_stale;
    bool keep_client;    /* after this exchange the client may send another request */
    bool keep_upstream;  /* the upstream may serve another exchange */
    bool upgrade;        /* the client asked for one */
    bool response_begun; /* a byte of the final response is on its way to the client */
    bool accepts_html;
    bool reused;
    bool counted;  /* state_backend_begin was called for `backend` */
    bool has_room; /* ... and has been already for the next attempt */
    bool route_entered;
    bool routed;
    bool expect_continue; /* the client sends its body when it is told to */
    bool last_hop;        /* Max-Forwards: 0: the answer is ours to give */
    u8 trial;             /* enum circuit_trial */
    u8 dues;              /* enum exchange_dues */
    bool cut;           /* the response ended early: the client gets what there is, then the cut */
    bool session_renew; /* its cookie is to be set again */
    bool secure;        /* the client's connection is encrypted */
    u32 session;        /* the client's backend in the pool, or BALANCE_NONE; see sticky.c */
    struct slice path;  /* these lie in the request block, for the log and the pages */
    struct slice host;
    struct slice method_name;
    struct slice request_id;
    struct slice client_ip; /* of the client behind a trusted proxy; empty = the peer's */
    u64 extended_ns;      /* timeouts.perTry was given to this attempt once more; 0 = it was not */
    u64 acked_bytes;      /* what the peer of a long send had acknowledged at the last timeout */
    struct rival *rival;  /* another attempt under way, or NULL; see hedge.c. Looked at only where
                           * the route is hedged, or something has failed */
    u32 queue_us;         /* how long it was EXCHANGE_QUEUED */
    u32 tried[TRIED_MAX]; /* indexes into the pool. This and what follows begins with any value */
    struct queue_waiter waiter; /* while EXCHANGE_QUEUED */
    struct upload upload;       /* while DUE_UPLOAD */
};

/* With its snapshot pinned; the client's from now on. NULL when all exchanges are in use. */
MUST_CHECK struct exchange *exchange_create(struct client *client);
/* The fields' first values; all the rest that is looked at is zero. The blocks stay to be set. */
void exchange_init(struct exchange *exchange, struct client *client);
/* While it waits in a queue: goes on by the proxy's configuration, in which its route is this one
 * and may have other backends. When that leads other requests now, it stays with the one it began
 * with. */
void exchange_follow(struct exchange *exchange, const struct config_route *route);
/* What the client's transport tells while an exchange is on. Each may end the exchange. */
void exchange_on_client_data(struct exchange *exchange, struct lease_chain *data);
void exchange_on_client_end(struct exchange *exchange);
/* The same, but some of what it has sent may still be unread. */
void exchange_on_client_finished(struct exchange *exchange);
void exchange_on_client_sent(struct exchange *exchange);
void exchange_on_client_paused(struct exchange *exchange);
/* Ends the exchange badly: answers with a page if nothing was sent yet, else shows the cut. */
void exchange_fail(struct exchange *exchange, enum fault fault);
/* The same for a fault that is in the log already. */
void exchange_answer(struct exchange *exchange, enum fault fault);
/* What is still to come of the request is not wanted; no backend is. */
void exchange_end_request(struct exchange *exchange, bool keep_client);
/* Ends it now, with a reset to whoever is still there: the client is gone, or nothing more can be
 * done for it. */
void exchange_cancel(struct exchange *exchange, enum fault fault);
/* Ends the exchange when both halves are done. To be called after anything happened. */
void exchange_step(struct exchange *exchange);

/* request.c: the beginning. */

/* Begins an exchange for a parsed request. `data` is taken over: it begins with the head_bytes of
 * the head, which may be where the request's slices point. */
void exchange_start(struct client *client, const struct http_request *request, u32 head_bytes,
                    struct lease_chain *data);
/* Answers a request that could not be read: FAULT_BAD_REQUEST, with what is known of it, or
 * FAULT_HEAD_TIMEOUT with NULL. */
void exchange_reject(struct client *client, enum fault fault, const struct http_request *request);
/* What the parsed request says of itself, and the route it takes. */
void exchange_note(struct exchange *exchange, const struct http_request *request);
/* The same of a request whose head was refused; NULL: the head did not come to its end. */
void exchange_note_rejected(struct exchange *exchange, const struct http_request *request);

/* deadline.c: sets the client's timer to what the exchange is waiting for. */
void exchange_set_deadline(struct exchange *exchange);
/* The same at the beginning of an attempt. */
void exchange_begin_deadline(struct exchange *exchange);
void exchange_on_timeout(struct exchange *exchange);
/* True when it cannot go on before the client sends more of its request, and the client knows. */
bool exchange_waits_for_body(const struct exchange *exchange);
/* When the backend's time began: with the attempt, or with the last send of a body that the client
 * was still sending then. */
u64 exchange_asked_ns(const struct exchange *exchange);
/* What its phase has left since it began, on a timer that was set to something earlier. */
void exchange_resume_deadline(struct exchange *exchange);

/* attempt.c: choosing a backend, connecting. */
void attempt_start(struct exchange *exchange);
/* The two halves of it: picks a backend; and what comes then. */
enum attempt_choice { ATTEMPT_PICKED, ATTEMPT_NONE, ATTEMPT_FULL };
MUST_CHECK enum attempt_choice attempt_pick(struct exchange *exchange, bool fresh);
void attempt_go(struct exchange *exchange, enum attempt_choice choice);
/* The next attempt is on this member of the pool. */
void attempt_choose(struct exchange *exchange, u32 member);
/* Begins the attempt; `fresh`: not on a connection that was idle. */
void attempt_begin(struct exchange *exchange, bool fresh);
/* The upstream connection is there: sends the request. */
void attempt_connected(struct exchange *exchange);
/* The attempt failed before a byte of response: tries again or fails. */
void attempt_failed(struct exchange *exchange, enum fault fault, struct ring_done done);
/* Takes the upstream off the exchange, to the pool when `reusable`. */
void attempt_end(struct exchange *exchange, bool reusable);
extern const struct upstream_events attempt_events;

/* choice.c: an index into the route's pool; BALANCE_NONE when nobody is usable and untried,
 * CHOICE_FULL when all who are have as many requests as they may. May set exchange->trial, and
 * exchange->has_room. `fresh`: it has tried nobody, and follows the proxy's configuration. */
#define CHOICE_FULL (BALANCE_NONE - 1)
u32 choice_make(struct exchange *exchange, bool fresh);

/* outcome.c: what an attempt says of its backend. Each is to be told before attempt_end(). */
void outcome_failed(struct exchange *exchange, enum fault fault, struct ring_done done);
/* The final response's head is there. */
void outcome_head(struct exchange *exchange, u32 status);
/* The response is there to its end. */
void outcome_complete(struct exchange *exchange);
/* The attempt was a trial, and ends without saying anything. */
void outcome_none(struct exchange *exchange);
/* The attempt is a trial and takes too long: another request may be one. */
void outcome_late(struct exchange *exchange);
/* retry.c: trying again. */
struct retry_reason {
    enum fault fault;      /* what the attempt has failed with; FAULT_BAD_STATUS: outcome_head() */
    struct ring_done done; /* ... has been told. For all others, how its connection ended */
    u16 status;            /* with FAULT_BAD_STATUS */
    bool reusable;         /* the connection is */
};
/* Gives the attempt up for one on another backend, now or after a pause. False, and nothing has
 * happened, when that is not possible. */
MUST_CHECK bool retry_elsewhere(struct exchange *exchange, const struct retry_reason *reason);
/* The attempt is over: what it says is told, its connection given back, and nothing is left. */
void retry_give_up(struct exchange *exchange, const struct retry_reason *reason);
/* The same for one on a fresh connection to the same backend: its idle one had died. */
MUST_CHECK bool retry_stale(struct exchange *exchange, const struct retry_reason *reason);
/* Doing the request twice is as good as once. */
bool retry_repeatable(const struct exchange *exchange);
/* False when it is clear that no other attempt can follow this one. */
bool retry_conceivable(const struct exchange *exchange);
void retry_budget_leave(struct exchange *exchange);
/* Who is asked next. */
struct retry_choice {
    u32 member; /* of the pool */
    u8 trial;   /* these are to be the exchange's, when the attempt is on its way */
    bool has_room;
};
/* Chooses, and enters the budget. RETRY_DENIAL_COUNT when nothing speaks against it. */
MUST_CHECK enum retry_denial retry_judge(struct exchange *exchange, enum fault fault,
                                         struct retry_choice *choice);

/* hedge.c: a second attempt while the first one still waits. */

/* When it is to begin, if nothing comes before; UINT64_MAX = there will be none. It may move while
 * the exchange waits, as the percentile does. */
u64 hedge_due_ns(const struct exchange *exchange);
/* It is time for that: begins it if it can be. There is a deadline, whichever. */
void hedge_begin(struct exchange *exchange);
/* The attempt has failed: its rival goes on in its stead. False when there is none. */
MUST_CHECK bool hedge_fall_back(struct exchange *exchange, const struct retry_reason *reason);
/* The attempt's response is to be sent: the rival is ended. */
void hedge_decide(struct exchange *exchange);
/* What both wait for has changed, and with it the rival's deadline, too. */
void hedge_begin_deadline(struct exchange *exchange);
/* Its rival, if it has one, becomes the exchange's attempt, and that the rival. */
void hedge_change_places(struct exchange *exchange);
/* Neither is wanted any more: the rival is ended, if there is one. */
void hedge_call_off(struct exchange *exchange);
/* A response's head took so long: for the route's percentile, when it was one of the kind. */
void hedge_sample(struct exchange *exchange, u64 latency_us);
/* Which of the exchange's attempts the present one is. */
u8 hedge_attempt_number(const struct exchange *exchange);
/* One rival's memory. */
usize hedge_rival_bytes(void);

/* sticky.c: sessions by cookie, where the route has such. */

/* What the request's cookies say. */
void sticky_note(struct exchange *exchange, const struct http_request *request);
/* True when the session's cookie is in this Cookie field. */
bool sticky_holds(const struct exchange *exchange, struct slice value);
/* What else is in such fields. */
void sticky_write_cookies(const struct exchange *exchange, const struct http_fields *fields,
                          struct http_writer *writer);
/* The session's cookie, when the client needs another one. */
void sticky_write_session(struct exchange *exchange, struct http_writer *writer);

/* replay.c: bodies that may have to be sent again. */

/* Before a request is sent whose body is not all in the request block: begins to keep it, or sends
 * again what was kept. */
void replay_prepare(struct exchange *exchange);

/* response.c: what comes from the upstream. */
void response_on_data(struct exchange *exchange, struct lease_chain *data);
/* The upstream has finished sending (RING_END) or is lost. */
void response_on_end(struct exchange *exchange, struct ring_done done);
/* Answers from ourselves, with the page of exchange->fault. */
void response_page(struct exchange *exchange);
/* Answers an OPTIONS that goes no further. */
void response_options(struct exchange *exchange);
/* Writes that page, head and body, into the response block and sets the status. Empty when there is
 * no block to be had. */
struct slice response_page_write(struct exchange *exchange);

/* refusal.c: answers when there is no exchange left to answer with. `data` is what came with the
 * request, or NULL; it is given back. The client is closed behind the page. */
void refusal_send(struct client *client, enum fault fault, const struct http_request *request,
                  struct lease_chain *data);

#endif
