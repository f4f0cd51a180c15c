/* The management API's listeners and token. */
#include "config/address.h"
#include "config/build.h"
#include "handover.h"

static struct path path_admin(const char *key)
{
    struct path path = {.depth = 0};
    path = path_key(&path, SLICE("admin"));
    return path_key(&path, slice_of_string(key));
}

static bool is_loopback(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static void token_load(struct builder *builder, const struct settings_admin *from,
                       struct slice *token)
{
    struct path path = path_admin("tokenFile");
    if (from->token.len > 0) {
        reader_complain(builder->reader, &path, "is not allowed together with admin.token");
        return;
    }
    const char *why = source_read_token(builder, from->token_file.data, token);
    if (why != NULL)
        reader_complain(builder->reader, &path, "\"%.*s\" %s", (int)from->token_file.len,
                        from->token_file.data, why);
}

/* The names stay below HANDOVER_NAME_BYTES, whatever the path: engines know sockets by them. */
static void tcp_fill(struct builder *builder, const struct settings_admin *from,
                     struct config_listener *to)
{
    const struct settings_listener named = {.address = from->address, .port = from->port};
    struct arena *arena = &builder->config->arena;
    struct slice name = listener_name(arena, &named);
    to->dual_stack = slice_equal(from->address, SLICE("*"));
    to->exclusive = true;
    to->name = slice_of_string(
        arena_printf(arena, "%.*s (the management API, admin.port)", (int)name.len, name.data));
    bool parsed = address_parse_ip(to->dual_stack ? SLICE("::") : from->address, (u16)from->port,
                                   &to->address);
    ASSERT(parsed);
}

static void unix_fill(struct builder *builder, const struct settings_admin *from,
                      struct config_listener *to)
{
    struct path path = path_admin("unixSocket");
    const struct config *config = builder->config;
    to->exclusive = true;
    to->unix_mode = listener_mode(from->unix_mode);
    to->name =
        slice_of_string(arena_printf(&builder->config->arena, "unix:%.*s" HANDOVER_MANAGEMENT,
                                     (int)from->unix_socket.len, from->unix_socket.data));
    bool fits = address_from_path(from->unix_socket, &to->address);
    ASSERT(fits);
    for (u32 i = 0; from->enabled && i < config->listener_count; i++)
        if (slice_equal(settings_listener_at(builder->settings, i)->unix_socket, from->unix_socket))
            reader_complain(builder->reader, &path, "listeners[%u] listens there too: %.*s", i,
                            (int)from->unix_socket.len, from->unix_socket.data);
}

/* Who may connect may ask, so others than this machine need a token. */
static void token_require(struct builder *builder, const struct settings_admin *from)
{
    const struct config_admin *to = &builder->config->admin;
    struct path path = path_admin("address");
    struct path file = path_admin("tokenFile");
    if (!to->enabled || to->token.len > 0 || is_loopback(&to->listeners[0].address) ||
        reader_complained(builder->reader, &file))
        return;
    reader_complain(builder->reader, &path,
                    "\"%.*s\" is not allowed without a token: others could read the status and "
                    "change the proxy; set admin.tokenFile or NEXTPROXY_ADMIN_TOKEN, or use "
                    "127.0.0.1 or ::1, or admin.unixSocket alone",
                    (int)from->address.len, from->address.data);
}

/* With port 0 nobody knows the port before it listens. */
bool config_admin_is_at(const struct config_admin *admin, const struct address *address)
{
    for (u32 i = 0; admin->enabled && i < admin->listener_count; i++)
        if (address_reaches(address, &admin->listeners[i].address, admin->listeners[i].dual_stack))
            return true;
    return false;
}

void admin_build(struct builder *builder)
{
    const struct settings_admin *from = &builder->settings->admin;
    struct config_admin *to = &builder->config->admin;
    to->enabled = from->enabled;
    to->token = from->token;
    if (from->token_file.len > 0)
        token_load(builder, from, &to->token);
    if (from->address.len > 0) {
        tcp_fill(builder, from, &to->listeners[to->listener_count++]);
        token_require(builder, from);
    }
    if (from->unix_socket.len > 0)
        unix_fill(builder, from, &to->listeners[to->listener_count++]);
}
