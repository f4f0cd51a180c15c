/*
 * Twins: checks that ask the same thing of the same address, as often. One of them asks, the one
 * whose timer strikes first, and all of them take the answer in and wait anew. Each keeps its own
 * state and its own thresholds.
 */
#include "health/health_internal.h"

static struct slice host_of(const struct config_backend *backend)
{
    return backend->health_check.host.len > 0 ? backend->health_check.host : backend->authority;
}

static struct slice address_of(const struct config_backend *backend)
{
    return slice_of((const char *)&backend->address.any, backend->address.len);
}

static bool same_request(const struct config_backend *a, const struct config_backend *b)
{
    const struct config_health_check *one = &a->health_check, *other = &b->health_check;
    return one->method == other->method && slice_equal(one->path, other->path) &&
           slice_equal(host_of(a), host_of(b)) &&
           slice_equal(one->expected_status, other->expected_status) &&
           slice_equal(one->fields, other->fields) && slice_equal(one->body, other->body);
}

static bool same_inquiry(const struct config_backend *a, const struct config_backend *b)
{
    switch ((enum config_probe)a->health_check.type) {
    case CONFIG_PROBE_HTTP:
        return same_request(a, b);
    case CONFIG_PROBE_SCRIPT: /* it is told its backend's id: the answer is one about that */
        return false;
    case CONFIG_PROBE_TCP:
    case CONFIG_PROBE_COUNT:
        break;
    }
    return true;
}

static bool same_question(const struct config_backend *a, const struct config_backend *b)
{
    const struct config_health_check *one = &a->health_check, *other = &b->health_check;
    return slice_equal(address_of(a), address_of(b)) && one->type == other->type &&
           one->timeout_ms == other->timeout_ms && one->interval_ms == other->interval_ms &&
           one->fast_interval_ms == other->fast_interval_ms &&
           one->interval_max_ms == other->interval_max_ms && same_inquiry(a, b);
}

static u64 hash_request(const struct config_backend *backend, u64 hash)
{
    const struct config_health_check *check = &backend->health_check;
    struct slice host = host_of(backend);
    hash = hash_bytes(check->path.data, check->path.len, hash);
    hash = hash_bytes(check->expected_status.data, check->expected_status.len, hash);
    hash = hash_bytes(check->fields.data, check->fields.len, hash);
    hash = hash_bytes(check->body.data, check->body.len, hash);
    return hash_bytes(host.data, host.len, hash + check->method);
}

static u64 hash_script(const struct config_backend *backend, u64 hash)
{
    for (const char *const *word = backend->health_check.command; *word; word++)
        hash = hash_bytes(*word, strlen(*word) + 1, hash);
    return hash_bytes(backend->id.data, backend->id.len, hash);
}

u64 twins_question(const struct config_backend *backend)
{
    struct slice address = address_of(backend);
    u64 hash = hash_bytes(address.data, address.len, backend->health_check.type);
    switch ((enum config_probe)backend->health_check.type) {
    case CONFIG_PROBE_HTTP:
        return hash_request(backend, hash);
    case CONFIG_PROBE_SCRIPT:
        return hash_script(backend, hash);
    case CONFIG_PROBE_TCP:
    case CONFIG_PROBE_COUNT:
        break;
    }
    return hash;
}

static void join(struct health *health, struct check *check)
{
    struct list *bucket = &health->questions[check->question % HEALTH_BUCKETS];
    list_each (node, following, bucket) {
        struct check *first = container_of(node, struct check, link);
        if (first->question == check->question &&
            same_question(check_backend(first), check_backend(check))) {
            list_push_back(&first->twin, &check->twin);
            return;
        }
    }
    list_push_back(bucket, &check->link);
}

void twins_find(struct health *health)
{
    for (u32 i = 0; i < HEALTH_BUCKETS; i++)
        list_init(&health->questions[i]);
    list_each (node, following, &health->checks) {
        struct check *check = container_of(node, struct check, node);
        list_init(&check->twin);
        list_init(&check->link);
        join(health, check);
    }
}
