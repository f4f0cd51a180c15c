/* Comma-separated lists (RFC 9110 §5.6.1). A comma inside a quoted-string separates nothing; a
 * quoted-string that does not end takes the rest of the list. */
#include "http.h"

/* The length of the element in front, from its first quote on, which is at `at`. */
static u32 quoted_element_bytes(struct slice list, u32 at)
{
    bool quoted = false;
    for (; at < list.len; at++) {
        char byte = list.data[at];
        if (quoted && byte == '\\')
            at++;
        else if (byte == '"')
            quoted = !quoted;
        else if (byte == ',' && !quoted)
            return at;
    }
    return list.len;
}

static u32 element_bytes(struct slice list)
{
    for (u32 i = 0; i < list.len; i++) {
        if (list.data[i] == ',')
            return i;
        if (list.data[i] == '"')
            return quoted_element_bytes(list, i);
    }
    return list.len;
}

bool http_list_next(struct slice *list, struct slice *element)
{
    while (list->len > 0) {
        u32 len = element_bytes(*list);
        struct slice found = slice_trim(slice_of(list->data, len));
        u32 taken = min_u32(len + 1, list->len);
        *list = slice_of(list->data + taken, list->len - taken);
        if (found.len > 0) {
            *element = found;
            return true;
        }
    }
    return false;
}

bool http_list_contains(struct slice list, struct slice token)
{
    struct slice element;
    while (http_list_next(&list, &element))
        if (slice_equal_nocase(element, token))
            return true;
    return false;
}
