/* Opening listening sockets, with errors that name the cure. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker.h"

enum { CURE_BYTES = 256 };

/* Whether somebody listens on a unix socket: 0, or why connecting failed. */
static int socket_probe(const struct address *address)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return errno;
    int error = connect(probe, &address->any, address->len) == 0 ? 0 : errno;
    (void)close(probe);
    return error == EAGAIN ? 0 : error; /* its queue is full */
}

/* ---- Words ---- */

enum kind { KIND_TCP = 1, KIND_UNIX = 2, KIND_ANY = KIND_TCP | KIND_UNIX };

static const struct cure {
    int error;
    enum kind kind;
    const char *text;
} cures[] = {
    {EADDRINUSE, KIND_TCP,
     "another program listens there (`ss -ltnp` shows which): stop it, or choose another port"},
    {EACCES, KIND_TCP,
     "a security policy denies this port (SELinux, AppArmor): allow it there, or choose another"},
    {EPERM, KIND_TCP, "a seccomp or cgroup filter denies it: allow bind(2) and this port there"},
    {EADDRNOTAVAIL, KIND_TCP,
     "this machine has no such address (`ip address` shows what it has): correct it, or use \"*\""},
    {EAFNOSUPPORT, KIND_TCP, "this machine does not speak that address family (is IPv6 off?)"},
    {EAFNOSUPPORT, KIND_UNIX, "unix sockets are denied here (RestrictAddressFamilies=, seccomp)"},
    {EACCES, KIND_UNIX,
     "this user may not create files in that directory, or not pass through one above it: give it "
     "write and search permission, or choose another path"},
    {EPERM, KIND_UNIX, "that directory or file system does not allow it: choose another path"},
    {ENOENT, KIND_UNIX, "that directory does not exist: create it, or choose another path"},
    {ENOTDIR, KIND_UNIX, "a part of the path before the last is no directory: correct the path"},
    {EROFS, KIND_UNIX, "that file system is read-only: choose another path"},
    {ENOSPC, KIND_UNIX, "that disk is full: make room, or choose another path"},
    {EMFILE, KIND_ANY, "too many open files: raise the limit (ulimit -n, LimitNOFILE=)"},
    {ENFILE, KIND_ANY, "too many open files in the whole system: raise the sysctl fs.file-max"},
    {ENOMEM, KIND_ANY, "no memory in the kernel: raise the memory limit"},
    {ENOBUFS, KIND_ANY, "no memory in the kernel: raise the memory limit"},
};

/* Ports below this need a right. */
static u32 privileged_ports_end(void)
{
    char line[16];
    u32 end = 1024;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    if (!file)
        return end;
    if (fgets(line, sizeof(line), file))
        end = (u32)strtoul(line, NULL, 10);
    (void)fclose(file);
    return end;
}

static void privileged_cure(u32 end, char *out, usize bytes)
{
    (void)snprintf(out, bytes,
                   "ports below %u need a right: run as root, or give the binary "
                   "CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep FILE; systemd: "
                   "AmbientCapabilities=), or lower the sysctl net.ipv4.ip_unprivileged_port_start",
                   end);
}

/* What is in the way of a unix socket. */
static const char *obstacle(const struct address *address)
{
    struct stat status;
    if (lstat(address->local.sun_path, &status) != 0)
        return "it could not be replaced: choose another path";
    if (S_ISDIR(status.st_mode))
        return "there is a directory of that name: choose another path";
    if (!S_ISSOCK(status.st_mode))
        return "there is a file of that name that is no socket: remove it if nobody needs it, or "
               "choose another path";
    switch (socket_probe(address)) {
    case 0:
        return "another program listens there (`ss -lxp` shows which): stop it, or choose another "
               "path";
    case ECONNREFUSED:
        return "a socket without a listener is left there and this user may not remove it: remove "
               "it, or give write permission to the directory";
    default:
        return "a socket is there that this user may not connect to, so another program may "
               "listen: stop it, or choose another path";
    }
}

static u32 port_of(const struct address *address)
{
    if (address->any.sa_family == AF_UNIX)
        return 0;
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

static void cure_write(const struct address *address, int error, char *out, usize bytes)
{
    enum kind kind = address->any.sa_family == AF_UNIX ? KIND_UNIX : KIND_TCP;
    const char *text = "see errno(3) and bind(2)";
    u32 end = privileged_ports_end();
    if (kind == KIND_TCP && error == EACCES && port_of(address) < end) {
        privileged_cure(end, out, bytes);
        return;
    }
    for (u32 i = 0; i < ARRAY_COUNT(cures); i++)
        if (cures[i].error == error && cures[i].kind & kind)
            text = cures[i].text;
    if (kind == KIND_UNIX && error == EADDRINUSE)
        text = obstacle(address);
    (void)snprintf(out, bytes, "%s", text);
}

static int failed(const struct config_listener *listener, int fd, const char *step, char *why,
                  usize why_bytes)
{
    int error = errno;
    char cure[CURE_BYTES];
    if (fd >= 0)
        (void)close(fd);
    cure_write(&listener->address, error, cure, sizeof(cure));
    (void)snprintf(why, why_bytes, "cannot listen on %s: %s: %s; %s", listener->name.data, step,
                   strerror(error), cure);
    return -1;
}

/* ---- Sockets ---- */

/* Inherited by every accepted connection, so that none of them needs a call of its own. */
static void set_connection_options(int fd)
{
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void set_options(int fd, const struct config_listener *listener)
{
    int on = 1, off = 0;
    if (listener->address.any.sa_family == AF_UNIX)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!listener->exclusive)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    set_connection_options(fd);
    if (listener->address.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, listener->dual_stack ? &off : &on,
                         sizeof(on));
}

/* A socket file that nobody listens on any more is left over from a run that was killed. */
static void remove_stale(const struct config_listener *listener)
{
    struct stat status;
    const char *path = listener->address.local.sun_path;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        socket_probe(&listener->address) == ECONNREFUSED)
        (void)unlink(path);
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
    if (listen(fd, LISTENER_QUEUE_MAX) != 0)
        return failed(listener, fd, "listen", why, why_bytes);
    return fd;
}

void listener_adopt(int fd, const struct config_listener *listener)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (listener->address.any.sa_family != AF_UNIX)
        set_connection_options(fd);
    (void)listen(fd, LISTENER_QUEUE_MAX); /* a service manager may have asked for less */
}
