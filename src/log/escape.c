/*
 * JSON string escaping (RFC 8259 §7) of bytes that anybody may have sent.
 *
 * Escaped are: '"', '\', the controls U+0000-U+001F, DEL, and the controls U+0080-U+009F, which
 * some terminals obey. A byte that is not part of valid UTF-8 (RFC 3629) becomes \u00XX with the
 * byte's value: the line stays valid JSON and the byte can still be seen. All other characters are
 * copied as they are.
 *
 * Nearly every value is plain ASCII. It is copied by words, looking at all bytes of a word at once,
 * and only when that look has found something the value is written again, carefully.
 */
#include "base/assert.h"
#include "base/hex.h"
#include "log/line.h"

#define WORD_OF(byte) (0x0101010101010101ull * (byte))

enum {
    ESCAPE_ONE_MAX = 6, /* \u00XX */
    UTF8_INVALID = 0,
    C1_LEAD = 0xc2, /* U+0080-U+009F are c2 80 to c2 9f */
    C1_LAST = 0x9f,
};

/* What UTF-8 allows after a lead byte (RFC 3629 §4). */
struct utf8_lead {
    u8 first, last;               /* lead bytes of this row */
    u8 bytes;                     /* of the whole sequence */
    u8 second_first, second_last; /* for the byte behind the lead; the others are 80-BF */
};

static const struct utf8_lead utf8_leads[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* The letter of a two-byte escape; 0 for bytes that have none. */
static const char short_escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
    ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
};

static u64 word_load(const char *at)
{
    u64 word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Non-zero in a top bit when a byte of the word is a control, '"', '\', DEL or not ASCII. Borrows
 * and carries between bytes only start at such a byte, so an all-clear is exact. */
static u64 word_special(u64 word)
{
    u64 below_space = word - WORD_OF(0x20);
    u64 del = word + WORD_OF(0x01);
    u64 quote = (word ^ WORD_OF('"')) - WORD_OF(0x01);
    u64 backslash = (word ^ WORD_OF('\\')) - WORD_OF(0x01);
    return (word | below_space | del | quote | backslash) & WORD_OF(0x80);
}

/* Copies fewer than 8 bytes and returns what word_special says of them. */
static u64 copy_short(char *out, const char *in, u32 len)
{
    if (len >= 4) {
        u32 front, back;
        memcpy(&front, in, sizeof(front));
        memcpy(&back, in + len - sizeof(back), sizeof(back));
        memcpy(out, &front, sizeof(front));
        memcpy(out + len - sizeof(back), &back, sizeof(back));
        return word_special(front | (u64)back << 32);
    }
    u64 special = 0;
    for (u32 i = 0; i < len; i++) {
        out[i] = in[i];
        special |= word_special(WORD_OF(0x20) ^ 0x20 ^ (u8)in[i]);
    }
    return special;
}

/* Copies and returns true when nothing in it needs escaping. */
static bool copy_plain(char *out, const char *in, u32 len)
{
    if (len < sizeof(u64))
        return copy_short(out, in, len) == 0;
    u64 special = 0;
    u32 last = len - (u32)sizeof(u64);
    for (u32 i = 0; i < last; i += (u32)sizeof(u64)) {
        u64 word = word_load(in + i);
        memcpy(out + i, &word, sizeof(word));
        special |= word_special(word);
    }
    u64 word = word_load(in + last);
    memcpy(out + last, &word, sizeof(word));
    return (special | word_special(word)) == 0;
}

/* The length of the valid UTF-8 sequence at the start, or UTF8_INVALID. */
static u32 utf8_length(const u8 *in, u32 left)
{
    for (u32 i = 0; i < ARRAY_COUNT(utf8_leads); i++) {
        const struct utf8_lead *lead = &utf8_leads[i];
        if (in[0] < lead->first || in[0] > lead->last)
            continue;
        if (left < lead->bytes || in[1] < lead->second_first || in[1] > lead->second_last)
            return UTF8_INVALID;
        for (u32 k = 2; k < lead->bytes; k++)
            if ((in[k] & 0xc0) != 0x80)
                return UTF8_INVALID;
        return lead->bytes;
    }
    return UTF8_INVALID;
}

static u32 escape_hex(char *out, u8 value)
{
    memcpy(out, "\\u00", 4);
    hex_write(&value, 1, out + 4);
    return ESCAPE_ONE_MAX;
}

/* Escapes one character; *used is what it took from the input. Returns the bytes written. */
static u32 escape_one(char *out, const u8 *in, u32 left, u32 *used)
{
    *used = 1;
    if (short_escapes[in[0]] != 0) {
        out[0] = '\\';
        out[1] = short_escapes[in[0]];
        return 2;
    }
    if (in[0] >= 0x20 && in[0] < 0x7f) {
        out[0] = (char)in[0];
        return 1;
    }
    if (in[0] < 0x80)
        return escape_hex(out, in[0]);
    u32 length = utf8_length(in, left);
    if (length == UTF8_INVALID)
        return escape_hex(out, in[0]);
    *used = length;
    if (in[0] == C1_LEAD && in[1] <= C1_LAST)
        return escape_hex(out, in[1]);
    memcpy(out, in, length);
    return length;
}

static usize escape_careful(char *out, usize out_max, struct slice value, bool *cut)
{
    const u8 *in = (const u8 *)value.data;
    usize length = 0;
    for (u32 i = 0; i < value.len;) {
        char one[8];
        u32 used;
        u32 bytes = escape_one(one, in + i, value.len - i, &used);
        if (length + bytes > out_max) {
            *cut = true;
            break;
        }
        /* A fixed size is one store; line.h allows the bytes behind. */
        memcpy(out + length, one, sizeof(one));
        length += bytes;
        i += used;
    }
    return length;
}

usize log_escape(char *out, usize out_max, struct slice value, bool *cut)
{
    if (LIKELY(value.len <= out_max) && LIKELY(copy_plain(out, value.data, value.len)))
        return value.len;
    return escape_careful(out, out_max, value, cut);
}
