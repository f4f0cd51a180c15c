/* See fuzz_heads.h. */
#include "fuzz_heads.h"

#include <stdlib.h>

struct slice fuzz_copy(const u8 *data, usize size)
{
    char *copy = malloc(size == 0 ? 1 : size);
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return slice_of(copy, size);
}

void fuzz_free(struct slice copy)
{
    free((void *)(uintptr_t)copy.data);
}

bool fuzz_inside(struct slice inner, struct slice outer)
{
    return inner.len == 0 ||
           (inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len);
}

static bool white(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* HTTP_FIELD_UNDERSCORED is for names that would be known ones if '_' were '-'. */
static bool is_id_of(enum http_field_id id, struct slice name)
{
    char hyphened[64];
    if (id != HTTP_FIELD_UNDERSCORED)
        return id == http_field_find(name);
    if (name.len > sizeof(hyphened))
        return false;
    for (usize i = 0; i < name.len; i++)
        hyphened[i] = name.data[i] == '_' ? '-' : name.data[i];
    return http_field_find(name) == HTTP_FIELD_OTHER &&
           http_field_find(slice_of(hyphened, name.len)) != HTTP_FIELD_OTHER;
}

static void check_field(const struct http_fields *fields, u32 index, u32 line)
{
    const struct http_field *field = &fields->at[index];
    struct slice name = http_field_name(fields, index);
    struct slice value = http_field_value(fields, index);
    REQUIRE(field->name_at == line);
    REQUIRE(name.len > 0 && memchr(name.data, ':', name.len) == NULL);
    REQUIRE(fields->base[field->name_at + field->name_len] == ':');
    REQUIRE(field->value_at > field->name_at + field->name_len);
    REQUIRE(memcmp(fields->base + field->line_end - 2, "\r\n", 2) == 0);
    REQUIRE(slice_equal(slice_trim(value), value));
    for (u32 i = field->name_at + field->name_len + 1u; i < field->line_end - 2u; i++) {
        bool in_value = i >= field->value_at && i < field->value_at + field->value_len;
        char byte = fields->base[i];
        REQUIRE(in_value ? (u8)byte >= 0x20 || byte == '\t' : white(byte));
        REQUIRE(byte != 0x7f);
    }
    REQUIRE(is_id_of((enum http_field_id)field->id, name));
}

void fuzz_check_fields(const struct http_fields *fields, u32 head_bytes)
{
    REQUIRE(fields->count <= HTTP_FIELDS_MAX);
    for (u32 i = 0; i < fields->count; i++) {
        u32 line = fields->at[i].name_at;
        if (i > 0)
            REQUIRE(line == fields->at[i - 1].line_end);
        check_field(fields, i, line);
        u8 id = fields->at[i].id;
        REQUIRE(id == HTTP_FIELD_OTHER || (fields->first[id] > 0 && fields->first[id] <= i + 1));
    }
    for (u32 id = 0; id < HTTP_FIELD_COUNT; id++) {
        REQUIRE(fields->first[id] <= fields->count);
        REQUIRE(fields->first[id] == 0 || fields->at[fields->first[id] - 1].id == id);
    }
    if (fields->count > 0)
        REQUIRE(fields->at[fields->count - 1].line_end + 2u == head_bytes);
}

void fuzz_check_lines(struct slice head)
{
    u32 empty_lines = 0;
    for (u32 i = 0; i < head.len; i++) {
        char byte = head.data[i];
        REQUIRE(byte != '\0');
        if (byte == '\r')
            REQUIRE(i + 1 < head.len && head.data[i + 1] == '\n');
        if (byte == '\n')
            REQUIRE(i > 0 && head.data[i - 1] == '\r');
        empty_lines += i >= 3 && memcmp(head.data + i - 3, "\r\n\r\n", 4) == 0;
    }
    REQUIRE(empty_lines == 1);
    REQUIRE(memcmp(head.data + head.len - 4, "\r\n\r\n", 4) == 0);
}
