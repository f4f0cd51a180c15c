/* Comma-separated lists (RFC 9110 §5.6.1). A comma inside a quoted-string separates nothing; a
 * quoted-string that does not end takes the rest of the list. */
#include "http.h"

static u32 element_bytes(struct slice list)
{
    bool quoted = false;
    for (u32 i = 0; i < list.len; i++) {
        char byte = list.data[i];
        if (quoted && byte == '\\')
            i++;
        else if (byte == '"')
            quoted = !quoted;
        else if (byte == ',' && !quoted)
            return i;
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
