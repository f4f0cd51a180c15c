#include "common/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { LISTEN_BACKLOG = 4096, PORT_MAX = 65535, ADDRESS_TEXT_MAX = 64 };

void net_die(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

bool net_parse_address(const char *text, struct sockaddr_in *out)
{
    char host[ADDRESS_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (usize)(colon - text) >= sizeof(host))
        return false;
    memcpy(host, text, (usize)(colon - text));
    host[colon - text] = '\0';
    char *end = NULL;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port > PORT_MAX)
        return false;
    memset(out, 0, sizeof(*out));
    out->sin_family = AF_INET;
    out->sin_port = htons((u16)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static void set_option(int fd, int level, int name, const char *text)
{
    int on = 1;
    if (setsockopt(fd, level, name, &on, sizeof(on)) != 0)
        net_die("cannot set %s: %s", text, strerror(errno));
}

int net_listen(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        net_die("cannot make a socket: %s", strerror(errno));
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        net_die("cannot bind port %u: %s", (unsigned)ntohs(address->sin_port), strerror(errno));
    if (listen(fd, LISTEN_BACKLOG) != 0)
        net_die("cannot listen: %s", strerror(errno));
    socklen_t len = sizeof(*address);
    if (getsockname(fd, (struct sockaddr *)address, &len) != 0)
        net_die("getsockname: %s", strerror(errno));
    return fd;
}

int net_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
    return fd;
}

void net_pin_cpu(int cpu)
{
    if (cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((usize)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        net_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

void net_raise_nofile(u64 files)
{
    struct rlimit wanted = {.rlim_cur = files, .rlim_max = files};
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0)
        net_die("getrlimit: %s", strerror(errno));
    if (now.rlim_cur >= files || setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return;
    now.rlim_cur = now.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &now) != 0)
        net_die("cannot raise the limit on open files: %s", strerror(errno));
}

u64 net_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000U + (u64)now.tv_nsec;
}
