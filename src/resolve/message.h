/* DNS responses (RFC 1035 §4, RFC 2782, RFC 3596): the records that answer a question. */
#ifndef NEXTPROXY_RESOLVE_MESSAGE_H
#define NEXTPROXY_RESOLVE_MESSAGE_H

#include "base/assert.h"
#include "base/types.h"

enum { MESSAGE_NAME_BYTES = 254, MESSAGE_RECORDS_MAX = 64 };

/* As on the wire. */
enum message_type { MESSAGE_A = 1, MESSAGE_AAAA = 28, MESSAGE_SRV = 33 };

/* Without padding, and zero where nothing is said: equal ones have equal bytes. */
struct message_record {
    u8 address[16]; /* of A: the first four */
    u16 priority;   /* of SRV, like all below */
    u16 weight;
    u16 port;
    char target[MESSAGE_NAME_BYTES]; /* lower case */
};

struct message_answer {
    u32 ttl_s; /* the shortest of the records and of the aliases that led to them */
    u32 count;
    u32 unused;                                    /* records that would come behind these */
    struct message_record at[MESSAGE_RECORDS_MAX]; /* in order, none twice */
};

/* The records of this type: of more than fit the first in order, whatever order the server tells
 * them in. False when the message is malformed. `bytes` may come from anywhere. */
MUST_CHECK bool message_decode(const u8 *bytes, u32 len, enum message_type type,
                               struct message_answer *answer);
/* No records yet. */
void message_begin(struct message_answer *answer, u32 ttl_s);
/* Puts it where it belongs, unless it is there. */
void message_add(struct message_answer *answer, const struct message_record *record);
/* The order: services by priority, lower numbers first; then by address, or by host and port. Below
 * 0, 0 or above, as by memcmp(). */
int message_compare(const struct message_record *a, const struct message_record *b);
/* Letters (made lower case), digits, '-', '_' and '.' alone, and not too long; "" is none. */
MUST_CHECK bool message_name_copy(const char *name, char out[MESSAGE_NAME_BYTES]);

#endif
