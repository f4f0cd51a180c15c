/*
 * What changed between two configurations: a walk over the rows with both completed settings.
 *
 * Entries of lists are matched by name through two sorted indexes, so that the walk takes
 * n log n steps however many backends and routes there are.
 */
#include "config/build.h"
#include "config/change_text.h"
#include "config/forms.h"

/* One step of the way from the root to a value. */
struct where {
    const struct where *above; /* NULL: the root is */
    const struct setting *row;
    struct slice name; /* of an entry; data NULL: the row itself */
    bool restart;      /* the row's, or that of one above */
};

static void table_compare(struct config_changes *changes, const struct where *above,
                          const struct settings_table *table, const char *const items[2]);

/* ---- The list of changes ---- */

void config_changes_deinit(struct config_changes *changes)
{
    arena_deinit(&changes->arena);
    *changes = (struct config_changes){0};
}

static void changes_grow(struct config_changes *changes)
{
    u32 capacity = changes->capacity == 0 ? 16 : 2 * changes->capacity;
    struct config_change *at = arena_alloc(&changes->arena, capacity * sizeof(*at));
    if (changes->count > 0)
        memcpy(at, changes->at, changes->count * sizeof(*at));
    changes->at = at;
    changes->capacity = capacity;
}

static void where_put(struct change_text *text, const struct where *where)
{
    bool entry = where->name.data != NULL;
    if (where->above != NULL)
        where_put(text, where->above);
    if (!entry) {
        change_text_put(text, where->above != NULL ? SLICE(".") : SLICE(""));
        change_text_put(text, slice_of_string(where->row->key));
        return;
    }
    change_text_put(text, SLICE("["));
    change_text_put(text, where->name);
    change_text_put(text, SLICE("]"));
}

/* A change without values yet; NULL when it is counted only. */
static struct config_change *change_add(struct config_changes *changes, const struct where *where)
{
    changes->restart |= where->restart;
    if (changes->count == CONFIG_CHANGES_MAX) {
        changes->more++;
        return NULL;
    }
    if (changes->count == changes->capacity)
        changes_grow(changes);
    struct change_text path;
    change_text_init(&path, CONFIG_CHANGE_PATH_BYTES_MAX);
    where_put(&path, where);
    struct config_change *change = &changes->at[changes->count++];
    change->path = change_text_keep(&path, &changes->arena);
    change->restart = where->restart;
    return change;
}

/* Says what two texts cannot show that are the same, because they hide something or are cut. */
static void change_settle(struct config_change *change)
{
    if (change->before == NULL || change->after == NULL ||
        strcmp(change->before, change->after) != 0)
        return;
    change->after = change->after == change_hidden ? "(changed, not shown)" : "(other, further on)";
}

/* ---- Single values ---- */

static bool strings_equal(const struct settings_strings *a, const struct settings_strings *b)
{
    if (a->count != b->count)
        return false;
    for (u32 i = 0; i < a->count; i++)
        if (!slice_equal(a->at[i], b->at[i]))
            return false;
    return true;
}

static bool member_equal(const struct setting *row, const char *const members[2])
{
    struct settings_strings strings[2];
    struct slice text[2];
    if (row->type == SETTING_STRINGS) {
        memcpy(&strings[0], members[0], sizeof(strings[0]));
        memcpy(&strings[1], members[1], sizeof(strings[1]));
        return strings_equal(&strings[0], &strings[1]);
    }
    if (row->type == SETTING_STRING) {
        memcpy(&text[0], members[0], sizeof(text[0]));
        memcpy(&text[1], members[1], sizeof(text[1]));
        return slice_equal(text[0], text[1]);
    }
    return memcmp(members[0], members[1], row->size) == 0; /* numbers, which have no padding */
}

static void member_compare(struct config_changes *changes, const struct where *where,
                           const char *const members[2])
{
    if (member_equal(where->row, members))
        return;
    struct config_change *change = change_add(changes, where);
    if (change == NULL)
        return;
    change->before = change_member_keep(where->row, members[0], &changes->arena);
    change->after = change_member_keep(where->row, members[1], &changes->arena);
    change_settle(change);
}

/* ---- Fields ---- */

/* Most stand where they stood: that place is looked at first. */
static const struct settings_field *field_find(const struct settings_fields *fields,
                                               struct slice name, u32 likely)
{
    if (likely < fields->count && slice_equal(fields->at[likely].name, name))
        return &fields->at[likely];
    for (u32 i = 0; i < fields->count; i++)
        if (slice_equal(fields->at[i].name, name))
            return &fields->at[i];
    return NULL;
}

/* An empty value is a value here: X-A: "" is sent. */
static const char *field_keep(const struct settings_field *field, struct arena *arena)
{
    if (field == NULL)
        return NULL;
    const char *text = change_string_keep(&form_field_value, field->value, arena);
    return text != NULL ? text : change_hidden;
}

/* One of the two may not be there. */
static void field_compare(struct config_changes *changes, const struct where *list,
                          const struct settings_field *before, const struct settings_field *after)
{
    const struct settings_field *either = before != NULL ? before : after;
    if (before != NULL && after != NULL && slice_equal(before->value, after->value))
        return;
    const struct where where = {
        .above = list,
        .row = list->row,
        .name = either->name,
        .restart = list->restart,
    };
    struct config_change *change = change_add(changes, &where);
    if (change == NULL)
        return;
    change->before = field_keep(before, &changes->arena);
    change->after = field_keep(after, &changes->arena);
    change_settle(change);
}

static void fields_compare(struct config_changes *changes, const struct where *where,
                           const char *const members[2])
{
    struct settings_fields before;
    struct settings_fields after;
    memcpy(&before, members[0], sizeof(before));
    memcpy(&after, members[1], sizeof(after));
    for (u32 i = 0; i < before.count; i++)
        if (field_find(&after, before.at[i].name, i) == NULL)
            field_compare(changes, where, &before.at[i], NULL);
    for (u32 i = 0; i < after.count; i++)
        field_compare(changes, where, field_find(&before, after.at[i].name, i), &after.at[i]);
}

/* ---- Lists of objects ---- */

/* How the entries of one list are told apart and shown. */
struct entry_kind {
    const char *key;
    struct slice (*name)(const char *item, struct arena *arena);
    const char *(*keep)(const char *item, struct arena *arena);
};

static struct slice backend_name(const char *item, struct arena *arena)
{
    (void)arena;
    return ((const struct settings_backend *)(const void *)item)->id;
}

static const char *backend_keep(const char *item, struct arena *arena)
{
    const struct settings_backend *backend = (const void *)item;
    return change_string_keep(&form_url, backend->url, arena);
}

static struct slice route_name(const char *item, struct arena *arena)
{
    (void)arena;
    return ((const struct settings_route *)(const void *)item)->id;
}

static const char *route_keep(const char *item, struct arena *arena)
{
    const struct settings_route *route = (const void *)item;
    struct change_text text;
    change_text_init(&text, CONFIG_CHANGE_VALUE_BYTES_MAX);
    change_text_put(&text, route->host);
    change_text_put(&text, route->path);
    return change_text_keep(&text, arena);
}

static struct slice listener_entry_name(const char *item, struct arena *arena)
{
    return listener_name(arena, (const void *)item);
}

static const char *listener_keep(const char *item, struct arena *arena)
{
    struct change_text text;
    change_text_init(&text, CONFIG_CHANGE_VALUE_BYTES_MAX);
    change_text_put(&text, listener_name(arena, (const void *)item));
    return change_text_keep(&text, arena);
}

static const struct entry_kind entry_kinds[] = {
    {"backends", backend_name, backend_keep},
    {"listeners", listener_entry_name, listener_keep},
    {"routes", route_name, route_keep},
};

static const struct entry_kind *entry_kind_find(const struct setting *row)
{
    u32 i = 0;
    while (strcmp(entry_kinds[i].key, row->key) != 0) {
        i++;
        ASSERT(i < ARRAY_COUNT(entry_kinds));
    }
    return &entry_kinds[i];
}

#define NO_PARTNER UINT32_MAX

/* One of the two lists. */
struct entries {
    const char *items;
    u32 item_bytes;
    u32 count;
    struct slice *names;        /* by place */
    struct name_index *by_name; /* sorted */
    u32 *partners;              /* by place: the place in the other list, or NO_PARTNER */
};

static struct entries entries_read(const struct setting *row, const char *member,
                                   struct arena *arena)
{
    const struct entry_kind *kind = entry_kind_find(row);
    struct settings_list list;
    memcpy(&list, member, sizeof(list));
    struct entries entries = {
        .items = list.at,
        .item_bytes = row->table->item_bytes,
        .count = list.count,
        .names = arena_alloc(arena, list.count * sizeof(struct slice)),
        .by_name = arena_alloc(arena, list.count * sizeof(struct name_index)),
        .partners = arena_alloc(arena, list.count * sizeof(u32)),
    };
    for (u32 i = 0; i < list.count; i++) {
        entries.names[i] = kind->name(entries.items + (usize)i * entries.item_bytes, arena);
        entries.by_name[i] = (struct name_index){entries.names[i], i};
        entries.partners[i] = NO_PARTNER;
    }
    names_order(entries.by_name, entries.count);
    return entries;
}

/* Listeners of port 0 may have the same name: those are matched in their order. */
static void entries_match(struct entries *before, struct entries *after)
{
    u32 b = 0;
    u32 a = 0;
    while (b < before->count && a < after->count) {
        int order = name_compare(before->by_name[b].name, after->by_name[a].name);
        if (order == 0) {
            before->partners[before->by_name[b].index] = after->by_name[a].index;
            after->partners[after->by_name[a].index] = before->by_name[b].index;
        }
        b += order <= 0;
        a += order >= 0;
    }
}

static const char *entry_item(const struct entries *entries, u32 place)
{
    return entries->items + (usize)place * entries->item_bytes;
}

static struct where entry_where(const struct where *list, struct slice name)
{
    return (struct where){list, list->row, name, list->restart};
}

static void entries_removed(struct config_changes *changes, const struct where *list,
                            const struct entries *before)
{
    const struct entry_kind *kind = entry_kind_find(list->row);
    for (u32 i = 0; i < before->count; i++) {
        if (before->partners[i] != NO_PARTNER)
            continue;
        const struct where where = entry_where(list, before->names[i]);
        struct config_change *change = change_add(changes, &where);
        if (change != NULL)
            change->before = kind->keep(entry_item(before, i), &changes->arena);
    }
}

static void entries_kept_or_added(struct config_changes *changes, const struct where *list,
                                  const struct entries *before, const struct entries *after)
{
    const struct entry_kind *kind = entry_kind_find(list->row);
    for (u32 i = 0; i < after->count; i++) {
        const struct where where = entry_where(list, after->names[i]);
        if (after->partners[i] != NO_PARTNER) {
            const char *const items[2] = {entry_item(before, after->partners[i]),
                                          entry_item(after, i)};
            table_compare(changes, &where, list->row->table, items);
            continue;
        }
        struct config_change *change = change_add(changes, &where);
        if (change != NULL)
            change->after = kind->keep(entry_item(after, i), &changes->arena);
    }
}

static void list_compare(struct config_changes *changes, const struct where *where,
                         const char *const members[2])
{
    struct arena scratch;
    arena_init(&scratch);
    struct entries before = entries_read(where->row, members[0], &scratch);
    struct entries after = entries_read(where->row, members[1], &scratch);
    entries_match(&before, &after);
    entries_removed(changes, where, &before);
    entries_kept_or_added(changes, where, &before, &after);
    arena_deinit(&scratch);
}

/* ---- The walk ---- */

static void object_compare(struct config_changes *changes, const struct where *where,
                           const char *const members[2])
{
    table_compare(changes, where, where->row->table, members);
}

static void (*const comparers[])(struct config_changes *, const struct where *,
                                 const char *const[2]) = {
    [SETTING_BOOL] = member_compare,    [SETTING_INTEGER] = member_compare,
    [SETTING_AUTO] = member_compare,    [SETTING_RATIO] = member_compare,
    [SETTING_STRING] = member_compare,  [SETTING_CHOICE] = member_compare,
    [SETTING_STRINGS] = member_compare, [SETTING_FIELDS] = fields_compare,
    [SETTING_OBJECT] = object_compare,  [SETTING_LIST] = list_compare,
};

static struct where where_row(const struct where *above, const struct setting *row)
{
    return (struct where){
        .above = above,
        .row = row,
        .restart = row->restart || (above != NULL && above->restart),
    };
}

static void table_compare(struct config_changes *changes, const struct where *above,
                          const struct settings_table *table, const char *const items[2])
{
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        const struct where where = where_row(above, row);
        const char *const members[2] = {items[0] + row->offset, items[1] + row->offset};
        comparers[row->type](changes, &where, members);
    }
}

/* ---- What settings lead to ---- */

/* "auto" is a number, and another one when the CPUs that are allowed have become others. */
static void workers_compare(struct config_changes *changes, const struct config *before,
                            const struct config *after)
{
    bool both_auto = before->settings->workers == 0 && after->settings->workers == 0;
    if (!both_auto || before->workers == after->workers)
        return;
    const struct where where = where_row(NULL, settings_find(&settings_root, SLICE("workers")));
    struct config_change *change = change_add(changes, &where);
    if (change == NULL)
        return;
    change->before = arena_printf(&changes->arena, "auto (%u)", before->workers);
    change->after = arena_printf(&changes->arena, "auto (%u)", after->workers);
}

/* The file is the same, but not what is in it. */
static void content_compare(struct config_changes *changes, const struct where *where,
                            const struct slice files[2], const struct slice contents[2])
{
    if (files[0].len == 0 || !slice_equal(files[0], files[1]) ||
        slice_equal(contents[0], contents[1]))
        return;
    struct config_change *change = change_add(changes, where);
    if (change == NULL)
        return;
    change->before = change_string_keep(&form_file, files[0], &changes->arena);
    change->after = "(the file has other content)";
}

static void templates_compare(struct config_changes *changes, const struct config *before,
                              const struct config *after)
{
    const struct config_error_templates *files[2] = {&before->settings->error_templates,
                                                     &after->settings->error_templates};
    const struct config_error_templates *contents[2] = {&before->error_templates,
                                                        &after->error_templates};
    const struct where templates =
        where_row(NULL, settings_find(&settings_root, SLICE("errorTemplates")));
    const struct settings_table *table = templates.row->table;
    const struct where html = where_row(&templates, settings_find(table, SLICE("html")));
    const struct where json = where_row(&templates, settings_find(table, SLICE("json")));
    content_compare(changes, &html, (struct slice[2]){files[0]->html, files[1]->html},
                    (struct slice[2]){contents[0]->html, contents[1]->html});
    content_compare(changes, &json, (struct slice[2]){files[0]->json, files[1]->json},
                    (struct slice[2]){contents[0]->json, contents[1]->json});
}

static void token_compare(struct config_changes *changes, const struct config *before,
                          const struct config *after)
{
    const struct where admin = where_row(NULL, settings_find(&settings_root, SLICE("admin")));
    const struct where file =
        where_row(&admin, settings_find(admin.row->table, SLICE("tokenFile")));
    const struct slice files[2] = {before->settings->admin.token_file,
                                   after->settings->admin.token_file};
    content_compare(changes, &file, files,
                    (struct slice[2]){before->admin.token, after->admin.token});
}

static void sticky_key_compare(struct config_changes *changes, const struct config *before,
                               const struct config *after)
{
    const struct where balancing =
        where_row(NULL, settings_find(&settings_root, SLICE("loadBalancing")));
    const struct where sticky =
        where_row(&balancing, settings_find(balancing.row->table, SLICE("stickySession")));
    const struct where file =
        where_row(&sticky, settings_find(sticky.row->table, SLICE("keyFile")));
    const struct slice files[2] = {before->settings->load_balancing.sticky.key_file,
                                   after->settings->load_balancing.sticky.key_file};
    const struct slice keys[2] = {before->sticky_key, after->sticky_key};
    content_compare(changes, &file, files, keys);
}

void config_diff(const struct config *before, const struct config *after,
                 struct config_changes *changes)
{
    const char *const settings[2] = {(const char *)before->settings, (const char *)after->settings};
    *changes = (struct config_changes){0};
    arena_init(&changes->arena);
    table_compare(changes, NULL, &settings_root, settings);
    workers_compare(changes, before, after);
    templates_compare(changes, before, after);
    sticky_key_compare(changes, before, after);
    token_compare(changes, before, after);
}
