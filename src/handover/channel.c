/*
 * Messages with descriptors over unix sockets: between a supervisor and its engine, and to a
 * service manager.
 *
 * The latter is sd_notify(3) without libsystemd: the protocol is one datagram, documented as stable
 * for reimplementation, and the library is not there on Alpine or in a minimal image, nor wanted in
 * the address space of a proxy.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "handover.h"

enum { PATIENCE_MS = 1000 };

bool channel_open(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0;
}

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
};

bool channel_send(int channel, const char *text, const int *fds, u32 fd_count)
{
    union control control = {0};
    struct iovec iov = {(char *)(uintptr_t)text, strlen(text)}; /* sendmsg only reads it */
    /* The types of these lengths are not the same in every C library. */
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = &control;
        message.msg_controllen =
            (__typeof__(message.msg_controllen))CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = &control.header; /* the first */
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = (__typeof__(header->cmsg_len))CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    return sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)iov.iov_len;
}

bool channel_send_patiently(int channel, const char *text, const int *fds, u32 fd_count)
{
    struct pollfd room = {.fd = channel, .events = POLLOUT};
    while (!channel_send(channel, text, fds, fd_count))
        if (errno != EAGAIN || poll(&room, 1, PATIENCE_MS) != 1)
            return false;
    return true;
}

/* All descriptors of a message come in one piece. */
static void take_fds(struct msghdr *message, struct channel_message *out)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    usize bytes = header->cmsg_len - CMSG_LEN(0);
    memcpy(out->fds, CMSG_DATA(header), bytes); /* the buffer has no room for more than fit */
    out->fd_count = (u32)(bytes / sizeof(int));
}

enum channel_result channel_receive(int channel, struct channel_message *out)
{
    union control control;
    struct iovec iov = {out->text, sizeof(out->text) - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    out->fd_count = 0;
    ssize_t len = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return CHANNEL_NOTHING;
    if (len <= 0) /* no message is empty */
        return CHANNEL_ENDED;
    out->text[len] = '\0';
    out->cut = (message.msg_flags & MSG_CTRUNC) != 0;
    take_fds(&message, out);
    return CHANNEL_MESSAGE;
}

bool notify_send(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    usize len = path ? strlen(path) : 0;
    if (len == 0)
        return true;
    if (len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    usize text_len = strlen(text);
    bool sent = sendto(fd, text, text_len, MSG_NOSIGNAL | MSG_DONTWAIT,
                       (const struct sockaddr *)&address, bytes) == (ssize_t)text_len;
    (void)close(fd);
    return sent;
}
