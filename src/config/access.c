/* Where a management API is, and what it wants to hear: for those who ask it. */
#include <errno.h>
#include <netdb.h>

#include "config/address.h"
#include "config/forms.h"
#include "config/url.h"
#include "config/world.h"

/* IPv4 first: "localhost" has both, and a server that is bound to one only is bound to that. */
static const struct addrinfo *answer_choose(const struct addrinfo *answers)
{
    for (const struct addrinfo *at = answers; at != NULL; at = at->ai_next)
        if (at->ai_family == AF_INET)
            return at;
    for (const struct addrinfo *at = answers; at != NULL; at = at->ai_next)
        if (at->ai_family == AF_INET6)
            return at;
    return NULL;
}

/* May block: for commands, not for the proxy. */
static const char *resolve(struct arena *arena, struct slice name, struct address *address)
{
    /* Without AI_ADDRCONFIG: it hides ::1 and 127.0.0.1 where only loopback is up. */
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *answers = NULL;
    int failure = getaddrinfo(arena_copy(arena, name).data, NULL, &hints, &answers);
    if (failure != 0)
        return failure == EAI_SYSTEM ? strerror(errno) : gai_strerror(failure);
    const struct addrinfo *chosen = answer_choose(answers);
    *address = (struct address){0};
    if (chosen != NULL) {
        memcpy(&address->any, chosen->ai_addr, chosen->ai_addrlen);
        address->len = chosen->ai_addrlen;
    }
    freeaddrinfo(answers);
    return chosen != NULL ? NULL : "the name has no IPv4 or IPv6 address";
}

const char *config_url_resolve(struct arena *arena, struct slice text, struct address *address)
{
    struct url url;
    const char *why = url_parse(text, &url);
    if (why != NULL)
        return arena_printf(arena, "allowed is %s", why);
    if (url.service)
        return "allowed is a URL that begins with http:// or unix:/";
    if (url.path.len > 0)
        return address_from_path(url.path, address) ? NULL : "the path is too long";
    if (address_parse_ip(url.name, url.port, address))
        return NULL;
    why = resolve(arena, url.name, address);
    if (why != NULL)
        return arena_printf(arena, "its name cannot be resolved: %s", why);
    address_set_port(address, url.port);
    return NULL;
}

const char *config_token_read(struct arena *arena, const char *file, struct slice *token)
{
    const char *why = config_world_system.file_read(arena, file, TOKEN_FILE_BYTES_MAX, token);
    return why == NULL ? world_token_judge(arena, token)
                       : arena_printf(arena, "cannot be read: %s", why);
}

const char *world_token_judge(struct arena *arena, struct slice *token)
{
    while (token->len > 0 && strchr("\r\n", token->data[token->len - 1]) != NULL)
        token->len--;
    if (form_token.complaint(*token) != NULL)
        return arena_printf(arena, "does not hold a token: allowed are %s, and a line end",
                            form_token.allowed);
    return NULL;
}
