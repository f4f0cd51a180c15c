/* See status.h. One request on a connection of its own; the answer ends with it. */
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "http.h"

enum { WAIT_S = 10, HEAD_BYTES_MAX = 4096, CHUNK_BYTES = 16384, REQUEST_BYTES = 640 };

static bool fail(const struct config *config, const char *step, const char *why)
{
    (void)fprintf(stderr, "nextproxy: %s %s: %s\n", step, config->admin.listener.name.data, why);
    return false;
}

/* Where "*" listens, the loopback is the nearest; of both families, for `::` takes them all. */
static struct address target(const struct config *config)
{
    struct address address = config->admin.listener.address;
    if (address.any.sa_family == AF_INET && address.v4.sin_addr.s_addr == htonl(INADDR_ANY))
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (address.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr))
        address.v6.sin6_addr = in6addr_loopback;
    return address;
}

static int open_connection(const struct config *config)
{
    const struct address address = target(config);
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, &address.any, address.len) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static bool send_request(const struct config *config, int fd)
{
    char request[REQUEST_BYTES];
    struct slice token = config->admin.token;
    int len = snprintf(request, sizeof(request),
                       "GET /status HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n"
                       "Connection: close\r\n%s%.*s%s\r\n",
                       token.len > 0 ? "Authorization: Bearer " : "", (int)token.len, token.data,
                       token.len > 0 ? "\r\n" : "");
    /* Short, and the first on its connection: the socket takes it whole. */
    return len < (int)sizeof(request) && send(fd, request, (usize)len, MSG_NOSIGNAL) == len;
}

/* Reads until the head is complete; what came behind it stays in `bytes`. */
static bool read_head(int fd, char bytes[HEAD_BYTES_MAX], u32 *len, struct http_response *response)
{
    static const struct http_limits limits = {.head_bytes_max = HEAD_BYTES_MAX, .fields_max = 64};
    *len = 0;
    while (*len < HEAD_BYTES_MAX) {
        ssize_t got = recv(fd, bytes + *len, HEAD_BYTES_MAX - *len, 0);
        if (got <= 0)
            return false;
        *len += (u32)got;
        switch (http_response_parse(slice_of(bytes, *len), &limits, response)) {
        case HTTP_PARSE_DONE:
            return true;
        case HTTP_PARSE_REJECTED:
            return false;
        case HTTP_PARSE_PARTIAL:
            break;
        }
    }
    return false;
}

/* As much as Content-Length says: less is a failure. */
static bool print_body(int fd, struct slice begin, u64 length, FILE *out)
{
    char bytes[CHUNK_BYTES];
    u64 left = length;
    u32 first = (u32)min_u64(begin.len, left);
    (void)fwrite(begin.data, 1, first, out);
    left -= first;
    while (left > 0) {
        ssize_t got = recv(fd, bytes, (usize)min_u64(sizeof(bytes), left), 0);
        if (got <= 0)
            return false;
        (void)fwrite(bytes, 1, (usize)got, out);
        left -= (u64)got;
    }
    return true;
}

static bool ask(const struct config *config, int fd)
{
    char bytes[HEAD_BYTES_MAX];
    u32 len;
    struct http_response response;
    if (!send_request(config, fd))
        return fail(config, "cannot ask", strerror(errno));
    if (!read_head(fd, bytes, &len, &response))
        return fail(config, "no proper answer from",
                    "it is no nextproxy, or too busy to answer in time");
    struct http_framing framing = http_response_framing(&response, HTTP_METHOD_GET, false);
    if (framing.body != HTTP_BODY_LENGTH)
        return fail(config, "no proper answer from", "it is no nextproxy");
    struct slice begin = slice_of(bytes + response.head_bytes, len - response.head_bytes);
    bool good = response.status == 200;
    if (!print_body(fd, begin, framing.length, good ? stdout : stderr))
        return fail(config, "no whole answer from", "the connection ended");
    return good || fail(config, "refused by",
                        response.status == 401 ? "its token is another one" : "see above");
}

bool status_print(const struct config *config)
{
    if (!config->admin.enabled) {
        (void)fprintf(stderr, "nextproxy: the management API is off: admin.enabled is false\n");
        return false;
    }
    int fd = open_connection(config);
    if (fd < 0)
        return fail(config, "cannot connect to", strerror(errno));
    bool good = ask(config, fd);
    (void)close(fd);
    return good;
}
