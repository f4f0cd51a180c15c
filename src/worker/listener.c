/* Opening listening sockets, with errors that name the cure. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker.h"

enum { BACKLOG = 4096 }; /* the kernel caps it at net.core.somaxconn */

static const char *cure_for(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another program listens there: stop it or choose another port";
    case EACCES:
    case EPERM:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE; a unix socket needs a writable "
               "directory";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EAFNOSUPPORT:
        return "this machine does not speak that address family (is IPv6 off?)";
    case ENOENT:
        return "the directory does not exist: create it";
    case EMFILE:
    case ENFILE:
        return "too many open files: raise the limit (ulimit -n, LimitNOFILE=)";
    default: /* errno is open-ended */
        return "see the error's name";
    }
}

static int failed(const struct config_listener *listener, int fd, const char *step, char *why,
                  usize why_bytes)
{
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    (void)snprintf(why, why_bytes, "cannot listen on %s: %s: %s; %s", listener->name.data, step,
                   strerror(error), cure_for(error));
    return -1;
}

/* Inherited by every accepted connection, so that none of them needs a call of its own. */
static void set_options(int fd, const struct config_listener *listener)
{
    int on = 1, off = 0;
    if (listener->address.any.sa_family == AF_UNIX)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (listener->address.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, listener->dual_stack ? &off : &on,
                         sizeof(on));
}

/* A socket file that nobody listens on any more is left over from a run that was killed. */
static void remove_stale(const struct config_listener *listener)
{
    struct stat status;
    const char *path = listener->address.local.sun_path;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return;
    if (connect(probe, &listener->address.any, listener->address.len) != 0 && errno == ECONNREFUSED)
        (void)unlink(path);
    (void)close(probe);
}

static int open_socket(const struct address *address)
{
    return socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int listener_open(const struct config_listener *listener, char *why, usize why_bytes)
{
    struct address address = listener->address;
    int fd = open_socket(&address);
    if (fd < 0 && errno == EAFNOSUPPORT && listener->dual_stack) {
        /* "All addresses" on a machine without IPv6 are all IPv4 addresses. */
        address = (struct address){
            .v4 = {.sin_family = AF_INET, .sin_port = listener->address.v6.sin6_port},
            .len = sizeof(address.v4)};
        fd = open_socket(&address);
    }
    if (fd < 0)
        return failed(listener, fd, "socket", why, why_bytes);
    set_options(fd, listener);
    if (address.any.sa_family == AF_UNIX)
        remove_stale(listener);
    if (bind(fd, &address.any, address.len) != 0)
        return failed(listener, fd, "bind", why, why_bytes);
    if (address.any.sa_family == AF_UNIX && chmod(address.local.sun_path, listener->unix_mode) != 0)
        return failed(listener, fd, "chmod", why, why_bytes);
    if (listen(fd, BACKLOG) != 0)
        return failed(listener, fd, "listen", why, why_bytes);
    return fd;
}
