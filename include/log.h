/*
 * log: what is written about requests and failures, as bytes. No I/O here: a worker formats one
 * JSON line into its own log buffer; the control thread drains the buffers into files
 * (src/control/log_writer.c). A full buffer drops the record and counts it; it never makes a
 * request wait.
 */
#ifndef NEXTPROXY_LOG_H
#define NEXTPROXY_LOG_H

#include "base/arena.h"
#include "base/slice.h"

enum log_file { LOG_FILE_ERROR, LOG_FILE_ACCESS, LOG_FILE_COUNT };

/* A ring of whole lines: one writer thread, one reader thread, no locks.
 * Owned by the writer; must outlive both. */
struct log_buffer;

/* bytes: a power of two, LOG_BUFFER_BYTES_MIN to LOG_BUFFER_BYTES_MAX. NULL when the memory is
 * refused. The address space it takes is log_buffer_region_bytes(bytes). */
enum { LOG_BUFFER_BYTES_MIN = 32768, LOG_BUFFER_BYTES_MAX = 1 << 30 };
MUST_CHECK struct log_buffer *log_buffer_create(usize bytes);
void log_buffer_destroy(struct log_buffer *buffer);
usize log_buffer_region_bytes(usize bytes);

/* `wake(context)` is called by the writer thread when the buffer has become half full, so that the
 * reader need not poll often; again only after another quarter. To be set before the writer thread
 * starts. It must not block and must not write to this buffer. */
void log_buffer_set_wake(struct log_buffer *buffer, void (*wake)(void *context), void *context);

/* Reader side: the unread bytes as at most two runs, each of whole lines; returns their total.
 * After a consume that ended inside a line, the first run begins with the rest of that line.
 * The bytes stay in place until log_buffer_consume gives their room back. */
usize log_buffer_peek(const struct log_buffer *buffer, struct slice runs[2]);
void log_buffer_consume(struct log_buffer *buffer, usize bytes);
/* Records dropped for want of room since the start. Any thread. */
u64 log_buffer_dropped(const struct log_buffer *buffer);

/* One finished exchange. Times in microseconds; slices may hold any bytes: they are escaped so that
 * a request cannot forge a line or a member. */
struct log_access {
    u64 wall_ns;
    struct slice method;
    struct slice path; /* with the query */
    struct slice host;
    struct slice route;
    struct slice backend_id; /* empty = none was chosen */
    struct slice client_ip;
    struct slice request_id;
    struct slice fault; /* empty = none */
    struct slice hedge; /* what became of a second attempt; empty = there was none */
    u64 bytes_in;       /* from the client, heads included */
    u64 bytes_out;      /* to the client, heads included */
    u64 duration_us;
    u32 head_us; /* first byte to end of the request head */
    u32 queue_us;
    u32 connect_us;    /* 0 when reused */
    u32 first_byte_us; /* request sent to response head */
    u32 body_us;       /* response head to the last byte */
    u32 own_us;        /* the proxy's own time: duration without waiting for others */
    u16 status;        /* 0 = the client went before one was sent */
    u8 attempts;
    u8 protocol_minor; /* HTTP/1.x */
    bool reused;
};

enum log_severity { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_SEVERITY_COUNT };
/* "debug", "info", "warn", "error": in records and in the configuration. Static. */
const char *log_severity_name(enum log_severity severity);

/* Something that went wrong, or a change of state. Empty slices are left out of the line. */
struct log_event {
    u64 wall_ns;
    enum log_severity severity;
    struct slice type; /* "backend_failure", "client_fault", "start", ... */
    struct slice backend_id;
    struct slice url;
    struct slice error; /* "ETIMEDOUT" or a fault's name */
    struct slice message;
    struct slice client_ip;
    struct slice request_id;
    struct slice route;
    u32 attempt; /* 0 = left out */
};

/* Appends one line. False when there was no room: the record is dropped and counted. */
bool log_access_write(struct log_buffer *buffer, const struct log_access *entry);
bool log_event_write(struct log_buffer *buffer, const struct log_event *event);

/* Format without a buffer; returns the length (the line ends in '\n'). Long values are cut so that
 * a line always fits; a line with a cut value has the member "cut":true. Whatever the slices hold,
 * the line is one valid JSON object in valid UTF-8. No allocation, no locks. */
enum { LOG_LINE_BYTES_MAX = 16384 };
usize log_access_format(char out[LOG_LINE_BYTES_MAX], const struct log_access *entry);
usize log_event_format(char out[LOG_LINE_BYTES_MAX], const struct log_event *event);

/* 2026-01-13T10:30:45.123Z (UTC), 24 bytes, not terminated. The caller keeps the state, zeroed at
 * first, so that the calendar is worked out once a second only. */
struct log_clock {
    u64 second;
    char text[24];
};
void log_timestamp(struct log_clock *clock, u64 wall_ns, char out[24]);

/* The name of an errno value, "ETIMEDOUT"; "E<number>" for one that has none here. */
const char *log_errno_name(int error, char scratch[16]);

/* The file name for a pattern at a time: yyyy mm dd HH are replaced (local time) wherever they
 * stand. NUL-terminated. False when it does not fit, or is not the plain name of a file (empty, "."
 * or "..", or with a '/' or NUL in it). */
MUST_CHECK bool log_file_name(struct slice pattern, u64 wall_ns, char *out, usize capacity);
/* True when `name` could have come from the pattern at some time: digits where its fields are, and
 * the same bytes elsewhere. */
MUST_CHECK bool log_file_name_matches(struct slice pattern, struct slice name);

#endif
