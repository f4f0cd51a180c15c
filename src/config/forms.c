/* The forms of strings. Each check answers with what is allowed instead, or NULL. */
#include "config/forms.h"

#include "base/hex.h"
#include "config/address.h"
#include "config/status.h"
#include "config/url.h"

enum {
    ID_BYTES_MAX = 64,
    TARGET_BYTES_MAX = 1024,
    NAME_BYTES_MAX = 128,
    PROBE_HOST_BYTES_MAX = 255,
    FILE_BYTES_MAX = 1024,
    FIELD_VALUE_BYTES_MAX = 4096,
    TOKEN_BYTES_MIN = 8,
    STICKY_KEY_BYTES_MIN = 16,
    TOKEN_BYTES_MAX = 256, /* of these two */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return hex_value(ascii_lower(c)) != HEX_NONE;
}

/* True for letters, digits and the characters in `others`. */
static bool is_made_of(struct slice value, const char *others)
{
    for (u32 i = 0; i < value.len; i++) {
        char c = value.data[i];
        bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
        if (!letter && !is_digit(c) && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return true;
}

/* RFC 9110 §5.6.2, of at most `bytes_max` */
static bool is_token(struct slice value, u32 bytes_max)
{
    return value.len > 0 && value.len <= bytes_max && is_made_of(value, "!#$%&'*+-.^_`|~");
}

/* A control byte other than those in `allowed`. */
static bool has_control_but(struct slice value, const char *allowed)
{
    for (u32 i = 0; i < value.len; i++) {
        char c = value.data[i];
        bool control = (u8)c < 0x20 || c == 0x7f;
        if (control && (c == '\0' || strchr(allowed, c) == NULL))
            return true;
    }
    return false;
}

static bool has_control(struct slice value)
{
    return has_control_but(value, "");
}

bool form_is_visible_ascii(struct slice value)
{
    for (u32 i = 0; i < value.len; i++)
        if (value.data[i] <= 0x20 || value.data[i] >= 0x7f)
            return false;
    return true;
}

static bool contains(struct slice value, struct slice part)
{
    return value.len > 0 && memmem(value.data, value.len, part.data, part.len) != NULL;
}

bool form_always_secret(struct slice value)
{
    (void)value;
    return true;
}

/* ---- Names ---- */

static const char *id_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= ID_BYTES_MAX && is_made_of(value, "-_.");
    return good ? NULL : form_id.allowed;
}

const struct setting_form form_id = {
    .complaint = id_complaint,
    .allowed = "1 to 64 letters, digits, \"-\", \"_\" and \".\"",
    .pattern = "^[A-Za-z0-9._-]{1,64}$",
};

/* RFC 9110 tokens of at most NAME_BYTES_MAX. */
#define NAME_ALLOWED "1 to 128 letters, digits and !#$%&'*+-.^_`|~"
#define NAME_PATTERN "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"

static const char *cookie_name_complaint(struct slice value)
{
    return is_token(value, NAME_BYTES_MAX) ? NULL : form_cookie_name.allowed;
}

const struct setting_form form_cookie_name = {
    .complaint = cookie_name_complaint,
    .allowed = "a cookie name: " NAME_ALLOWED,
    .pattern = NAME_PATTERN,
};

/* ---- URLs, hosts and paths ---- */

static const char *url_complaint(struct slice value)
{
    struct url url;
    return has_control(value) ? "a URL without control characters" : url_parse(value, &url);
}

/* A password must not get into the logs that keep what is printed at the start. */
static bool url_secret(struct slice value)
{
    return contains(value, SLICE("@"));
}

const struct setting_form form_url = {
    .complaint = url_complaint,
    .allowed = "http://host, http://host:port, http+srv://name or unix:/path",
    .pattern = "^([Hh][Tt][Tt][Pp]://"
               "([A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?/?"
               "|[Hh][Tt][Tt][Pp]\\+[Ss][Rr][Vv]://[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*/?"
               "|[Uu][Nn][Ii][Xx]:/.{0,106})$",
    .secret = url_secret,
};

static const char *target_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= TARGET_BYTES_MAX && value.data[0] == '/' &&
                form_is_visible_ascii(value) && !contains(value, SLICE("#"));
    return good ? NULL : form_target.allowed;
}

const struct setting_form form_target = {
    .complaint = target_complaint,
    .allowed = "a path that begins with / and has no white space, of at most 1024 bytes",
    .pattern = "^/[!\"$-~]{0,1023}$",
};

/* Host and port, or anything that a virtual host may be called. */
static const char *probe_host_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= PROBE_HOST_BYTES_MAX && is_made_of(value, "-_.:[]");
    return good ? NULL : form_probe_host.allowed;
}

const struct setting_form form_probe_host = {
    .complaint = probe_host_complaint,
    .allowed = "a host, with or without a port: 1 to 255 letters, digits, \"-\", \"_\", \".\", "
               "\":\", \"[\" and \"]\"",
    .pattern = "^[A-Za-z0-9._:\\[\\]-]{1,255}$",
};

static const char *status_ranges_complaint(struct slice value)
{
    return status_ranges_valid(value) ? NULL : form_status_ranges.allowed;
}

#define STATUS_PATTERN "[1-5][0-9][0-9](-[1-5][0-9][0-9])?"

const struct setting_form form_status_ranges = {
    .complaint = status_ranges_complaint,
    .allowed = "statuses from 100 to 599 and ranges of them, like 200-399 or 200,204,301-303",
    .pattern = "^" STATUS_PATTERN "(," STATUS_PATTERN ")*$",
};

/* A backend that redirects is well. */
static const char *failure_statuses_complaint(struct slice value)
{
    if (!status_ranges_valid(value))
        return form_failure_statuses.allowed;
    for (u32 status = 100; status < CONFIG_FAILURE_STATUS_MIN; status++)
        if (config_status_in(value, status))
            return form_failure_statuses.allowed;
    return NULL;
}

#define FAILURE_PATTERN "[45][0-9][0-9](-[45][0-9][0-9])?"

const struct setting_form form_failure_statuses = {
    .complaint = failure_statuses_complaint,
    .allowed = "statuses from 400 to 599 and ranges of them, like 502-504 or 429,500-599",
    .pattern = "^" FAILURE_PATTERN "(," FAILURE_PATTERN ")*$",
};

static const char *retry_statuses_complaint(struct slice value)
{
    bool none = slice_equal(value, SLICE("none"));
    return none || !failure_statuses_complaint(value) ? NULL : form_retry_statuses.allowed;
}

const struct setting_form form_retry_statuses = {
    .complaint = retry_statuses_complaint,
    .allowed = "statuses from 400 to 599 and ranges of them, like 502,503,504 or 500-599, or none",
    .pattern = "^(none|" FAILURE_PATTERN "(," FAILURE_PATTERN ")*)$",
};

/* True when a segment is empty, "." or "..": a client's path never matches such a prefix, or does
 * so only until someone normalises it. */
static bool has_odd_segment(struct slice path)
{
    for (u32 at = 0; at < path.len;) {
        const char *next = memchr(path.data + at + 1, '/', path.len - at - 1);
        u32 end = next == NULL ? path.len : (u32)(next - path.data);
        struct slice segment = slice_of(path.data + at + 1, end - at - 1);
        if (segment.len == 0 || slice_equal(segment, SLICE(".")) ||
            slice_equal(segment, SLICE("..")))
            return true;
        at = end;
    }
    return false;
}

/* True when each '%' is followed by two hexadecimal digits that do not say NUL. */
static bool escapes_valid(struct slice path)
{
    for (u32 i = 0; i < path.len; i++) {
        if (path.data[i] != '%')
            continue;
        if (path.len - i < 3 || !is_hex(path.data[i + 1]) || !is_hex(path.data[i + 2]) ||
            (path.data[i + 1] == '0' && path.data[i + 2] == '0'))
            return false;
    }
    return true;
}

static const char *route_path_complaint(struct slice value)
{
    char decoded[TARGET_BYTES_MAX];
    if (target_complaint(value) != NULL || contains(value, SLICE("?")))
        return form_route_path.allowed;
    if (contains(value, SLICE(";")) || contains(value, SLICE("\\")))
        return "a path without ; and \\: what follows ; in a segment is not looked at";
    if (!escapes_valid(value))
        return "a path in which % is followed by two hexadecimal digits other than 00";
    struct slice path = slice_of(decoded, http_path_decode(value, decoded));
    if (slice_equal(path, SLICE("/")))
        return NULL;
    if (path.data[path.len - 1] == '/')
        return "a path without / at its end: \"/api\" matches /api and all below it";
    return has_odd_segment(path) ? "a path without empty, \".\" or \"..\" segments" : NULL;
}

const struct setting_form form_route_path = {
    .complaint = route_path_complaint,
    .allowed =
        "a path that begins with /, has no white space, query or fragment, and at most 1024 bytes",
    .pattern = "^/([!\"$-:<->@-\\[\\]-~]*[!\"$-.0-:<->@-\\[\\]-~])?$",
};

static bool is_ipv6_in_brackets(struct slice value)
{
    struct address address;
    return value.len > 2 && value.data[0] == '[' && value.data[value.len - 1] == ']' &&
           address_parse_ip(slice_of(value.data + 1, value.len - 2), 0, &address) &&
           address.any.sa_family == AF_INET6;
}

static const char *host_complaint(struct slice value)
{
    if (slice_equal(value, SLICE("*")) || is_ipv6_in_brackets(value))
        return NULL;
    if (contains(value, SLICE(":")))
        return "a host name without scheme and port";
    struct slice name = value;
    if (slice_starts_with(value, SLICE("*.")))
        name = slice_of(value.data + 2, value.len - 2);
    if (contains(name, SLICE("*")))
        return "* only as the whole first label, like *.example.com";
    return host_name_valid(name) ? NULL : form_host.allowed;
}

const struct setting_form form_host = {
    .complaint = host_complaint,
    .allowed =
        "a host name like example.com, all names below one like *.example.com, or * for any host",
    .pattern = "^(\\*|(\\*\\.)?[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*|\\[[0-9A-Fa-f:.]+\\])$",
};

/* ---- Files ---- */

static const char *file_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= FILE_BYTES_MAX && !has_control(value);
    return good ? NULL : form_file.allowed;
}

const struct setting_form form_file = {
    .complaint = file_complaint,
    .allowed = "a path of 1 to 1024 bytes without control characters",
    .pattern = "^[^\\u0000-\\u001f\\u007f]{1,1024}$",
};

static const char *file_pattern_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= NAME_BYTES_MAX && !has_control(value) &&
                !contains(value, SLICE("/")) && value.data[0] != '.';
    return good ? NULL : form_file_pattern.allowed;
}

const struct setting_form form_file_pattern = {
    .complaint = file_pattern_complaint,
    .allowed = "a file name of 1 to 128 bytes without / and without . at its beginning",
    .pattern = "^[^./\\u0000-\\u001f\\u007f][^/\\u0000-\\u001f\\u007f]{0,127}$",
};

/* ---- Sockets and networks ---- */

static const char *network_complaint(struct slice value)
{
    struct network network;
    return network_parse(value, &network);
}

const struct setting_form form_network = {
    .complaint = network_complaint,
    .allowed = "a network like 10.0.0.0/8 or 2001:db8::/32, an address, or unix:",
    .pattern = "^([0-9A-Fa-f:.]+(/[0-9]{1,3})?|unix:)$",
};

static const char *listen_address_complaint(struct slice value)
{
    struct address address;
    bool good = slice_equal(value, SLICE("*")) || address_parse_ip(value, 0, &address);
    return good ? NULL : form_listen_address.allowed;
}

const struct setting_form form_listen_address = {
    .complaint = listen_address_complaint,
    .allowed = "an IPv4 or IPv6 address of this machine without brackets, or * for all of both",
    .pattern = "^(\\*|[0-9A-Fa-f:.]+)$",
};

static const char *token_complaint(struct slice value)
{
    bool good = value.len >= TOKEN_BYTES_MIN && value.len <= TOKEN_BYTES_MAX &&
                form_is_visible_ascii(value);
    return good ? NULL : form_token.allowed;
}

const struct setting_form form_token = {
    .complaint = token_complaint,
    .allowed = "8 to 256 visible ASCII characters",
    .pattern = "^[!-~]{8,256}$",
    .secret = form_always_secret,
};

static const char *sticky_key_complaint(struct slice value)
{
    bool good = value.len >= STICKY_KEY_BYTES_MIN && value.len <= TOKEN_BYTES_MAX &&
                form_is_visible_ascii(value);
    return good ? NULL : form_sticky_key.allowed;
}

const struct setting_form form_sticky_key = {
    .complaint = sticky_key_complaint,
    .allowed = "16 to 256 visible ASCII characters",
    .pattern = "^[!-~]{16,256}$",
    .secret = form_always_secret,
};

static const char *socket_path_complaint(struct slice value)
{
    struct address address;
    bool good = value.len > 0 && value.data[0] == '/' && !has_control(value) &&
                address_from_path(value, &address);
    return good ? NULL : form_socket_path.allowed;
}

const struct setting_form form_socket_path = {
    .complaint = socket_path_complaint,
    .allowed = "an absolute path of at most 107 bytes, like /run/nextproxy.sock",
    .pattern = "^/[^\\u0000-\\u001f\\u007f]{1,106}$",
};

static const char *socket_mode_complaint(struct slice value)
{
    if (value.len < 3 || value.len > 4 || (value.len == 4 && value.data[0] != '0'))
        return form_socket_mode.allowed;
    for (u32 i = 0; i < value.len; i++)
        if (value.data[i] < '0' || value.data[i] > '7')
            return form_socket_mode.allowed;
    return NULL;
}

const struct setting_form form_socket_mode = {
    .complaint = socket_mode_complaint,
    .allowed = "permission bits as a string of octal digits, like \"0660\"",
    .pattern = "^0?[0-7]{3}$",
};

/* ---- Fields ---- */

/* Fields that say how a message is framed or how long a connection lasts belong to the proxy: an
 * edit could make two readers of one message disagree (RFC 9110 §7.6.1, RFC 9112 §6). */
static const char *field_complaint(struct slice name)
{
    if (!is_token(name, NAME_BYTES_MAX))
        return form_field.allowed;
    enum http_field_id id = http_field_find(name);
    bool framing = id == HTTP_FIELD_CONTENT_LENGTH || id == HTTP_FIELD_TRANSFER_ENCODING ||
                   id == HTTP_FIELD_CONNECTION;
    if (id == HTTP_FIELD_OTHER)
        return NULL;
    if (framing || (http_field_info(id)->flags & HTTP_FIELD_HOP_BY_HOP) != 0)
        return "a field that is not about framing or the connection: those belong to the proxy";
    return NULL;
}

static const char *removed_complaint(struct slice name)
{
    if (http_field_find(name) == HTTP_FIELD_HOST)
        return "another field: a request without Host is invalid";
    return field_complaint(name);
}

const struct setting_form form_field = {
    .complaint = field_complaint,
    .allowed = "a field name: " NAME_ALLOWED,
    .pattern = NAME_PATTERN,
};

const struct setting_form form_field_removed = {
    .complaint = removed_complaint,
    .allowed = "a field name: " NAME_ALLOWED,
    .pattern = NAME_PATTERN,
};

static const char *field_value_complaint(struct slice value)
{
    bool good = value.len <= FIELD_VALUE_BYTES_MAX && slice_equal(slice_trim(value), value) &&
                !has_control_but(value, "\t");
    return good ? NULL : form_field_value.allowed;
}

const struct setting_form form_field_value = {
    .complaint = field_value_complaint,
    .allowed =
        "a string of at most 4096 bytes without control characters or white space at its ends",
    .pattern = "^([^\\u0000-\\u0020\\u007f]([^\\u0000-\\u0008\\u000a-\\u001f\\u007f]*"
               "[^\\u0000-\\u0020\\u007f])?)?$",
    .secret = form_always_secret, /* Authorization is set like all others */
};
