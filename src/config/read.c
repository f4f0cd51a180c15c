/*
 * From JSON to settings.
 *
 * One reader per type of setting; a reader stores a good value and returns true, or adds a problem
 * and returns false. Recursion follows the tables of rows, so its depth is theirs and not that of
 * the document.
 */
#include "config/read.h"

#include <stdarg.h>
#include <stdlib.h>

#include "config/describe.h"
#include "config/forms.h"
#include "config/problems.h"
#include "config/suggest.h"

/* One value on its way into one member. */
struct item {
    const struct setting *row;
    json_t *value;
    char *target;
    const struct path *path;
};

static void object_read(struct reader *reader, const struct settings_table *table,
                        const struct item *item);

/* ---- Complaints ---- */

bool reader_full(const struct reader *reader)
{
    return reader->problems->count > PROBLEMS_MAX;
}

static void complain_at(struct reader *reader, const struct path *path, enum place_of which,
                        const char *text)
{
    struct arena *arena = &reader->problems->arena;
    if (reader_full(reader))
        return; /* finding the place costs a pass over the text */
    struct problem_at at = {source_place(reader->source, path, which, arena),
                            path_text(path, arena)};
    problem_add(reader->problems, at, "%s", text);
}

void reader_complain(struct reader *reader, const struct path *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain_at(reader, path, PLACE_OF_VALUE,
                arena_vprintf(&reader->problems->arena, format, arguments));
    va_end(arguments);
}

bool reader_complained(const struct reader *reader, const struct path *path)
{
    const struct config_problems *problems = reader->problems;
    const char *text = path_text(path, &reader->problems->arena);
    for (u32 i = 0; i < problems->count; i++)
        if (strncmp(problems->at[i].path, text, strlen(text)) == 0)
            return true;
    return false;
}

/* "30000" for 30000, or true for "true": the most frequent slip with types. */
static const char *quotes_hint(const struct setting *row, const json_t *value)
{
    bool number =
        row->type == SETTING_INTEGER || row->type == SETTING_RATIO || row->type == SETTING_AUTO;
    if (row->type == SETTING_STRING && json_is_number(value))
        return " (write it with quotes)";
    if (!json_is_string(value) || !(number || row->type == SETTING_BOOL))
        return "";
    json_t *inner = json_loads(json_string_value(value), JSON_DECODE_ANY, NULL);
    bool slip = number ? json_is_number(inner) : json_is_boolean(inner);
    json_decref(inner);
    return slip ? " (write it without quotes)" : "";
}

static bool refuse_as(struct reader *reader, const struct item *item, const char *allowed)
{
    if (reader_full(reader))
        return false;
    reader_complain(reader, item->path, "%s is not allowed: %s%s",
                    problem_value(&reader->problems->arena, item->value), allowed,
                    quotes_hint(item->row, item->value));
    return false;
}

static bool refuse(struct reader *reader, const struct item *item)
{
    if (reader_full(reader))
        return false;
    return refuse_as(reader, item, setting_allowed(item->row, &reader->problems->arena));
}

static void later_note(struct reader *reader, const struct item *item)
{
    struct notes *notes = reader->notes;
    for (u32 i = 0; i < notes->count; i++)
        if (notes->at[i].row == item->row) {
            notes->at[i].count++;
            return;
        }
    ASSERT(notes->count < NOTES_MAX);
    struct arena *arena = &reader->problems->arena;
    notes->at[notes->count++] = (struct note){
        .row = item->row,
        .place = source_place(reader->source, item->path, PLACE_OF_VALUE, arena),
        .path = path_text(item->path, arena),
        .count = 1,
    };
}

/* ---- Scalars ---- */

static bool bool_read(struct reader *reader, const struct item *item)
{
    if (!json_is_boolean(item->value))
        return refuse(reader, item);
    bool value = json_is_true(item->value);
    memcpy(item->target, &value, sizeof(value));
    return true;
}

static void integer_store(const struct item *item, u64 value)
{
    u32 narrow = (u32)value;
    if (item->row->size == sizeof(narrow))
        memcpy(item->target, &narrow, sizeof(narrow));
    else
        memcpy(item->target, &value, sizeof(value));
}

static bool integer_read(struct reader *reader, const struct item *item)
{
    json_int_t value = json_integer_value(item->value);
    if (!json_is_integer(item->value) || value < 0 || (u64)value < item->row->min ||
        (u64)value > item->row->max)
        return refuse(reader, item);
    integer_store(item, (u64)value);
    return true;
}

static bool auto_read(struct reader *reader, const struct item *item)
{
    const char *string = json_string_value(item->value);
    if (string == NULL || strcmp(string, "auto") != 0)
        return integer_read(reader, item);
    integer_store(item, 0);
    return true;
}

static bool ratio_read(struct reader *reader, const struct item *item)
{
    double value = json_number_value(item->value);
    if (!json_is_number(item->value) || value < (double)item->row->min ||
        value > (double)item->row->max)
        return refuse(reader, item);
    memcpy(item->target, &value, sizeof(value));
    return true;
}

static struct slice json_slice(const json_t *string)
{
    return slice_of(json_string_value(string), json_string_length(string));
}

/* Reads a string of the given form; also for the entries of lists and objects. */
static bool slice_read(struct reader *reader, const struct item *item,
                       const struct setting_form *form, struct slice *out)
{
    if (!json_is_string(item->value))
        return refuse_as(reader, item, form->allowed);
    const char *complaint = form->complaint(json_slice(item->value));
    if (complaint != NULL && form->secret != NULL && form->secret(json_slice(item->value))) {
        reader_complain(reader, item->path, "this value (not shown) is not allowed: %s", complaint);
        return false;
    }
    if (complaint != NULL)
        return refuse_as(reader, item, complaint);
    *out = arena_copy(reader->arena, json_slice(item->value));
    return true;
}

static bool string_read(struct reader *reader, const struct item *item)
{
    struct slice value;
    if (!slice_read(reader, item, item->row->form, &value))
        return false;
    memcpy(item->target, &value, sizeof(value));
    return true;
}

static bool choice_read(struct reader *reader, const struct item *item)
{
    const struct setting_choice *choice = item->row->choice;
    struct arena *arena = &reader->problems->arena;
    u32 value;
    if (!json_is_string(item->value))
        return refuse(reader, item);
    if (!choice->find(json_slice(item->value), &value)) {
        struct suggestion suggestion;
        suggest_begin(&suggestion, json_slice(item->value));
        for (u32 i = 0; i < choice->count; i++)
            suggest_consider(&suggestion, slice_of_string(choice->name(i)));
        return refuse_as(reader, item,
                         arena_printf(arena, "%s%s", setting_allowed(item->row, arena),
                                      suggest_text(&suggestion, arena)));
    }
    integer_store(item, value);
    return true;
}

/* ---- Lists ---- */

static bool count_read(struct reader *reader, const struct item *item, usize count)
{
    if (count >= item->row->min && count <= item->row->max)
        return true;
    reader_complain(reader, item->path, "%zu %s not allowed: %s", count,
                    count == 1 ? "entry is" : "entries are",
                    setting_allowed(item->row, &reader->problems->arena));
    return false;
}

static bool strings_read(struct reader *reader, const struct item *item)
{
    usize count = json_array_size(item->value);
    if (!json_is_array(item->value))
        return refuse(reader, item);
    if (!count_read(reader, item, count))
        return false;
    struct settings_strings strings = {arena_alloc(reader->arena, count * sizeof(struct slice)), 0};
    bool good = true;
    for (u32 i = 0; i < count; i++) {
        struct path path = path_index(item->path, i);
        struct item entry = {item->row, json_array_get(item->value, i), NULL, &path};
        /* A wrong entry stays as an empty one: the places of the others do not move. */
        good &= slice_read(reader, &entry, item->row->form, &strings.at[strings.count++]);
    }
    memcpy(item->target, &strings, sizeof(strings));
    return good;
}

static bool field_read(struct reader *reader, const struct item *item, struct slice name,
                       struct settings_field *field)
{
    const char *complaint = item->row->form->complaint(name);
    if (complaint != NULL) {
        struct arena *arena = &reader->problems->arena;
        complain_at(
            reader, item->path, PLACE_OF_KEY,
            arena_printf(arena, "%s is not allowed: %s", problem_quote(arena, name), complaint));
        return false;
    }
    field->name = arena_copy(reader->arena, name);
    return slice_read(reader, item, &form_field_value, &field->value);
}

static bool fields_read(struct reader *reader, const struct item *item)
{
    usize count = json_object_size(item->value);
    if (!json_is_object(item->value))
        return refuse(reader, item);
    if (!count_read(reader, item, count))
        return false;
    struct settings_fields fields = {
        arena_alloc(reader->arena, count * sizeof(struct settings_field)), 0};
    bool good = true;
    const char *key;
    json_t *value;
    json_object_foreach(item->value, key, value)
    {
        struct path path = path_key(item->path, slice_of_string(key));
        struct item entry = {item->row, value, NULL, &path};
        good &= field_read(reader, &entry, slice_of_string(key), &fields.at[fields.count++]);
    }
    memcpy(item->target, &fields, sizeof(fields));
    return good;
}

static bool list_read(struct reader *reader, const struct item *item)
{
    const struct settings_table *table = item->row->table;
    usize count = json_array_size(item->value);
    if (!json_is_array(item->value))
        return refuse(reader, item);
    if (!count_read(reader, item, count))
        return false;
    struct settings_list list = {arena_alloc(reader->arena, count * table->item_bytes), (u32)count};
    for (u32 i = 0; i < count; i++) {
        struct path path = path_index(item->path, i);
        struct item entry = {
            .row = item->row,
            .value = json_array_get(item->value, i),
            .target = (char *)list.at + (usize)i * table->item_bytes,
            .path = &path,
        };
        if (!json_is_object(entry.value))
            refuse_as(reader, &entry, "an object");
        object_read(reader, table, &entry);
    }
    memcpy(item->target, &list, sizeof(list));
    return true;
}

/* ---- Objects ---- */

static bool member_read(struct reader *reader, const struct item *item)
{
    if (!json_is_object(item->value))
        refuse(reader, item);
    object_read(reader, item->row->table, item);
    return true;
}

static bool (*const readers[])(struct reader *, const struct item *) = {
    [SETTING_BOOL] = bool_read,       [SETTING_INTEGER] = integer_read,
    [SETTING_AUTO] = auto_read,       [SETTING_RATIO] = ratio_read,
    [SETTING_STRING] = string_read,   [SETTING_CHOICE] = choice_read,
    [SETTING_STRINGS] = strings_read, [SETTING_FIELDS] = fields_read,
    [SETTING_OBJECT] = member_read,   [SETTING_LIST] = list_read,
};

/* What holds when the setting is absent, or wrong. */
static void fallback_store(struct reader *reader, const struct item *item)
{
    const struct setting *row = item->row;
    struct item fallback = *item;
    fallback.value = NULL;
    if (row->type == SETTING_OBJECT) {
        object_read(reader, row->table, &fallback);
    } else if (row->fallback != NULL) {
        fallback.value = json_loads(row->fallback, JSON_DECODE_ANY, NULL);
        bool stored = readers[row->type](reader, &fallback);
        ASSERT(stored);
        json_decref(fallback.value);
    } else if (row->type == SETTING_INTEGER || row->type == SETTING_CHOICE) {
        integer_store(item, row->absent);
    } else if (row->type == SETTING_BOOL) {
        u8 absent = (u8)row->absent;
        memcpy(item->target, &absent, sizeof(absent));
    }
}

static void value_read(struct reader *reader, const struct item *item)
{
    bool good = readers[item->row->type](reader, item);
    if (!good)
        fallback_store(reader, item);
    else if (item->row->later && (json_is_true(item->value) || json_integer_value(item->value) > 0))
        later_note(reader, item);
}

static void unknown_complain(struct reader *reader, const struct settings_table *table,
                             const struct path *path)
{
    struct suggestion suggestion;
    if (reader_full(reader))
        return;
    suggest_begin(&suggestion, path->steps[path->depth - 1].key);
    for (u32 i = 0; i < table->count; i++)
        suggest_consider(&suggestion, slice_of_string(table->rows[i].key));
    struct arena *arena = &reader->problems->arena;
    complain_at(reader, path, PLACE_OF_KEY,
                arena_printf(arena, "unknown setting%s", suggest_text(&suggestion, arena)));
}

static void absent_read(struct reader *reader, const struct item *item)
{
    /* In the place of an object that was no object nothing is missed a second time. */
    if (item->row->required && json_is_object(item->value))
        reader_complain(reader, item->path, "is missing: %s",
                        setting_allowed(item->row, &reader->problems->arena));
    fallback_store(reader, item);
}

/* item->value that is no object stands for an empty one; its own problem is reported already. */
static void object_read(struct reader *reader, const struct settings_table *table,
                        const struct item *item)
{
    const char *key;
    json_t *value;
    json_object_foreach(item->value, key, value)
    {
        struct path path = path_key(item->path, slice_of_string(key));
        const struct setting *row = settings_find(table, slice_of_string(key));
        if (row == NULL)
            unknown_complain(reader, table, &path);
        else
            value_read(reader, &(struct item){row, value, item->target + row->offset, &path});
    }
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        if (json_object_get(item->value, row->key) != NULL)
            continue;
        struct path path = path_key(item->path, slice_of_string(row->key));
        absent_read(reader, &(struct item){row, item->value, item->target + row->offset, &path});
    }
}

void table_read(struct reader *reader, const struct settings_table *table, json_t *root,
                void *target)
{
    const struct path top = {.depth = 0};
    struct item item = {NULL, root, target, &top};
    object_read(reader, table, &item);
}

void settings_read(struct reader *reader, json_t *root, struct settings *settings)
{
    table_read(reader, &settings_root, root, settings);
}
