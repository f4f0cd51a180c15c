/* See secrecy.h. Rather too many than too few: who needs a value that is not shown has the file. */
#include "config/secrecy.h"

/* ---- Names ---- */

/* What occurs in the names of fields that hold secrets: Authorization, Proxy-Authorization, Cookie,
 * Set-Cookie, X-Api-Key, X-Auth-Token, X-Hub-Signature-256, ... */
static const struct {
    const char *text; /* in small letters */
    bool word;        /* only between bytes that are neither letters nor digits: Key, not Keep */
} marks[] = {
    {"authorization", false}, {"cookie", false},    {"token", false},      {"secret", false},
    {"password", false},      {"passwd", false},    {"passphrase", false}, {"credential", false},
    {"signature", false},     {"session", false},   {"apikey", false},     {"authkey", false},
    {"accesskey", false},     {"key", true},        {"auth", true},        {"jwt", true},
    {"bearer", true},         {"assertion", false},
};

static bool is_alnum(char c)
{
    c = ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(struct slice name, usize at, usize len)
{
    return (at == 0 || !is_alnum(name.data[at - 1])) &&
           (at + len == name.len || !is_alnum(name.data[at + len]));
}

static bool bears(struct slice name, struct slice text, bool word)
{
    for (usize at = 0; at + text.len <= name.len; at++)
        if (slice_equal_nocase(slice_of(name.data + at, text.len), text) &&
            (!word || is_word(name, at, text.len)))
            return true;
    return false;
}

bool field_is_secret(struct slice name)
{
    for (u32 i = 0; i < ARRAY_COUNT(marks); i++)
        if (bears(name, slice_of_string(marks[i].text), marks[i].word))
            return true;
    return false;
}

/* ---- Settings ---- */

static u32 fields_count(const char *source)
{
    struct settings_fields fields;
    u32 count = 0;
    memcpy(&fields, source, sizeof(fields));
    for (u32 i = 0; i < fields.count; i++)
        count += field_is_secret(fields.at[i].name);
    return count;
}

static u32 list_count(const struct setting *row, const char *source)
{
    struct settings_list items;
    u32 count = 0;
    memcpy(&items, source, sizeof(items));
    for (u32 i = 0; i < items.count; i++)
        count += secret_fields_count(row->table,
                                     (const char *)items.at + (usize)i * row->table->item_bytes);
    return count;
}

u32 secret_fields_count(const struct settings_table *table, const char *source)
{
    u32 count = 0;
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        if (row->type == SETTING_FIELDS)
            count += fields_count(source + row->offset);
        else if (row->type == SETTING_OBJECT)
            count += secret_fields_count(row->table, source + row->offset);
        else if (row->type == SETTING_LIST)
            count += list_count(row, source + row->offset);
    }
    return count;
}
