/* The names that are wanted, and those of the hosts that services lead to. */
#include <stdlib.h>

#include "resolve/resolve_internal.h"

static struct list *bucket(const struct resolver *resolver, enum name_kind kind, const char *text)
{
    u64 hash = hash_bytes(text, strlen(text), kind);
    return &resolver->buckets[hash % NAME_BUCKETS];
}

struct name *name_find(const struct resolver *resolver, enum name_kind kind, const char *text)
{
    list_each (node, following, bucket(resolver, kind, text)) {
        struct name *name = container_of(node, struct name, node);
        if (name->kind == kind && strcmp(name->text, text) == 0)
            return name;
    }
    return NULL;
}

static void on_timer(struct wheel_timer *timer)
{
    name_make_due(container_of(timer, struct name, timer));
}

struct name *name_take(struct resolver *resolver, enum name_kind kind, const char *text)
{
    static const enum message_type types[] = {MESSAGE_A, MESSAGE_AAAA};
    struct name *name = name_find(resolver, kind, text);
    if (name)
        return name;
    name = calloc(1, sizeof(*name));
    if (!name || !message_name_copy(text, name->text)) {
        free(name);
        return NULL;
    }
    name->resolver = resolver;
    name->kind = kind;
    for (u32 i = 0; i < LOOKUPS_MAX; i++) {
        name->lookups[i].name = name;
        name->lookups[i].type = kind == NAME_SERVICE ? MESSAGE_SRV : types[i];
    }
    list_init(&name->due);
    list_push_back(bucket(resolver, kind, text), &name->node);
    list_push_back(&resolver->names, &name->every);
    wheel_timer_init(&name->timer, on_timer);
    resolver->count++;
    name_make_due(name);
    return name;
}

void name_free(struct name *name)
{
    for (u32 i = 0; i < LOOKUPS_MAX; i++) {
        free(name->lookups[i].records);
        coming_clear(&name->lookups[i]);
    }
    free(name);
}

static void drop(struct name *name)
{
    struct resolver *resolver = name->resolver;
    list_remove(&name->node);
    list_remove(&name->every);
    list_remove(&name->due);
    wheel_clear(resolver->with.wheel, &name->timer);
    resolver->count--;
    name->gone = true;
    if (name->pending == 0)
        name_free(name);
}

static void need_hosts(struct resolver *resolver, const struct message_record *records, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        struct name *host = name_take(resolver, NAME_TARGET, records[i].target);
        if (host)
            host->needed = true;
    }
}

void names_collect(struct resolver *resolver)
{
    list_each (node, following, &resolver->names) {
        struct name *name = container_of(node, struct name, every);
        name->needed = name->wanted;
    }
    list_each (node, following, &resolver->names) {
        struct name *name = container_of(node, struct name, every);
        const struct lookup *lookup = &name->lookups[0];
        if (name->kind != NAME_SERVICE || !name->wanted)
            continue;
        need_hosts(resolver, lookup->records, lookup->count);
        need_hosts(resolver, lookup->coming, lookup->coming_count);
    }
    list_each (node, following, &resolver->names) {
        struct name *name = container_of(node, struct name, every);
        if (!name->needed)
            drop(name);
    }
}

u32 name_lookups(const struct name *name, u32 *first)
{
    u32 family = name->resolver->settings.family;
    *first = name->kind != NAME_SERVICE && family == CONFIG_FAMILY_IPV6;
    return name->kind == NAME_SERVICE || family == CONFIG_FAMILY_IPV4 ||
                   family == CONFIG_FAMILY_IPV6
               ? 1
               : 2;
}

const struct lookup *host_preferred(const struct name *name)
{
    static const u32 indexes[CONFIG_FAMILY_COUNT] = {
        [CONFIG_FAMILY_PREFER_IPV6] = 1,
        [CONFIG_FAMILY_IPV6] = 1,
    };
    return &name->lookups[indexes[name->resolver->settings.family]];
}

const struct lookup *host_lookup(const struct name *name)
{
    u32 first;
    const struct lookup *preferred = host_preferred(name);
    if (preferred->count > 0 || name_lookups(name, &first) == 1)
        return preferred;
    return &name->lookups[preferred == &name->lookups[0]];
}
