/* What all kinds of probes have in common. */
#include "health/probe.h"

struct probe *probe_start(struct prober *prober, const struct config_backend *backend,
                          struct probe_asker asker, struct probe_result *why)
{
    ASSERT(!prober_is_full(prober));
    struct probe *probe = prober->kind->start(prober, backend, why);
    if (!probe)
        return NULL;
    *probe = (struct probe){.prober = prober, .user = asker.user, .question = asker.question};
    list_init(&probe->linger);
    return probe;
}

void probe_abandon(struct probe *probe)
{
    probe->prober->kind->abandon(probe);
}

bool prober_init(struct prober *prober)
{
    list_init(&prober->due);
    list_init(&prober->lingering);
    return slab_init(&prober->slab, prober->kind->bytes, prober->kind->count_max);
}

void prober_deinit(struct prober *prober)
{
    ASSERT(prober_is_quiet(prober));
    slab_deinit(&prober->slab);
}

bool prober_is_full(const struct prober *prober)
{
    return prober->slab.in_use == prober->kind->count_max;
}

const struct probe *prober_lingering(const struct prober *prober, u64 question)
{
    list_each (node, following, &prober->lingering) {
        const struct probe *probe = container_of(node, struct probe, linger);
        if (probe->question == question)
            return probe;
    }
    return NULL;
}

bool prober_is_quiet(const struct prober *prober)
{
    return prober->slab.in_use == 0;
}
