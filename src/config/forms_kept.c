/* The forms of what only the state file says. */
#include "base/hex.h"
#include "config/forms.h"
#include "config/url.h"

enum { HEX_DIGITS_MAX = 128, ENDPOINT_BYTES_MAX = 64, DNS_NAME_BYTES_MAX = 253 };

static const char *hex_complaint(struct slice value)
{
    for (u32 i = 0; i < value.len; i++)
        if (hex_value(value.data[i]) == HEX_NONE)
            return form_hex.allowed;
    bool good = value.len > 0 && value.len <= HEX_DIGITS_MAX && value.len % 2 == 0;
    return good ? NULL : form_hex.allowed;
}

const struct setting_form form_hex = {
    .complaint = hex_complaint,
    .allowed = "1 to 64 bytes as hexadecimal digits in small letters",
    .pattern = "^([0-9a-f]{2}){1,64}$",
    .secret = form_always_secret,
};

/* It is compared with those there are, and never parsed. */
static const char *endpoint_complaint(struct slice value)
{
    bool good = value.len > 0 && value.len <= ENDPOINT_BYTES_MAX && form_is_visible_ascii(value);
    return good ? NULL : form_endpoint.allowed;
}

const struct setting_form form_endpoint = {
    .complaint = endpoint_complaint,
    .allowed = "an address and a port: 1 to 64 characters without white space",
    .pattern = "^[!-~]{1,64}$",
};

static const char *ip_complaint(struct slice value)
{
    struct address address;
    return address_parse_ip(value, 0, &address) ? NULL : form_ip.allowed;
}

const struct setting_form form_ip = {
    .complaint = ip_complaint,
    .allowed = "an IPv4 or IPv6 address",
    .pattern = "^[0-9A-Fa-f:.]{2,45}$",
};

/* As the resolver takes them, which is less strictly than in a URL: a name that it has found must
 * not make the file a wrong one. */
static const char *dns_name_complaint(struct slice value)
{
    for (u32 i = 0; i < value.len; i++)
        if (!host_byte_valid(value.data[i]))
            return form_dns_name.allowed;
    return value.len > 0 && value.len <= DNS_NAME_BYTES_MAX ? NULL : form_dns_name.allowed;
}

const struct setting_form form_dns_name = {
    .complaint = dns_name_complaint,
    .allowed = "1 to 253 letters, digits, \"-\", \"_\" and \".\"",
    .pattern = "^[A-Za-z0-9._-]{1,253}$",
};
