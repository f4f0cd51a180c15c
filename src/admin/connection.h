/* A connection, for the files that run it: connection.c, and request.c for what it asks. */
#ifndef NEXTPROXY_ADMIN_CONNECTION_H
#define NEXTPROXY_ADMIN_CONNECTION_H

#include "admin/admin_internal.h"

enum connection_state {
    CONNECTION_IDLE,      /* waits for the first byte of a request */
    CONNECTION_HEAD,      /* waits for the rest of a request */
    CONNECTION_WAITING,   /* waits for a block to write the answer into; the request is whole */
    CONNECTION_PARKED,    /* waits for the verdict of a reload */
    CONNECTION_REPLYING,  /* waits for the peer to take the answer */
    CONNECTION_LINGERING, /* our FIN is out; waits for the peer's, dropping what still comes */
    CONNECTION_CLOSING,   /* waits for the kernel to let go */
    CONNECTION_STATE_COUNT,
};

struct connection {
    struct transport transport;
    struct wheel_timer timer;
    struct admin *admin;
    struct list node;
    struct list turn; /* while WAITING: among those that wait for such a block */
    char *block;      /* for the body of the answer, when it needs more than `small` */
    u32 inbox_len;
    u32 needed; /* bytes in the inbox before it is worth looking: head and body */
    u8 state;
    u8 block_kind;   /* enum admin_block: where the block is from */
    bool text;       /* errors are told as text */
    bool keep;       /* another request may follow */
    bool spilled;    /* bytes behind the request did not fit: it is the last one */
    bool continued;  /* 100 (Continue) was sent for this request */
    bool continuing; /* and is still on its way */
    bool waited;     /* for a block, for as long as it may */
    char head[ADMIN_HEAD_BYTES];
    char small[ADMIN_SMALL_BYTES];
    char inbox[ADMIN_INBOX_BYTES];
};

/* ---- connection.c ---- */

/* More of the request has to come; without hope of that, the connection ends. */
void connection_await_rest(struct connection *connection);
/* A block of this kind has to be given back; then the request is looked at again. */
void connection_wait(struct connection *connection, enum admin_block kind);
/* A verdict has to come, within so long at most. */
void connection_park(struct connection *connection, u32 wait_ms);
/* Sends the answer, whose body is in the connection's block, or in `small` without one. */
void connection_send(struct connection *connection, const struct admin_reply *reply,
                     bool head_only);
/* Gives the block back, if there is one. */
void connection_release_block(struct connection *connection);

/* ---- request.c ---- */

/* Looks at what has come; answers when it is a whole request, or a wrong one. */
void request_read(struct connection *connection);
/* It has not come in time. */
void request_give_up(struct connection *connection);
/* What became of the reload that was asked for. */
void request_conclude(struct connection *connection, enum admin_reload verdict,
                      struct slice report);

#endif
