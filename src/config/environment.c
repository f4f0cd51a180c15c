/*
 * Overrides from the environment.
 *
 * A variable's name is found by a walk over the rows and its value is put into the JSON document
 * before that is read. So the same checks apply, and only the place in a message differs.
 */
#include "config/environment.h"

#include <stdlib.h>

#include "config/problems.h"
#include "config/suggest.h"

#define PREFIX "NEXTPROXY_"

/* Variables that are no settings: the one of the ring, and the one of the tests and scripts that
 * says which binary to run. */
static const char *const other_variables[] = {"NEXTPROXY_RING_DISABLE", "NEXTPROXY_BIN"};

struct overriding {
    json_t *root;
    struct source *source;
    struct config_problems *problems;
};

struct variable {
    const char *name; /* in an arena */
    const char *value;
    const struct setting *row;
    struct path path;
};

static void variable_problem(const struct overriding *overriding, const struct variable *variable,
                             const char *text)
{
    struct arena *arena = &overriding->problems->arena;
    struct problem_at at = {
        arena_printf(arena, "environment %s", variable->name),
        path_text(&variable->path, arena),
    };
    problem_add(overriding->problems, at, "%s", text);
}

/* ---- Names ---- */

/* `prefix` and the key in capitals, with "_" before each that was one: ACCESS_LOG for accessLog. */
static const char *environment_name(struct arena *arena, const char *prefix, const char *key)
{
    char out[2 * SETTINGS_KEY_BYTES_MAX];
    u32 len = 0;
    for (const char *at = key; *at != '\0'; at++) {
        bool capital = *at >= 'A' && *at <= 'Z';
        ASSERT(len + 2 < sizeof(out));
        if (capital && at > key)
            out[len++] = '_';
        out[len++] = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    }
    return arena_printf(arena, "%s%.*s", prefix, (int)len, out);
}

static bool is_scalar(const struct setting *row)
{
    return row->type != SETTING_OBJECT && row->type != SETTING_LIST &&
           row->type != SETTING_FIELDS && row->key[0] != '$';
}

/* Digits and "_" at the beginning of `rest`. */
static bool index_take(const char **rest, u32 *index)
{
    char *end = NULL;
    if (**rest < '0' || **rest > '9')
        return false;
    unsigned long value = strtoul(*rest, &end, 10);
    if (*end != '_' || value > SETTINGS_BACKENDS_MAX)
        return false;
    *index = (u32)value;
    *rest = end + 1;
    return true;
}

/* Finds the row that `rest` names below `table`, and the path to it. */
static bool variable_match(const struct settings_table *table, const char *rest,
                           struct variable *variable, struct arena *arena)
{
    struct path above = variable->path;
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        const char *name = environment_name(arena, "", row->key);
        usize len = strlen(name);
        if (strncmp(rest, name, len) != 0)
            continue;
        variable->path = path_key(&above, slice_of_string(row->key));
        variable->row = row;
        if (rest[len] == '\0' && is_scalar(row))
            return true;
        const char *below = rest + len + 1;
        if (rest[len] != '_' || row->table == NULL)
            continue;
        u32 index;
        if (row->type == SETTING_LIST) {
            if (!index_take(&below, &index))
                continue;
            variable->path = path_index(&variable->path, index);
        }
        if (variable_match(row->table, below, variable, arena))
            return true;
    }
    variable->path = above;
    return false;
}

/* ---- "Did you mean" ---- */

static void names_consider(const struct settings_table *table, const char *prefix,
                           struct suggestion *suggestion, struct arena *arena)
{
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        const char *name = environment_name(arena, prefix, row->key);
        if (row->type == SETTING_OBJECT)
            names_consider(row->table, arena_printf(arena, "%s_", name), suggestion, arena);
        else if (row->type == SETTING_LIST)
            names_consider(row->table, arena_printf(arena, "%s_0_", name), suggestion, arena);
        else if (is_scalar(row))
            suggest_consider(suggestion, slice_of_string(name));
    }
}

static void unknown_problem(const struct overriding *overriding, const struct variable *variable)
{
    struct arena *arena = &overriding->problems->arena;
    struct suggestion suggestion;
    suggest_begin(&suggestion, slice_of_string(variable->name + strlen(PREFIX)));
    names_consider(&settings_root, "", &suggestion, arena);
    for (u32 i = 0; i < ARRAY_COUNT(other_variables); i++)
        suggest_consider(&suggestion, slice_of_string(other_variables[i] + strlen(PREFIX)));
    if (suggestion.best.len == 0) {
        variable_problem(overriding, variable, "no setting has this name");
        return;
    }
    variable_problem(overriding, variable,
                     arena_printf(arena, "no setting has this name (did you mean \"%s%.*s\"?)",
                                  PREFIX, (int)suggestion.best.len, suggestion.best.data));
}

/* ---- Values ---- */

/* A list of the parts between commas; NULL when one is no UTF-8. `wrap` makes an entry of a part.
 */
static json_t *list_split(const char *text, json_t *(*wrap)(struct slice part))
{
    json_t *list = json_array();
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        usize len = comma == NULL ? strlen(at) : (usize)(comma - at);
        if (json_array_append_new(list, wrap(slice_trim(slice_of(at, len)))) != 0) {
            json_decref(list);
            return NULL;
        }
        at = comma == NULL ? NULL : comma + 1;
    }
    return list;
}

static json_t *string_wrap(struct slice part)
{
    return json_stringn(part.data, part.len);
}

static json_t *backend_wrap(struct slice part)
{
    json_t *url = string_wrap(part);
    return url == NULL ? NULL : json_pack("{s:o}", "url", url);
}

/* As it would stand in the file. Numbers and booleans that are none stay strings, which the reader
 * then refuses with the usual words. */
static json_t *variable_value(const struct variable *variable)
{
    if (variable->row->type == SETTING_STRINGS)
        return list_split(variable->value, string_wrap);
    json_t *value = NULL;
    if (variable->row->type != SETTING_STRING && variable->row->type != SETTING_CHOICE)
        value = json_loads(variable->value, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_string(variable->value);
}

/* The member of an object, made as an empty object where nothing is; NULL when `holder` is no
 * object, which the reader reports. */
static json_t *member_make(json_t *holder, struct slice key)
{
    if (!json_is_object(holder))
        return NULL;
    json_t *member = json_object_getn(holder, key.data, key.len);
    if (member == NULL) {
        member = json_object();
        json_object_setn_new(holder, key.data, key.len, member);
    }
    return member;
}

/* The list in `holder` that steps[0] names; NULL, with a problem, when it has no entry steps[1]. */
static json_t *list_find(const struct overriding *overriding, const struct variable *variable,
                         json_t *holder, const struct path_step steps[2])
{
    struct slice key = steps[0].key;
    json_t *list = json_object_getn(holder, key.data, key.len);
    usize count = json_array_size(list);
    if (steps[1].index < count)
        return list;
    struct arena *arena = &overriding->problems->arena;
    variable_problem(
        overriding, variable,
        arena_printf(arena, "there is no such entry: %.*s has %zu", (int)key.len, key.data, count));
    return NULL;
}

/* The object that holds the path's last key; NULL when there is none: a problem is added here or
 * by the reader. */
static json_t *holder_find(const struct overriding *overriding, const struct variable *variable)
{
    const struct path_step *steps = variable->path.steps;
    json_t *at = overriding->root;
    for (u32 i = 0; i + 1 < variable->path.depth; i++) {
        if (steps[i].key.data == NULL)
            at = json_array_get(at, steps[i].index);
        else if (steps[i + 1].key.data == NULL)
            at = list_find(overriding, variable, at, &steps[i]);
        else
            at = member_make(at, steps[i].key);
    }
    return json_is_object(at) ? at : NULL;
}

static void value_put(const struct overriding *overriding, const struct variable *variable,
                      json_t *value)
{
    json_t *holder = holder_find(overriding, variable);
    if (holder == NULL) {
        json_decref(value);
        return;
    }
    struct slice key = variable->path.steps[variable->path.depth - 1].key;
    if (json_object_setn_new(holder, key.data, key.len, value) != 0) {
        variable_problem(overriding, variable, "the value is no UTF-8");
        return;
    }
    struct source *source = overriding->source;
    source->overrides[source->override_count++] =
        (struct source_override){variable->path, variable->name};
}

/* ---- Variables ---- */

static bool is_other(const char *name)
{
    for (u32 i = 0; i < ARRAY_COUNT(other_variables); i++)
        if (strcmp(name, other_variables[i]) == 0)
            return true;
    return false;
}

static void backends_apply(const struct overriding *overriding, const char *value)
{
    struct variable variable = {.name = "BACKENDS", .value = value};
    variable.path = path_key(&variable.path, SLICE("backends"));
    value_put(overriding, &variable, list_split(value, backend_wrap));
}

static void variable_apply(const struct overriding *overriding, const char *entry)
{
    struct arena *arena = &overriding->problems->arena;
    const char *equals = strchr(entry, '=');
    if (strncmp(entry, PREFIX, strlen(PREFIX)) != 0 || equals == NULL)
        return;
    struct variable variable = {
        .name = arena_printf(arena, "%.*s", (int)(equals - entry), entry),
        .value = equals + 1,
    };
    if (is_other(variable.name))
        return;
    if (variable_match(&settings_root, variable.name + strlen(PREFIX), &variable, arena))
        value_put(overriding, &variable, variable_value(&variable));
    else
        unknown_problem(overriding, &variable);
}

void environment_apply(char **environment, json_t *root, struct source *source,
                       struct config_problems *problems)
{
    struct overriding overriding = {root, source, problems};
    usize count = 0;
    while (environment != NULL && environment[count] != NULL)
        count++;
    source->overrides = arena_alloc(&problems->arena, (count + 1) * sizeof(struct source_override));
    /* BACKENDS first: NEXTPROXY_BACKENDS_0_WEIGHT may speak of one of its entries. */
    for (usize i = 0; i < count; i++)
        if (strncmp(environment[i], "BACKENDS=", 9) == 0)
            backends_apply(&overriding, environment[i] + 9);
    for (usize i = 0; i < count; i++)
        variable_apply(&overriding, environment[i]);
}
