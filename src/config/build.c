/* The snapshot: addresses, backends and all that is copied. Routes are in build_routes.c. */
#include "config/build.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config/address.h"
#include "config/forms.h"
#include "config/nameserver.h"
#include "config/url.h"

enum { TEMPLATE_BYTES_MAX = 64 << 10 };

struct path path_member(const char *list, u32 index, const char *key)
{
    struct path path = {.depth = 0};
    path = path_key(&path, slice_of_string(list));
    path = path_index(&path, index);
    return path_key(&path, slice_of_string(key));
}

static struct path path_two(const char *first, const char *second)
{
    struct path path = {.depth = 0};
    path = path_key(&path, slice_of_string(first));
    return path_key(&path, slice_of_string(second));
}

/* ---- Names ---- */

int name_compare(struct slice a, struct slice b)
{
    u32 len = min_u32(a.len, b.len);
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int name_index_compare(const void *left, const void *right)
{
    const struct name_index *a = left;
    const struct name_index *b = right;
    int order = name_compare(a->name, b->name);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

void names_order(struct name_index *names, u32 count)
{
    if (count > 0)
        qsort(names, count, sizeof(*names), name_index_compare);
}

const struct name_index *names_sort(struct builder *builder, const char *list,
                                    struct name_index *names, u32 count)
{
    names_order(names, count);
    for (u32 i = 1; i < count; i++) {
        if (!slice_equal(names[i].name, names[i - 1].name))
            continue;
        struct path path = path_member(list, names[i].index, "id");
        reader_complain(builder->reader, &path, "\"%.*s\" is not allowed: %s[%u] has this id",
                        (int)names[i].name.len, names[i].name.data, list, names[i - 1].index);
    }
    return names;
}

u32 names_find(const struct name_index *names, u32 count, struct slice name)
{
    u32 low = 0;
    u32 high = count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        int order = name_compare(names[middle].name, name);
        if (order == 0)
            return names[middle].index;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return UINT32_MAX;
}

/* ---- Networks ---- */

static struct network_list networks_build(struct arena *arena, const struct settings_strings *texts)
{
    struct network *networks = arena_alloc(arena, texts->count * sizeof(struct network));
    u32 count = 0;
    for (u32 i = 0; i < texts->count; i++)
        /* A wrong entry is a problem already. */
        if (network_parse(texts->at[i], &networks[count]) == NULL)
            count++;
    return (struct network_list){networks, count};
}

/* ---- Listeners ---- */

u32 listener_mode(struct slice digits)
{
    u32 mode = 0;
    for (u32 i = 0; i < digits.len; i++)
        mode = mode * 8 + (u32)(digits.data[i] - '0');
    return mode;
}

struct slice listener_name(struct arena *arena, const struct settings_listener *from)
{
    bool v6 = from->address.len > 0 && memchr(from->address.data, ':', from->address.len) != NULL;
    if (from->unix_socket.len > 0)
        return slice_of_string(
            arena_printf(arena, "unix:%.*s", (int)from->unix_socket.len, from->unix_socket.data));
    return slice_of_string(arena_printf(arena, "%s%.*s%s:%u", v6 ? "[" : "", (int)from->address.len,
                                        from->address.data, v6 ? "]" : "", from->port));
}

static void unix_listener_check(struct builder *builder, const struct settings_listener *listener,
                                u32 index)
{
    struct path path = path_member("listeners", index, "unixSocket");
    if (listener->address.len > 0 || listener->port != SETTINGS_PORT_ABSENT)
        reader_complain(builder->reader, &path,
                        "is not allowed together with address or port: use two listeners");
}

/* What can never match is a mistake: the operator believes that something is protected by it. */
static void proxy_protocol_check(struct builder *builder, const struct settings_listener *listener,
                                 u32 index)
{
    struct path path = path_member("listeners", index, "proxyProtocolFrom");
    bool local = listener->unix_socket.len > 0;
    const struct settings_strings *networks = &listener->proxy_protocol_from;
    for (u32 i = 0; i < networks->count; i++)
        if (slice_equal(networks->at[i], SLICE("unix:")) != local)
            reader_complain(builder->reader, &path,
                            local ? "has an address, and peers at a unix socket have none: only "
                                    "unix: is allowed here"
                                  : "has unix:, but this listener has no unix socket");
}

static void listener_build(struct builder *builder, u32 index, struct config_listener *to)
{
    struct arena *arena = &builder->config->arena;
    const struct settings_listener *from = settings_listener_at(builder->settings, index);
    to->name = listener_name(arena, from);
    to->proxy_protocol_from = networks_build(arena, &from->proxy_protocol_from);
    to->unix_mode = listener_mode(from->unix_mode);
    proxy_protocol_check(builder, from, index);
    if (from->unix_socket.len > 0) {
        unix_listener_check(builder, from, index);
        bool fits = address_from_path(from->unix_socket, &to->address);
        ASSERT(fits);
        return;
    }
    to->dual_stack = slice_equal(from->address, SLICE("*"));
    struct slice literal = to->dual_stack ? SLICE("::") : from->address;
    bool parsed = address_parse_ip(literal, (u16)from->port, &to->address);
    ASSERT(parsed);
}

static void listener_check(struct builder *builder, const struct config_listener *listeners,
                           u32 index)
{
    struct path path = path_member("listeners", index, "port");
    path.depth--; /* the listener as a whole */
    for (u32 i = 0; i < index; i++) {
        struct path other = path_member("listeners", i, "port");
        other.depth--;
        if (!slice_equal(listeners[i].name, listeners[index].name) ||
            reader_complained(builder->reader, &path) || reader_complained(builder->reader, &other))
            continue;
        reader_complain(builder->reader, &path, "listeners[%u] listens there too: %.*s", i,
                        (int)listeners[i].name.len, listeners[i].name.data);
        return;
    }
}

static void listeners_build(struct builder *builder)
{
    u32 count = builder->settings->listeners.count;
    struct config_listener *listeners =
        arena_alloc(&builder->config->arena, count * sizeof(*listeners));
    for (u32 i = 0; i < count; i++)
        listener_build(builder, i, &listeners[i]);
    for (u32 i = 0; i < count; i++)
        listener_check(builder, listeners, i);
    builder->config->listeners = listeners;
    builder->config->listener_count = count;
}

/* ---- Backends ---- */

/* A name is resolved later, again and again: see config_expand(). */
static void backend_locate(const struct url *url, struct config_backend *to)
{
    bool found = url->path.len > 0 ? address_from_path(url->path, &to->address)
                                   : address_parse_ip(url->name, url->port, &to->address);
    if (found)
        return;
    to->address = (struct address){.len = 0};
    to->name = url->name;
    to->port = url->port;
    to->service = url->service;
}

/* Clients would have the operator's rights: to the API they come from this machine. */
static void backend_check(struct builder *builder, u32 index, const struct config_backend *backend)
{
    struct path path = path_member("backends", index, "url");
    if (backend->address.len > 0 && config_admin_is_at(&builder->config->admin, &backend->address))
        reader_complain(builder->reader, &path,
                        "\"%.*s\" is where the management API listens: clients could change the "
                        "proxy; set another URL, or admin.port",
                        (int)backend->url.len, backend->url.data);
}

static void backend_build(struct builder *builder, u32 index, struct config_backend *to)
{
    const struct settings_backend *from = settings_backend_at(builder->settings, index);
    struct path path = path_member("backends", index, "healthCheck");
    struct url url;
    health_check_judge(builder->reader, builder->world, &path, &from->health_check);
    to->id = from->id;
    to->url = from->url;
    to->health_check = health_check_build(&builder->config->arena, &from->health_check);
    to->passive_check = from->passive_check;
    to->passive_check.enabled &= builder->settings->passive_check.enabled;
    to->weight = from->weight;
    to->connections_max = from->connections_max;
    to->slow_start_ms = from->slow_start_ms;
    if (url_parse(from->url, &url) != NULL)
        return; /* a problem already */
    to->authority = url.authority;
    backend_locate(&url, to);
    backend_check(builder, index, to);
}

void backends_build(struct builder *builder)
{
    struct arena *arena = &builder->config->arena;
    u32 count = builder->settings->backends.count;
    struct config_backend *backends = arena_alloc(arena, count * sizeof(*backends));
    struct name_index *names = arena_alloc(arena, count * sizeof(*names));
    for (u32 i = 0; i < count; i++) {
        if (builder->known != NULL && builder->known[i] != NULL)
            backends[i] = *builder->known[i];
        else
            backend_build(builder, i, &backends[i]);
        names[i] = (struct name_index){backends[i].id, i};
    }
    builder->backends_by_id = names_sort(builder, "backends", names, count);
    builder->config->backends = backends;
    builder->config->backend_count = count;
}

/* ---- The rest ---- */

u32 config_cpus_allowed(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1; /* only on machines with more than 1024 CPUs, where "auto" is the wrong choice */
    return (u32)CPU_COUNT(&set);
}

static struct config_dns dns_build(struct arena *arena, const struct settings_dns *settings)
{
    const struct settings_strings *texts = &settings->servers;
    struct address *servers = arena_alloc(arena, texts->count * sizeof(*servers));
    struct config_dns dns = settings->values;
    dns.servers = servers;
    dns.server_count = 0;
    for (u32 i = 0; i < texts->count; i++)
        dns.server_count += nameserver_parse(texts->at[i], &servers[dns.server_count]);
    return dns;
}

static void template_load(struct builder *builder, const char *key, struct slice file,
                          struct slice *content)
{
    if (file.len == 0)
        return;
    struct path path = path_two("errorTemplates", key);
    const char *why = source_read(builder, file.data, TEMPLATE_BYTES_MAX, content);
    if (why != NULL)
        reader_complain(builder->reader, &path, "\"%.*s\" cannot be read: %s", (int)file.len,
                        file.data, why);
    else if (content->len == 0)
        reader_complain(builder->reader, &path,
                        "\"%.*s\" is empty; without this setting there is a page that is built in",
                        (int)file.len, file.data);
}

static void logging_check(struct builder *builder)
{
    const struct config_logging *logging = &builder->settings->logging;
    bool same_file = logging->error.enabled && logging->access.enabled &&
                     slice_equal(logging->error.directory, logging->access.directory) &&
                     slice_equal(logging->error.pattern, logging->access.pattern);
    if (!same_file)
        return;
    struct path path = path_two("logging", "accessLog");
    path = path_key(&path, SLICE("filePattern"));
    reader_complain(builder->reader, &path,
                    "the error log has the same directory and pattern: "
                    "they must differ");
}

/* It would be replaced, or put aside as a state file that cannot be read. */
static void state_file_check(struct builder *builder)
{
    struct stat own, state;
    struct slice file = builder->settings->state.file;
    if (file.len == 0 || stat(builder->reader->source->name, &own) != 0 ||
        stat(file.data, &state) != 0 || own.st_dev != state.st_dev || own.st_ino != state.st_ino)
        return;
    struct path path = path_two("state", "file");
    reader_complain(builder->reader, &path,
                    "\"%.*s\" is this configuration: the state needs a file of its own",
                    (int)file.len, file.data);
}

static void values_copy(struct config *config, const struct settings *settings)
{
    config->settings = settings;
    config->workers = settings->workers != 0 ? settings->workers : config_cpus_allowed();
    config->timeouts = settings->timeouts;
    config->limits = settings->limits;
    config->overload = settings->overload;
    config->upstream = settings->upstream;
    config->logging = settings->logging;
    config->rate_limit = settings->rate_limit;
    config->reload_watch = settings->reload.watch;
    config->state = settings->state;
}

static void sticky_key_build(struct builder *builder)
{
    const struct settings_sticky *from = &builder->settings->load_balancing.sticky;
    struct slice *key = &builder->config->sticky_key;
    struct path path = path_two("loadBalancing", "stickySession");
    path = path_key(&path, SLICE("keyFile"));
    *key = from->key;
    if (from->key_file.len == 0)
        return;
    if (from->key.len > 0) {
        reader_complain(builder->reader, &path, "is not allowed together with key");
        return;
    }
    const char *why = source_read_token(builder, from->key_file.data, key);
    if (why == NULL && form_sticky_key.complaint(*key) != NULL)
        why = "does not hold a key: allowed are 16 to 256 visible ASCII characters";
    if (why != NULL)
        reader_complain(builder->reader, &path, "\"%.*s\" %s", (int)from->key_file.len,
                        from->key_file.data, why);
}

void config_build(struct builder *builder)
{
    struct config *config = builder->config;
    const struct settings *settings = builder->settings;
    values_copy(config, settings);
    listeners_build(builder);
    admin_build(builder);
    backends_build(builder);
    routes_build(builder);
    logging_check(builder);
    state_file_check(builder);
    sticky_key_build(builder);
    config->dns = dns_build(&config->arena, &settings->dns);
    config->trusted_proxies = networks_build(&config->arena, &settings->trusted_proxies);
    template_load(builder, "html", settings->error_templates.html, &config->error_templates.html);
    template_load(builder, "json", settings->error_templates.json, &config->error_templates.json);
}
