/* See scenario.h. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>

/* With its checks (and a sanitizer's) each takes some five times as long. */
#ifdef NEXTPROXY_DEBUG
enum { SEEDS_DEFAULT = 20 };
#else
enum { SEEDS_DEFAULT = 50 };
#endif
enum { HEAD_MAX = 70000 };

int scenarios_run(const struct scenario *scenarios, usize count)
{
    struct sim_seeds seeds = sim_seeds(SEEDS_DEFAULT);
    sim_print_on_abort();
    printf("1..%zu\n", count);
    for (usize i = 0; i < count; i++) {
        for (u64 seed = seeds.first; seed <= seeds.last; seed++) {
            sim_set_title(scenarios[i].name, seed);
            struct sim *sim =
                sim_create(&(struct sim_options){.seed = seed,
                                                 .config = scenarios[i].config,
                                                 .leases = scenarios[i].leases,
                                                 .completions = scenarios[i].completions,
                                                 .logs = seed % 2 == 0});
            scenarios[i].run(sim);
            sim_destroy(sim);
        }
        printf("ok %zu - %s\n", i + 1, scenarios[i].name);
        fflush(stdout);
    }
    return 0;
}

/* ---- Heads ---- */

usize scenario_head_len(const struct sim_peer *peer)
{
    struct slice received = sim_received(peer);
    const char *end = memmem(received.data, received.len, "\r\n\r\n", 4);
    return end ? (usize)(end - received.data) + 4 : 0;
}

const char *scenario_head(struct sim *sim, struct sim_peer *peer)
{
    static char head[HEAD_MAX];
    SIM_UNTIL(sim, scenario_head_len(peer) > 0 || sim_end(peer) != SIM_OPEN);
    usize len = scenario_head_len(peer);
    if (len == 0) {
        struct slice received = sim_received(peer);
        sim_fail("the connection ended instead of a head: %.*s", (int)received.len, received.data);
    }
    SIM_CHECK(len < sizeof(head));
    memcpy(head, sim_received(peer).data, len);
    head[len] = '\0';
    sim_take(peer, len);
    return head;
}

void scenario_expect_head(struct sim *sim, struct sim_peer *peer, const char *const *lines)
{
    const char *head = scenario_head(sim, peer);
    usize first_len = strlen(*lines);
    if (strncmp(head, *lines, first_len) != 0 || strncmp(head + first_len, "\r\n", 2) != 0)
        sim_fail("expected \"%s\", got:\n%s", *lines, head);
    for (lines++; *lines; lines++) {
        bool unwanted = **lines == '!';
        char wanted[512];
        int len =
            snprintf(wanted, sizeof(wanted), unwanted ? "\r\n%s" : "\r\n%s\r\n", *lines + unwanted);
        SIM_CHECK(len > 0 && (usize)len < sizeof(wanted));
        if ((strstr(head, wanted) != NULL) == unwanted)
            sim_fail("\"%s\" in:\n%s", *lines, head);
    }
}

void scenario_expect(struct sim *sim, struct sim_peer *peer, const char *text)
{
    usize len = strlen(text);
    SIM_UNTIL(sim, sim_received(peer).len >= len || sim_end(peer) != SIM_OPEN);
    struct slice received = sim_received(peer);
    if (received.len < len || memcmp(received.data, text, len) != 0)
        sim_fail("expected \"%s\", got \"%.*s\"", text, (int)received.len, received.data);
    sim_take(peer, len);
}

void scenario_expect_page(struct sim *sim, struct sim_peer *peer, const char *status)
{
    const char *head = scenario_head(sim, peer);
    const char *length = strstr(head, "\r\nContent-Length: ");
    if (strncmp(head, "HTTP/1.1 ", 9) != 0 || strncmp(head + 9, status, 3) != 0 || !length)
        sim_fail("expected a page %s, got:\n%s", status, head);
    usize len = strtoul(length + 18, NULL, 10);
    SIM_UNTIL(sim, sim_received(peer).len >= len || sim_end(peer) == SIM_RESET);
    SIM_CHECK(sim_received(peer).len >= len);
    sim_take(peer, len);
}

/* ---- Ends ---- */

void scenario_expect_end(struct sim *sim, struct sim_peer *peer, enum sim_end end)
{
    SIM_UNTIL(sim, sim_end(peer) != SIM_OPEN || sim_received(peer).len > 0);
    struct slice received = sim_received(peer);
    if (received.len > 0)
        sim_fail("bytes instead of the end: %.*s", (int)received.len, received.data);
    if (sim_end(peer) != end)
        sim_fail("the end is %d, not %d", (int)sim_end(peer), (int)end);
}

void scenario_drop(struct sim *sim, struct sim_peer *peer)
{
    while (sim_end(peer) == SIM_OPEN) {
        sim_take(peer, sim_received(peer).len);
        SIM_UNTIL(sim, sim_received(peer).len > 0 || sim_end(peer) != SIM_OPEN);
    }
}

/* ---- Connections ---- */

static struct sim_peer *accept_any(struct sim *sim, u32 backend)
{
    if (backend != ANY_BACKEND)
        return sim_accept(sim, backend);
    for (u32 i = 0; i < SIM_BACKENDS_MAX; i++) {
        struct sim_peer *peer = sim_accept(sim, i);
        if (peer)
            return peer;
    }
    return NULL;
}

struct sim_peer *scenario_accept(struct sim *sim, u32 backend)
{
    struct sim_peer *peer = NULL;
    SIM_UNTIL(sim, (peer = accept_any(sim, backend)) != NULL);
    return peer;
}

struct sim_peer *scenario_next(struct sim *sim, struct sim_peer *backend)
{
    struct sim_peer *fresh = NULL;
    SIM_UNTIL(sim, (backend && sim_received(backend).len > 0) || (fresh = sim_accept(sim, 0)));
    return fresh ? fresh : backend;
}

struct sim_peer *scenario_get(struct sim *sim, struct sim_peer *client)
{
    sim_say(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct sim_peer *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, backend, "GET / HTTP/1.1", "Host: a");
    return backend;
}

void scenario_answer(struct sim *sim, struct sim_peer *client, struct sim_peer *backend)
{
    sim_say(backend, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_HEAD(sim, client, "HTTP/1.1 200 OK", "Content-Length: 2", "!Connection:");
    scenario_expect(sim, client, "ok");
}

struct sim_peer *scenario_warm(struct sim *sim, struct sim_peer **client)
{
    *client = sim_connect(sim);
    struct sim_peer *backend = scenario_get(sim, *client);
    scenario_answer(sim, *client, backend);
    return backend;
}

void scenario_tunnel(struct sim *sim, struct sim_peer **client, struct sim_peer **backend)
{
    *client = sim_connect(sim);
    sim_say(*client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    *backend = scenario_accept(sim, ANY_BACKEND);
    EXPECT_HEAD(sim, *backend, "GET / HTTP/1.1", "Connection: upgrade", "Upgrade: x");
    sim_say(*backend, "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    EXPECT_HEAD(sim, *client, "HTTP/1.1 101 Go", "Connection: upgrade", "Upgrade: x");
}

void scenario_end(struct sim *sim, struct sim_peer *peer)
{
    sim_leave(peer, sim_random(sim, 3));
}

/* ---- What else there is to see ---- */

void scenario_check_after(struct sim *sim, u64 since_ns, u64 ms)
{
    /* Late: the wheel's slot, and what the turns take. Early: the peer learns a little later than
     * the proxy that the time has begun. */
    enum { LATE_MS = 100, EARLY_MS = 20 };
    u64 passed_ms = (sim_now_ns(sim) - since_ns) / 1000000;
    if (passed_ms + EARLY_MS < ms || passed_ms > ms + LATE_MS)
        sim_fail("after %llu ms instead of %llu", (unsigned long long)passed_ms,
                 (unsigned long long)ms);
}

static struct slice last_line(struct slice text)
{
    const char *before = text.len > 1 ? memrchr(text.data, '\n', text.len - 1) : NULL;
    u32 at = before ? (u32)(before + 1 - text.data) : 0;
    return slice_of(text.data + at, text.len - at);
}

void scenario_expect_record(struct sim *sim, enum log_file file, const char *const *parts)
{
    if (!sim_has_logs(sim))
        return;
    SIM_UNTIL(sim, sim_log(sim, file).len > 0); /* a page is there before its record */
    struct slice line = last_line(sim_log(sim, file));
    for (; *parts; parts++)
        if (!memmem(line.data, line.len, *parts, strlen(*parts)))
            sim_fail("no %s in the record: %.*s", *parts, (int)line.len, line.data);
}

/* ---- Bodies ---- */

char scenario_byte(u32 stream, u64 at)
{
    return (char)('a' + (at * 7 + at / 251 + stream * 11) % 26);
}

void scenario_send_body(struct sim_peer *peer, u32 stream, u64 at, u64 len)
{
    static char block[256 * 1024];
    while (len > 0) {
        usize part = len < sizeof(block) ? (usize)len : sizeof(block);
        for (usize i = 0; i < part; i++)
            block[i] = scenario_byte(stream, at + i);
        sim_send(peer, block, part);
        at += part;
        len -= part;
    }
}

u64 scenario_take_body(struct sim_peer *peer, u32 stream, u64 at, u64 len)
{
    struct slice received = sim_received(peer);
    u64 part = min_u64(received.len, len);
    for (u64 i = 0; i < part; i++)
        if (received.data[i] != scenario_byte(stream, at + i))
            sim_fail("byte %llu of stream %u is wrong", (unsigned long long)(at + i), stream);
    sim_take(peer, (usize)part);
    return part;
}

void scenario_expect_body(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len)
{
    for (u64 at = 0; at < len;) {
        SIM_UNTIL(sim, sim_received(peer).len > 0 || sim_end(peer) != SIM_OPEN);
        u64 part = scenario_take_body(peer, stream, at, len - at);
        if (part == 0)
            sim_fail("the body ended after %llu of %llu bytes", (unsigned long long)at,
                     (unsigned long long)len);
        at += part;
    }
}

void scenario_send_chunks(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len,
                          const char *trailers)
{
    for (u64 at = 0; at < len;) {
        char size[32];
        u32 bits = sim_random(sim, 17);
        u64 part = min_u64(len - at, 1 + sim_random(sim, 1u << bits));
        int digits =
            snprintf(size, sizeof(size), sim_chance(sim, 20) ? "%llx;x=\"y\"\r\n" : "%llX\r\n",
                     (unsigned long long)part);
        sim_send(peer, size, (usize)digits);
        scenario_send_body(peer, stream, at, part);
        sim_say(peer, "\r\n");
        at += part;
    }
    sim_say(peer, "0\r\n");
    sim_say(peer, trailers);
    sim_say(peer, "\r\n");
}

/* A line of the chunked coding, with its CRLF; empty while it is not complete. */
static struct slice chunk_line(const struct sim_peer *peer)
{
    struct slice received = sim_received(peer);
    const char *end = memmem(received.data, received.len, "\r\n", 2);
    return slice_of(received.data, end ? (usize)(end - received.data) + 2 : 0);
}

void scenario_expect_chunks(struct sim *sim, struct sim_peer *peer, u32 stream, u64 len,
                            const char *trailers)
{
    u64 at = 0;
    for (;;) {
        SIM_UNTIL(sim, chunk_line(peer).len > 0 || sim_end(peer) != SIM_OPEN);
        struct slice line = chunk_line(peer);
        SIM_CHECK(line.len > 2);
        u64 size = strtoull(line.data, NULL, 16);
        sim_take(peer, line.len);
        if (size == 0)
            break;
        SIM_CHECK(size <= len - at);
        for (u64 left = size; left > 0;) {
            SIM_UNTIL(sim, sim_received(peer).len > 0 || sim_end(peer) != SIM_OPEN);
            SIM_CHECK(sim_received(peer).len > 0);
            u64 part = scenario_take_body(peer, stream, at, left);
            at += part;
            left -= part;
        }
        scenario_expect(sim, peer, "\r\n");
    }
    if (at != len)
        sim_fail("%llu bytes in chunks instead of %llu", (unsigned long long)at,
                 (unsigned long long)len);
    scenario_expect(sim, peer, trailers);
    scenario_expect(sim, peer, "\r\n");
}

void scenario_drain_or_stop(struct sim *sim)
{
    if (sim_chance(sim, 50))
        sim_command_drain(sim);
    else
        sim_command_stop(sim);
}
