/*
 * One sink for each log file:
 *
 *            tick: round begins                  every buffer visited
 *   WAITING ------------------> WRITING ----------------------------> WAITING
 *      ^                           | open or write failed
 *      +------- a second later ----+---> FAILING
 *
 * A round visits each buffer once and writes what it finds there; buffers fill on meanwhile, so the
 * batches grow with the load. A write takes whole lines. When the kernel wrote less (a full
 * disk), the buffer gives back just what is in the file, and the rest of the broken line is the
 * next that is written, from the same buffer to the same file; if that file is left or emptied
 * before, the rest is dropped as one lost record.
 */
#include "control/log_writer.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "control/log_file.h"
#include "control/log_report.h"
#include "state.h"

enum sink_state {
    SINK_OFF,     /* not configured: what arrives is thrown away */
    SINK_WAITING, /* for the next tick; nothing is in flight */
    SINK_WRITING, /* for the kernel, which holds bytes of the buffer at `next` */
    SINK_FAILING, /* for retry_ns */
};

enum { SOURCES_MAX = STATE_WORKERS_MAX + 1 }; /* one for each worker, and control */

#define TICK_NS (250 * NS_PER_MS)
#define CHECK_NS NS_PER_S
#define RETRY_NS NS_PER_S

struct sink {
    struct ring_op op;
    struct log_writer *writer;
    struct log_file_target file;
    struct log_buffer **buffers; /* what it is written from */
    u32 buffer_count;
    struct log_report report;
    struct log_writer_stats stats;
    struct slice run; /* in flight */
    u64 check_ns;     /* when to look whether the file is still the right one */
    u64 retry_ns;
    u64 records_torn; /* lost with a file that was left in the middle of them */
    u32 next;         /* index of the buffer that is written or comes next */
    u32 round_left;   /* buffers still to visit */
    enum sink_state state;
    bool run_is_last; /* the buffer had no second run behind the one in flight */
    bool torn;        /* the buffer at `next` begins with the rest of a broken line */
    bool again;       /* asked for another round while writing */
    bool retire_due;
};

struct log_writer {
    struct arena arena; /* holds this, too */
    struct ring *ring;
    u64 now_ns;
    u64 wall_ns;
    u64 tick_ns;
    bool doubted;      /* the wall clock, as far as ages go */
    atomic_bool woken; /* by a buffer, from its writer's thread */
    struct sink sinks[LOG_FILE_COUNT];
};

static void sink_on_written(struct ring_op *op, struct ring_done done);
static void sink_begin(struct sink *sink);
static void sink_continue(struct sink *sink);

static const struct ring_op_class write_class = {"log_write", sink_on_written};

/* ---- Creation ---- */

static void writer_wake(void *context)
{
    struct log_writer *writer = context;
    /* Once until the next tick is enough; it also keeps the workers off each other's cache line. */
    if (atomic_load_explicit(&writer->woken, memory_order_relaxed))
        return;
    atomic_store_explicit(&writer->woken, true, memory_order_release);
    ring_wake(writer->ring);
}

static void sink_init(struct sink *sink, struct log_writer *writer,
                      const struct log_writer_options *options, enum log_file file)
{
    const struct config_log_file *config =
        file == LOG_FILE_ACCESS ? &options->logging->access : &options->logging->error;
    sink->writer = writer;
    sink->state = config->enabled ? SINK_WAITING : SINK_OFF;
    ring_op_init(&sink->op, &write_class);
    log_file_init(&sink->file, config);
    log_report_init(&sink->report, file == LOG_FILE_ACCESS ? "access log" : "error log",
                    options->report_fd);

    sink->buffers = arena_alloc(&writer->arena, SOURCES_MAX * sizeof(*sink->buffers));
}

void log_writer_add(struct log_writer *writer, enum log_file file, struct log_buffer *buffer)
{
    struct sink *sink = &writer->sinks[file];
    ASSERT(sink->buffer_count < SOURCES_MAX);
    log_buffer_set_wake(buffer, writer_wake, writer);
    sink->buffers[sink->buffer_count++] = buffer; /* the round that runs does not visit it yet */
}

struct log_writer *log_writer_create(const struct log_writer_options *options)
{
    struct arena arena;
    arena_init(&arena);
    struct log_writer *writer = arena_alloc(&arena, sizeof(*writer));
    writer->arena = arena;
    writer->ring = options->ring;
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++)
        sink_init(&writer->sinks[file], writer, options, file);
    return writer;
}

void log_writer_destroy(struct log_writer *writer)
{
    if (writer == NULL)
        return;
    ASSERT(log_writer_is_quiet(writer));
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++)
        log_file_close(&writer->sinks[file].file);
    struct arena arena = writer->arena;
    arena_deinit(&arena);
}

bool log_writer_is_quiet(const struct log_writer *writer)
{
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++)
        if (writer->sinks[file].op.owed)
            return false;
    return true;
}

/* ---- Losses ---- */

static u64 sink_records_lost(const struct sink *sink)
{
    u64 lost = sink->records_torn;
    for (u32 i = 0; i < sink->buffer_count; i++)
        lost += log_buffer_dropped(sink->buffers[i]);
    return lost;
}

/* The rest of a broken line is of no use where its beginning is not: the file is about to be left,
 * or has been emptied. */
static void sink_drop_torn(struct sink *sink)
{
    if (!sink->torn)
        return;
    struct log_buffer *buffer = sink->buffers[sink->next];
    struct slice runs[2];
    usize unread = log_buffer_peek(buffer, runs);
    ASSERT(unread > 0);
    const char *newline = memchr(runs[0].data, '\n', runs[0].len);
    ASSERT(newline != NULL);
    log_buffer_consume(buffer, (usize)(newline + 1 - runs[0].data));
    sink->records_torn++;
    sink->torn = false;
}

static void sink_leave_file(struct sink *sink)
{
    if (sink->file.fd < 0)
        return;
    sink_drop_torn(sink);
    log_file_close(&sink->file);
}

static void sink_fail(struct sink *sink, int error)
{
    sink->state = SINK_FAILING;
    sink->retry_ns = sink->writer->now_ns + RETRY_NS;
    sink->again = false;
    sink->stats.failures++;
    log_report_failure(&sink->report, error, sink->writer->wall_ns);
    /* A full disk may have room again and the broken line can be completed; anything else may be
     * cured only by opening anew. */
    if (error != ENOSPC && error != EDQUOT)
        sink_leave_file(sink);
}

/* ---- Rounds ---- */

/* A round that ends may begin the one that was asked for meanwhile. That one begins with `again`
 * unset, so it goes no deeper. */
/* NOLINTBEGIN(misc-no-recursion) */

static void sink_round_begin(struct sink *sink)
{
    sink->round_left = sink->buffer_count;
    sink->again = false;
    sink_continue(sink);
}

static void sink_round_end(struct sink *sink)
{
    log_report_success(&sink->report);
    sink->state = SINK_WAITING;
    if (sink->again)
        sink_begin(sink);
}

static void sink_next_buffer(struct sink *sink)
{
    sink->next = (sink->next + 1) % sink->buffer_count;
    sink->round_left--;
}

/* Writes from the next buffer that has something, or ends the round. */
static void sink_continue(struct sink *sink)
{
    for (; sink->round_left > 0; sink_next_buffer(sink)) {
        struct slice runs[2];
        if (log_buffer_peek(sink->buffers[sink->next], runs) == 0)
            continue;
        sink->run = runs[0];
        sink->run_is_last = runs[1].len == 0;
        sink->state = SINK_WRITING;
        ring_write(sink->writer->ring, &sink->op, sink->file.fd, runs[0].data, runs[0].len);
        return;
    }
    sink_round_end(sink);
}

/* NOLINTEND(misc-no-recursion) */

static void sink_on_written(struct ring_op *op, struct ring_done done)
{
    struct sink *sink = container_of(op, struct sink, op);
    ASSERT(sink->state == SINK_WRITING);
    if (done.status != RING_OK || done.result <= 0) {
        sink_fail(sink, done.error != 0 ? done.error : EIO);
        return;
    }
    u32 written = (u32)done.result;
    ASSERT(written <= sink->run.len);
    sink->torn = sink->run.data[written - 1] != '\n';
    log_buffer_consume(sink->buffers[sink->next], written);
    sink->stats.bytes += written;
    sink->stats.writes++;
    if (written == sink->run.len && sink->run_is_last)
        sink_next_buffer(sink);
    sink_continue(sink);
}

/* ---- Ticks ---- */

static void sink_retire(struct sink *sink)
{
    const struct log_writer *writer = sink->writer;
    struct log_retirement result =
        log_file_retire(&sink->file, writer->doubted ? LOG_AGE_UNKNOWN : writer->wall_ns);
    sink->retire_due = result.more;
    if (result.error != 0)
        log_report_retirement(&sink->report, result.error);
}

/* Makes sure that the open file is the right one. False when there is none. */
static bool sink_check_file(struct sink *sink)
{
    sink->check_ns = sink->writer->now_ns + CHECK_NS;
    if (sink->file.fd >= 0 && !log_file_is_current(&sink->file, sink->writer->wall_ns))
        sink_leave_file(sink);
    if (sink->torn && !log_file_ends_in_line(&sink->file))
        sink_drop_torn(sink);
    if (sink->file.fd < 0) {
        int error = log_file_open(&sink->file, sink->writer->wall_ns);
        if (error != 0) {
            sink_fail(sink, error);
            return false;
        }
        sink->retire_due = true;
    }
    if (sink->retire_due)
        sink_retire(sink);
    return true;
}

static void sink_discard(struct sink *sink)
{
    for (u32 i = 0; i < sink->buffer_count; i++) {
        struct slice runs[2];
        log_buffer_consume(sink->buffers[i], log_buffer_peek(sink->buffers[i], runs));
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): see Rounds */
static void sink_begin(struct sink *sink)
{
    bool look = sink->file.fd < 0 || sink->writer->now_ns >= sink->check_ns;
    if (!look || sink_check_file(sink))
        sink_round_begin(sink);
}

static void sink_tick(struct sink *sink)
{
    switch (sink->state) {
    case SINK_OFF:
        sink_discard(sink);
        return;
    case SINK_WAITING:
        sink_begin(sink);
        break;
    case SINK_WRITING:
        sink->again = true;
        break;
    case SINK_FAILING:
        if (sink->writer->now_ns >= sink->retry_ns) {
            sink->check_ns = 0;
            sink_begin(sink);
        }
        break;
    }
    log_report_tick(&sink->report, (struct log_report_facts){
                                       .path = sink->file.path,
                                       .records_lost = sink_records_lost(sink),
                                       .now_ns = sink->writer->now_ns,
                                       .wall_ns = sink->writer->wall_ns,
                                   });
}

void log_writer_tick(struct log_writer *writer, u64 now_ns, u64 wall_ns)
{
    writer->now_ns = now_ns;
    writer->wall_ns = wall_ns;
    bool woken = atomic_exchange_explicit(&writer->woken, false, memory_order_acquire);
    if (!woken && now_ns < writer->tick_ns)
        return;
    writer->tick_ns = now_ns + TICK_NS;
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++)
        sink_tick(&writer->sinks[file]);
}

void log_writer_doubt(struct log_writer *writer, bool doubt)
{
    writer->doubted = doubt;
}

u64 log_writer_deadline_ns(const struct log_writer *writer)
{
    return writer->tick_ns;
}

void log_writer_stats(const struct log_writer *writer, enum log_file file,
                      struct log_writer_stats *out)
{
    *out = writer->sinks[file].stats;
    out->records_lost = sink_records_lost(&writer->sinks[file]);
}

/* ---- Stop ---- */

/* Counts the records that are still in the buffers: they are lost now. */
static u64 sink_records_unread(const struct sink *sink)
{
    u64 records = 0;
    for (u32 i = 0; i < sink->buffer_count; i++) {
        struct slice runs[2];
        log_buffer_peek(sink->buffers[i], runs);
        for (u32 run = 0; run < ARRAY_COUNT(runs); run++)
            for (u32 at = 0; at < runs[run].len; at++)
                records += runs[run].data[at] == '\n';
    }
    return records;
}

static bool writer_is_writing(const struct log_writer *writer)
{
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++)
        if (writer->sinks[file].state == SINK_WRITING)
            return true;
    return false;
}

static bool sink_close_books(struct sink *sink)
{
    u64 unread = sink->state == SINK_OFF ? 0 : sink_records_unread(sink);
    sink->records_torn += unread;
    log_report_final(&sink->report, (struct log_report_facts){
                                        .path = sink->file.path,
                                        .records_lost = sink_records_lost(sink),
                                        .now_ns = sink->writer->now_ns,
                                        .wall_ns = sink->writer->wall_ns,
                                    });
    return unread == 0;
}

bool log_writer_flush(struct log_writer *writer, u64 deadline_ns)
{
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++) {
        writer->sinks[file].retry_ns = 0;
        sink_tick(&writer->sinks[file]);
    }
    while (writer_is_writing(writer) && writer->now_ns < deadline_ns)
        writer->now_ns = ring_turn(writer->ring, deadline_ns);
    bool complete = true;
    for (enum log_file file = 0; file < LOG_FILE_COUNT; file++)
        complete &= sink_close_books(&writer->sinks[file]);
    return complete;
}
