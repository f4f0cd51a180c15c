/* See live.h. Backends with names, which have an entry for each of their addresses: those of one
 * backend stand together, in the order of the configuration. */
#include <stdio.h>

#include "base/hash.h"
#include "control/live_internal.h"

enum { MOVE_BYTES_MAX = 1024 };

/* ---- Addresses ---- */

/* The settings of the API are those of the start: they need a restart. */
static bool is_withheld(const struct live *live, const struct config_endpoint *endpoint)
{
    return config_admin_is_at(&live->first->admin, &endpoint->address);
}

static u32 find_endpoints(void *context, const struct config_backend *backend,
                          struct config_endpoint out[CONFIG_ENDPOINTS_MAX])
{
    const struct live *live = context;
    u32 count = 0;
    u32 all = resolver_find(live->resolver, backend, out);
    for (u32 i = 0; i < all; i++)
        if (!is_withheld(live, &out[i]))
            out[count++] = out[i];
    return count;
}

struct config *live_expand(struct live *live, const struct config *config)
{
    const struct config_names names = {find_endpoints, live};
    return config_has_names(config) ? config_expand(config, &names) : NULL;
}

/* Returns what tells these addresses from others, 0 when there are none; `say`: each is told. */
static u64 withhold(struct live *live, const struct config_backend *backend, bool say)
{
    struct config_endpoint found[CONFIG_ENDPOINTS_MAX];
    char text[ADDRESS_TEXT_BYTES];
    char message[MOVE_BYTES_MAX];
    u64 which = 0;
    u32 count = resolver_find(live->resolver, backend, found);
    for (u32 i = 0; i < count; i++) {
        if (!is_withheld(live, &found[i]))
            continue;
        address_format(&found[i].address, text);
        which += hash_bytes(text, strlen(text), hash_bytes(backend->id.data, backend->id.len, 0));
        (void)snprintf(message, sizeof(message),
                       "\"%.*s\" leads to the management API, at %s: the address is not used",
                       (int)backend->name.len, backend->name.data, text);
        if (say)
            live->listener.moved(live->listener.context, LOG_WARN, backend, message);
    }
    return which;
}

static u64 withhold_all(struct live *live, const struct config *config, bool say)
{
    u64 which = 0;
    for (u32 i = 0; i < config->backend_count; i++)
        if (config->backends[i].name.len > 0)
            which += withhold(live, &config->backends[i], say);
    return which;
}

void live_say_withheld(struct live *live, const struct config *config)
{
    u64 which = withhold_all(live, config, false);
    if (which != live->withheld)
        (void)withhold_all(live, config, true);
    live->withheld = which;
}

/* The entries of one backend. */
struct run {
    const struct config *config;
    u32 first;
    u32 end;
};

static struct run run_from(const struct config *config, u32 first)
{
    struct run run = {config, first, first};
    while (run.end < config->backend_count &&
           slice_equal(config->backends[run.end].id, config->backends[first].id))
        run.end++;
    return run;
}

/* The run with this id, looked for from `*at` on, where most are. */
static bool run_find(const struct config *config, struct slice id, u32 *at, struct run *out)
{
    for (u32 i = 0; i < config->backend_count; i++) {
        u32 index = (*at + i) % config->backend_count;
        if (!slice_equal(config->backends[index].id, id))
            continue;
        *out = run_from(config, index);
        *at = index;
        return true;
    }
    return false;
}

/* ---- Marks ---- */

static bool run_has_slot(const struct snapshot *snapshot, const struct run *run, u32 slot)
{
    for (u32 i = run->first; i < run->end; i++)
        if (snapshot->backend_slots[i] == slot)
            return true;
    return false;
}

static u32 run_marks(const struct snapshot *snapshot, const struct run *run)
{
    u32 marks = 0;
    for (u32 i = run->first; i < run->end; i++)
        marks |= state_backend_marks(snapshot->state, snapshot->backend_slots[i]);
    return marks & STATE_MANUAL;
}

static void mark_all(const struct snapshot *snapshot, u32 slot, u32 marks)
{
    static const enum state_mark each[] = {STATE_DRAINING, STATE_MAINTENANCE};
    for (u32 i = 0; i < ARRAY_COUNT(each); i++)
        if (marks & each[i])
            state_backend_mark(snapshot->state, slot, each[i], true);
}

void live_inherit_marks(const struct snapshot *before, const struct snapshot *after)
{
    struct run run = {before->config, 0, 0};
    u32 at = 0;
    for (u32 i = 0; i < after->config->backend_count; i++) {
        const struct config_backend *backend = &after->config->backends[i];
        u32 slot = after->backend_slots[i];
        if (backend->name.len > 0 && run_find(before->config, backend->id, &at, &run) &&
            slice_equal(before->config->backends[run.first].url, backend->url) &&
            !run_has_slot(before, &run, slot))
            mark_all(after, slot, run_marks(before, &run));
    }
}

/* ---- Moves ---- */

bool live_same_endpoints(const struct config *a, const struct config *b)
{
    if (a->backend_count != b->backend_count)
        return false;
    for (u32 i = 0; i < a->backend_count; i++)
        if (!address_equal(&a->backends[i].address, &b->backends[i].address) ||
            a->backends[i].weight != b->backends[i].weight)
            return false;
    return true;
}

/* NULL when it is not in the run. */
static const struct config_backend *run_with(const struct run *run, const struct address *address)
{
    for (u32 i = run->first; i < run->end; i++)
        if (address_equal(&run->config->backends[i].address, address))
            return &run->config->backends[i];
    return NULL;
}

struct line {
    char text[MOVE_BYTES_MAX];
    usize len;
};

static void line_add(struct line *line, const struct address *address, const char *what)
{
    char text[ADDRESS_TEXT_BYTES];
    address_format(address, text);
    if (line->len + strlen(text) + strlen(what) + sizeof(", ...") > sizeof(line->text))
        return; /* /status shows all */
    line->len += (usize)snprintf(line->text + line->len, sizeof(line->text) - line->len, "%s%s %s",
                                 line->len > 0 ? ", " : "", text, what);
}

static void say_move(struct live *live, const struct run *before, const struct run *after)
{
    struct line line = {.len = 0};
    char message[MOVE_BYTES_MAX + 128];
    u32 count = after->end - after->first;
    ASSERT(before->config && before->config->backends);
    for (u32 i = after->first; i < after->end; i++) {
        const struct config_backend *now = &after->config->backends[i];
        const struct config_backend *earlier = run_with(before, &now->address);
        if (now->address.len == 0)
            count = 0;
        else if (!earlier)
            line_add(&line, &now->address, "added");
        else if (earlier->weight != now->weight)
            line_add(&line, &now->address, "has another weight");
    }
    for (u32 i = before->first; i < before->end; i++)
        if (before->config->backends[i].address.len > 0 &&
            !run_with(after, &before->config->backends[i].address))
            line_add(&line, &before->config->backends[i].address, "removed");
    const struct config_backend *backend = &after->config->backends[after->first];
    (void)snprintf(message, sizeof(message), "\"%.*s\" leads to %u address%s: %s",
                   (int)backend->name.len, backend->name.data, count, count == 1 ? "" : "es",
                   line.text);
    if (line.len > 0)
        live->listener.moved(live->listener.context, LOG_INFO, backend, message);
}

void live_say_moves(struct live *live, const struct config *before, const struct config *after)
{
    struct run from = {before, 0, 0};
    u32 at = 0;
    for (u32 i = 0; i < after->backend_count;) {
        struct run to = run_from(after, i);
        if (after->backends[i].name.len > 0 &&
            run_find(before, after->backends[i].id, &at, &from) &&
            slice_equal(before->backends[from.first].url, after->backends[i].url))
            say_move(live, &from, &to);
        i = to.end;
    }
}

/* ---- Following ---- */

void live_follow_names(struct live *live)
{
    const struct config *wanted[] = {live_config(live), live->awaited};
    resolver_follow(live->resolver, wanted, live->awaited ? 2 : 1);
}

u32 live_patience_ms(const struct live *live)
{
    return live_config(live)->dns.start_wait_ms;
}
