/* Where a management API is, and what it wants to hear: for those who ask it. */
#include "config/address.h"
#include "config/forms.h"
#include "config/url.h"
#include "config/world.h"

const char *config_url_resolve(struct arena *arena, struct slice text, struct address *address)
{
    struct url url;
    const char *why = url_parse(text, &url);
    if (why != NULL)
        return arena_printf(arena, "allowed is %s", why);
    if (url.path.len > 0)
        return address_from_path(url.path, address) ? NULL : "the path is too long";
    if (address_parse_ip(url.name, url.port, address))
        return NULL;
    why = config_world_system.resolve(arena, url.name, address);
    if (why != NULL)
        return arena_printf(arena, "its name cannot be resolved: %s", why);
    address_set_port(address, url.port);
    return NULL;
}

const char *config_token_read(struct arena *arena, const char *file, struct slice *token)
{
    return world_token_read(&config_world_system, arena, file, token);
}

const char *world_token_read(const struct config_world *world, struct arena *arena,
                             const char *file, struct slice *token)
{
    enum { TOKEN_FILE_BYTES_MAX = 4096 };
    const char *why = world->file_read(arena, file, TOKEN_FILE_BYTES_MAX, token);
    if (why != NULL)
        return arena_printf(arena, "cannot be read: %s", why);
    while (token->len > 0 && strchr("\r\n", token->data[token->len - 1]) != NULL)
        token->len--;
    if (form_token.complaint(*token) != NULL)
        return arena_printf(arena, "does not hold a token: allowed are %s, and a line end",
                            form_token.allowed);
    return NULL;
}
