/* What is known of names goes from one process to the next, so that a name server that does not
 * answer in just that moment changes nothing. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "config/kept.h"
#include "resolve/resolve_internal.h"

/* ---- To the next one ---- */

/* What is kept of a name in as many entries. One that leads nowhere has one, too. */
static u32 entries_of(const struct name *name)
{
    u32 records = name->lookups[0].count + name->lookups[1].count;
    return records == 0 && name->state == NAME_FAILING ? 1 : records;
}

struct keeping {
    struct arena *arena;
    struct config_kept_address *addresses;
    struct config_kept_service *services;
    u32 address_count;
    u32 service_count;
};

static struct slice address_text(struct arena *arena, const struct lookup *lookup, u32 index)
{
    char text[INET6_ADDRSTRLEN] = "";
    (void)inet_ntop(lookup->type == MESSAGE_A ? AF_INET : AF_INET6, lookup->records[index].address,
                    text, sizeof(text));
    return arena_copy(arena, slice_of_string(text));
}

static void keep_host(struct keeping *keeping, const struct name *name)
{
    u32 count = entries_of(name);
    if (count > CONFIG_KEPT_ADDRESSES_MAX - keeping->address_count)
        return; /* not a part of an answer */
    struct config_kept_address *at = &keeping->addresses[keeping->address_count];
    keeping->address_count += count;
    for (u32 i = 0; i < count; i++) {
        at[i].name = slice_of_string(name->text);
        at[i].target = name->kind == NAME_TARGET;
    }
    for (u32 l = 0; l < LOOKUPS_MAX; l++)
        for (u32 i = 0; i < name->lookups[l].count; i++)
            (at++)->address = address_text(keeping->arena, &name->lookups[l], i);
}

static void keep_service(struct keeping *keeping, const struct name *name)
{
    const struct lookup *lookup = &name->lookups[0];
    u32 count = entries_of(name);
    if (count > CONFIG_KEPT_SERVICES_MAX - keeping->service_count)
        return;
    struct config_kept_service *at = &keeping->services[keeping->service_count];
    keeping->service_count += count;
    for (u32 i = 0; i < count; i++)
        at[i].name = slice_of_string(name->text);
    for (u32 i = 0; i < lookup->count; i++) {
        at[i].host = slice_of_string(lookup->records[i].target);
        at[i].priority = lookup->records[i].priority;
        at[i].weight = lookup->records[i].weight;
        at[i].port = lookup->records[i].port;
    }
}

void resolver_keep(const struct resolver *resolver, struct config_kept *kept)
{
    u32 addresses = 0, services = 0;
    list_each (node, counting, &resolver->names) {
        const struct name *name = container_of(node, struct name, every);
        *(name->kind == NAME_SERVICE ? &services : &addresses) += entries_of(name);
    }
    addresses = min_u32(addresses, CONFIG_KEPT_ADDRESSES_MAX);
    services = min_u32(services, CONFIG_KEPT_SERVICES_MAX);
    struct keeping keeping = {
        .arena = &kept->arena,
        .addresses = arena_alloc(&kept->arena, addresses * sizeof(*keeping.addresses)),
        .services = arena_alloc(&kept->arena, services * sizeof(*keeping.services)),
    };
    list_each (node, following, &resolver->names) {
        const struct name *name = container_of(node, struct name, every);
        if (name->kind == NAME_SERVICE)
            keep_service(&keeping, name);
        else
            keep_host(&keeping, name);
    }
    kept->addresses = keeping.addresses;
    kept->address_count = keeping.address_count;
    kept->services = keeping.services;
    kept->service_count = keeping.service_count;
}

/* ---- From the earlier one ---- */

static bool text_of(struct slice name, char out[MESSAGE_NAME_BYTES])
{
    char text[MESSAGE_NAME_BYTES];
    if (name.len >= sizeof(text))
        return false;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    return message_name_copy(text, out);
}

/* NULL when nobody follows it, or it is known already. */
static struct name *name_unknown(const struct resolver *resolver, enum name_kind kind,
                                 struct slice text)
{
    char copy[MESSAGE_NAME_BYTES];
    struct name *name = text_of(text, copy) ? name_find(resolver, kind, copy) : NULL;
    return name && name->state == NAME_NEW && entries_of(name) == 0 ? name : NULL;
}

/* As if they had come in an answer. */
static void records_recall(struct lookup *lookup, const struct message_answer *answer)
{
    usize bytes = answer->count * sizeof(answer->at[0]);
    if (bytes > 0)
        lookup->records = malloc(bytes);
    if (!lookup->records)
        return;
    memcpy(lookup->records, answer->at, bytes);
    lookup->count = answer->count;
}

static void name_settle(struct name *name, enum resolve_recall recall)
{
    bool known = name->kind == NAME_SERVICE ? name->lookups[0].count > 0 : host_is_known(name);
    bool nowhere = entries_of(name) == 0;
    name->recalled = (known && recall != RESOLVE_OLD) || (nowhere && recall == RESOLVE_CURRENT);
    if (name->recalled)
        name->state = known ? NAME_GOOD : NAME_FAILING;
}

static void address_recall(struct slice text, enum message_type type, struct message_answer *answer)
{
    struct address address;
    struct message_record record = {.priority = 0};
    bool four = type == MESSAGE_A;
    if (!address_parse_ip(text, 0, &address) ||
        address.any.sa_family != (four ? AF_INET : AF_INET6))
        return;
    if (four)
        memcpy(record.address, &address.v4.sin_addr, sizeof(address.v4.sin_addr));
    else
        memcpy(record.address, &address.v6.sin6_addr, sizeof(address.v6.sin6_addr));
    message_add(answer, &record);
}

static void service_recall(const struct config_kept_service *service, struct message_answer *answer)
{
    struct message_record record = {
        .priority = (u16)service->priority,
        .weight = (u16)service->weight,
        .port = (u16)service->port,
    };
    if (service->host.len > 0 && service->port > 0 && text_of(service->host, record.target))
        message_add(answer, &record);
}

/* Returns whether it has records now. */
static bool host_recall(struct name *host, const struct config_kept_address *at, u32 count)
{
    for (u32 l = 0; l < LOOKUPS_MAX; l++) {
        struct message_answer answer;
        message_begin(&answer, 0);
        for (u32 i = 0; i < count; i++)
            address_recall(at[i].address, host->lookups[l].type, &answer);
        records_recall(&host->lookups[l], &answer);
    }
    return entries_of(host) > 0;
}

static bool is_of_one_host(const struct config_kept_address *a, const struct config_kept_address *b)
{
    return a->target == b->target && slice_equal(a->name, b->name);
}

static u32 hosts_recall(struct resolver *resolver, const struct config_kept *kept,
                        enum resolve_recall recall)
{
    u32 recalled = 0;
    for (u32 i = 0, end; i < kept->address_count; i = end) {
        const struct config_kept_address *first = &kept->addresses[i];
        for (end = i + 1; end < kept->address_count; end++)
            if (!is_of_one_host(&kept->addresses[end], first))
                break;
        struct name *host =
            name_unknown(resolver, first->target ? NAME_TARGET : NAME_HOST, first->name);
        if (!host)
            continue;
        recalled += host_recall(host, first, end - i);
        name_settle(host, recall);
    }
    return recalled;
}

static u32 services_recall(struct resolver *resolver, const struct config_kept *kept,
                           enum resolve_recall recall)
{
    u32 recalled = 0;
    for (u32 i = 0, end; i < kept->service_count; i = end) {
        struct slice text = kept->services[i].name;
        struct message_answer answer;
        message_begin(&answer, 0);
        for (end = i; end < kept->service_count; end++) {
            if (!slice_equal(kept->services[end].name, text))
                break;
            service_recall(&kept->services[end], &answer);
        }
        struct name *service = name_unknown(resolver, NAME_SERVICE, text);
        if (!service)
            continue;
        records_recall(&service->lookups[0], &answer);
        recalled += service->lookups[0].count > 0;
        name_settle(service, recall);
    }
    return recalled;
}

u32 resolver_recall(struct resolver *resolver, const struct config_kept *kept,
                    enum resolve_recall recall)
{
    u32 services = services_recall(resolver, kept, recall);
    names_collect(resolver); /* their hosts are followed from now on */
    return services + hosts_recall(resolver, kept, recall);
}
