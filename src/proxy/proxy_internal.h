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
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/overload_stage.h"
#include "proxy/queue.h"
#include "proxy/relay.h"
#include "proxy/uploads.h"
#include "transport.h"
#include "upstream.h"

enum {
    REQUEST_ID_BYTES = 36,
    /* Room in a head block for what we add to a head of the largest size. */
    HEAD_BLOCK_EXTRA_BYTES = 4096,
    /* A body that came with its head and is not larger is copied behind it, so that the message
     * goes out as one plain send and its receive buffer is free at once. */
    INLINE_BODY_BYTES_MAX = 4096,
};

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
/* True when the client's own connection is encrypted, as a trusted proxy says. */
bool forwarding_client_secure(const struct client *client, const struct http_fields *fields);
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
    RETRY_OTHER,  /* on another backend, always: the request never left */
    RETRY_FRESH,  /* once on a fresh connection, then as RETRY_REPLAY */
    RETRY_REPLAY, /* on another backend, if the request may be sent again */
};

struct fault_row {
    const char *name; /* snake_case, in logs and counters */
    u16 status;       /* of the page; 0 = the client is told nothing */
    u8 blame;
    u8 retry;
    u8 severity;          /* enum log_severity */
    bool keep_client;     /* the connection's framing is still sound */
    bool retry_after;     /* it may be otherwise in a moment, and the client is told so */
    const char *text;     /* for the page: says nothing of the inside */
    const char *log_text; /* for the operator */
    const char *error;    /* the log's `error` when the kernel gave none; NULL = the name */
};

const struct fault_row *fault_row(enum fault fault);
/* The fault that a failed connect or a failed send amounts to. */
enum fault fault_of_connect(enum ring_status status);
/* ... and a body that a relay did not take. */
enum fault fault_of_body(enum relay_verdict verdict);

/* ---- Records (record.c) ---- */

void record_begun(struct exchange *exchange); /* of one whose route is known */
void record_access(struct exchange *exchange);
/* A failed attempt, or a failed exchange; `error` is an errno or 0, with FAULT_BAD_STATUS the
 * status. */
void record_fault(struct exchange *exchange, enum fault fault, i32 error);
/* The queue that the exchange is in, or was the last in, stands; or it is empty after that. */
void record_queue(struct exchange *exchange, bool stands);
/* A failure before there was an exchange. */
void record_client_fault(struct client *client, enum fault fault, const char *detail);
/* Another stage, what it means, and what led there ("" = less of everything). */
void record_overload(struct proxy *proxy, enum overload_stage stage, const char *what,
                     const char *why);
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
    struct state_tally *tallies; /* by slot, as the next four: the worker's own */
    struct state_latencies *latencies;
    struct state_exchanges *route_exchanges;
    struct state_latencies *route_durations;
    struct state_hedges *hedges; /* by slot of the route */
    struct log_buffer *logs[LOG_FILE_COUNT];
    struct upstreams *upstreams;
    struct transport_reaper reaper;
    struct slab clients;
    struct slab exchanges;
    struct slab inboxes; /* head_bytes_max each */
    struct slab blocks;  /* exchange_block_bytes each, for responses */
    struct slab replays; /* struct replay with replay_bytes_max */
    struct slab rivals;
    /* Kept for refusals when all exchanges are in use: it serves one for as long as a call lasts,
     * so it is enough for any number of them. */
    struct exchange *spare;
    char *spare_block;
    struct list connected; /* all clients */
    struct queues queues;
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
    u32 asked;  /* clients that have had a request */
    u32 exchange_block_bytes;
    u32 replay_bytes_max;
    u32 sample_threshold; /* of 2^32: which share of requests is logged */
    bool draining;        /* clients may have one more request */
    bool retiring;        /* draining, and a successor serves: clients are sent there */
    bool stopped;         /* nobody may have anything any more */
    bool last_responses;  /* each response is the last one on its connection */
    char date[HTTP_DATE_BYTES];
    /* Scratch of whatever is being parsed at the moment; nothing here outlives a handler. */
    struct http_request request;
    struct http_response response;
    struct overload overload;
    struct wheel_timer removal; /* when the first of what was removed has had its time */
    struct wheel_timer
        scarcity; /* when leases are short, and somebody may have to give some back */
    struct uploads uploads;
};

/* ---- What is not configured any more (removal.c) ---- */

void removal_init(struct proxy *proxy);
/* The proxy has another snapshot. */
void removal_adopt(struct proxy *proxy);
/* Until when the exchange may be on a backend of its configuration; UINT64_MAX: nothing ends that.
 */
u64 removal_due_ns(const struct exchange *exchange, u32 backend);
/* It may be there from now on, and its time ends then. */
void removal_watch(struct proxy *proxy, u64 end_ns);
void removal_stop(struct proxy *proxy);

/* ---- Too few leases (scarcity.c) ---- */

void scarcity_init(struct proxy *proxy);
void scarcity_after_turn(struct proxy *proxy);
void scarcity_stop(struct proxy *proxy);

static inline u64 proxy_now_ns(const struct proxy *proxy)
{
    return ring_now_ns(proxy->ring);
}

/* Who is being stopped begins nothing new; who retires still serves whoever is there. */
static inline bool proxy_turns_away(const struct proxy *proxy)
{
    return proxy->draining && !proxy->retiring;
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
