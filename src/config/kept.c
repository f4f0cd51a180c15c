/* See include/config/kept.h. */
#include "config/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/document.h"
#include "config/print.h"
#include "config/problems.h"
#include "config/read.h"
#include "config/rows.h"
#include "config/world.h"

enum { VERSION = 1 };

/* What the rows fill: all but the backends that were added. */
struct document {
    u32 version;
    u64 saved_ms;
    struct config_kept_clock clock;
    struct settings_list backends;
    struct settings_list removed;
    struct settings_list secrets;
    struct settings_list addresses;
    struct settings_list services;
};

/* ---- Rows ---- */

static const char *const health_names[] = {
    [CONFIG_KEPT_UNKNOWN] = "unknown",
    [CONFIG_KEPT_HEALTHY] = "healthy",
    [CONFIG_KEPT_UNHEALTHY] = "unhealthy",
};

static const char *health_name(u32 value)
{
    return health_names[value];
}

static bool health_find(struct slice name, u32 *value)
{
    for (*value = 0; *value < ARRAY_COUNT(health_names); ++*value)
        if (slice_equal(name, slice_of_string(health_names[*value])))
            return true;
    return false;
}

static const struct setting_choice choice_health = {
    .count = ARRAY_COUNT(health_names), .name = health_name, .find = health_find};

/* clang-format off */

static const struct setting backend_rows[] = {
    {.key = "id", .type = SETTING_STRING, MEMBER(struct config_kept_backend, id),
     .form = &form_id, .required = true},
    {.key = "url", .type = SETTING_STRING, MEMBER(struct config_kept_backend, url),
     .form = &form_url, .required = true},
    {.key = "address", .type = SETTING_STRING, MEMBER(struct config_kept_backend, address),
     .form = &form_endpoint},
    {.key = "health", .type = SETTING_CHOICE, MEMBER(struct config_kept_backend, health),
     .fallback = "\"unknown\"", .choice = &choice_health},
    {.key = "healthAge", .type = SETTING_INTEGER,
     MEMBER(struct config_kept_backend, health_age_ms), .max = CONFIG_KEPT_AGE_MS_MAX,
     .unit = "milliseconds"},
    {.key = "draining", .type = SETTING_BOOL, MEMBER(struct config_kept_backend, draining),
     .fallback = "false"},
    {.key = "maintenance", .type = SETTING_BOOL, MEMBER(struct config_kept_backend, maintenance),
     .fallback = "false"},
};
static const struct settings_table backend_table =
    TABLE(struct config_kept_backend, backend_rows);

static const struct setting removed_rows[] = {
    {.key = "id", .type = SETTING_STRING, MEMBER(struct config_removal, id), .form = &form_id,
     .required = true},
    {.key = "url", .type = SETTING_STRING, MEMBER(struct config_removal, url), .form = &form_url,
     .required = true},
};
static const struct settings_table removed_table = TABLE(struct config_removal, removed_rows);

static const struct setting secret_rows[] = {
    {.key = "name", .type = SETTING_STRING, MEMBER(struct config_kept_secret, name),
     .form = &form_id, .required = true},
    {.key = "value", .type = SETTING_STRING, MEMBER(struct config_kept_secret, value),
     .form = &form_hex, .required = true},
};
static const struct settings_table secret_table = TABLE(struct config_kept_secret, secret_rows);

static const struct setting address_rows[] = {
    {.key = "name", .type = SETTING_STRING, MEMBER(struct config_kept_address, name),
     .form = &form_dns_name, .required = true},
    {.key = "address", .type = SETTING_STRING, MEMBER(struct config_kept_address, address),
     .form = &form_ip},
    {.key = "target", .type = SETTING_BOOL, MEMBER(struct config_kept_address, target),
     .fallback = "false"},
};
static const struct settings_table address_table =
    TABLE(struct config_kept_address, address_rows);

static const struct setting service_rows[] = {
    {.key = "name", .type = SETTING_STRING, MEMBER(struct config_kept_service, name),
     .form = &form_dns_name, .required = true},
    {.key = "host", .type = SETTING_STRING, MEMBER(struct config_kept_service, host),
     .form = &form_dns_name},
    {.key = "priority", .type = SETTING_INTEGER, MEMBER(struct config_kept_service, priority),
     .max = UINT16_MAX},
    {.key = "weight", .type = SETTING_INTEGER, MEMBER(struct config_kept_service, weight),
     .max = UINT16_MAX},
    {.key = "port", .type = SETTING_INTEGER, MEMBER(struct config_kept_service, port),
     .max = UINT16_MAX},
};
static const struct settings_table service_table =
    TABLE(struct config_kept_service, service_rows);

static const struct setting clock_rows[] = {
    {.key = "boot", .type = SETTING_STRING, MEMBER(struct config_kept_clock, boot),
     .form = &form_id},
    {.key = "savedAt", .type = SETTING_INTEGER, MEMBER(struct config_kept_clock, saved_ms),
     .max = 1ull << 53},
    {.key = "believed", .type = SETTING_INTEGER, MEMBER(struct config_kept_clock, believed_ms),
     .max = 1ull << 53},
    {.key = "doubtedSince", .type = SETTING_INTEGER,
     MEMBER(struct config_kept_clock, doubted_ms), .max = 1ull << 53},
};
static const struct settings_table clock_table = TABLE(struct config_kept_clock, clock_rows);

static const struct setting document_rows[] = {
    {.key = "version", .type = SETTING_INTEGER, MEMBER(struct document, version), .min = VERSION,
     .max = VERSION, .required = true},
    {.key = "savedAt", .type = SETTING_INTEGER, MEMBER(struct document, saved_ms),
     .min = 1, .max = 1ull << 53, .required = true},
    {.key = "clock", .type = SETTING_OBJECT, MEMBER(struct document, clock),
     .table = &clock_table},
    {.key = "backends", .type = SETTING_LIST, MEMBER(struct document, backends),
     .max = CONFIG_KEPT_BACKENDS_MAX, .table = &backend_table},
    {.key = "removed", .type = SETTING_LIST, MEMBER(struct document, removed),
     .max = SETTINGS_BACKENDS_MAX, .table = &removed_table},
    {.key = "secrets", .type = SETTING_LIST, MEMBER(struct document, secrets),
     .max = CONFIG_KEPT_SECRETS_MAX, .table = &secret_table},
    {.key = "addresses", .type = SETTING_LIST, MEMBER(struct document, addresses),
     .max = CONFIG_KEPT_ADDRESSES_MAX, .table = &address_table},
    {.key = "services", .type = SETTING_LIST, MEMBER(struct document, services),
     .max = CONFIG_KEPT_SERVICES_MAX, .table = &service_table},
};
static const struct settings_table document_table = TABLE(struct document, document_rows);

/* clang-format on */

/* ---- Reading ---- */

/* Takes `added` out of the document. What is in it is judged when it is added. */
static void added_take(struct reader *reader, json_t *root, struct config_kept *kept)
{
    json_t *list = json_object_get(root, "added");
    usize count = json_array_size(list);
    struct path path = {.depth = 0};
    path = path_key(&path, SLICE("added"));
    if (list != NULL && (!json_is_array(list) || count > SETTINGS_BACKENDS_MAX)) {
        reader_complain(reader, &path, "is not allowed: a list of at most %d backends",
                        SETTINGS_BACKENDS_MAX);
        count = 0;
    }
    struct slice *added = arena_alloc(&kept->arena, count * sizeof(*added));
    for (usize i = 0; i < count; i++) {
        char *text = json_dumps(json_array_get(list, i), JSON_COMPACT | JSON_ENCODE_ANY);
        ASSERT(text != NULL);
        added[i] = arena_copy(&kept->arena, slice_of_string(text));
        free(text);
    }
    kept->added = added;
    kept->added_count = (u32)count;
    (void)json_object_del(root, "added");
}

static struct config_kept *kept_read(struct reader *reader, json_t *root)
{
    struct document document = {.version = 0};
    struct config_kept *kept = calloc(1, sizeof(*kept));
    ASSERT(kept != NULL);
    arena_init(&kept->arena);
    reader->arena = &kept->arena;
    added_take(reader, root, kept);
    table_read(reader, &document_table, root, &document);
    kept->saved_ms = document.saved_ms;
    kept->clock = document.clock;
    kept->backends = document.backends.at;
    kept->backend_count = document.backends.count;
    kept->removed = document.removed.at;
    kept->removed_count = document.removed.count;
    kept->secrets = document.secrets.at;
    kept->secret_count = document.secrets.count;
    kept->addresses = document.addresses.at;
    kept->address_count = document.addresses.count;
    kept->services = document.services.at;
    kept->service_count = document.services.count;
    return kept;
}

struct config_kept *config_kept_parse(struct slice json, const char *name,
                                      struct config_problems *problems)
{
    problems_init(problems);
    struct source source = {.text = json, .name = name};
    struct notes notes = {.count = 0};
    struct reader reader = {NULL, &source, problems, &notes};
    json_t *root = document_parse(&source, problems);
    if (root == NULL)
        return NULL;
    struct config_kept *kept = kept_read(&reader, root);
    json_decref(root);
    if (problems->count == 0)
        return kept;
    config_kept_destroy(kept);
    return NULL;
}

struct config_kept *config_kept_load(const char *file, bool *missing,
                                     struct config_problems *problems)
{
    struct arena scratch;
    struct slice text;
    struct config_kept *kept = NULL;
    arena_init(&scratch);
    errno = 0;
    *missing = access(file, F_OK) != 0 && errno == ENOENT;
    const char *why =
        *missing ? NULL
                 : config_world_system.file_read(&scratch, file, CONFIG_KEPT_BYTES_MAX, &text);
    if (*missing || why != NULL)
        problems_init(problems);
    if (why != NULL)
        problem_add(problems, (struct problem_at){arena_printf(&problems->arena, "%s", file), ""},
                    "cannot be read: %s", why);
    if (!*missing && why == NULL)
        kept = config_kept_parse(text, file, problems);
    arena_deinit(&scratch);
    return kept;
}

void config_kept_destroy(struct config_kept *kept)
{
    if (kept == NULL)
        return;
    arena_deinit(&kept->arena);
    free(kept);
}

/* ---- Writing ---- */

struct slice config_addition_json(struct arena *arena, const struct config_addition *addition)
{
    json_t *root = json_loadb(addition->json.data, addition->json.len, 0, NULL);
    if (addition->route.len > 0)
        json_object_set_new(root, "route", json_stringn(addition->route.data, addition->route.len));
    char *text = json_dumps(root, JSON_COMPACT);
    ASSERT(text != NULL);
    struct slice kept = arena_copy(arena, slice_of_string(text));
    free(text);
    json_decref(root);
    return kept;
}

void config_kept_print(const struct config_kept *kept, FILE *out)
{
    const struct document document = {
        .version = VERSION,
        .saved_ms = kept->saved_ms,
        .clock = kept->clock,
        .backends = {(void *)(uintptr_t)kept->backends, kept->backend_count},
        .removed = {(void *)(uintptr_t)kept->removed, kept->removed_count},
        .secrets = {(void *)(uintptr_t)kept->secrets, kept->secret_count},
        .addresses = {(void *)(uintptr_t)kept->addresses, kept->address_count},
        .services = {(void *)(uintptr_t)kept->services, kept->service_count},
    };
    json_t *root = table_print(&document_table, (const char *)&document);
    json_t *added = json_array();
    for (u32 i = 0; i < kept->added_count; i++)
        json_array_append_new(
            added, json_loadb(kept->added[i].data, kept->added[i].len, JSON_DECODE_ANY, NULL));
    json_object_set_new(root, "added", added);
    json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}
