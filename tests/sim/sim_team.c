/* The worker's mate: it has connections, is given some, and gives some away. */
#include "sim_internal.h"
#include "worker/team.h"

enum { OURS, MATE };

static struct proxy_load mate_load(const struct sim *sim)
{
    u32 clients = sim->mate_busy + sim->mate_idle;
    u32 slots = sim->snapshot->config->limits.clients_max;
    SIM_CHECK(clients <= slots);
    return (struct proxy_load){sim->mate_busy, clients, slots - clients};
}

void sim_mate_joins(struct sim *sim, u32 busy, u32 idle)
{
    sim->mate_joined = true;
    sim->mate_busy = busy;
    sim->mate_idle = idle;
    SIM_CHECK(team_prepare(sim->team, MATE));
    team_publish(sim->team, MATE, mate_load(sim));
    team_join(sim->team, MATE);
}

void sim_mate_rests(struct sim *sim)
{
    sim->mate_idle += sim->mate_busy;
    sim->mate_busy = 0;
    team_publish(sim->team, MATE, mate_load(sim));
}

u32 sim_mate_served(const struct sim *sim)
{
    return sim->mate_served;
}

void sim_mate_takes(struct sim *sim, bool all)
{
    struct team_parcel parcel;
    while (sim->mate_joined && (all || sim_chance(sim, 50)) &&
           team_take(sim->team, MATE, &parcel)) {
        struct sim_peer *peer = sim_socket(sim, parcel.fd);
        sim_trace("the mate takes a client", peer->number, sim->mate_busy);
        SIM_CHECK(!sim_op_armed(sim, parcel.fd));
        peer->closed = true; /* nothing of ours any more */
        sim->mate_served++;
        sim->mate_busy++;
        team_taken(sim->team, MATE, mate_load(sim));
    }
}

bool sim_mate_gives(struct sim *sim, struct sim_peer *peer, bool proxy_header)
{
    const struct team_parcel parcel = {.fd = peer->fd, .proxy_header = proxy_header};
    SIM_CHECK(!peer->taken);
    peer->taken = team_give(sim->team, MATE, OURS, parcel);
    sim_trace("the mate gives a client", peer->number, peer->taken);
    sim->woken = sim->woken || peer->taken;
    return peer->taken;
}
