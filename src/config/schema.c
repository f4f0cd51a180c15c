/* config.schema.json: the rows as a JSON Schema (draft 2020-12), for editors and other checkers. */
#include <jansson.h>

#include "config.h"
#include "config/forms.h"
#include "config/settings.h"

static json_t *object_schema(const struct settings_table *table);

static json_t *patterned(const struct setting_form *form)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", form->pattern);
}

static json_t *bool_schema(const struct setting *row)
{
    (void)row;
    return json_pack("{s:s}", "type", "boolean");
}

static json_t *number_schema(const struct setting *row, const char *type)
{
    return json_pack("{s:s, s:I, s:I}", "type", type, "minimum", (json_int_t)row->min, "maximum",
                     (json_int_t)row->max);
}

static json_t *integer_schema(const struct setting *row)
{
    return number_schema(row, "integer");
}

static json_t *auto_schema(const struct setting *row)
{
    return json_pack("{s:[{s:s}, o]}", "anyOf", "const", "auto", number_schema(row, "integer"));
}

static json_t *ratio_schema(const struct setting *row)
{
    return number_schema(row, "number");
}

static json_t *string_schema(const struct setting *row)
{
    return patterned(row->form);
}

/* ROUND_ROBIN for round-robin. */
static json_t *capitals(const char *name)
{
    char out[64];
    usize len = 0;
    for (; len < sizeof(out) && name[len] != '\0'; len++) {
        char c = name[len];
        out[len] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    return json_stringn(out, len);
}

static json_t *choice_schema(const struct setting *row)
{
    json_t *names = json_array();
    for (u32 i = 0; i < row->choice->count; i++)
        json_array_append_new(names, json_string(row->choice->name(i)));
    for (u32 i = 0; i < row->choice->count; i++)
        json_array_append_new(names, capitals(row->choice->name(i)));
    return json_pack("{s:o}", "enum", names);
}

static json_t *array_schema(const struct setting *row, json_t *items)
{
    return json_pack("{s:s, s:o, s:I, s:I}", "type", "array", "items", items, "minItems",
                     (json_int_t)row->min, "maxItems", (json_int_t)row->max);
}

static json_t *strings_schema(const struct setting *row)
{
    return array_schema(row, patterned(row->form));
}

static json_t *fields_schema(const struct setting *row)
{
    return json_pack("{s:s, s:{s:s}, s:o, s:I}", "type", "object", "propertyNames", "pattern",
                     row->form->pattern, "additionalProperties", patterned(&form_field_value),
                     "maxProperties", (json_int_t)row->max);
}

static json_t *member_schema(const struct setting *row)
{
    return object_schema(row->table);
}

static json_t *list_schema(const struct setting *row)
{
    return array_schema(row, object_schema(row->table));
}

static json_t *(*const schemas[])(const struct setting *) = {
    [SETTING_BOOL] = bool_schema,       [SETTING_INTEGER] = integer_schema,
    [SETTING_AUTO] = auto_schema,       [SETTING_RATIO] = ratio_schema,
    [SETTING_STRING] = string_schema,   [SETTING_CHOICE] = choice_schema,
    [SETTING_STRINGS] = strings_schema, [SETTING_FIELDS] = fields_schema,
    [SETTING_OBJECT] = member_schema,   [SETTING_LIST] = list_schema,
};

/* The row's text without the back quotes of Markdown, which editors would show. */
static json_t *description(const struct setting *row)
{
    char out[512];
    usize len = 0;
    for (const char *at = row->text; *at != '\0' && len < sizeof(out); at++)
        if (*at != '`')
            out[len++] = *at;
    ASSERT(len < sizeof(out));
    if (row->unit == NULL)
        return json_stringn(out, len);
    return json_sprintf("%.*s Unit: %s.", (int)len, out, row->unit);
}

static json_t *row_schema(const struct setting *row)
{
    json_t *schema = json_pack("{s:o}", "description", description(row));
    json_t *type = schemas[row->type](row);
    json_object_update(schema, type);
    json_decref(type);
    if (row->fallback != NULL)
        json_object_set_new(schema, "default", json_loads(row->fallback, JSON_DECODE_ANY, NULL));
    return schema;
}

static json_t *object_schema(const struct settings_table *table)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        json_object_set_new(properties, row->key, row_schema(row));
        if (row->required)
            json_array_append_new(required, json_string(row->key));
    }
    return json_pack("{s:s, s:b, s:o, s:o}", "type", "object", "additionalProperties", 0,
                     "required", required, "properties", properties);
}

void config_print_schema(FILE *out)
{
    json_t *schema =
        json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
                  "nextproxy configuration");
    json_t *root = object_schema(&settings_root);
    json_object_update(schema, root);
    json_decref(root);
    json_dumpf(schema, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(schema);
}
