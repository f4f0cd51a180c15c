/*
 * A log buffer: a ring of bytes holding whole lines, for one writer and one reader.
 *
 *      0        head              tail         bytes       bytes + LOG_LINE_BYTES_MAX
 *      |.........|=====unread======|.............|~~~~~~~~~~~|
 *
 * head and tail count bytes since the start; their low bits are the offset. A line is formatted in
 * place. One that would cross the end runs on into the spare room behind it, so it is always in
 * one piece for the writer and for the reader, and the part behind the end is also copied to the
 * front, so that the reader may take any number of its bytes. The spare room is written again
 * only when the ring comes round, for which the reader must have given it back.
 *
 * Each side owns one cache line and reads the other's as rarely as it can.
 */
#include "log/buffer.h"

#include <stdalign.h>
#include <stdatomic.h>

struct log_buffer {
    /* The writer's. */
    alignas(CACHE_LINE_BYTES) _Atomic u64 tail;
    u64 head_seen; /* head, as last looked at: the room is at least what it says */
    u64 wake_at;   /* the tail at which to see whether the reader should be woken */
    _Atomic u64 dropped;
    struct log_clock clock;
    /* The reader's. */
    alignas(CACHE_LINE_BYTES) _Atomic u64 head;
    /* Constant. */
    alignas(CACHE_LINE_BYTES) char *data;
    u64 bytes;
    void (*wake)(void *context);
    void *wake_context;
};

usize log_buffer_region_bytes(usize bytes)
{
    return sizeof(struct log_buffer) + bytes + LOG_LINE_BYTES_MAX;
}

struct log_buffer *log_buffer_create(usize bytes)
{
    ASSERT(bytes >= LOG_BUFFER_BYTES_MIN);
    ASSERT(bytes <= LOG_BUFFER_BYTES_MAX);
    ASSERT((bytes & (bytes - 1)) == 0);
    struct log_buffer *buffer = region_reserve(log_buffer_region_bytes(bytes));
    if (buffer == NULL)
        return NULL;
    buffer->data = (char *)(buffer + 1);
    buffer->bytes = bytes;
    buffer->wake_at = bytes / 2;
    return buffer;
}

void log_buffer_destroy(struct log_buffer *buffer)
{
    if (buffer != NULL)
        region_release(buffer, log_buffer_region_bytes(buffer->bytes));
}

void log_buffer_set_wake(struct log_buffer *buffer, void (*wake)(void *context), void *context)
{
    buffer->wake = wake;
    buffer->wake_context = context;
}

/* ---- The writer ---- */

struct log_clock *log_buffer_clock(struct log_buffer *buffer)
{
    return &buffer->clock;
}

char *log_buffer_reserve(struct log_buffer *buffer)
{
    u64 tail = atomic_load_explicit(&buffer->tail, memory_order_relaxed);
    if (UNLIKELY(buffer->bytes - (tail - buffer->head_seen) < LOG_LINE_BYTES_MAX)) {
        buffer->head_seen = atomic_load_explicit(&buffer->head, memory_order_acquire);
        if (buffer->bytes - (tail - buffer->head_seen) < LOG_LINE_BYTES_MAX) {
            /* One writer: no read-modify-write is needed. */
            u64 dropped = atomic_load_explicit(&buffer->dropped, memory_order_relaxed);
            atomic_store_explicit(&buffer->dropped, dropped + 1, memory_order_relaxed);
            return NULL;
        }
    }
    return buffer->data + (tail & (buffer->bytes - 1));
}

static void wake_if_half_full(struct log_buffer *buffer, u64 tail)
{
    buffer->head_seen = atomic_load_explicit(&buffer->head, memory_order_acquire);
    u64 half = buffer->bytes / 2;
    if (tail - buffer->head_seen < half) {
        buffer->wake_at = buffer->head_seen + half;
        return;
    }
    buffer->wake_at = tail + half / 2;
    if (buffer->wake != NULL)
        buffer->wake(buffer->wake_context);
}

void log_buffer_commit(struct log_buffer *buffer, usize bytes)
{
    ASSERT(bytes <= LOG_LINE_BYTES_MAX);
    u64 tail = atomic_load_explicit(&buffer->tail, memory_order_relaxed);
    u64 end = (tail & (buffer->bytes - 1)) + bytes;
    if (UNLIKELY(end > buffer->bytes))
        memcpy(buffer->data, buffer->data + buffer->bytes, end - buffer->bytes);
    tail += bytes;
    atomic_store_explicit(&buffer->tail, tail, memory_order_release);
    if (UNLIKELY(tail >= buffer->wake_at))
        wake_if_half_full(buffer, tail);
}

/* ---- The reader ---- */

/* How much of the line at the end of the ring lies behind the end. `unread` are in front. */
static usize crossing_bytes(const struct log_buffer *buffer, usize unread)
{
    if (buffer->data[buffer->bytes - 1] == '\n')
        return 0;
    const char *newline = memchr(buffer->data, '\n', unread);
    ASSERT(newline != NULL);
    return (usize)(newline + 1 - buffer->data);
}

usize log_buffer_peek(const struct log_buffer *buffer, struct slice runs[2])
{
    u64 head = atomic_load_explicit(&buffer->head, memory_order_relaxed);
    u64 tail = atomic_load_explicit(&buffer->tail, memory_order_acquire);
    usize unread = (usize)(tail - head);
    usize offset = (usize)(head & (buffer->bytes - 1));
    usize to_end = buffer->bytes - offset;
    if (unread <= to_end) {
        runs[0] = slice_of(buffer->data + offset, unread);
        runs[1] = slice_of(buffer->data, 0);
        return unread;
    }
    usize crossing = crossing_bytes(buffer, unread - to_end);
    runs[0] = slice_of(buffer->data + offset, to_end + crossing);
    runs[1] = slice_of(buffer->data + crossing, unread - to_end - crossing);
    return unread;
}

void log_buffer_consume(struct log_buffer *buffer, usize bytes)
{
    u64 head = atomic_load_explicit(&buffer->head, memory_order_relaxed);
    ASSERT(bytes <= atomic_load_explicit(&buffer->tail, memory_order_relaxed) - head);
    atomic_store_explicit(&buffer->head, head + bytes, memory_order_release);
}

u64 log_buffer_dropped(const struct log_buffer *buffer)
{
    return atomic_load_explicit(&buffer->dropped, memory_order_relaxed);
}
