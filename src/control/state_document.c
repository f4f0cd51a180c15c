/* See state_document.h. */
#include "control/state_document.h"

#include "base/clock.h"
#include "base/hex.h"

const char state_secret_sticky[] = "sticky";

/* ---- Secrets ---- */

bool state_document_signs(const struct config *config)
{
    for (u32 i = 0; i < config->route_count && config->sticky_key.len == 0; i++)
        if (config->routes[i].sticky_cookie)
            return true;
    return false;
}

void state_document_take(struct state_document *document, const struct config_kept *kept)
{
    for (u32 i = 0; i < kept->secret_count; i++) {
        const struct config_kept_secret *from = &kept->secrets[i];
        struct state_secret *to = &document->secrets[document->secret_count];
        if (from->name.len >= sizeof(to->name) ||
            !hex_read(from->value, to->bytes, sizeof(to->bytes)))
            continue;
        memcpy(to->name, from->name.data, from->name.len);
        document->secret_count++;
    }
}

const struct state_secret *state_document_secret(const struct state_document *document,
                                                 const char *name)
{
    for (u32 i = 0; i < document->secret_count; i++)
        if (strcmp(document->secrets[i].name, name) == 0)
            return &document->secrets[i];
    return NULL;
}

/* The one of this name, or a place for it; NULL = there is no room. */
static struct state_secret *secret_place(struct state_document *document, const char *name)
{
    for (u32 i = 0; i < document->secret_count; i++)
        if (strcmp(document->secrets[i].name, name) == 0)
            return &document->secrets[i];
    if (document->secret_count == CONFIG_KEPT_SECRETS_MAX)
        return NULL;
    struct state_secret *secret = &document->secrets[document->secret_count++];
    (void)snprintf(secret->name, sizeof(secret->name), "%s", name);
    return secret;
}

static void keep_sticky_key(struct state_document *document)
{
    const struct snapshot *snapshot = live_snapshot(document->live);
    const struct siphash_key key = state_sticky_key(snapshot->state);
    struct state_secret *secret =
        state_document_signs(snapshot->config) ? secret_place(document, state_secret_sticky) : NULL;
    if (!secret)
        return;
    memset(secret->bytes, 0, sizeof(secret->bytes));
    memcpy(secret->bytes, key.bytes, sizeof(key.bytes));
}

static void keep_secrets(const struct state_document *document, struct config_kept *kept)
{
    enum { HEX_BYTES = 2 * STATE_SECRET_BYTES };
    struct config_kept_secret *secrets =
        arena_alloc(&kept->arena, document->secret_count * sizeof(*secrets));
    for (u32 i = 0; i < document->secret_count; i++) {
        const struct state_secret *secret = &document->secrets[i];
        char *digits = arena_alloc(&kept->arena, HEX_BYTES);
        hex_write(secret->bytes, STATE_SECRET_BYTES, digits);
        secrets[i] =
            (struct config_kept_secret){slice_of_string(secret->name), slice_of(digits, HEX_BYTES)};
    }
    kept->secrets = secrets;
    kept->secret_count = document->secret_count;
}

/* ---- Backends ---- */

static void keep_health(const struct health *health, u32 slot, struct config_kept_backend *kept)
{
    static const u32 states[] = {
        [HEALTH_UNKNOWN] = CONFIG_KEPT_UNKNOWN,
        [HEALTH_HEALTHY] = CONFIG_KEPT_HEALTHY,
        [HEALTH_UNHEALTHY] = CONFIG_KEPT_UNHEALTHY,
    };
    if (!health || health_state(health, slot) == HEALTH_UNKNOWN)
        return;
    kept->health = states[health_state(health, slot)];
    kept->health_age_ms = min_u64(health_age_ns(health, slot) / NS_PER_MS, CONFIG_KEPT_AGE_MS_MAX);
}

/* An address of a name is an endpoint of its own. */
static struct slice keep_address(struct arena *arena, const struct config_backend *backend)
{
    char text[ADDRESS_TEXT_BYTES];
    if (backend->name.len == 0 || backend->address.len == 0)
        return (struct slice){0};
    address_format(&backend->address, text);
    return arena_copy(arena, slice_of_string(text));
}

/* Those of which there is something to say. */
static bool keep_backends(const struct state_document *document, struct config_kept *kept)
{
    const struct snapshot *snapshot = live_snapshot(document->live);
    u32 count = snapshot->config->backend_count;
    struct config_kept_backend *backends = arena_alloc(&kept->arena, count * sizeof(*backends));
    bool ages = false;
    for (u32 i = 0; i < count && kept->backend_count < CONFIG_KEPT_BACKENDS_MAX; i++) {
        u32 slot = snapshot->backend_slots[i];
        u32 marks = state_backend_marks(snapshot->state, slot) & STATE_MANUAL;
        struct config_kept_backend backend = {
            .id = snapshot->config->backends[i].id,
            .url = snapshot->config->backends[i].url,
            .health = CONFIG_KEPT_UNKNOWN,
            .draining = marks & STATE_DRAINING,
            .maintenance = marks & STATE_MAINTENANCE,
        };
        keep_health(document->health, slot, &backend);
        ages |= backend.health != CONFIG_KEPT_UNKNOWN;
        if (marks == 0 && backend.health == CONFIG_KEPT_UNKNOWN)
            continue;
        backend.address = keep_address(&kept->arena, &snapshot->config->backends[i]);
        backends[kept->backend_count++] = backend;
    }
    kept->backends = backends;
    return ages;
}

static void keep_overlay(const struct state_document *document, struct config_kept *kept)
{
    const struct config_overlay *overlay = live_overlay(document->live);
    struct slice *added = arena_alloc(&kept->arena, overlay->added_count * sizeof(*added));
    for (u32 i = 0; i < overlay->added_count; i++)
        added[i] = config_addition_json(&kept->arena, &overlay->added[i]);
    kept->added = added;
    kept->added_count = overlay->added_count;
    kept->removed = overlay->removed;
    kept->removed_count = overlay->removed_count;
}

/* ---- All of it ---- */

static struct config_kept_clock keep_clock(const struct state_document *document)
{
    const struct wall_clock_belief belief = wall_clock_belief(document->wall);
    return (struct config_kept_clock){
        .boot = document->boot,
        .saved_ms = clock_boot_ns() / NS_PER_MS,
        .believed_ms = belief.believed_ms,
        .doubted_ms = belief.doubted_ms,
    };
}

struct state_ages state_document_print(struct state_document *document, FILE *out)
{
    struct config_kept kept = {
        .saved_ms = clock_wall_ns() / NS_PER_MS,
        .clock = keep_clock(document),
    };
    arena_init(&kept.arena);
    keep_sticky_key(document);
    struct state_ages ages = {.health = keep_backends(document, &kept)};
    keep_overlay(document, &kept);
    keep_secrets(document, &kept);
    resolver_keep(document->resolver, &kept);
    ages.names = kept.address_count + kept.service_count > 0;
    config_kept_print(&kept, out);
    arena_deinit(&kept.arena);
    return ages;
}
