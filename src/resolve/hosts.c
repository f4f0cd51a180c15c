/* What needs no name server. The file is read each time: it is small, and may have changed. */
#include <netdb.h>

#include "resolve/resolve_internal.h"

enum { HOSTS_TTL_S = 10 };

static void add(struct message_answer *answer, const void *bytes, u32 len)
{
    struct message_record record = {.port = 0};
    memcpy(record.address, bytes, len);
    message_add(answer, &record);
}

static bool is_localhost(const char *text)
{
    struct slice name = slice_of_string(text), suffix = SLICE(".localhost");
    return slice_equal(name, SLICE("localhost")) ||
           (name.len > suffix.len &&
            slice_equal(slice_of(name.data + name.len - suffix.len, suffix.len), suffix));
}

static bool file_find(struct resolver *resolver, const char *text, enum message_type type,
                      struct message_answer *answer)
{
    struct hostent *found = NULL;
    int family = type == MESSAGE_A ? AF_INET : AF_INET6;
    if (ares_gethostbyname_file(resolver->channel, text, family, &found) != ARES_SUCCESS)
        return false;
    for (char **at = found->h_addr_list; *at && found->h_addrtype == family; at++)
        add(answer, *at, type == MESSAGE_A ? 4 : 16);
    ares_free_hostent(found);
    return answer->count > 0;
}

bool hosts_find(struct resolver *resolver, const char *text, enum message_type type,
                struct message_answer *answer)
{
    static const u8 loopback[] = {127, 0, 0, 1}, loopback6[16] = {[15] = 1};
    enum message_type other = type == MESSAGE_A ? MESSAGE_AAAA : MESSAGE_A;
    message_begin(answer, HOSTS_TTL_S);
    if (type == MESSAGE_SRV)
        return false;
    bool found = file_find(resolver, text, type, answer);
    if (!found && file_find(resolver, text, other, answer)) {
        message_begin(answer, HOSTS_TTL_S); /* the file knows the name: it says all there is */
        found = true;
    }
    if (!found && is_localhost(text)) {
        add(answer, type == MESSAGE_A ? loopback : loopback6, type == MESSAGE_A ? 4 : 16);
        found = true;
    }
    return found;
}
