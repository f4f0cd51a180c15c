/* Paths, and the search for a path in the text of a configuration. See place.h. */
#include "config/place.h"

#include <jansson.h>
#include <stdlib.h>

#include "config/problems.h"

static struct path path_step(const struct path *path, struct path_step step)
{
    struct path longer = *path;
    ASSERT(longer.depth < SETTINGS_DEPTH_MAX);
    longer.steps[longer.depth++] = step;
    return longer;
}

struct path path_key(const struct path *path, struct slice key)
{
    return path_step(path, (struct path_step){.key = key});
}

struct path path_index(const struct path *path, u32 index)
{
    return path_step(path, (struct path_step){.index = index});
}

static bool step_equal(const struct path_step *a, const struct path_step *b)
{
    if ((a->key.data == NULL) != (b->key.data == NULL))
        return false;
    return a->key.data != NULL ? slice_equal(a->key, b->key) : a->index == b->index;
}

static bool path_starts_with(const struct path *path, const struct path *prefix)
{
    if (path->depth < prefix->depth)
        return false;
    for (u32 i = 0; i < prefix->depth; i++)
        if (!step_equal(&path->steps[i], &prefix->steps[i]))
            return false;
    return true;
}

static bool key_plain(struct slice key)
{
    for (u32 i = 0; i < key.len; i++) {
        char c = ascii_lower(key.data[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '$'))
            return false;
    }
    return key.len > 0 && key.len <= PROBLEM_VALUE_BYTES_MAX;
}

const char *path_text(const struct path *path, struct arena *arena)
{
    const char *text = "";
    for (u32 i = 0; i < path->depth; i++) {
        struct slice key = path->steps[i].key;
        if (key.data == NULL)
            text = arena_printf(arena, "%s[%u]", text, path->steps[i].index);
        else if (key_plain(key))
            text = arena_printf(arena, "%s%s%.*s", text, i > 0 ? "." : "", (int)key.len, key.data);
        else
            text = arena_printf(arena, "%s[%s]", text, problem_quote(arena, key));
    }
    return text;
}

/* ---- The search ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static usize space_skip(struct slice text, usize at)
{
    while (at < text.len && is_space(text.data[at]))
        at++;
    return at;
}

/* From the first byte of a number, true, false or null to behind its last. */
static usize word_skip(struct slice text, usize at)
{
    while (at < text.len && !is_space(text.data[at]) && text.data[at] != ',' &&
           text.data[at] != ']' && text.data[at] != '}')
        at++;
    return at;
}

/* From an opening quote to behind the closing one. */
static usize string_skip(struct slice text, usize at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++)
        if (text.data[at] == '\\')
            at++;
    return at + 1;
}

/* From the first byte of a value to behind its last. Without recursion. */
static usize value_skip(struct slice text, usize at)
{
    u32 depth = 0;
    do {
        at = space_skip(text, at);
        if (at >= text.len)
            return text.len;
        char c = text.data[at];
        if (c == '"') {
            at = string_skip(text, at);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        else if (depth == 0)
            return word_skip(text, at);
        at++;
    } while (depth > 0);
    return at;
}

/* Whether the string token is this key; escapes are left to jansson. */
static bool token_is_key(struct slice token, struct slice key)
{
    if (memchr(token.data, '\\', token.len) == NULL)
        return slice_equal(slice_of(token.data + 1, token.len - 2), key);
    json_t *decoded = json_loadb(token.data, token.len, JSON_DECODE_ANY, NULL);
    bool equal =
        json_is_string(decoded) &&
        slice_equal(slice_of(json_string_value(decoded), json_string_length(decoded)), key);
    json_decref(decoded);
    return equal;
}

struct found {
    usize key;   /* where the key begins; of an index, where the value does */
    usize value; /* where the value begins */
};

static bool key_find(struct slice text, usize at, struct slice key, struct found *found)
{
    for (at = space_skip(text, at + 1); at < text.len && text.data[at] == '"';) {
        usize end = string_skip(text, at);
        usize value = space_skip(text, space_skip(text, end) + 1);
        if (value >= text.len)
            return false;
        if (token_is_key(slice_of(text.data + at, end - at), key)) {
            *found = (struct found){at, value};
            return true;
        }
        at = space_skip(text, space_skip(text, value_skip(text, value)) + 1);
    }
    return false;
}

static bool index_find(struct slice text, usize at, u32 index, struct found *found)
{
    at = space_skip(text, at + 1);
    for (u32 i = 0; at < text.len && text.data[at] != ']'; i++) {
        if (i == index) {
            *found = (struct found){at, at};
            return true;
        }
        at = space_skip(text, value_skip(text, at));
        if (at < text.len && text.data[at] == ',')
            at = space_skip(text, at + 1);
    }
    return false;
}

static struct found path_find(struct slice text, const struct path *path)
{
    usize start = space_skip(text, 0);
    struct found found = {start, start};
    for (u32 i = 0; i < path->depth && found.value < text.len; i++) {
        const struct path_step *step = &path->steps[i];
        char open = text.data[found.value];
        struct found next;
        bool there = step->key.data != NULL
                         ? open == '{' && key_find(text, found.value, step->key, &next)
                         : open == '[' && index_find(text, found.value, step->index, &next);
        if (!there)
            return (struct found){found.value, found.value};
        found = next;
    }
    return found;
}

const char *source_place_at(const struct source *source, usize at, struct arena *arena)
{
    u32 line = 1;
    u32 column = 1;
    for (usize i = 0; i < at && i < source->text.len; i++) {
        u8 byte = (u8)source->text.data[i];
        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            column++; /* columns are characters: UTF-8 continuation bytes do not count */
        }
    }
    return arena_printf(arena, "%s:%u:%u", source->name, line, column);
}

const char *source_place(const struct source *source, const struct path *path, enum place_of which,
                         struct arena *arena)
{
    for (u32 i = 0; i < source->override_count; i++)
        if (path_starts_with(path, &source->overrides[i].path))
            return arena_printf(arena, "environment %s", source->overrides[i].variable);
    struct found found = path_find(source->text, path);
    return source_place_at(source, which == PLACE_OF_KEY ? found.key : found.value, arena);
}
