/* Why a lookup had no answer. */
#include "resolve/resolve_internal.h"

const struct reason *reason_of(int status)
{
    static const struct {
        int status;
        struct reason reason;
    } rows[] = {
        {ARES_ENOTFOUND, {"not_found", "there is no such name"}},
        {ARES_ENODATA, {"no_data", "the name has no such records"}},
        {ARES_ESERVFAIL, {"server_failure", "the name server failed (SERVFAIL)"}},
        {ARES_EREFUSED, {"refused", "the name server refused to answer"}},
        {ARES_ENOTIMP, {"not_implemented", "the name server does not know such questions"}},
        {ARES_EFORMERR, {"format_error", "the name server did not understand the question"}},
        {ARES_EBADRESP, {"bad_response", "the answer was malformed"}},
        {ARES_ETIMEOUT, {"timeout", "no name server answered in time"}},
        {ARES_ECONNREFUSED,
         {"unreachable", "no name server could be reached, or each of them failed"}},
        {ARES_EBADNAME, {"bad_name", "it is no name that DNS can have"}},
        {ARES_ENOMEM, {"no_memory", "there was no memory or descriptor to ask"}},
    };
    static const struct reason other = {"failed", "the lookup failed"};
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++)
        if (rows[i].status == status)
            return &rows[i].reason;
    return &other;
}
