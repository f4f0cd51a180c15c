/*
 * What the files of src/proxy share: the client, the exchange and its two relays.
 *
 *   client ----- exchange ----- upstream
 *     \__ request relay  -->  __/
 *      \_ response relay <-- _/
 */
#ifndef NEXTPROXY_PROXY_INTERNAL_H
#define NEXTPROXY_PROXY_INTERNAL_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "http.h"
#include "proxy.h"
#include "transport.h"
#include "upstream.h"

struct exchange;
struct client;

enum {
    CLIENT_IP_BYTES_MAX = 46,
    REQUEST_ID_BYTES = 36,
    /* Room in a head block for what we add to a head of the largest size. */
    HEAD_BLOCK_EXTRA_BYTES = 4096,
    /* A body that came with its head and is not larger is copied behind it, so that the message
     * goes out as one plain send and its receive buffer is free at once. */
    INLINE_BODY_BYTES_MAX = 4096,
    TRIED_MAX = 16, /* backends one request may be tried on */
};

/* ---- Relay: one direction of body bytes (relay.c) ---- */

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
    u32 sending_bytes; /* in the send under way; 0 = none is */
    u32 window_bytes;  /* how much may wait for the sink */
    struct http_chunked chunked;
    char *trailer; /* an inbox while a trailer section is read, or NULL */
    u16 trailer_len;
    u8 body;        /* enum http_body */
    u8 state;       /* enum relay_state */
    bool decode;    /* take the chunk framing off, for an HTTP/1.0 client */
    bool bulk;      /* so much is coming that single, paced receives are cheaper */
    bool held_back; /* the source is ahead of us with its next message: it has to wait */
};

/* A relay without a message yet; what is queued is sent. */
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
/* True while bytes wait for the sink, or are being sent to it. */
static inline bool relay_pending(const struct relay *relay)
{
    return relay->head.len > 0 || relay->queue.bytes > 0 || relay->sending_bytes > 0;
}

/* True when all of the message is sent, or in the send under way. */
static inline bool relay_handed_over(const struct relay *relay)
{
    return relay->state == RELAY_DONE ||
           (relay->state == RELAY_ENDED && relay->head.len == 0 && relay->queue.bytes == 0);
}

/* ---- Exchange (exchange.c, response.c, retry in attempt.c) ---- */

enum exchange_phase {
    EXCHANGE_CONNECTING,    /* waits for the upstream connection */
    EXCHANGE_RESPONSE_HEAD, /* waits for the final response head (the request may still flow) */
    EXCHANGE_RELAYING,      /* the response flows to the client */
    EXCHANGE_REPLYING,      /* our own page flows to the client; no upstream any more */
    EXCHANGE_TUNNEL,        /* bytes both ways until both sides have ended */
};

struct exchange {
    struct transport_hold hold;
    struct relay request;
    struct relay response;
    struct proxy *proxy;
    struct client *client;     /* may be gone before the exchange's memory is, see `hold` */
    struct upstream *upstream; /* NULL when there is none (yet, any more) */
    struct snapshot *snapshot; /* pinned: `route` and `backend` are of its configuration */
    const struct config_route *route;
    struct lease_chain response_head; /* pieces of a response head until it is complete */
    u64 start_ns;                     /* first byte of the request */
    u64 head_ns;                      /* its head was complete */
    u64 attempt_ns;                   /* this attempt began */
    u64 connected_ns;                 /* ... its connection was there */
    u64 first_byte_ns;                /* final response head */
    u64 acked_bytes;         /* what the peer of a long send had acknowledged at the last timeout */
    u64 own_ns;              /* spent in our own handlers */
    u32 tried[TRIED_MAX];    /* indexes into the pool */
    u32 backend;             /* index into config.backends, BALANCE_NONE before one is chosen */
    u32 received_head_bytes; /* of the request head, as it came */
    u32 head_len;            /* of the rewritten request head */
    u32 inline_body_len;     /* request body bytes copied behind it */
    struct slice path;       /* these lie in the request block, for the log and the pages */
    struct slice host;
    struct slice method_name;
    struct slice request_id;
    struct slice client_ip; /* of the client behind a trusted proxy; empty = the peer's */
    u64 key;                /* hash of what must stay together, for BALANCE_IP_HASH */
    u16 status;             /* sent to the client; 0 = none yet */
    u8 reject;              /* enum http_reject: with FAULT_BAD_REQUEST, what was wrong */
    u8 method;              /* enum http_method */
    u8 phase;
    u8 fault;
    u8 attempts;
    u8 tried_count;
    u8 client_minor;
    bool retried_stale;
    bool keep_client;    /* after this exchange the client may send another request */
    bool keep_upstream;  /* the upstream may serve another exchange */
    bool upgrade;        /* the client asked for one */
    bool response_begun; /* a byte of the final response is on its way to the client */
    bool accepts_html;
    bool reused;
    bool counted; /* state_backend_begin was called for `backend` */
    bool route_entered;
    bool expect_continue; /* the client sends its body when it is told to */
    bool last_hop;        /* Max-Forwards: 0: the answer is ours to give */
    bool cut;            /* the response ended early: the client gets what there is, then the cut */
    char *request_block; /* rewritten request head and inline body */
    /* Rewritten response head, or our own page; NULL when there is none. Taken late and given back
     * early: a few blocks serve all exchanges, and stay in the cache. */
    char *response_block;
};

/* Begins an exchange for a parsed request. `data` is taken over: it begins with the head_bytes of
 * the head, which may be where the request's slices point. */
void exchange_start(struct client *client, const struct http_request *request, u32 head_bytes,
                    struct lease_chain *data);
/* Answers a request that could not be read: FAULT_BAD_REQUEST, with what is known of it, or
 * FAULT_HEAD_TIMEOUT with NULL. */
void exchange_reject(struct client *client, enum fault fault, const struct http_request *request);
/* The fields' first values; all the rest is zero. The blocks stay to be set. */
void exchange_init(struct exchange *exchange, struct client *client);
/* What the parsed request says of itself, and the route it takes. */
void exchange_note(struct exchange *exchange, const struct http_request *request);
/* The same of a request whose head was refused; NULL: the head did not come to its end. */
void exchange_note_rejected(struct exchange *exchange, const struct http_request *request);
/* What the client's transport tells while an exchange is on. Each may end the exchange. */
void exchange_on_client_data(struct exchange *exchange, struct lease_chain *data);
void exchange_on_client_end(struct exchange *exchange);
void exchange_on_client_sent(struct exchange *exchange);
void exchange_on_client_paused(struct exchange *exchange);
/* Ends the exchange badly: answers with a page if nothing was sent yet, else shows the cut. */
void exchange_fail(struct exchange *exchange, enum fault fault);
/* The same for a fault that is in the log already. */
void exchange_answer(struct exchange *exchange, enum fault fault);
/* The client is gone: cancels everything. */
void exchange_cancel(struct exchange *exchange, enum fault fault);
/* Ends the exchange when both halves are done. To be called after anything happened. */
void exchange_step(struct exchange *exchange);

/* deadline.c: sets the client's timer to what the exchange is waiting for. */
void exchange_set_deadline(struct exchange *exchange);
/* The same at the beginning of an attempt. */
void exchange_begin_deadline(struct exchange *exchange);
void exchange_on_timeout(struct exchange *exchange);

/* attempt.c: choosing a backend, connecting, trying again. */
void attempt_start(struct exchange *exchange);
/* The upstream connection is there: sends the request. */
void attempt_connected(struct exchange *exchange);
/* The attempt failed before a byte of response: tries again or fails. */
void attempt_failed(struct exchange *exchange, enum fault fault, struct ring_done done);
/* Takes the upstream off the exchange, to the pool when `reusable`. */
void attempt_end(struct exchange *exchange, bool reusable);
extern const struct upstream_events attempt_events;

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

/* ---- Client (client.c) ---- */

enum client_state {
    CLIENT_PROXY_HEADER, /* waits for a PROXY protocol header */
    CLIENT_IDLE,         /* waits for the first byte of a request */
    CLIENT_HEAD,         /* waits for the rest of a request head */
    CLIENT_EXCHANGING,   /* the exchange decides what it waits for */
    CLIENT_LINGERING,    /* our FIN is out; waits for the peer's, dropping what still comes */
    CLIENT_CLOSING,      /* waits for the kernel to let go */
    CLIENT_STATE_COUNT,
};

struct client {
    struct transport transport;
    struct wheel_timer timer;
    struct proxy *proxy;
    struct exchange *exchange;  /* while CLIENT_EXCHANGING */
    struct list node;           /* in proxy->clients */
    char *inbox;                /* bytes of the next head that could not be used yet, or NULL */
    struct lease_chain backlog; /* what did not fit into it */
    u64 request_start_ns;       /* first byte of the request being read */
    u64 key;                    /* hash of the address, for BALANCE_IP_HASH */
    u32 inbox_len;
    u32 requests;
    u8 state;     /* enum client_state */
    bool trusted; /* the peer is one of trustedProxies */
    bool local;   /* ... is at a unix socket: it has no address */
    u8 ip_len;
    char ip[CLIENT_IP_BYTES_MAX];
};

void client_start(struct proxy *proxy, int fd, const struct config_listener *listener);
void client_set_deadline(struct client *client, u32 timeout_ms);
/* Ends an idle client at a graceful stop. */
void client_drain(struct client *client);
/* Sends a page that is not an exchange's, then closes. `page` is taken over. */
void client_refuse(struct client *client, struct lease_chain *page);
/* The exchange is over: next request, or the end. */
void client_exchange_ended(struct client *client, bool keep);
void client_close(struct client *client, bool reset);
/* Takes what was kept back, at the end of `data`; false when there is no room for it as leases. */
MUST_CHECK bool client_take_back(struct client *client, struct lease_chain *data);
/* Keeps bytes that came before their turn. False when there is no room for them. */
MUST_CHECK bool client_keep_back(struct client *client, struct lease_chain *data);
bool client_input_waiting(const struct client *client);
/* Takes what fits from the backlog into the inbox. False when there is no inbox to be had. */
MUST_CHECK bool client_inbox_refill(struct client *client);
void client_inbox_release(struct client *client);

static inline struct slice client_ip(const struct client *client)
{
    return slice_of(client->ip, client->ip_len);
}

/* ---- Rewriting heads (rewrite.c) ---- */

/* Writes the request head that goes upstream into exchange->request_block and notes where method,
 * path, host and request id lie in it. False when it does not fit. */
MUST_CHECK bool rewrite_request(struct exchange *exchange, const struct http_request *request,
                                struct http_writer *writer);
/* Writes the response head that goes to the client. `framing` decides about length and chunking. */
MUST_CHECK bool rewrite_response(struct exchange *exchange, const struct http_response *response,
                                 struct http_framing framing, struct http_writer *writer);

/* forwarding.c: X-Forwarded-*, X-Real-IP, Via, X-Request-ID. */
void forwarding_write(struct exchange *exchange, const struct http_request *request,
                      struct http_writer *writer);
/* For a request that is refused before it is rewritten: notes method, path, host and id in the
 * request block, as far as they are known. */
void forwarding_note_refused(struct exchange *exchange, const struct http_request *request);
/* A UUIDv7 (RFC 9562 §5.7) as text. */
void request_id_make(struct rng *rng, u64 wall_ns, char out[REQUEST_ID_BYTES]);

/* header_edits.c: what the route adds, sets and removes. */
bool header_edits_drop(const struct config_header_edits *edits, struct slice name);
void header_edits_write(const struct config_header_edits *edits, struct http_writer *writer);

/* ---- Route (route.c) ---- */

#define ROUTE_NONE UINT32_MAX

/* The most specific route for host and path; the default route matches everything. ROUTE_NONE when
 * nobody can say which, because of dot segments. */
u32 route_find(const struct config *config, struct slice host, struct slice path);

/* ---- Faults (fault.c) ---- */

enum fault_blame { BLAME_CLIENT, BLAME_US, BLAME_BACKEND };

enum fault_retry {
    RETRY_NEVER,
    RETRY_OTHER, /* on another backend, always: the request never left */
    RETRY_FRESH, /* once, on a fresh connection, if the request may be replayed */
};

struct fault_row {
    const char *name; /* snake_case, in logs and counters */
    u16 status;       /* of the page; 0 = the client is told nothing */
    u8 blame;
    u8 retry;
    u8 severity;          /* enum log_severity */
    bool keep_client;     /* the connection's framing is still sound */
    const char *text;     /* for the page: says nothing of the inside */
    const char *log_text; /* for the operator */
    const char *error;    /* the log's `error` when the kernel gave none; NULL = the name */
};

const struct fault_row *fault_row(enum fault fault);
/* The fault that a failed connect or a failed send amounts to. */
enum fault fault_of_connect(enum ring_status status);

/* ---- Records (record.c) ---- */

void record_access(struct exchange *exchange);
/* A failed attempt, or a failed exchange; `error` is an errno or 0. */
void record_fault(struct exchange *exchange, enum fault fault, i32 error);
/* A failure before there was an exchange. */
void record_client_fault(struct client *client, enum fault fault, const char *detail);
/* Work that was turned away for want of `what`: one line a second at most, with how often. */
void record_refusal(struct proxy *proxy, const char *what);

/* ---- Pages (page.c) ---- */

/* Writes the body of an error page, JSON or HTML, from the configured template or the built-in one.
 * Whatever came from outside is escaped for its form. */
struct page {
    u32 status;
    struct slice message;
    struct slice request_id;
    bool html;
};
void page_write(const struct config_error_templates *templates, const struct page *page,
                struct http_writer *writer);

/* ---- PROXY protocol (proxy_protocol.c) ---- */

enum proxy_header { PROXY_HEADER_DONE, PROXY_HEADER_PARTIAL, PROXY_HEADER_BAD };

struct proxy_header_info {
    u32 bytes;  /* length of the header */
    bool known; /* `source` is valid; false for LOCAL and UNKNOWN */
    struct address source;
};

enum { PROXY_HEADER_BYTES_MAX = 536 };
MUST_CHECK enum proxy_header proxy_header_parse(struct slice data, struct proxy_header_info *info);

/* ---- The worker's data path (proxy.c) ---- */

struct proxy {
    struct ring *ring;
    struct wheel *wheel;
    struct snapshot *snapshot;   /* what new exchanges follow */
    const struct config *config; /* the snapshot's */
    struct state *state;
    struct state_tally *tallies; /* by slot: the worker's own */
    struct log_buffer *logs[LOG_FILE_COUNT];
    struct upstreams *upstreams;
    struct transport_reaper reaper;
    struct slab clients;
    struct slab exchanges;
    struct slab inboxes; /* head_bytes_max each */
    struct slab blocks;  /* exchange_block_bytes each, for responses */
    /* Kept for refusals when all exchanges are in use: it serves one for as long as a call lasts,
     * so it is enough for any number of them. */
    struct exchange *spare;
    char *spare_block;
    struct list connected; /* all clients */
    struct arena arena;
    struct rng rng;
    struct proxy_counters counters;
    u64 wall_offset_ns; /* wall clock minus monotonic, refreshed now and then */
    u64 wall_refresh_ns;
    u64 drain_deadline_ns;
    u64 refusal_logged_ns;
    u64 refusals; /* since then */
    u64 date_second;
    u32 worker; /* which of the snapshot's workers this is */
    u32 exchange_block_bytes;
    u32 sample_threshold; /* of 2^32: which share of requests is logged */
    bool draining;
    char date[HTTP_DATE_BYTES];
    /* Scratch of whatever is being parsed at the moment; nothing here outlives a handler. */
    struct http_request request;
    struct http_response response;
};

static inline u64 proxy_now_ns(const struct proxy *proxy)
{
    return ring_now_ns(proxy->ring);
}

static inline u64 proxy_wall_ns(const struct proxy *proxy)
{
    return proxy_now_ns(proxy) + proxy->wall_offset_ns;
}

static inline const struct config_backend *exchange_backend(const struct exchange *exchange)
{
    return &exchange->snapshot->config->backends[exchange->backend];
}

static inline u32 exchange_backend_slot(const struct exchange *exchange)
{
    return exchange->snapshot->backend_slots[exchange->backend];
}

static inline struct state_tally *exchange_tally(const struct exchange *exchange)
{
    return &exchange->proxy->tallies[exchange_backend_slot(exchange)];
}

static inline u32 exchange_route_slot(const struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->snapshot;
    return snapshot->route_slots[exchange->route - snapshot->config->routes];
}

struct slice proxy_date(struct proxy *proxy);

#endif
