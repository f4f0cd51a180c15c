#include "origin/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "common/net.h"
#include "common/pattern.h"

enum { REPLIES_MAX = 64, HEAD_BYTES_MAX = 256, FLAT_BODY_BYTES_MAX = 65536 };

static struct reply replies[REPLIES_MAX];
static u32 replies_count;
static u8 block[PATTERN_BLOCK_BYTES];

static void *allocate(usize bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL)
        net_die("out of memory");
    return memory;
}

static usize write_head(char *head, u64 body_bytes)
{
    int len = snprintf(head, HEAD_BYTES_MAX,
                       "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\n"
                       "Cache-Control: no-store\r\nContent-Length: %llu\r\n\r\n",
                       (unsigned long long)body_bytes);
    return (usize)len;
}

static void make_flat(struct reply *reply, const char *head, usize head_len, usize body_bytes)
{
    u8 *flat = allocate(head_len + body_bytes);
    memcpy(flat, head, head_len);
    memcpy(flat + head_len, block, body_bytes);
    reply->flat = flat;
}

static void make_vector(struct reply *reply, const char *head, usize head_len)
{
    usize pieces = (reply->body_bytes + PATTERN_BLOCK_BYTES - 1) / PATTERN_BLOCK_BYTES;
    struct iovec *vector = allocate((pieces + 1) * sizeof(*vector));
    char *kept = allocate(head_len);
    memcpy(kept, head, head_len);
    vector[0] = (struct iovec){.iov_base = kept, .iov_len = head_len};
    u64 left = reply->body_bytes;
    for (usize i = 1; i <= pieces; i++) {
        usize len = left < PATTERN_BLOCK_BYTES ? left : PATTERN_BLOCK_BYTES;
        vector[i] = (struct iovec){.iov_base = block, .iov_len = len};
        left -= len;
    }
    reply->message.msg_iov = vector;
    reply->message.msg_iovlen = pieces + 1;
}

static const struct reply *make(u64 body_bytes, bool head_only)
{
    if (replies_count == REPLIES_MAX || body_bytes > REPLY_BODY_BYTES_MAX)
        return NULL;
    if (replies_count == 0)
        pattern_fill(block);
    struct reply *reply = &replies[replies_count++];
    char head[HEAD_BYTES_MAX];
    usize head_len = write_head(head, body_bytes);
    reply->body_bytes = body_bytes;
    reply->head_only = head_only;
    reply->bytes = head_len + (head_only ? 0 : body_bytes);
    if (head_only)
        make_flat(reply, head, head_len, 0);
    else if (body_bytes <= FLAT_BODY_BYTES_MAX)
        make_flat(reply, head, head_len, body_bytes);
    else
        make_vector(reply, head, head_len);
    return reply;
}

const struct reply *reply_find(u64 body_bytes, bool head_only)
{
    for (u32 i = 0; i < replies_count; i++) {
        if (replies[i].body_bytes == body_bytes && replies[i].head_only == head_only)
            return &replies[i];
    }
    return make(body_bytes, head_only);
}
