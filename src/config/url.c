/* The URL of a backend: http://host[:port], http+srv://name or unix:/path, and a helpful word for
 * all else. */
#include "config/url.h"

#include "config/address.h"

enum { HOST_NAME_BYTES_MAX = 253, URL_BYTES_MAX = 512, HTTP_PORT = 80 };

bool host_byte_valid(char c)
{
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

bool host_name_valid(struct slice name)
{
    if (name.len == 0 || name.len > HOST_NAME_BYTES_MAX)
        return false;
    for (u32 i = 0; i < name.len; i++) {
        bool label_empty = name.data[i] == '.' && (i == 0 || name.data[i - 1] == '.');
        if (!host_byte_valid(name.data[i]) || label_empty)
            return false;
    }
    return name.data[name.len - 1] != '.';
}

/* Digits and dots only: such a name could only be meant as an address, and the C library would
 * read "127.1" as one. */
static bool looks_like_ipv4(struct slice name)
{
    for (u32 i = 0; i < name.len; i++)
        if (name.data[i] != '.' && (name.data[i] < '0' || name.data[i] > '9'))
            return false;
    return true;
}

static bool port_parse(struct slice text, u16 *port)
{
    u64 value;
    if (text.len > 5 || !slice_parse_number(text, UINT16_MAX, &value))
        return false;
    *port = (u16)value;
    return value > 0;
}

/* The host at the beginning of `rest`, which is shortened by it. */
static const char *host_take(struct slice *rest, struct url *url)
{
    bool bracket = rest->len > 0 && rest->data[0] == '[';
    const char *end = rest->len == 0 ? NULL : memchr(rest->data, bracket ? ']' : ':', rest->len);
    if (bracket && end == NULL)
        return "an IPv6 address with both brackets, like http://[::1]:8080";
    usize len = end == NULL ? rest->len : (usize)(end - rest->data) + bracket;
    url->name = bracket ? slice_of(rest->data + 1, len - 2) : slice_of(rest->data, len);
    *rest = slice_of(rest->data + len, rest->len - len);

    struct address address;
    url->literal = address_parse_ip(url->name, 0, &address);
    if (bracket)
        return url->literal && address.any.sa_family == AF_INET6
                   ? NULL
                   : "an IPv6 address inside the brackets, like http://[::1]:8080";
    if (url->literal)
        return NULL;
    if (url->name.len > 0 && looks_like_ipv4(url->name))
        return "an IPv4 address of four numbers from 0 to 255";
    if (rest->len > 1 && memchr(rest->data + 1, ':', rest->len - 1) != NULL)
        return "an IPv6 address in brackets, like http://[::1]:8080";
    return host_name_valid(url->name) ? NULL
                                      : "a host name of letters, digits, \"-\", \"_\", \".\"";
}

static const char *authority_parse(struct slice rest, struct url *url)
{
    url->authority = rest;
    const char *complaint = host_take(&rest, url);
    if (complaint != NULL)
        return complaint;
    url->port = HTTP_PORT;
    if (rest.len == 0)
        return NULL;
    if (rest.data[0] != ':' || !port_parse(slice_of(rest.data + 1, rest.len - 1), &url->port))
        return "a port from 1 to 65535 behind the host, like http://127.0.0.1:3001";
    return NULL;
}

static const char *http_url_parse(struct slice rest, struct url *url)
{
    if (rest.len > 0 && memchr(rest.data, '@', rest.len) != NULL)
        return "a URL without user and password: set an Authorization field in "
               "routes[].requestHeaders instead";
    if (rest.len > 0 &&
        (memchr(rest.data, '?', rest.len) != NULL || memchr(rest.data, '#', rest.len) != NULL))
        return "a URL without query and fragment";
    const char *slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
    if (slash != NULL && slash + 1 != rest.data + rest.len)
        return "a URL without path: requests keep the path that the client sent; choose backends "
               "by path with routes[].path";
    return authority_parse(slice_of(rest.data, rest.len - (slash != NULL)), url);
}

static const char *service_url_parse(struct slice rest, struct url *url)
{
    const char *complaint = http_url_parse(rest, url);
    if (complaint != NULL)
        return complaint;
    url->service = true;
    if (url->literal)
        return "a name behind http+srv://, like http+srv://_http._tcp.example.com";
    if (url->authority.len > url->name.len)
        return "a URL without port behind http+srv://: the SRV records of the name tell the ports";
    url->port = 0;
    return NULL;
}

static bool scheme_take(struct slice *text, struct slice scheme)
{
    if (text->len < scheme.len || !slice_equal_nocase(slice_of(text->data, scheme.len), scheme))
        return false;
    *text = slice_of(text->data + scheme.len, text->len - scheme.len);
    return true;
}

const char *url_parse(struct slice text, struct url *url)
{
    *url = (struct url){0};
    if (text.len > URL_BYTES_MAX)
        return "a URL of at most 512 bytes";
    if (scheme_take(&text, SLICE("http://")))
        return http_url_parse(text, url);
    if (scheme_take(&text, SLICE("http+srv://")))
        return service_url_parse(text, url);
    if (scheme_take(&text, SLICE("https://")))
        return "a URL that begins with http://: TLS to backends comes with a later release";
    if (!scheme_take(&text, SLICE("unix:")))
        return "a URL that begins with http:// or unix:/, like http://127.0.0.1:3001";
    struct address address;
    url->authority = SLICE("localhost");
    url->path = text;
    if (text.len == 0 || text.data[0] != '/' || !address_from_path(text, &address))
        return "unix: and an absolute path of at most 107 bytes, like unix:/run/app.sock";
    return NULL;
}
