/* Who sends when: the phases, the closed loop, the constant rate. */
#include <stdio.h>

#include "common/net.h"
#include "load/load.h"

enum { OPENING_MAX = 64, SETUP_SECONDS_MAX = 60, DRAIN_SECONDS_MAX = 5, ERRORS_MAX = 20000 };
static const u64 second_ns = 1000000000;

static bool sending(const struct load *load)
{
    return load->phase == PHASE_WARMING || load->phase == PHASE_MEASURING;
}

static u64 due_ns(const struct load *load)
{
    return load->start_ns + (u64)((double)load->sent * 1e9 / (double)load->options.rate);
}

static void send_now(struct load *load, struct connection *connection, u64 intended_ns)
{
    load->in_flight++;
    connection_send(load, connection, intended_ns);
}

/* A connection is free: the closed loop asks again at once, a constant rate queues it. */
static void make_ready(struct load *load, struct connection *connection)
{
    u32 total = load->options.idle + load->options.connections;
    if (load->options.rate == 0) {
        if (sending(load))
            send_now(load, connection, net_now_ns());
    } else if (!connection->queued) {
        load->ready[(load->ready_first + load->ready_count++) % total] = connection;
        connection->queued = true;
    }
}

/* The next connection is the one that has waited longest, so that all of them are used. A request
 * that finds none free keeps its intended time and is sent late: that is the point of this mode. */
static void send_due(struct load *load, u64 now)
{
    u32 total = load->options.idle + load->options.connections;
    u64 last = min_u64(now, load->last_due_ns);
    while (load->ready_count > 0 && due_ns(load) <= last) {
        struct connection *connection = load->ready[load->ready_first];
        load->ready_first = (load->ready_first + 1) % total;
        load->ready_count--;
        connection->queued = false;
        /* One that broke while it waited is queued again when it is connected again. */
        if (connection->state != CONNECTION_READY)
            continue;
        send_now(load, connection, due_ns(load));
        load->sent++;
    }
}

static void open_some(struct load *load, u32 first, u32 count)
{
    while (load->opened < count && load->opened - load->settled < OPENING_MAX)
        connection_open(load, &load->connections[first + load->opened++]);
}

void traffic_opened(struct load *load, struct connection *connection)
{
    if (connection->idle) {
        connection_send(load, connection, net_now_ns());
        return;
    }
    if (load->phase == PHASE_OPENING)
        load->settled++;
    if (load->options.fresh)
        send_now(load, connection, connection->intended_ns);
    else
        make_ready(load, connection);
}

static void record(struct load *load, const struct connection *connection)
{
    u64 now = net_now_ns();
    bool timed = load->phase == PHASE_MEASURING;
    if (timed && connection->response.refused)
        load->refused++;
    else if (timed)
        load->completed++;
    if (connection->response.refused)
        return;
    /* At a constant rate, a request belongs to the window in which it was due. */
    if (load->options.rate > 0)
        timed = load->phase >= PHASE_MEASURING && connection->intended_ns >= load->begin_ns;
    if (timed)
        histogram_record(&load->latency, now - connection->intended_ns);
}

void traffic_answered(struct load *load, struct connection *connection)
{
    if (connection->idle) {
        load->settled++;
        return;
    }
    load->in_flight--;
    record(load, connection);
    if (connection->state == CONNECTION_READY)
        make_ready(load, connection);
}

static void open_fresh(struct load *load, struct connection *connection)
{
    connection->intended_ns = net_now_ns();
    connection_open(load, connection);
}

void traffic_closed(struct load *load, struct connection *connection, bool failed)
{
    bool parked = connection->idle && load->phase != PHASE_FILLING;
    if (load->phase >= PHASE_DRAINING || parked)
        return;
    if (failed)
        load->reconnects++;
    if (load->options.fresh)
        open_fresh(load, connection);
    else
        connection_open(load, connection);
}

void traffic_failed(struct load *load, struct connection *connection, enum load_error error)
{
    bool waiting = connection->state == CONNECTION_WAITING;
    load->errors[error]++;
    load->error_count++;
    if (waiting && !connection->idle)
        load->in_flight--;
    connection_close(load, connection);
}

static void begin_measuring(struct load *load, u64 now)
{
    load->phase = PHASE_MEASURING;
    load->completed = 0;
    load->refused = 0;
    load->bytes = 0;
    histogram_clear(&load->latency);
    for (u32 i = 0; i < load->options.watch_count; i++)
        watch_read(&load->options.watches[i], &load->options.watches[i].begin);
    load->begin_ns = net_now_ns();
    load->phase_end_ns = now + (u64)(load->options.seconds * 1e9);
    if (load->options.requests > 0)
        load->phase_end_ns = UINT64_MAX;
}

static void end_measuring(struct load *load)
{
    load->end_ns = net_now_ns();
    for (u32 i = 0; i < load->options.watch_count; i++)
        watch_read(&load->options.watches[i], &load->options.watches[i].end);
    load->phase = PHASE_DRAINING;
    load->last_due_ns = load->end_ns;
    load->phase_end_ns = load->end_ns + DRAIN_SECONDS_MAX * second_ns;
}

static void begin_warming(struct load *load, u64 now)
{
    load->phase = PHASE_WARMING;
    load->phase_end_ns = now + (u64)(load->options.warmup_seconds * 1e9);
    load->start_ns = now;
    load->last_due_ns = UINT64_MAX;
    if (load->options.rate > 0)
        return;
    for (u32 i = 0; i < load->options.connections; i++) {
        struct connection *connection = &load->connections[load->options.idle + i];
        if (load->options.fresh)
            open_fresh(load, connection);
        else if (connection->state == CONNECTION_READY)
            send_now(load, connection, net_now_ns());
    }
}

static void step_filling(struct load *load, u64 now)
{
    open_some(load, 0, load->options.idle);
    if (load->settled < load->options.idle)
        return;
    if (load->options.idle > 0) {
        printf("{\"event\": \"idle_ready\", \"connections\": %u}\n", load->settled);
        fflush(stdout);
    }
    load->opened = 0;
    load->settled = 0;
    load->phase = PHASE_OPENING;
    if (load->options.connections == 0)
        begin_measuring(load, now);
}

static void step_opening(struct load *load, u64 now)
{
    if (!load->options.fresh)
        open_some(load, load->options.idle, load->options.connections);
    if (load->options.fresh || load->settled >= load->options.connections)
        begin_warming(load, now);
}

static void step_draining(struct load *load, u64 now)
{
    bool backlog = load->options.rate > 0 && due_ns(load) < load->last_due_ns;
    bool late = now >= load->phase_end_ns;
    if ((load->in_flight > 0 || backlog) && !late)
        return;
    load->errors[ERROR_TIMEOUT] += load->in_flight;
    for (; backlog && due_ns(load) < load->last_due_ns; load->sent++)
        load->errors[ERROR_TIMEOUT]++;
    load->phase = PHASE_OVER;
}

static void step(struct load *load, u64 now)
{
    bool enough = load->options.requests > 0 && load->completed >= load->options.requests;
    switch (load->phase) {
    case PHASE_FILLING:
        step_filling(load, now);
        return;
    case PHASE_OPENING:
        step_opening(load, now);
        return;
    case PHASE_WARMING:
        if (now >= load->phase_end_ns)
            begin_measuring(load, now);
        return;
    case PHASE_MEASURING:
        if (now >= load->phase_end_ns || enough || load->error_count > ERRORS_MAX)
            end_measuring(load);
        return;
    case PHASE_DRAINING:
        step_draining(load, now);
        return;
    case PHASE_OVER:
        return;
    }
}

static i64 wait_ns(const struct load *load, u64 now)
{
    u64 until = min_u64(load->phase_end_ns, now + second_ns);
    bool paced = load->options.rate > 0 && load->phase >= PHASE_WARMING;
    if (paced && load->ready_count > 0 && due_ns(load) <= load->last_due_ns)
        until = min_u64(until, due_ns(load));
    return until > now ? (i64)(until - now) : 0;
}

static void drain_completions(struct load *load)
{
    struct io_uring_cqe *cqe;
    u32 head;
    u32 seen = 0;
    io_uring_for_each_cqe(&load->ring.uring, head, cqe)
    {
        connection_dispatch(load, cqe);
        seen++;
    }
    io_uring_cq_advance(&load->ring.uring, seen);
    buffer_group_refill(&load->group);
}

void traffic_run(struct load *load)
{
    u64 setup_end_ns = net_now_ns() + SETUP_SECONDS_MAX * second_ns;
    load->phase = PHASE_FILLING;
    load->phase_end_ns = setup_end_ns;
    for (u32 i = 0; i < load->options.idle; i++)
        load->connections[i].idle = true;
    while (load->phase != PHASE_OVER) {
        u64 now = net_now_ns();
        enum phase before;
        /* A phase that is over at once (no idle connections, nothing in flight) must not cost a
         * wait that nothing would end. */
        do {
            before = load->phase;
            step(load, now);
        } while (load->phase != before);
        if (load->phase < PHASE_WARMING &&
            (now >= setup_end_ns || load->error_count > load->options.connections + 100U))
            net_die("the target does not answer: %llu errors while opening connections",
                    (unsigned long long)load->error_count);
        if (load->options.rate > 0 && load->phase >= PHASE_WARMING)
            send_due(load, now);
        if (load->phase != PHASE_OVER)
            bench_ring_turn(&load->ring,
                            (struct bench_wait){.events = 1, .timeout_ns = wait_ns(load, now)});
        drain_completions(load);
    }
}
