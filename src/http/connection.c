/* Connection fields (RFC 9110 §7.6.1): what the peer wants of the connection, and which fields of
 * the head are meant for this hop only. */
#include "http/head.h"

static void mark_known(const struct http_head *head, struct http_fields *fields, u8 id)
{
    u32 first = fields->first[id];
    if (first == 0)
        return;
    fields->at[first - 1].named_by_connection = true;
    if ((head->repeated & HTTP_FIELD_BIT(id)) == 0)
        return;
    for (u32 i = first; i < fields->count; i++)
        if (fields->at[i].id == id)
            fields->at[i].named_by_connection = true;
}

static void mark_other(struct http_fields *fields, struct slice name)
{
    for (u32 i = 0; i < fields->count; i++)
        if (fields->at[i].name_len == name.len &&
            slice_equal_nocase(http_field_name(fields, i), name))
            fields->at[i].named_by_connection = true;
}

static void read_option(const struct http_head *head, struct http_fields *fields,
                        struct slice option, struct http_connection *connection)
{
    /* Of all bytes only CR could make this find what is not there, and a value holds none. */
    enum http_field_id id = http_field_find_token(option.data, option.len);
    if (id == HTTP_FIELD_OTHER) {
        connection->close |= slice_equal_nocase(option, SLICE("close"));
        mark_other(fields, option);
        return;
    }
    connection->keep_alive |= id == HTTP_FIELD_KEEP_ALIVE;
    connection->upgrade |= id == HTTP_FIELD_UPGRADE;
    mark_known(head, fields, (u8)id);
}

bool http_connection_read(const struct http_head *head, struct http_fields *fields,
                          struct http_connection *connection)
{
    *connection = (struct http_connection){0};
    u32 first = fields->first[HTTP_FIELD_CONNECTION];
    if (first == 0)
        return true;
    struct slice value = http_field_value(fields, first - 1);
    bool repeated = (head->repeated & HTTP_FIELD_BIT(HTTP_FIELD_CONNECTION)) != 0;
    if (LIKELY(!repeated && slice_equal(value, SLICE("keep-alive")))) {
        read_option(head, fields, value, connection);
        return true;
    }
    u32 end = repeated ? fields->count : first;
    u32 names = 0;
    for (u32 i = first - 1; i < end; i++) {
        if (fields->at[i].id != HTTP_FIELD_CONNECTION)
            continue;
        struct slice list = http_field_value(fields, i);
        struct slice option;
        while (http_list_next(&list, &option)) {
            /* Each name is compared with each field, so their number has a limit of its own. */
            if (++names > HTTP_CONNECTION_NAMES_MAX)
                return false;
            read_option(head, fields, option, connection);
        }
    }
    return true;
}
