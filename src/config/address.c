/*
 * Addresses and networks.
 *
 * An IPv4 address and the same one mapped into IPv6 (::ffff:1.2.3.4, RFC 4291 §2.5.5.2) are one
 * client: a dual-stack listener sees the mapped form. Both print as IPv4 and both match IPv4
 * networks.
 */
#include "config/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static const u8 mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* A terminated copy for the C library; false when it does not fit, or would end earlier. */
static bool text_copy(struct slice text, char *out, usize capacity)
{
    if (text.len == 0 || text.len >= capacity || memchr(text.data, '\0', text.len))
        return false;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

bool address_parse_ip(struct slice text, u16 port, struct address *address)
{
    char copy[INET6_ADDRSTRLEN];
    if (!text_copy(text, copy, sizeof(copy)))
        return false;
    *address = (struct address){.len = sizeof(address->v4)};
    if (inet_pton(AF_INET, copy, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, copy, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->len = sizeof(address->v6);
    } else {
        return false;
    }
    address_set_port(address, port);
    return true;
}

void address_set_port(struct address *address, u16 port)
{
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons(port);
    else if (address->any.sa_family == AF_INET6)
        address->v6.sin6_port = htons(port);
}

bool address_from_path(struct slice path, struct address *address)
{
    *address = (struct address){0};
    address->local.sun_family = AF_UNIX;
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return text_copy(path, address->local.sun_path, sizeof(address->local.sun_path));
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->len == b->len && memcmp(&a->any, &b->any, a->len) == 0;
}

/* The 16 bytes that networks are compared with; false for a unix socket. */
static bool address_bytes(const struct address *address, u8 out[16])
{
    if (address->any.sa_family == AF_INET) {
        memcpy(out, mapped_prefix, sizeof(mapped_prefix));
        memcpy(out + 12, &address->v4.sin_addr, 4);
        return true;
    }
    memcpy(out, &address->v6.sin6_addr, 16);
    return address->any.sa_family == AF_INET6;
}

static bool bytes_any(const u8 bytes[16], bool v4)
{
    static const u8 zero[16];
    return v4 ? memcmp(bytes + 12, zero, 4) == 0 : memcmp(bytes, zero, 16) == 0;
}

static bool bytes_loopback(const u8 bytes[16], bool v4)
{
    static const u8 one[16] = {[15] = 1};
    return v4 ? bytes[12] == 127 : memcmp(bytes, one, 16) == 0;
}

static u16 port_of(const struct address *address)
{
    return address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port;
}

bool address_reaches(const struct address *endpoint, const struct address *listening, bool dual)
{
    u8 to[16], at[16];
    if (!address_bytes(endpoint, to) || !address_bytes(listening, at))
        return address_equal(endpoint, listening);
    if (port_of(endpoint) != port_of(listening))
        return false;
    bool to_v4 = memcmp(to, mapped_prefix, sizeof(mapped_prefix)) == 0;
    bool at_v4 = memcmp(at, mapped_prefix, sizeof(mapped_prefix)) == 0;
    bool to_local = bytes_any(to, to_v4) || bytes_loopback(to, to_v4);
    if (bytes_any(at, at_v4))
        return to_local && (to_v4 == at_v4 || dual);
    return memcmp(to, at, 16) == 0 ||
           (bytes_any(to, to_v4) && to_v4 == at_v4 && bytes_loopback(at, at_v4));
}

/* Four decimal numbers: about ten times as fast as inet_ntop, and this runs for every connection.
 */
static u32 ipv4_format(const u8 bytes[4], char *out)
{
    char *at = out;
    for (u32 i = 0; i < 4; i++) {
        u32 value = bytes[i];
        if (value >= 100)
            *at++ = (char)('0' + value / 100);
        if (value >= 10)
            *at++ = (char)('0' + value / 10 % 10);
        *at++ = (char)('0' + value % 10);
        *at++ = '.';
    }
    at[-1] = '\0';
    return (u32)(at - 1 - out);
}

u32 address_format_ip(const struct address *address, char out[64])
{
    u8 bytes[16];
    if (!address_bytes(address, bytes)) {
        memcpy(out, "unix:", sizeof("unix:"));
        return sizeof("unix:") - 1;
    }
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0)
        return ipv4_format(bytes + 12, out);
    ASSERT(inet_ntop(AF_INET6, bytes, out, 64) != NULL);
    return (u32)strlen(out);
}

void address_format(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    char ip[64];
    bool v6 = address->any.sa_family == AF_INET6;
    out[0] = '\0';
    if (address->len == 0)
        return;
    u32 len = address_format_ip(address, ip);
    if (address->any.sa_family == AF_UNIX)
        (void)snprintf(out, ADDRESS_TEXT_BYTES, "unix:%.*s", (int)sizeof(address->local.sun_path),
                       address->local.sun_path); /* the kernel may leave out the terminator */
    else
        (void)snprintf(out, ADDRESS_TEXT_BYTES, v6 ? "[%.*s]:%u" : "%.*s:%u", (int)len, ip,
                       ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port));
}

/* ---- Networks ---- */

static u8 prefix_mask(u32 bits)
{
    return (u8)(0xff00 >> bits);
}

static bool network_contains(const struct network *network, const u8 bytes[16])
{
    u32 whole = network->prefix_bits / 8;
    u32 rest = network->prefix_bits % 8;
    if (memcmp(network->address, bytes, whole) != 0)
        return false;
    return rest == 0 || ((network->address[whole] ^ bytes[whole]) & prefix_mask(rest)) == 0;
}

bool network_list_contains(const struct network_list *list, const struct address *address)
{
    u8 bytes[16];
    if (list->count == 0)
        return false;
    bool local = !address_bytes(address, bytes);
    for (u32 i = 0; i < list->count; i++)
        if (list->at[i].local == local && (local || network_contains(&list->at[i], bytes)))
            return true;
    return false;
}

/* One to three digits, no more than `max`. */
static bool prefix_parse(struct slice text, u32 max, u32 *bits)
{
    u64 value;
    if (text.len > 3 || !slice_parse_number(text, max, &value))
        return false;
    *bits = (u32)value;
    return true;
}

static bool host_bits_clear(const struct network *network)
{
    u32 whole = network->prefix_bits / 8;
    u32 rest = network->prefix_bits % 8;
    if (rest != 0 && (network->address[whole] & (u8)~prefix_mask(rest)) != 0)
        return false;
    for (u32 i = whole + (rest != 0); i < 16; i++)
        if (network->address[i] != 0)
            return false;
    return true;
}

const char *network_parse(struct slice text, struct network *network)
{
    *network = (struct network){.local = slice_equal(text, SLICE("unix:"))};
    if (network->local)
        return NULL;
    const char *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
    struct slice literal = slash == NULL ? text : slice_of(text.data, (usize)(slash - text.data));
    struct address address;
    if (!address_parse_ip(literal, 0, &address))
        return "a network like 10.0.0.0/8 or 2001:db8::/32, an address, or unix:";
    bool v4 = address.any.sa_family == AF_INET;
    u32 bits = v4 ? 32 : 128;
    if (slash != NULL &&
        !prefix_parse(slice_of(slash + 1, text.len - literal.len - 1), bits, &bits))
        return v4 ? "a prefix length from /0 to /32" : "a prefix length from /0 to /128";
    bool known = address_bytes(&address, network->address);
    ASSERT(known);
    network->prefix_bits = (u8)(bits + (v4 ? 96 : 0));
    if (!host_bits_clear(network))
        return "a network's first address: bits behind the prefix must be 0";
    return NULL;
}
