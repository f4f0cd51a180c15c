/* See message.h. */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>

static char body_byte(u32 stream, u64 at)
{
    return (char)(hash_mix64(((u64)stream << 32 | at) + 1) & 0xff);
}

static u32 stream_of(u32 number, enum message_side side)
{
    return number * 2 + (side == MESSAGE_RESPONSE);
}

u64 message_length(u32 number, enum message_side side)
{
    static const u32 tops[] = {1, 10, 4096, 5000, 20000, 140000, 400000, 2};
    u64 hash = hash_mix64(stream_of(number, side) + 77);
    return hash % tops[hash >> 32 & 7];
}

/* ---- Reading ---- */

/* The line or section that ends with `end`, with its end; empty while it is not there. */
static struct slice up_to(const struct sim_peer *peer, const char *end)
{
    struct slice received = sim_received(peer);
    const char *found = memmem(received.data, received.len, end, strlen(end));
    return slice_of(received.data, found ? (usize)(found - received.data) + strlen(end) : 0);
}

static const char *field(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

static void read_head(struct message *message, struct sim_peer *peer, bool head_only)
{
    char head[9000];
    struct slice raw = up_to(peer, "\r\n\r\n");
    if (raw.len == 0)
        return;
    SIM_CHECK(raw.len < sizeof(head));
    memcpy(head, raw.data, raw.len);
    head[raw.len] = '\0';
    sim_take(peer, raw.len);
    bool response = strncmp(head, "HTTP/1.1 ", 9) == 0;
    enum message_side side = response ? MESSAGE_RESPONSE : MESSAGE_REQUEST;
    message->status = response ? (u32)strtoul(head + 9, NULL, 10) : 0;
    if (response && message->status < 200 && message->status != 101)
        return; /* the final response follows */
    const char *number = response ? field(head, "\r\nX-Number: ") : field(head, " /");
    const char *length = field(head, "\r\nContent-Length: ");
    message->ours = number != NULL;
    message->head_method = strncmp(head, "HEAD ", 5) == 0;
    message->number = number ? (u32)strtoul(number, NULL, 10) : 0;
    message->stream = stream_of(message->number, side);
    if (response || (strncmp(head, "GET ", 4) != 0 && !message->head_method))
        message->length = message_length(message->number, side);
    message->close = field(head, "\r\nConnection: close") != NULL;
    message->chunked = field(head, "\r\nTransfer-Encoding: chunked") != NULL;
    message->until_close = response && !length && !message->chunked;
    message->remaining = length ? strtoull(length, NULL, 10) : 0;
    message->upgrade = field(head, "\r\nUpgrade: ") != NULL;
    SIM_CHECK(!(length && message->chunked));
    if (head_only || message->status == 101)
        message->state = MESSAGE_DONE;
    else if (message->chunked)
        message->state = MESSAGE_CHUNK_SIZE;
    else if (message->until_close || message->remaining > 0)
        message->state = MESSAGE_BODY;
    else
        message->state = MESSAGE_DONE;
}

static void check_bytes(const struct sim_peer *peer, u32 stream, u64 at, u64 len)
{
    struct slice received = sim_received(peer);
    for (u64 i = 0; i < len; i++)
        if (received.data[i] != body_byte(stream, at + i))
            sim_fail("byte %llu of the body of %u is wrong", (unsigned long long)(at + i),
                     stream / 2);
}

u64 message_take_part(struct sim_peer *peer, u32 number, enum message_side side, u64 at)
{
    u32 len = sim_received(peer).len;
    check_bytes(peer, stream_of(number, side), at, len);
    sim_take(peer, len);
    return len;
}

static void read_bytes(struct message *message, struct sim_peer *peer)
{
    struct slice received = sim_received(peer);
    u64 len = message->until_close ? received.len : min_u64(received.len, message->remaining);
    if (message->ours)
        check_bytes(peer, message->stream, message->body_bytes, len);
    sim_take(peer, (usize)len);
    message->body_bytes += len;
    if (!message->until_close)
        message->remaining -= len;
}

static void read_size(struct message *message, struct sim_peer *peer)
{
    struct slice line = up_to(peer, "\r\n");
    if (line.len == 0)
        return;
    SIM_CHECK(line.len > 2);
    message->remaining = strtoull(line.data, NULL, 16);
    sim_take(peer, line.len);
    message->state = message->remaining > 0 ? MESSAGE_CHUNK : MESSAGE_TRAILERS;
}

static void read_line_end(struct message *message, struct sim_peer *peer)
{
    struct slice received = sim_received(peer);
    if (received.len < 2)
        return;
    SIM_CHECK(memcmp(received.data, "\r\n", 2) == 0);
    sim_take(peer, 2);
    message->state = message->state == MESSAGE_CHUNK_END ? MESSAGE_CHUNK_SIZE : MESSAGE_DONE;
}

/* One step; false when it needs more bytes. */
static bool read_some(struct message *message, struct sim_peer *peer, bool head_only)
{
    usize before = sim_received(peer).len;
    switch ((enum message_state)message->state) {
    case MESSAGE_HEAD:
        read_head(message, peer, head_only);
        break;
    case MESSAGE_BODY:
        read_bytes(message, peer);
        if (!message->until_close && message->remaining == 0)
            message->state = MESSAGE_DONE;
        break;
    case MESSAGE_CHUNK_SIZE:
        read_size(message, peer);
        break;
    case MESSAGE_CHUNK:
        read_bytes(message, peer);
        if (message->remaining == 0)
            message->state = MESSAGE_CHUNK_END;
        break;
    case MESSAGE_CHUNK_END:
    case MESSAGE_TRAILERS:
        read_line_end(message, peer);
        break;
    case MESSAGE_DONE:
        return false;
    }
    return sim_received(peer).len < before;
}

void message_read(struct message *message, struct sim_peer *peer, bool head_only)
{
    while (read_some(message, peer, head_only))
        continue;
    bool switched = message->status == 101;
    bool sized = message->state == MESSAGE_DONE && message->ours && !head_only && !switched;
    if (sized && message->body_bytes != message->length)
        sim_fail("%llu bytes of the body of %u, which has %llu",
                 (unsigned long long)message->body_bytes, message->number,
                 (unsigned long long)message->length);
}

bool message_whole(const struct message *message, enum sim_end end)
{
    if (message->state == MESSAGE_DONE)
        return true;
    return message->state == MESSAGE_BODY && message->until_close && end == SIM_FIN;
}

/* ---- Writing ---- */

usize message_end_head(char *head, usize len, usize capacity, enum message_framing framing,
                       u64 length)
{
    char *at = head + len;
    usize room = capacity - len;
    int added = 0;
    switch (framing) {
    case MESSAGE_BY_LENGTH:
        added = snprintf(at, room, "Content-Length: %llu\r\n\r\n", (unsigned long long)length);
        break;
    case MESSAGE_BY_CHUNKS:
        added = snprintf(at, room, "Transfer-Encoding: chunked\r\n\r\n");
        break;
    case MESSAGE_NO_BODY:
    case MESSAGE_BY_CLOSE:
        added = snprintf(at, room, "\r\n");
        break;
    }
    SIM_CHECK(added > 0 && (usize)added < room);
    return len + (usize)added;
}

void message_send_part(struct sim_peer *peer, u32 number, enum message_side side, u64 at, u64 len)
{
    char block[4096];
    u32 stream = stream_of(number, side);
    while (len > 0) {
        usize part = len < sizeof(block) ? (usize)len : sizeof(block);
        for (usize i = 0; i < part; i++)
            block[i] = body_byte(stream, at + i);
        sim_send(peer, block, part);
        at += part;
        len -= part;
    }
}

void message_send_body(struct sim *sim, struct sim_peer *peer, u32 number, enum message_side side,
                       bool chunked, u64 cut)
{
    u64 len = message_length(number, side), at = 0;
    if (!chunked) {
        message_send_part(peer, number, side, 0, min_u64(len, cut));
        return;
    }
    while (at < len && at < cut) {
        char size[32];
        u64 part = min_u64(len - at, 1 + sim_random(sim, 1u << sim_random(sim, 16)));
        (void)snprintf(size, sizeof(size), "%llx\r\n", (unsigned long long)part);
        sim_say(peer, size);
        message_send_part(peer, number, side, at, min_u64(part, cut - at));
        at += part;
        if (at <= cut)
            sim_say(peer, "\r\n");
    }
    if (cut >= len)
        sim_say(peer, "0\r\n\r\n");
}
