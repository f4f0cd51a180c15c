/* See remote_ask.h. One request on a connection of its own; the answer ends with it. */
#include "remote_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "http.h"

enum { WAIT_S = 30, HEAD_BYTES_MAX = 4096, CHUNK_BYTES = 16384, REQUEST_BYTES = 12288 };

static bool fail(const struct remote *remote, const char *step, const char *why)
{
    (void)fprintf(stderr, "nextproxy: %s %s: %s\n", step, remote->name, why);
    return false;
}

static int open_connection(const struct remote *remote)
{
    struct address address = remote->address;
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

static bool send_request(const struct remote *remote, const struct remote_request *request, int fd)
{
    char bytes[REQUEST_BYTES];
    struct slice token = remote->token;
    int len = snprintf(bytes, sizeof(bytes),
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n"
                       "Connection: close\r\nContent-Length: %u\r\n%s%s%.*s%s\r\n%.*s",
                       request->method, request->path, request->body.len,
                       request->body.len > 0 ? "Content-Type: application/json\r\n" : "",
                       token.len > 0 ? "Authorization: Bearer " : "", (int)token.len, token.data,
                       token.len > 0 ? "\r\n" : "", (int)request->body.len, request->body.data);
    /* Short, and the first on its connection: the socket takes it whole. */
    return len < (int)sizeof(bytes) && send(fd, bytes, (usize)len, MSG_NOSIGNAL) == len;
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

static bool exchange(const struct remote *remote, const struct remote_request *request, int fd)
{
    char bytes[HEAD_BYTES_MAX];
    u32 len;
    struct http_response response;
    if (!send_request(remote, request, fd))
        return fail(remote, "cannot ask", strerror(errno));
    if (!read_head(fd, bytes, &len, &response))
        return fail(remote, "no proper answer from",
                    "it is no nextproxy, or too busy to answer in time");
    struct http_framing framing = http_response_framing(&response, HTTP_METHOD_GET, false);
    if (framing.body != HTTP_BODY_LENGTH)
        return fail(remote, "no proper answer from", "it is no nextproxy");
    struct slice begin = slice_of(bytes + response.head_bytes, len - response.head_bytes);
    bool good = response.status < 300;
    if (!print_body(fd, begin, framing.length, good ? stdout : stderr))
        return fail(remote, "no whole answer from", "the connection ended");
    return good || fail(remote, "refused by",
                        response.status == 401 ? "its token is another one" : "see above");
}

bool remote_ask(const struct remote *remote, const struct remote_request *request)
{
    int fd = open_connection(remote);
    if (fd < 0)
        return fail(remote, "cannot connect to", strerror(errno));
    bool good = exchange(remote, request, fd);
    (void)close(fd);
    return good;
}
