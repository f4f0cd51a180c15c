/* Pipes: what src/ring/socket.c does with them on the real kernel. Their bytes are kept by number.
 */
#include <stdlib.h>

#include "sim_internal.h"

bool pipe_open(struct ring_pipe *pipe)
{
    static const u32 capacities[] = {1, 1000, 65536, 262144};
    u32 number = 0;
    if (sim_current->sockets_fail)
        return false;
    while (sim_current->pipes[number].capacity > 0)
        number++;
    SIM_CHECK(number < RING_PIPES_MAX);
    struct sim_bytes *bytes = &sim_current->pipes[number];
    *bytes = (struct sim_bytes){.data = malloc(1), .capacity = 1};
    SIM_CHECK(bytes->data);
    *pipe = (struct ring_pipe){.read_fd = (int)number,
                               .capacity_bytes =
                                   capacities[sim_random(sim_current, ARRAY_COUNT(capacities))]};
    return true;
}

void pipe_close(struct ring_pipe *pipe)
{
    struct sim_bytes *bytes = &sim_current->pipes[pipe->read_fd];
    SIM_CHECK(bytes->len == pipe->bytes);
    free(bytes->data);
    *bytes = (struct sim_bytes){0};
    *pipe = (struct ring_pipe){0};
}

enum ring_moved ring_pipe_fill(struct ring *ring, struct ring_pipe *pipe, int fd, u32 bytes_max,
                               u32 *bytes)
{
    (void)ring;
    struct sim_peer *peer = sim_socket(sim_current, fd);
    struct sim_bytes *held = &sim_current->pipes[pipe->read_fd];
    u32 room = min_u32(bytes_max, pipe->capacity_bytes - pipe->bytes);
    SIM_CHECK(room > 0 && held->len == pipe->bytes);
    *bytes = 0;
    if (peer->visible > 0) {
        *bytes = (u32)sim_piece(sim_current, peer->visible < room ? peer->visible : room);
        sim_bytes_append(held, sim_bytes_front(&peer->out), *bytes);
        sim_bytes_drop(&peer->out, *bytes);
        peer->visible -= *bytes;
        pipe->bytes += *bytes;
        sim_trace("into a pipe", peer->number, *bytes);
        return RING_MOVED_SOME;
    }
    bool ended = sim_readable(peer);
    peer->error = false; /* it is told once */
    return ended ? RING_MOVED_LOST : RING_MOVED_NONE;
}

enum ring_moved ring_pipe_drain(struct ring *ring, struct ring_pipe *pipe, int fd, u32 *bytes)
{
    (void)ring;
    struct sim_peer *peer = sim_socket(sim_current, fd);
    struct sim_bytes *held = &sim_current->pipes[pipe->read_fd];
    SIM_CHECK(pipe->bytes > 0 && held->len == pipe->bytes);
    *bytes = 0;
    if (peer->reset_visible || peer->end_pending == SIM_RESET || peer->shut_write ||
        (peer->local && peer->peer_closed))
        return RING_MOVED_LOST;
    usize room = peer->window > peer->in.len ? peer->window - peer->in.len : 0;
    if (peer->peer_closed)
        room = pipe->bytes;
    if (room == 0)
        return RING_MOVED_NONE;
    *bytes = (u32)sim_piece(sim_current, room < pipe->bytes ? room : pipe->bytes);
    sim_bytes_append(&peer->in, sim_bytes_front(held), *bytes);
    sim_bytes_drop(held, *bytes);
    pipe->bytes -= *bytes;
    sim_trace("out of a pipe", peer->number, *bytes);
    return RING_MOVED_SOME;
}

void sim_pipes_deinit(struct sim *sim)
{
    for (u32 i = 0; i < RING_PIPES_MAX; i++)
        SIM_CHECK(sim->pipes[i].capacity == 0);
}
