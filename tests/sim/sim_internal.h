/* What the files of the simulator share: the kernel's state. */
#ifndef NEXTPROXY_SIM_INTERNAL_H
#define NEXTPROXY_SIM_INTERNAL_H

#include "ring/ring_internal.h"
#include "sim.h"

/* ---- Bytes on their way ---- */

struct sim_bytes {
    char *data;
    usize head; /* taken from the front */
    usize len;
    usize capacity;
};

void sim_bytes_append(struct sim_bytes *bytes, const void *data, usize len);
void sim_bytes_drop(struct sim_bytes *bytes, usize len);
static inline const char *sim_bytes_front(const struct sim_bytes *bytes)
{
    return bytes->data + bytes->head;
}

/* ---- Sockets ---- */

/* Beyond any real descriptor, and never given twice: a descriptor used after its close is seen. */
enum { SIM_FD_FIRST = 1 << 20, SIM_FD_ASIDE = SIM_FD_FIRST - 1 /* of no listener */ };

enum sim_link {
    SIM_LINK_LISTENING,
    SIM_LINK_NEW, /* from ring_socket(): not connected */
    SIM_LINK_UP,
    SIM_LINK_FAILED,
};

/* One socket of the proxy, and its peer. */
struct sim_peer {
    struct sim *sim;
    struct sim_bytes out;   /* from the peer */
    struct sim_bytes in;    /* from the proxy */
    usize visible;          /* of `out`: can be received */
    usize arrived;          /* of `in`: the peer has it */
    u64 acked;              /* that ever arrived */
    usize window;           /* of `in`: more is not taken from the proxy */
    struct address address; /* of a client */
    int fd;
    int listen_fd; /* where a client waits */
    u32 number;
    u32 backend;      /* UINT32_MAX = a client */
    u8 link;          /* enum sim_link */
    u8 end;           /* enum sim_end, as the peer sees it */
    u8 end_pending;   /* ... will see it behind what is under way */
    bool local;       /* a unix socket: nothing that was sent is lost, and there is no RST */
    bool taken;       /* accepted by the proxy, or handed out by sim_accept() */
    bool fin_sent;    /* by the peer */
    bool fin_visible; /* ... and the proxy's side knows */
    bool reset_sent;
    bool reset_visible;
    bool error;       /* ECONNRESET is to be told by the next receive */
    bool peer_closed; /* nobody reads at the peer */
    bool shut_read;   /* by the proxy */
    bool shut_write;
    bool closed;  /* by the proxy */
    bool bounced; /* bytes came to the proxy's closed socket */
};

struct sim_peer *sim_peer_new(struct sim *sim, enum sim_link link);
/* Fails the run when the descriptor is closed or never was one. */
struct sim_peer *sim_socket(struct sim *sim, int fd);
/* A client that is not accepted yet, or NULL. */
struct sim_peer *sim_waiting_client(struct sim *sim, int listen_fd);
/* Moves bytes along; `force`: whatever can move does. True when anything did. */
bool sim_sockets_advance(struct sim *sim, bool force);
/* Something for ring_recv: bytes, the end or an error. */
bool sim_readable(const struct sim_peer *peer);
/* What a poll for POLLIN, for POLLOUT, or for POLLRDHUP alone tells now; 0 = nothing. */
i32 sim_poll_events(const struct sim_peer *peer, u32 asked);
/* How many bytes to move of as many as could be. */
usize sim_piece(struct sim *sim, usize available);
void sim_sockets_deinit(struct sim *sim);
/* All must be closed by then. */
void sim_pipes_deinit(struct sim *sim);

/* ---- Ops in the kernel ---- */

struct sim_op {
    u64 user_data; /* 0 = this slot is free */
    usize total;   /* of all iov */
    usize done;
    u64 hash;                       /* of the bytes it sends */
    struct iovec iov[RING_IOV_MAX]; /* what it sends, where it receives */
    struct address address;         /* to connect to */
    u32 iov_count;                  /* 0 = a receive into the buffer ring */
    u32 rest;                       /* rounds before anything happens */
    u32 events;                     /* what a poll asks for */
    int fd;
    u8 opcode;
    bool multishot;
    bool bundle;
    bool now;      /* a send that does not wait for room */
    bool room;     /* a poll for room */
    bool canceled; /* ends soon, one way or the other */
    bool late;     /* ... as if the cancellation had come too late */
};

/* Takes a submission over. */
void sim_op_begin(struct sim *sim, const struct io_uring_sqe *sqe);
bool sim_ops_advance(struct sim *sim, bool force);
bool sim_op_armed(const struct sim *sim, int fd);
u32 sim_ops_armed(const struct sim *sim);

/* ---- The ring's memory ---- */

void sim_complete(struct sim *sim, u64 user_data, i32 result, u32 flags);
/* No completion that says that there will be more fits into the queue: such an op ends. */
bool sim_queue_full(const struct sim *sim);
/* A buffer of the buffer ring for a receive; false when none is offered. */
MUST_CHECK bool sim_buffer_take(struct sim *sim, u16 *id, char **data);
u32 sim_buffers_offered(const struct sim *sim);

struct sim_completion {
    u64 user_data;
    i32 result;
    u32 flags;
    u32 turn;
};

/* A configuration that was replaced. */
struct sim_earlier {
    struct snapshot *snapshot;
    struct config *config; /* NULL for the first, which is kept for the next run */
};

/* How this run's kernel behaves. */
struct sim_manners {
    u32 disabled;        /* capabilities that it does not have */
    u32 piece_bits;      /* pieces have up to 2^n bytes, apart from whole ones */
    u32 rest_percent;    /* something that could happen does not yet */
    u32 single_percent;  /* a multishot op ends by itself */
    u32 late_percent;    /* a cancellation loses the race */
    u32 refuse_percent;  /* accept fails */
    u32 completions_max; /* shown in a turn */
    u32 queue_entries;   /* of the completion queue; 0 = as many as the ring asks for */
    usize window;        /* of new peers */
    bool shuffled;       /* completions of a turn come in any order, as ops are independent */
    bool end_takes_buffer;
    bool early_enobufs; /* a receive without a buffer fails before there are bytes */
};

struct sim {
    struct rng rng;
    struct sim_bytes pipes[RING_PIPES_MAX];
    struct sim_manners manners;
    u64 seed;
    u64 now_ns;
    u64 until_ns; /* the clock does not jump beyond */
    struct team *team;
    bool mate_joined;
    u32 mate_busy;
    u32 mate_idle;
    u32 mate_served; /* given by us */
    struct worker *worker;
    struct config *config;
    struct state *state;
    struct snapshot *snapshot; /* the newest */
    struct config *reloaded;   /* its configuration, unless it is `config` */
    struct sim_earlier *earlier;
    u32 earlier_count;
    struct log_buffer *logs[LOG_FILE_COUNT];
    struct sim_bytes log_text[LOG_FILE_COUNT];
    struct sim_listening {
        int fd;
        char name[64];
    } sockets[8]; /* of all listeners that there ever were */
    u32 socket_count;
    u32 held_max;
    u32 turns;

    struct sim_peer **peers; /* by descriptor */
    u32 peer_count;
    u32 peer_capacity;
    u8 connects[SIM_BACKENDS_MAX]; /* enum sim_connect */
    bool sockets_fail;
    bool accepts_fail;
    bool logs_stand;
    u64 accept_failures; /* because accepts_fail */
    i64 wall_shift_ns;
    bool woken; /* by ring_wake() */
    bool news;  /* a peer could have something to do */

    struct sim_op *ops;
    u32 op_count;
    u32 op_capacity;

    struct sim_completion *completions; /* not shown yet */
    u32 overflow_count;                 /* of them, the first: they have found the queue full */
    u32 completion_count;
    u32 completion_capacity;
    struct io_uring_buf_ring *buffers;
    u32 buffer_mask;
    u16 buffer_head;
    bool *was_held; /* by lease */
    u32 lease_count;
};

/* The listening socket of that name, from now on for as long as the world lasts. */
int sim_listening(struct sim *sim, const struct config_listener *listener);
/* The mate looks for what it was given: perhaps, or for all of it. */
void sim_mate_takes(struct sim *sim, bool all);

/* The one that runs. */
extern struct sim *sim_current;

#endif
