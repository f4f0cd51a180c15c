/*
 * Probes by a program: exit status 0 is good, all else is not.
 *
 *   RUNNING --ended, timeout (killed), or abandoned (killed)--> ENDING --reaped, nothing owed-->
 * (released)
 *
 * The result is told once, on the way to ENDING. The program's end counts, not that of its output:
 * what it leaves behind may keep the pipe open, and is killed.
 */
#include <stdio.h>

#include "base/clock.h"
#include "health.h"
#include "health/probe.h"
#include "health/script_text.h"
#include "process.h"

enum {
    READ_BYTES = 4096,
    READS_MAX = 16,             /* of one turn: as much as a pipe holds */
    OUTPUT_BYTES_MAX = 1 << 20, /* who writes more is left waiting, until it is too late */
    ENVIRONMENT_BYTES = 2048,
    VARIABLES_MAX = 6,
};

struct script {
    struct probe probe;
    struct process process;
    struct ring_op exit_op;
    struct ring_op output_op;
    struct wheel_timer timer;
    struct script_text text;
    u32 output_bytes;
    u32 timeout_ms;
    bool ending;
    bool reaped;
};

/* ---- The end ---- */

static void release_when_quiet(struct script *script)
{
    if (!script->reaped || script->exit_op.owed || script->output_op.owed)
        return;
    process_close(&script->process);
    slab_release(&script->probe.prober->slab, script);
}

/* What it left behind may have the other end of the pipe for as long as it likes. */
static void stop_waiting(struct script *script)
{
    struct prober *prober = script->probe.prober;
    script->ending = true;
    script->probe.killed_ns = ring_now_ns(prober->ring);
    if (!script->reaped)
        list_push_back(&prober->lingering, &script->probe.linger);
    wheel_clear(prober->wheel, &script->timer);
    ring_cancel(prober->ring, &script->output_op);
}

static void conclude(struct script *script, enum probe_outcome outcome, i32 code)
{
    struct probe_result result = {.outcome = outcome, .code = code};
    if (script->ending)
        return;
    stop_waiting(script);
    script_text_copy(&script->text, result.text);
    script->probe.prober->on_result(script->probe.user, &result);
}

static void script_abandon(struct probe *probe)
{
    struct script *script = container_of(probe, struct script, probe);
    ASSERT(!script->ending);
    process_kill(&script->process);
    stop_waiting(script);
}

/* ---- Output ---- */

/* What is no use is taken, too, so that the program does not wait for us. False when no more is to
 * be read. */
static bool read_output(struct script *script)
{
    char bytes[READ_BYTES];
    u32 len;
    for (u32 i = 0; i < READS_MAX; i++) {
        enum process_output output = process_read(&script->process, bytes, sizeof(bytes), &len);
        if (output != PROCESS_OUTPUT_SOME)
            return output == PROCESS_OUTPUT_NONE;
        script_text_add(&script->text, slice_of(bytes, len));
        script->output_bytes += len;
    }
    return script->output_bytes < OUTPUT_BYTES_MAX;
}

static void on_output(struct ring_op *op, struct ring_done done)
{
    struct script *script = container_of(op, struct script, output_op);
    if (done.status == RING_OK && !script->ending && read_output(script))
        ring_poll_readable(script->probe.prober->ring, op, script->process.output_fd);
    release_when_quiet(script);
}

static void on_timeout(struct wheel_timer *timer)
{
    struct script *script = container_of(timer, struct script, timer);
    process_kill(&script->process);
    conclude(script, PROBE_LATE, (i32)script->timeout_ms);
}

static void on_exit(struct ring_op *op, struct ring_done done)
{
    struct script *script = container_of(op, struct script, exit_op);
    struct process_end end;
    (void)done; /* whatever it says: the program's status decides */
    script->reaped = process_reap(&script->process, &end);
    if (!script->reaped) {
        ring_poll_readable(script->probe.prober->ring, op, script->process.exit_fd);
        return;
    }
    list_remove(&script->probe.linger);
    (void)read_output(script); /* its last words may be there still */
    if (end.by_signal)
        conclude(script, PROBE_SIGNAL, end.code);
    else
        conclude(script, end.code == 0 ? PROBE_GOOD : PROBE_EXIT, end.code);
    release_when_quiet(script);
}

static const struct ring_op_class exit_class = {"script's end", on_exit};
static const struct ring_op_class output_class = {"script's output", on_output};

/* ---- The beginning ---- */

/* Nothing of our own environment, which may hold secrets. */
struct environment {
    const char *at[VARIABLES_MAX + 1];
    u32 count;
    u32 used;
    char text[ENVIRONMENT_BYTES];
};

static void put(struct environment *environment, const char *name, struct slice value)
{
    char *at = environment->text + environment->used;
    usize room = sizeof(environment->text) - environment->used;
    int len = snprintf(at, room, "%s=%.*s", name, (int)value.len, value.len ? value.data : "");
    ASSERT(len > 0 && (usize)len < room && environment->count < VARIABLES_MAX); /* all is bounded */
    environment->at[environment->count++] = at;
    environment->used += (u32)len + 1;
}

static void fill(struct environment *environment, const struct config_backend *backend)
{
    const struct address *address = &backend->address;
    char ip[64], port[8];
    put(environment, "PATH", SLICE("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    put(environment, "NEXTPROXY_BACKEND_ID", backend->id);
    put(environment, "NEXTPROXY_BACKEND_URL", backend->url);
    if (address->any.sa_family == AF_UNIX) {
        put(environment, "NEXTPROXY_BACKEND_ADDRESS", slice_of_string(address->local.sun_path));
        return; /* which has no port */
    }
    bool v6 = address->any.sa_family == AF_INET6;
    (void)snprintf(port, sizeof(port), "%u",
                   ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port));
    put(environment, "NEXTPROXY_BACKEND_ADDRESS", slice_of(ip, address_format_ip(address, ip)));
    put(environment, "NEXTPROXY_BACKEND_PORT", slice_of_string(port));
}

static struct probe *script_start(struct prober *prober, const struct config_backend *backend,
                                  struct probe_result *why)
{
    const struct config_health_check *check = &backend->health_check;
    struct environment environment = {.count = 0};
    struct process process;
    fill(&environment, backend);
    i32 error = process_start(&process, check->command, environment.at);
    if (error) {
        *why = (struct probe_result){.outcome = PROBE_SKIPPED, .error = error};
        script_text_line(slice_of_string(check->command[0]), why->text);
        return NULL;
    }
    struct script *script = slab_acquire(&prober->slab);
    ASSERT(script);
    *script = (struct script){.process = process, .timeout_ms = check->timeout_ms};
    wheel_timer_init(&script->timer, on_timeout);
    wheel_set(prober->wheel, &script->timer,
              ring_now_ns(prober->ring) + check->timeout_ms * NS_PER_MS);
    ring_op_init(&script->exit_op, &exit_class);
    ring_op_init(&script->output_op, &output_class);
    ring_poll_readable(prober->ring, &script->exit_op, process.exit_fd);
    ring_poll_readable(prober->ring, &script->output_op, process.output_fd);
    return &script->probe;
}

const struct probe_kind probe_by_script = {
    .bytes = sizeof(struct script),
    .count_max = HEALTH_SCRIPTS_MAX,
    .start = script_start,
    .abandon = script_abandon,
};
