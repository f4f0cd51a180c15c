/* See nameserver.h. */
#include "config/nameserver.h"

#include "config/address.h"
#include "config/forms.h"
#include "config/url.h"

enum { DNS_PORT = 53, TEXT_BYTES_MAX = 64 };

/* What is behind http:// in a URL has the same form, but for IPv6 without brackets. */
bool nameserver_parse(struct slice text, struct address *address)
{
    char url_text[TEXT_BYTES_MAX + sizeof("http://")] = "http://";
    struct url url;
    if (address_parse_ip(text, DNS_PORT, address))
        return true;
    if (text.len == 0 || text.len > TEXT_BYTES_MAX)
        return false;
    memcpy(url_text + strlen(url_text), text.data, text.len);
    bool good = url_parse(slice_of_string(url_text), &url) == NULL && url.literal &&
                url.authority.len == text.len;
    bool has_port = good && url.authority.data[url.authority.len - 1] != ']';
    return good && address_parse_ip(url.name, has_port ? url.port : DNS_PORT, address);
}

static const char *nameserver_complaint(struct slice value)
{
    struct address address;
    return nameserver_parse(value, &address) ? NULL
                                             : "an address with or without port, like 192.0.2.1, "
                                               "192.0.2.1:53 or [2001:db8::1]:53";
}

const struct setting_form form_nameserver = {
    .complaint = nameserver_complaint,
    .allowed = "an address, with or without port",
    .pattern = "^([0-9.]+(:[0-9]{1,5})?|[0-9A-Fa-f:.]+|\\[[0-9A-Fa-f:.]+\\](:[0-9]{1,5})?)$",
};
