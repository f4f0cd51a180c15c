/*
 * Services: SRV records and the addresses of their hosts. An answer whose hosts are all new is of
 * no use until one of them has an address, so the one before it is used on meanwhile, and its hosts
 * are asked for with those that are coming.
 */
#include <stdlib.h>

#include "resolve/resolve_internal.h"

static const struct name *host_of(const struct resolver *resolver,
                                  const struct message_record *record)
{
    return name_find(resolver, NAME_TARGET, record->target);
}

bool host_is_known(const struct name *host)
{
    return host && host_lookup(host)->count > 0;
}

static bool one_is_known(const struct resolver *resolver, const struct message_record *records,
                         u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (host_is_known(host_of(resolver, &records[i])))
            return true;
    return false;
}

bool service_must_wait(const struct lookup *lookup)
{
    return lookup->type == MESSAGE_SRV &&
           one_is_known(lookup->name->resolver, lookup->records, lookup->count);
}

enum service_coming service_coming(const struct name *service)
{
    const struct lookup *lookup = &service->lookups[0];
    if (lookup->coming_count == 0)
        return COMING_NONE;
    for (u32 i = 0; i < lookup->coming_count; i++) {
        const struct name *host = host_of(service->resolver, &lookup->coming[i]);
        if (!host || host->state == NAME_NEW)
            return COMING_UNDECIDED;
    }
    return COMING_HOMELESS;
}

void coming_clear(struct lookup *lookup)
{
    free(lookup->coming);
    lookup->coming = NULL;
    lookup->coming_count = 0;
}

/* Returns true when the answer that was coming has come. */
static bool settle(struct name *service)
{
    struct lookup *lookup = &service->lookups[0];
    bool comes = one_is_known(service->resolver, lookup->coming, lookup->coming_count);
    if (comes) {
        free(lookup->records);
        lookup->records = lookup->coming;
        lookup->count = lookup->coming_count;
        lookup->coming = NULL;
        lookup->coming_count = 0;
    }
    if (service->state != NAME_NEW)
        name_judge(service);
    return comes;
}

void services_settle(struct resolver *resolver)
{
    bool moved = false;
    list_each (node, following, &resolver->names) {
        struct name *name = container_of(node, struct name, every);
        if (name->lookups[0].coming_count > 0)
            moved |= settle(name);
    }
    if (moved)
        names_collect(resolver);
}
