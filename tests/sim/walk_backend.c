/* One connection of a backend of the random walk. */
#include <stdio.h>

#include "walk.h"

void walk_backend_init(struct walk_backend *backend, struct sim *sim, struct sim_peer *peer,
                       bool trouble, bool calm)
{
    *backend = (struct walk_backend){.sim = sim, .peer = peer, .trouble = trouble, .calm = calm};
}

static bool misfortune(const struct walk_backend *backend, u32 percent)
{
    return backend->trouble && sim_chance(backend->sim, percent);
}

static void end_somehow(struct walk_backend *backend)
{
    static void (*const ways[])(struct sim_peer *) = {sim_finish, sim_close, sim_reset};
    ways[sim_random(backend->sim, ARRAY_COUNT(ways))](backend->peer);
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
    enum message_framing framing =
        misfortune(backend, 15) ? MESSAGE_BY_CLOSE : MESSAGE_BY_LENGTH + sim_random(sim, 2);
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

/* Answers when the request is whole, or, in troubled walks, sometimes before. */
static void answer_in_time(struct walk_backend *backend)
{
    bool whole = backend->request.state == MESSAGE_DONE;
    bool known = backend->request.state != MESSAGE_HEAD;
    if (backend->answered || !known || !(whole || misfortune(backend, 2)))
        return;
    if (backend->delay > 0) {
        backend->delay--;
        return;
    }
    backend->answered = true;
    if (misfortune(backend, 3))
        answer_badly(backend);
    else
        answer(backend);
    backend->delay = backend->trouble ? sim_random(backend->sim, 10) : 0;
}

void walk_backend_act(struct walk_backend *backend)
{
    if (backend->over)
        return;
    message_read(&backend->request, backend->peer, false);
    answer_in_time(backend);
    if (backend->request.state == MESSAGE_DONE && backend->answered) {
        backend->request = (struct message){0};
        backend->answered = false;
    }
    if (sim_end(backend->peer) != SIM_OPEN) {
        if (backend->calm && backend->request.state != MESSAGE_HEAD)
            sim_fail("request %u was cut", backend->request.number);
        sim_close(backend->peer);
        backend->over = true;
    } else if (misfortune(backend, 1) && sim_chance(backend->sim, 20)) {
        end_somehow(backend);
    }
}
