/* Plain system calls on sockets. They are cheaper than ops (a shutdown through the ring always goes
 * to a kernel thread), and kept here so that the simulator can replace them with the ring. */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ring/ring_internal.h"

int ring_socket(struct ring *ring, const struct sockaddr *address, i32 *error)
{
    (void)ring;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = errno;
        return -1;
    }
    int on = 1;
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int ring_accept_now(struct ring *ring, int listen_fd)
{
    (void)ring;
    int fd;
    do
        fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && (errno == ECONNABORTED || errno == EINTR));
    return fd;
}

bool ring_peer_address(struct ring *ring, int fd, struct sockaddr *address,
                       socklen_t *address_bytes)
{
    (void)ring;
    return getpeername(fd, address, address_bytes) == 0;
}

u64 ring_bytes_acked(struct ring *ring, int fd)
{
    (void)ring;
    struct tcp_info info = {0};
    socklen_t bytes = sizeof(info);
    int queued = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0)
        return info.tcpi_bytes_acked;
    (void)ioctl(fd, TIOCOUTQ, &queued); /* a unix socket: what is still unread changes */
    return (u64)queued;
}

void ring_shutdown(struct ring *ring, int fd, int how)
{
    (void)ring;
    (void)shutdown(fd, how);
}

/* Its end, if not that of its number. */
static void end(int fd)
{
    if (LIKELY(!reserve_keep(fd)))
        (void)close(fd);
}

void ring_close(struct ring *ring, int fd, bool reset)
{
    (void)ring;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    end(fd);
}

/* Large enough to carry what arrives between two turns, small enough to stay in the L2 cache. An
 * ordinary user may have so much in all pipes together (fs.pipe-user-pages-soft), and gets small
 * ones beyond that: copying is better then. */
enum { PIPE_BYTES = 256 * 1024, PIPE_BYTES_MIN = 64 * 1024 };

bool pipe_open(struct ring_pipe *pipe)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    int capacity = fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    if (capacity < 0)
        capacity = fcntl(ends[1], F_GETPIPE_SZ);
    *pipe = (struct ring_pipe){.read_fd = ends[0],
                               .write_fd = ends[1],
                               .capacity_bytes = capacity > 0 ? (u32)capacity : 0};
    if (capacity >= PIPE_BYTES_MIN)
        return true;
    pipe_close(pipe);
    return false;
}

void pipe_close(struct ring_pipe *pipe)
{
    end(pipe->read_fd);
    end(pipe->write_fd);
    *pipe = (struct ring_pipe){0};
}

static enum ring_moved move(int from, int to, usize wanted, u32 *bytes)
{
    ssize_t moved = splice(from, NULL, to, NULL, wanted, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    *bytes = moved > 0 ? (u32)moved : 0;
    if (moved > 0)
        return RING_MOVED_SOME;
    return moved < 0 && (errno == EAGAIN || errno == EINTR) ? RING_MOVED_NONE : RING_MOVED_LOST;
}

enum ring_moved ring_pipe_fill(struct ring *ring, struct ring_pipe *pipe, int fd, u32 bytes_max,
                               u32 *bytes)
{
    (void)ring;
    u32 room = pipe->capacity_bytes - min_u32(pipe->bytes, pipe->capacity_bytes);
    enum ring_moved moved = move(fd, pipe->write_fd, min_u32(room, bytes_max), bytes);
    pipe->bytes += *bytes;
    return moved;
}

enum ring_moved ring_pipe_drain(struct ring *ring, struct ring_pipe *pipe, int fd, u32 *bytes)
{
    (void)ring;
    enum ring_moved moved = move(pipe->read_fd, fd, pipe->bytes, bytes);
    pipe->bytes -= *bytes;
    return moved;
}

ssize_t recv_into(int fd, void *data, usize len)
{
    ssize_t got = recv(fd, data, len, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}
