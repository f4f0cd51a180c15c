/*
 * Arbitrary bytes as a DNS response: nothing is read behind their end, and what is found is
 * bounded, in order, told once, and made of host names.
 *
 * The input: one byte that chooses the type of record, and the message.
 */
#include <stdlib.h>
#include <string.h>

#include "resolve/message.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void record_check(const struct message_record *record, enum message_type type)
{
    static const u8 any[16];
    char copy[MESSAGE_NAME_BYTES];
    require(record->target[MESSAGE_NAME_BYTES - 1] == '\0');
    require((record->target[0] != '\0') == (type == MESSAGE_SRV));
    require((record->port != 0) == (type == MESSAGE_SRV));
    require(type == MESSAGE_SRV || memcmp(record->address, any, sizeof(any)) != 0);
    require(message_name_copy(record->target, copy));
    require(memcmp(copy, record->target, sizeof(copy)) == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    static const enum message_type types[] = {MESSAGE_A, MESSAGE_AAAA, MESSAGE_SRV};
    struct message_answer answer;
    if (size == 0 || size > 65536)
        return 0;
    enum message_type type = types[data[0] % 3];
    usize len = size - 1;
    u8 *copy = malloc(len > 0 ? len : 1);
    require(copy != NULL);
    memcpy(copy, data + 1, len);
    if (message_decode(copy, (u32)len, type, &answer)) {
        require(answer.count <= MESSAGE_RECORDS_MAX);
        require(answer.unused == 0 || answer.count == MESSAGE_RECORDS_MAX);
        for (u32 i = 0; i < answer.count; i++) {
            record_check(&answer.at[i], type);
            require(i == 0 || message_compare(&answer.at[i - 1], &answer.at[i]) < 0);
        }
    }
    free(copy);
    return 0;
}
