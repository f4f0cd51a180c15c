/* Plain system calls on sockets. They are cheaper than ops (a shutdown through the ring always goes
 * to a kernel thread), and kept here so that the simulator can replace them with the ring. */
#include <errno.h>
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

void ring_close(struct ring *ring, int fd, bool reset)
{
    (void)ring;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void)close(fd);
}

ssize_t recv_into(int fd, void *data, usize len)
{
    ssize_t got = recv(fd, data, len, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}
