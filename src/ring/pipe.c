/* The pipes of a ring: opened when first needed, and kept, those used last on top. */
#include "ring/ring_internal.h"

struct ring_pipe *ring_pipe_take(struct ring *ring)
{
    struct ring_pipe *pipe = ring->idle_pipes;
    if (pipe) {
        ring->idle_pipes = pipe->next;
        return pipe;
    }
    if (!ring_has(ring, RING_CAP_SPLICE))
        return NULL;
    for (u32 i = 0; i < RING_PIPES_MAX; i++) {
        if (ring->pipes[i].capacity_bytes > 0)
            continue;
        if (!pipe_open(&ring->pipes[i]))
            return NULL;
        ring->pipe_count++;
        return &ring->pipes[i];
    }
    return NULL;
}

void ring_pipe_return(struct ring *ring, struct ring_pipe *pipe)
{
    if (pipe->bytes > 0) { /* nobody wants them, and there is no other way to be rid of them */
        pipe_close(pipe);
        ring->pipe_count--;
        return;
    }
    pipe->next = ring->idle_pipes;
    ring->idle_pipes = pipe;
}

u32 ring_pipes(const struct ring *ring)
{
    return ring->pipe_count;
}

void pipes_close(struct ring *ring)
{
    for (u32 i = 0; i < RING_PIPES_MAX; i++)
        if (ring->pipes[i].capacity_bytes > 0)
            pipe_close(&ring->pipes[i]);
    ring->idle_pipes = NULL;
}
