/*
 * The load generator: its options, its state, and the functions that its files share.
 *
 *   options.c     the command line
 *   connection.c  one connection: connect, send, receive, check, close
 *   traffic.c     who sends when: the phases, the closed loop, the constant rate
 *   report.c      the JSON at the end
 *
 * Phases: FILLING (idle connections are made, each after one request) -> OPENING (the active ones)
 * -> WARMING -> MEASURING -> DRAINING (nothing new is sent, what is in flight may end) -> OVER.
 */
#ifndef NEXTPROXY_BENCH_LOAD_LOAD_H
#define NEXTPROXY_BENCH_LOAD_LOAD_H

#include <netinet/in.h>

#include "common/buffers.h"
#include "common/histogram.h"
#include "common/pattern.h"
#include "common/ring.h"
#include "load/response.h"
#include "load/watch.h"

enum { REQUEST_BYTES_MAX = 2048 };

enum load_error {
    ERROR_CONNECT,
    ERROR_RESET,       /* a send or receive failed */
    ERROR_CLOSED,      /* the peer closed before the response was complete */
    ERROR_IDLE_CLOSED, /* the peer closed a keep-alive connection between requests */
    ERROR_HEAD,
    ERROR_STATUS,
    ERROR_LENGTH,
    ERROR_BODY,
    ERROR_EXTRA,
    ERROR_TIMEOUT, /* still not answered when draining ended */
    ERROR_COUNT,
};

enum phase {
    PHASE_FILLING,
    PHASE_OPENING,
    PHASE_WARMING,
    PHASE_MEASURING,
    PHASE_DRAINING,
    PHASE_OVER,
};

enum connection_state {
    CONNECTION_DOWN,
    CONNECTION_CONNECTING,
    CONNECTION_READY,   /* keep-alive, nothing asked */
    CONNECTION_WAITING, /* a request is out, the response is not complete */
    CONNECTION_ENDING,  /* the response is complete, the peer must close (one request each) */
    CONNECTION_CLOSING, /* shut down; waits until the kernel owes nothing */
};

struct options {
    struct sockaddr_in target;
    u32 connections;
    u32 idle;
    u64 requests; /* 0: by time */
    u64 rate;     /* 0: closed loop; requests per second otherwise */
    double seconds;
    double warmup_seconds;
    bool fresh;      /* a new connection for each request */
    bool may_refuse; /* a 503 is an answer, too */
    int cpu;
    u64 body_bytes;
    char request[REQUEST_BYTES_MAX];
    usize request_len;
    struct watch watches[WATCHES_MAX];
    u32 watch_count;
};

struct connection {
    int fd;
    enum connection_state state;
    bool idle;       /* one of the idle ones: asks once, then only stays open */
    bool receiving;  /* a receive is armed */
    bool connecting; /* a connect is in flight */
    bool queued;     /* constant rate: stands in the queue of ready connections */
    u64 intended_ns; /* when the request should have left */
    struct response response;
};

struct load {
    struct options options;
    struct bench_ring ring;
    struct buffer_group group;
    struct connection *connections; /* idle ones first, then active ones */
    struct connection **ready;      /* constant rate: a queue of the connections that may send */
    u32 ready_first;
    u32 ready_count;
    u32 opened;    /* connections of this phase that were started */
    u32 settled;   /* connections of this phase that are open (and parked, when idle) */
    u32 in_flight; /* active requests without a complete response */
    enum phase phase;
    bool bulk;        /* bodies are discarded by the kernel, not copied */
    u8 *discard;      /* an address range for that, never touched */
    u64 phase_end_ns; /* when the running phase ends */
    u64 last_due_ns;  /* constant rate: requests that are due later are not sent */
    u64 begin_ns;
    u64 end_ns;
    u64 start_ns;   /* constant rate: when request 0 was due */
    u64 sent;       /* constant rate: how many are sent, so the next is due at a known time */
    u64 completed;  /* in the measured window */
    u64 refused;    /* beside these */
    u64 bytes;      /* received in the measured window */
    u64 reconnects; /* connections made again after an error */
    u64 errors[ERROR_COUNT];
    u64 error_count;
    struct histogram latency; /* ns */
    u8 block[PATTERN_BLOCK_BYTES];
};

/* options.c */
void options_parse(struct options *options, int argc, char **argv);

/* connection.c */
void connection_open(struct load *load, struct connection *connection);
void connection_send(struct load *load, struct connection *connection, u64 intended_ns);
void connection_close(struct load *load, struct connection *connection);
void connection_dispatch(struct load *load, const struct io_uring_cqe *cqe);

/* traffic.c: called by a connection when something happened to it */
void traffic_opened(struct load *load, struct connection *connection);
void traffic_answered(struct load *load, struct connection *connection);
void traffic_closed(struct load *load, struct connection *connection, bool failed);
void traffic_failed(struct load *load, struct connection *connection, enum load_error error);
void traffic_run(struct load *load);

/* report.c: prints the result; returns whether the run is valid. */
bool report_print(const struct load *load);

#endif
