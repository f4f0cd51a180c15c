/* Header edits of a route: `remove` and `set` drop what is there, `set` and `add` write at the end
 * of the head. */
#include "proxy/proxy_internal.h"

bool header_edits_drop(const struct config_header_edits *edits, struct slice name)
{
    for (u32 i = 0; i < edits->count; i++)
        if (edits->at[i].action != CONFIG_HEADER_ADD && slice_equal_nocase(edits->at[i].name, name))
            return true;
    return false;
}

void header_edits_write(const struct config_header_edits *edits, struct http_writer *writer)
{
    for (u32 i = 0; i < edits->count; i++)
        if (edits->at[i].action != CONFIG_HEADER_REMOVE)
            http_write_field(writer, edits->at[i].name, edits->at[i].value);
}
