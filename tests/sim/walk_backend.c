/* One connection of a backend of the random walk. */
#include <stdio.h>

#include "walk.h"

/* For a while, so that the next request may be late. */
static void be_busy(struct walk_backend *backend)
{
    enum { BUSY_US_MAX = 200000 };
    if (backend->mood.hedged && sim_chance(backend->sim, 50))
        backend->busy_until_ns =
            sim_now_ns(backend->sim) + sim_random(backend->sim, BUSY_US_MAX) * 1000ull;
}

void walk_backend_init(struct walk_backend *backend, struct sim *sim, struct sim_peer *peer,
                       struct walk_mood mood)
{
    *backend = (struct walk_backend){.sim = sim, .peer = peer, .mood = mood};
    be_busy(backend);
}

static bool misfortune(const struct walk_backend *backend, u32 percent)
{
    return backend->mood.trouble && sim_chance(backend->sim, percent);
}

static void end_somehow(struct walk_backend *backend)
{
    sim_leave(backend->peer, sim_random(backend->sim, 3));
}

/* Not HTTP, or framing that must not be believed. */
static void answer_badly(struct walk_backend *backend)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    };
    sim_say(backend->peer, answers[sim_random(backend->sim, ARRAY_COUNT(answers))]);
}

static void answer(struct walk_backend *backend)
{
    struct sim *sim = backend->sim;
    u32 number = backend->request.number;
    u64 length = message_length(number, MESSAGE_RESPONSE);
    enum message_framing framing = misfortune(backend, 15) && !backend->mood.local
                                       ? MESSAGE_BY_CLOSE
                                       : MESSAGE_BY_LENGTH + sim_random(sim, 2);
    char head[256];
    if (sim_chance(sim, 10))
        sim_say(backend->peer, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    int begun = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nX-Number: %u\r\n", number);
    usize len = message_end_head(head, (usize)begun, sizeof(head), framing, length);
    u64 cut = misfortune(backend, 5) ? sim_random(sim, (u32)length + 1) : UINT64_MAX;
    if (misfortune(backend, 2)) {
        sim_send(backend->peer, head, sim_random(sim, (u32)len));
        end_somehow(backend);
        return;
    }
    sim_send(backend->peer, head, len);
    if (!backend->request.head_method)
        message_send_body(sim, backend->peer, number, MESSAGE_RESPONSE,
                          framing == MESSAGE_BY_CHUNKS, cut);
    if (framing == MESSAGE_BY_CLOSE && cut < length)
        sim_reset(backend->peer);
    else if (framing == MESSAGE_BY_CLOSE)
        sim_finish(backend->peer);
    else if (cut < length || misfortune(backend, 3))
        end_somehow(backend);
}

static void switch_protocols(struct walk_backend *backend)
{
    char head[128];
    int len =
        snprintf(head, sizeof(head),
                 "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: walk\r\n"
                 "X-Number: %u\r\n\r\n",
                 backend->request.number);
    sim_send(backend->peer, head, (usize)len);
    walk_tunnel_begin(&backend->tunnel, backend->request.number, MESSAGE_RESPONSE);
}

/* Answers when the request is whole, or, in troubled walks, sometimes before. */
static void answer_in_time(struct walk_backend *backend)
{
    bool whole = backend->request.state == MESSAGE_DONE;
    bool known = backend->request.state != MESSAGE_HEAD;
    if (backend->answered || !known || !(whole || misfortune(backend, 2)))
        return;
    if (sim_now_ns(backend->sim) < backend->busy_until_ns)
        return;
    if (backend->delay > 0) {
        backend->delay--;
        return;
    }
    backend->answered = true;
    if (backend->request.upgrade && sim_chance(backend->sim, 80))
        switch_protocols(backend);
    else if (misfortune(backend, 3) && !backend->request.upgrade)
        answer_badly(backend); /* one of them would be good for an upgrade */
    else
        answer(backend);
    backend->delay = backend->mood.trouble ? sim_random(backend->sim, 10) : 0;
    be_busy(backend);
}

static void act_in_tunnel(struct walk_backend *backend)
{
    struct walk_tunnel *tunnel = &backend->tunnel;
    tunnel->silent |= misfortune(backend, 1);
    walk_tunnel_act(tunnel, backend->sim, backend->peer);
    if (tunnel->open && misfortune(backend, 1) && sim_chance(backend->sim, 20))
        end_somehow(backend);
    if (tunnel->open)
        return;
    if (backend->mood.calm && !tunnel->whole)
        sim_fail("the tunnel of %u was cut", tunnel->number);
    sim_close(backend->peer);
    backend->over = true;
}

void walk_backend_act(struct walk_backend *backend)
{
    if (backend->over)
        return;
    if (backend->tunnel.open) {
        act_in_tunnel(backend);
        return;
    }
    message_read(&backend->request, backend->peer, false);
    answer_in_time(backend);
    if (backend->request.state == MESSAGE_DONE && backend->answered) {
        backend->request = (struct message){0};
        backend->answered = false;
    }
    if (sim_end(backend->peer) != SIM_OPEN) {
        if (backend->mood.calm && !backend->mood.hedged && backend->request.state != MESSAGE_HEAD)
            sim_fail("request %u was cut", backend->request.number);
        sim_close(backend->peer);
        backend->over = true;
    } else if (misfortune(backend, 1) && sim_chance(backend->sim, 20)) {
        end_somehow(backend);
    }
}
