/*
 * The PROXY protocol, versions 1 and 2 (haproxy.org, "The PROXY protocol", 2020): who the real
 * client is, told by a load balancer in front of us before the first byte of HTTP. Pure.
 */
#include <arpa/inet.h>

#include "proxy/proxy_internal.h"

enum {
    V1_BYTES_MAX = 107, /* with CRLF */
    V2_FIXED_BYTES = 16,
    V2_ADDRESS_BYTES_MAX = PROXY_HEADER_BYTES_MAX - V2_FIXED_BYTES,
};

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- Version 1: one line of text ---- */

static bool next_word(struct slice *line, struct slice *word)
{
    *word = slice_take_until(line, ' ');
    return word->len > 0;
}

static bool parse_port(struct slice word, u16 *port)
{
    u64 value;
    if ((word.len > 1 && word.data[0] == '0') || !slice_parse_number(word, UINT16_MAX, &value))
        return false;
    *port = (u16)value;
    return true;
}

static bool parse_endpoint(struct slice ip, struct slice port_word, int family, struct address *out)
{
    u16 port;
    return parse_port(port_word, &port) && address_parse_ip(ip, port, out) &&
           out->any.sa_family == family;
}

static bool parse_v1_line(struct slice line, struct proxy_header_info *info)
{
    struct slice word, source, destination, source_port, destination_port;
    struct address other;
    if (!next_word(&line, &word) || !slice_equal(word, SLICE("PROXY")) || !next_word(&line, &word))
        return false;
    if (slice_equal(word, SLICE("UNKNOWN")))
        return true;
    if (line.len == 0 || line.data[line.len - 1] == ' ')
        return false;
    bool v4 = slice_equal(word, SLICE("TCP4"));
    int family = v4 ? AF_INET : AF_INET6;
    if (!v4 && !slice_equal(word, SLICE("TCP6")))
        return false;
    if (!next_word(&line, &source) || !next_word(&line, &destination) ||
        !next_word(&line, &source_port) || !next_word(&line, &destination_port) || line.len > 0)
        return false;
    info->known = parse_endpoint(source, source_port, family, &info->source) &&
                  parse_endpoint(destination, destination_port, family, &other);
    return info->known;
}

static enum proxy_header parse_v1(struct slice data, struct proxy_header_info *info)
{
    static const struct slice prefix = {"PROXY ", 6};
    struct slice start = slice_of(data.data, min_u32(data.len, prefix.len));
    if (memcmp(start.data, prefix.data, start.len) != 0)
        return PROXY_HEADER_BAD;
    u32 window = min_u32(data.len, V1_BYTES_MAX - 1);
    const char *end = memchr(data.data, '\r', window);
    if (!end)
        return window == V1_BYTES_MAX - 1 ? PROXY_HEADER_BAD : PROXY_HEADER_PARTIAL;
    u32 line_len = (u32)(end - data.data);
    if (line_len + 1 == data.len)
        return PROXY_HEADER_PARTIAL;
    if (end[1] != '\n' || !parse_v1_line(slice_of(data.data, line_len), info))
        return PROXY_HEADER_BAD;
    info->bytes = line_len + 2;
    return PROXY_HEADER_DONE;
}

/* ---- Version 2: binary ---- */

static void set_v4(struct address *address, const void *ip, u16 port)
{
    *address = (struct address){.v4 = {.sin_family = AF_INET, .sin_port = htons(port)},
                                .len = sizeof(address->v4)};
    memcpy(&address->v4.sin_addr, ip, 4);
}

static void set_v6(struct address *address, const void *ip, u16 port)
{
    *address = (struct address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)},
                                .len = sizeof(address->v6)};
    memcpy(&address->v6.sin6_addr, ip, 16);
}

static bool parse_v2_address(u8 family, const u8 *at, u32 len, struct proxy_header_info *info)
{
    enum { TCP_OVER_IPV4 = 0x11, TCP_OVER_IPV6 = 0x21 };
    u16 port;
    switch (family) {
    case TCP_OVER_IPV4:
        if (len < 12)
            return false;
        memcpy(&port, at + 8, sizeof(port));
        set_v4(&info->source, at, ntohs(port));
        info->known = true;
        return true;
    case TCP_OVER_IPV6:
        if (len < 36)
            return false;
        memcpy(&port, at + 32, sizeof(port));
        set_v6(&info->source, at, ntohs(port));
        info->known = true;
        return true;
    default: /* UNSPEC, UDP, UNIX: valid, and of no use to us */
        return true;
    }
}

static enum proxy_header parse_v2(struct slice data, struct proxy_header_info *info)
{
    enum { VERSION_2 = 0x20, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
    if (memcmp(data.data, v2_signature, min_u32(data.len, sizeof(v2_signature))) != 0)
        return PROXY_HEADER_BAD;
    if (data.len < V2_FIXED_BYTES)
        return PROXY_HEADER_PARTIAL;
    const u8 *bytes = (const u8 *)data.data;
    u32 len = (u32)bytes[14] << 8 | bytes[15];
    if ((bytes[12] & 0xf0) != VERSION_2 || (bytes[12] & 0x0f) > COMMAND_PROXY ||
        len > V2_ADDRESS_BYTES_MAX)
        return PROXY_HEADER_BAD;
    if (data.len < V2_FIXED_BYTES + len)
        return PROXY_HEADER_PARTIAL;
    info->bytes = V2_FIXED_BYTES + len;
    if ((bytes[12] & 0x0f) == COMMAND_LOCAL)
        return PROXY_HEADER_DONE;
    return parse_v2_address(bytes[13], bytes + V2_FIXED_BYTES, len, info) ? PROXY_HEADER_DONE
                                                                          : PROXY_HEADER_BAD;
}

enum proxy_header proxy_header_parse(struct slice data, struct proxy_header_info *info)
{
    *info = (struct proxy_header_info){0};
    if (data.len == 0)
        return PROXY_HEADER_PARTIAL;
    return data.data[0] == v2_signature[0] ? parse_v2(data, info) : parse_v1(data, info);
}
