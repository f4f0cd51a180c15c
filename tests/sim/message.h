/* Reading and writing whole messages of a known number, independently of the proxy's own parser. */
#ifndef NEXTPROXY_SIM_MESSAGE_H
#define NEXTPROXY_SIM_MESSAGE_H

#include "sim.h"

/* ---- Reading ---- */

enum message_state {
    MESSAGE_HEAD,
    MESSAGE_BODY,
    MESSAGE_CHUNK_SIZE,
    MESSAGE_CHUNK,
    MESSAGE_CHUNK_END,
    MESSAGE_TRAILERS,
    MESSAGE_DONE,
};

struct message {
    u64 remaining; /* of the body, or of a chunk */
    u64 body_bytes;
    u64 length; /* that the number says; see message_length */
    u32 number; /* from the target or the X-Number field */
    u32 stream; /* of the body's bytes */
    u32 status; /* of a response */
    u8 state;   /* enum message_state */
    bool until_close;
    bool ours;  /* has a number: a backend's response, not a page of the proxy */
    bool close; /* Connection: close */
    bool chunked;
    bool head_method; /* a request that will get no body */
    bool upgrade;     /* is wanted, or was done */
};

/* Reads on from what the peer has received; `head_only`: a response without a body whatever its
 * head says. Fails the run on a byte that is not the number's. */
void message_read(struct message *message, struct sim_peer *peer, bool head_only);
/* What has come so far shows, with the connection's end, whether it is whole. */
bool message_whole(const struct message *message, enum sim_end end);

enum message_side { MESSAGE_REQUEST, MESSAGE_RESPONSE };

/* Takes all that was received as bytes of the number's body from `at` on. Fails the run when they
 * are not. */
u64 message_take_part(struct sim_peer *peer, u32 number, enum message_side side, u64 at);

/* ---- Writing ---- */

/* How a message says where its body ends; the last one is for responses only. */
enum message_framing { MESSAGE_NO_BODY, MESSAGE_BY_LENGTH, MESSAGE_BY_CHUNKS, MESSAGE_BY_CLOSE };

/* Appends the framing field and the empty line to a head of `len` bytes; returns its length. */
usize message_end_head(char *head, usize len, usize capacity, enum message_framing framing,
                       u64 length);
/* Bytes of the body of a number. */
u64 message_length(u32 number, enum message_side side);
/* Sends some of the body's bytes as they are, from `at` on. */
void message_send_part(struct sim_peer *peer, u32 number, enum message_side side, u64 at, u64 len);
/* Sends the body's bytes, in chunks or not, but stops after `cut` bytes. */
void message_send_body(struct sim *sim, struct sim_peer *peer, u32 number, enum message_side side,
                       bool chunked, u64 cut);

#endif
