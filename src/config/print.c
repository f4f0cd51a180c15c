/* The effective configuration as JSON: the settings, completed, row by row. */
#include "config/print.h"

#include "config.h"
#include "config/change_text.h"
#include "config/secrecy.h"
#include "config/settings.h"

static json_t *slice_print(struct slice value)
{
    return json_stringn(value.data == NULL ? "" : value.data, value.len);
}

static json_t *bool_print(const struct setting *row, const char *source)
{
    (void)row;
    return json_boolean(*(const bool *)source);
}

static json_t *integer_print(const struct setting *row, const char *source)
{
    u64 value = setting_integer(row, source);
    bool absent = row->fallback == NULL && value == row->absent;
    return absent ? NULL : json_integer((json_int_t)value);
}

static json_t *auto_print(const struct setting *row, const char *source)
{
    u64 value = setting_integer(row, source);
    return value == 0 ? json_string("auto") : json_integer((json_int_t)value);
}

static json_t *ratio_print(const struct setting *row, const char *source)
{
    double value;
    (void)row;
    memcpy(&value, source, sizeof(value));
    return json_real(value);
}

static json_t *string_print(const struct setting *row, const char *source)
{
    struct slice value;
    (void)row;
    memcpy(&value, source, sizeof(value));
    return value.len == 0 ? NULL : slice_print(value);
}

static json_t *choice_print(const struct setting *row, const char *source)
{
    u64 value = setting_integer(row, source);
    return value < row->choice->count ? json_string(row->choice->name((u32)value)) : NULL;
}

static json_t *strings_print(const struct setting *row, const char *source)
{
    struct settings_strings strings;
    memcpy(&strings, source, sizeof(strings));
    if (strings.count < row->min)
        return NULL; /* absent, with a meaning of its own */
    json_t *list = json_array();
    for (u32 i = 0; i < strings.count; i++)
        json_array_append_new(list, slice_print(strings.at[i]));
    return list;
}

static json_t *fields_print(const struct setting *row, const char *source)
{
    struct settings_fields fields;
    (void)row;
    memcpy(&fields, source, sizeof(fields));
    json_t *object = json_object();
    for (u32 i = 0; i < fields.count; i++) {
        bool hidden = field_is_secret(fields.at[i].name);
        json_object_setn_new(object, fields.at[i].name.data, fields.at[i].name.len,
                             hidden ? json_string(change_hidden) : slice_print(fields.at[i].value));
    }
    return object;
}

static json_t *member_print(const struct setting *row, const char *source)
{
    return table_print(row->table, source);
}

static json_t *list_print(const struct setting *row, const char *source)
{
    struct settings_list items;
    memcpy(&items, source, sizeof(items));
    json_t *list = json_array();
    for (u32 i = 0; i < items.count; i++) {
        const char *item = (const char *)items.at + (usize)i * row->table->item_bytes;
        json_array_append_new(list, table_print(row->table, item));
    }
    return list;
}

/* NULL from any of these leaves the key out: nothing was given and there is no fallback. */
static json_t *(*const printers[])(const struct setting *, const char *) = {
    [SETTING_BOOL] = bool_print,       [SETTING_INTEGER] = integer_print,
    [SETTING_AUTO] = auto_print,       [SETTING_RATIO] = ratio_print,
    [SETTING_STRING] = string_print,   [SETTING_CHOICE] = choice_print,
    [SETTING_STRINGS] = strings_print, [SETTING_FIELDS] = fields_print,
    [SETTING_OBJECT] = member_print,   [SETTING_LIST] = list_print,
};

json_t *table_print(const struct settings_table *table, const char *source)
{
    json_t *object = json_object();
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        json_t *value = row->secret ? NULL : printers[row->type](row, source + row->offset);
        if (value != NULL)
            json_object_set_new(object, row->key, value);
    }
    return object;
}

u32 config_print(const struct config *config, FILE *out)
{
    json_t *root = table_print(&settings_root, (const char *)config->settings);
    json_dumpf(root, out, JSON_INDENT(4) | JSON_REAL_PRECISION(15));
    fputc('\n', out);
    json_decref(root);
    return secret_fields_count(&settings_root, (const char *)config->settings);
}
