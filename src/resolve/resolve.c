/* See include/resolve.h: what others see of names. */
#include "resolve.h"

#include <stdio.h>
#include <stdlib.h>

#include "resolve/resolve_internal.h"

enum { LINE_BYTES = 512 };

/* ---- Following configurations ---- */

static bool servers_copy(struct resolver *resolver, const struct config_dns *settings)
{
    usize bytes = settings->server_count * sizeof(struct address);
    struct address *servers = malloc(max_u64(bytes, 1));
    if (!servers)
        return false; /* the earlier settings stay */
    if (bytes > 0)
        memcpy(servers, settings->servers, bytes);
    free(resolver->servers);
    resolver->servers = servers;
    resolver->settings = *settings;
    resolver->settings.servers = servers;
    return true;
}

static bool settings_equal(const struct config_dns *a, const struct config_dns *b)
{
    if (a->server_count != b->server_count)
        return false;
    for (u32 i = 0; i < a->server_count; i++)
        if (!address_equal(&a->servers[i], &b->servers[i]))
            return false;
    return a->family == b->family && a->timeout_ms == b->timeout_ms && a->tries == b->tries &&
           a->ttl_min_ms == b->ttl_min_ms && a->ttl_max_ms == b->ttl_max_ms &&
           a->retry_ms == b->retry_ms && a->retry_max_ms == b->retry_max_ms;
}

static enum name_kind kind_of(const struct config_backend *backend)
{
    return backend->service ? NAME_SERVICE : NAME_HOST;
}

/* Its name in lower case; false when it has none. */
static bool text_of(const struct config_backend *backend, char out[MESSAGE_NAME_BYTES])
{
    char text[MESSAGE_NAME_BYTES];
    if (backend->name.len == 0 || backend->name.len >= sizeof(text))
        return false;
    memcpy(text, backend->name.data, backend->name.len);
    text[backend->name.len] = '\0';
    return message_name_copy(text, out);
}

/* NULL when the backend has no name, or nobody follows it. */
static struct name *name_of(const struct resolver *resolver, const struct config_backend *backend)
{
    char text[MESSAGE_NAME_BYTES];
    return text_of(backend, text) ? name_find(resolver, kind_of(backend), text) : NULL;
}

static void want(struct resolver *resolver, const struct config_backend *backend)
{
    char text[MESSAGE_NAME_BYTES];
    struct name *name = text_of(backend, text) ? name_take(resolver, kind_of(backend), text) : NULL;
    if (name)
        name->wanted = true;
}

void resolver_follow(struct resolver *resolver, const struct config *const *configs, u32 count)
{
    const struct config_dns *settings = &configs[count - 1]->dns;
    bool same = settings_equal(&resolver->settings, settings);
    if (!same && servers_copy(resolver, settings))
        resolver_ask_again(resolver);
    resolver->settings.start_wait_ms = settings->start_wait_ms;
    list_each (node, following, &resolver->names)
        container_of(node, struct name, every)->wanted = false;
    for (u32 c = 0; c < count; c++)
        for (u32 i = 0; i < configs[c]->backend_count; i++)
            want(resolver, &configs[c]->backends[i]);
    names_collect(resolver);
    if (resolver->count == 0)
        servers_close(resolver);
}

void resolver_ask_again(struct resolver *resolver)
{
    servers_close(resolver); /* the next question opens one with the servers of then */
    list_each (node, following, &resolver->names) {
        struct name *name = container_of(node, struct name, every);
        for (u32 i = 0; i < LOOKUPS_MAX; i++) {
            name->lookups[i].failures = 0;
            name->lookups[i].due_ns = 0;
        }
        name_make_due(name);
    }
}

/* ---- Answers ---- */

static void address_make(const struct lookup *lookup, u32 index, u16 port, struct address *out)
{
    const u8 *bytes = lookup->records[index].address;
    *out = (struct address){.len = sizeof(out->v4)};
    if (lookup->type == MESSAGE_A) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        memcpy(&out->v4.sin_addr, bytes, sizeof(out->v4.sin_addr));
        return;
    }
    out->len = sizeof(out->v6);
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    memcpy(&out->v6.sin6_addr, bytes, sizeof(out->v6.sin6_addr));
}

struct finding {
    struct config_endpoint *out;
    u32 count;
    u32 unused; /* those that there is no room for */
};

/* One that is there has the weight of both: two endpoints at one place could not be told apart, so
 * that what is known of one would not hold for the other. */
static void endpoint_add(struct finding *finding, const struct address *address, u32 weight)
{
    for (u32 i = 0; i < finding->count; i++) {
        struct config_endpoint *endpoint = &finding->out[i];
        if (address_equal(&endpoint->address, address)) {
            endpoint->weight = min_u32(endpoint->weight + weight, BALANCE_WEIGHT_MAX);
            return;
        }
    }
    if (finding->count < CONFIG_ENDPOINTS_MAX)
        finding->out[finding->count++] = (struct config_endpoint){*address, weight};
    else
        finding->unused++;
}

static void lookup_list(struct finding *finding, const struct lookup *lookup, u16 port, u32 weight)
{
    for (u32 i = 0; i < lookup->count; i++) {
        struct address address;
        address_make(lookup, i, port, &address);
        endpoint_add(finding, &address, weight);
    }
    finding->unused += lookup->unused;
}

static void host_list(struct finding *finding, const struct name *host, u16 port, u32 weight)
{
    const struct lookup *lookup = host_lookup(host);
    lookup_list(finding, lookup, port, weight);
    if (host->resolver->settings.family == CONFIG_FAMILY_ALL && lookup == &host->lookups[0])
        lookup_list(finding, &host->lookups[1], port, weight);
}

/* Lower numbers come first (RFC 2782). UINT32_MAX: no host has an address. */
static u32 best_priority(const struct resolver *resolver, const struct lookup *services)
{
    u32 best = UINT32_MAX;
    for (u32 i = 0; i < services->count; i++) {
        const struct message_record *record = &services->records[i];
        if (record->priority < best &&
            host_is_known(name_find(resolver, NAME_TARGET, record->target)))
            best = record->priority;
    }
    return best;
}

/* A weight of 0 is next to nothing, but not nothing. */
static void service_list(struct finding *finding, const struct resolver *resolver,
                         const struct lookup *services)
{
    u32 best = best_priority(resolver, services);
    for (u32 i = 0; i < services->count; i++) {
        const struct message_record *record = &services->records[i];
        const struct name *host = name_find(resolver, NAME_TARGET, record->target);
        if (record->priority == best && host_is_known(host))
            host_list(finding, host, record->port, max_u32(record->weight, 1));
    }
    finding->unused += services->unused;
}

static void name_list(struct finding *finding, const struct name *name, u16 port)
{
    if (name->kind == NAME_SERVICE)
        service_list(finding, name->resolver, &name->lookups[0]);
    else
        host_list(finding, name, port, 1);
}

u32 resolver_find(const struct resolver *resolver, const struct config_backend *backend,
                  struct config_endpoint out[CONFIG_ENDPOINTS_MAX])
{
    struct finding finding = {.out = out, .count = 0};
    const struct name *name = name_of(resolver, backend);
    if (name)
        name_list(&finding, name, backend->port);
    return finding.count;
}

static void say_crowded(struct name *name)
{
    const struct resolve_listener *listener = &name->resolver->with.listener;
    struct config_endpoint out[CONFIG_ENDPOINTS_MAX];
    struct finding finding = {.out = out, .count = 0};
    char line[LINE_BYTES];
    name_list(&finding, name, 0);
    if (finding.unused > 0 && !name->crowded) {
        (void)snprintf(line, sizeof(line),
                       "\"%s\" leads to more than %d addresses: %u of them are not used",
                       name->text, CONFIG_ENDPOINTS_MAX, finding.unused);
        listener->say(listener->context, LOG_WARN, "too_many", line);
    }
    name->crowded = finding.unused > 0;
}

void names_say_crowded(struct resolver *resolver)
{
    list_each (node, following, &resolver->names) {
        struct name *name = container_of(node, struct name, every);
        if (name->wanted)
            say_crowded(name);
    }
}

/* The preferred answer is enough: what the other family has does not matter then. Not what is only
 * remembered. */
static bool host_is_settled(const struct name *host)
{
    bool both = host->resolver->settings.family == CONFIG_FAMILY_ALL;
    return name_is_through(host) || (!both && host_preferred(host)->result == LOOKUP_GOOD);
}

static bool name_is_settled(const struct name *name)
{
    if (name->recalled)
        return true;
    return name->kind == NAME_SERVICE ? name->state != NAME_NEW : host_is_settled(name);
}

bool resolver_settled(const struct resolver *resolver)
{
    list_each (node, following, &resolver->names)
        if (!name_is_settled(container_of(node, struct name, every)))
            return false;
    return true;
}

void resolver_figures(const struct resolver *resolver, struct resolve_figures *out)
{
    *out = (struct resolve_figures){
        .names = resolver->count,
        .queries = resolver->queries,
        .failures = resolver->failures,
    };
    list_each (node, following, &resolver->names)
        out->failing += container_of(node, struct name, every)->state == NAME_FAILING;
}

/* ---- Beginning and end ---- */

struct resolver *resolver_create(const struct resolve_options *options)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    struct list *buckets = calloc(NAME_BUCKETS, sizeof(*buckets));
    if (!resolver || !buckets || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(resolver);
        free(buckets);
        return NULL;
    }
    resolver->buckets = buckets;
    resolver->with = *options;
    rng_seed(&resolver->rng, options->seed);
    list_init(&resolver->names);
    list_init(&resolver->due);
    list_init(&resolver->due_targets);
    for (u32 i = 0; i < NAME_BUCKETS; i++)
        list_init(&resolver->buckets[i]);
    query_timers_init(resolver);
    return resolver;
}

void resolver_stop(struct resolver *resolver)
{
    resolver->stopped = true;
    list_each (node, following, &resolver->names)
        container_of(node, struct name, every)->wanted = false;
    names_collect(resolver);
    servers_close(resolver);
    wheel_clear(resolver->with.wheel, &resolver->pump_timer);
    wheel_clear(resolver->with.wheel, &resolver->change_timer);
}

bool resolver_is_quiet(const struct resolver *resolver)
{
    return resolver->asking == 0 && sockets_are_quiet(&resolver->sockets);
}

void resolver_destroy(struct resolver *resolver)
{
    ASSERT(resolver_is_quiet(resolver) && resolver->count == 0);
    free(resolver->servers);
    free(resolver->buckets);
    free(resolver);
    ares_library_cleanup();
}

const char *resolver_library(void)
{
    static char text[32];
    (void)snprintf(text, sizeof(text), "c-ares %s", ares_version(NULL));
    return text;
}
