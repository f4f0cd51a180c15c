/* One end of a tunnel of the random walk. */
#include "walk.h"

void walk_tunnel_begin(struct walk_tunnel *tunnel, u32 number, enum message_side side)
{
    *tunnel = (struct walk_tunnel){.open = true, .number = number, .side = (u8)side};
}

static enum message_side other(enum message_side side)
{
    return side == MESSAGE_REQUEST ? MESSAGE_RESPONSE : MESSAGE_REQUEST;
}

/* Some of the bytes that this side has to send; its FIN goes with the last. */
static void send_some(struct walk_tunnel *tunnel, struct sim *sim, struct sim_peer *peer)
{
    enum message_side side = (enum message_side)tunnel->side;
    u64 rest = message_length(tunnel->number, side) - tunnel->sent;
    u64 part = min_u64(rest, sim_random(sim, 1u << sim_random(sim, 18)));
    message_send_part(peer, tunnel->number, side, tunnel->sent, part);
    tunnel->sent += part;
    if (part < rest)
        return;
    sim_finish(peer);
    tunnel->finished = true;
}

void walk_tunnel_act(struct walk_tunnel *tunnel, struct sim *sim, struct sim_peer *peer)
{
    enum message_side theirs = other((enum message_side)tunnel->side);
    u64 length = message_length(tunnel->number, theirs);
    tunnel->got += message_take_part(peer, tunnel->number, theirs, tunnel->got);
    if (tunnel->got > length)
        sim_fail("%llu bytes too many through the tunnel of %u",
                 (unsigned long long)(tunnel->got - length), tunnel->number);
    if (!tunnel->finished && !tunnel->silent && sim_chance(sim, 70))
        send_some(tunnel, sim, peer);
    enum sim_end end = sim_end(peer);
    tunnel->whole = end == SIM_FIN && tunnel->got == length;
    if (end != SIM_OPEN && (!tunnel->whole || tunnel->finished))
        tunnel->open = false;
}
