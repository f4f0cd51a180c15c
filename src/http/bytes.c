/* The byte table, written as the grammar rules themselves and folded by the compiler. */
#include "http/bytes.h"

#define ALPHA(c) ((((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z'))
#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define HEX(c) (DIGIT(c) || (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'f'))
#define VISIBLE(c) ((c) > 0x20 && (c) < 0x7f)
#define OBS_TEXT(c) ((c) >= 0x80)
#define WHITE(c) ((c) == ' ' || (c) == '\t')

/* RFC 9110 §5.6.2 */
#define TOKEN(c)                                                                                   \
    (ALPHA(c) || DIGIT(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || \
     (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' ||          \
     (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')
/* RFC 9110 §5.5 */
#define VALUE(c) (WHITE(c) || VISIBLE(c) || OBS_TEXT(c))
/* RFC 9110 §5.6.4 */
#define QUOTED(c) (VALUE(c) && (c) != '"' && (c) != '\\')
/* RFC 3986 §2.3 */
#define UNRESERVED(c) (ALPHA(c) || DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
/* See target.c for what is taken beyond RFC 3986, and why. */
#define QUERY(c) (VISIBLE(c) && (c) != '#')
#define PATH(c) (QUERY(c) && (c) != '?' && (c) != '%' && (c) != '\\')

#define BYTE(c)                                                                                    \
    (TOKEN(c) ? HTTP_BYTE_TOKEN : 0) | (VALUE(c) ? HTTP_BYTE_VALUE : 0) |                          \
        (PATH(c) ? HTTP_BYTE_PATH : 0) | (QUERY(c) ? HTTP_BYTE_QUERY : 0) |                        \
        (UNRESERVED(c) ? HTTP_BYTE_HOST : 0) | (HEX(c) ? HTTP_BYTE_HEX : 0) |                      \
        (QUOTED(c) ? HTTP_BYTE_QUOTED : 0) | (DIGIT(c) ? HTTP_BYTE_DIGIT : 0)
#define BYTES_4(c) BYTE(c), BYTE((c) + 1), BYTE((c) + 2), BYTE((c) + 3)
#define BYTES_16(c) BYTES_4(c), BYTES_4((c) + 4), BYTES_4((c) + 8), BYTES_4((c) + 12)
#define BYTES_64(c) BYTES_16(c), BYTES_16((c) + 16), BYTES_16((c) + 32), BYTES_16((c) + 48)

const u8 http_bytes[256] = {BYTES_64(0), BYTES_64(64), BYTES_64(128), BYTES_64(192)};
