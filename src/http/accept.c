/* Accept (RFC 9110 §12.5.1), as far as it decides the form of an error page. */
#include "http/head.h"

enum { QUALITY_ONE = 1000 };

/* qvalue (RFC 9110 §12.4.2) in thousandths; what is malformed counts as 1, as if not said. */
static u32 quality_value(struct slice text)
{
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1'))
        return QUALITY_ONE;
    u32 quality = text.data[0] == '1' ? QUALITY_ONE : 0;
    u32 unit = QUALITY_ONE / 10;
    for (u32 i = 2; i < text.len; i++, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return QUALITY_ONE;
        quality += (u32)(text.data[i] - '0') * unit;
    }
    return min_u32(quality, QUALITY_ONE);
}

static struct slice part_take(struct slice *rest)
{
    return slice_trim(slice_take_until(rest, ';'));
}

/* The media range in front of the parameters; *quality is that of the last q parameter. */
static struct slice split_range(struct slice element, u32 *quality)
{
    struct slice range = part_take(&element);
    *quality = QUALITY_ONE;
    while (element.len > 0) {
        struct slice parameter = part_take(&element);
        if (parameter.len >= 2 && (parameter.data[0] | 0x20) == 'q' && parameter.data[1] == '=')
            *quality = quality_value(slice_of(parameter.data + 2, parameter.len - 2));
    }
    return range;
}

bool http_accept_html(struct slice accept)
{
    const struct slice html_range = SLICE("text/html");
    /* How browsers begin. */
    if (slice_starts_with(accept, SLICE("text/html,")))
        return true;
    /* And what most others send: nothing that could be "html". */
    if (memchr(accept.data, 'h', accept.len) == NULL &&
        memchr(accept.data, 'H', accept.len) == NULL)
        return false;
    u32 html = 0;
    u32 json = 0;
    struct slice element;
    while (accept.len >= html_range.len && http_list_next(&accept, &element)) {
        u32 quality;
        struct slice range = split_range(element, &quality);
        if (slice_equal_nocase(range, html_range)) {
            if (quality == QUALITY_ONE && json == 0)
                return true;
            html = max_u32(html, quality);
        } else if (slice_equal_nocase(range, SLICE("application/json"))) {
            json = max_u32(json, quality);
        }
    }
    return html > json;
}
