/* See script_text.h. */
#include "health/script_text.h"

static bool ends_line(char byte)
{
    return byte == '\n' || byte == '\r';
}

/* Whatever a terminal might obey is not shown; what is no ASCII is left to who shows it. */
static char printable(char byte)
{
    bool control = (u8)byte < 0x20 || byte == 0x7f;
    return byte == '\t' ? ' ' : control ? '?' : byte;
}

void script_text_add(struct script_text *text, struct slice bytes)
{
    for (u32 i = 0; i < bytes.len && !text->whole; i++) {
        char byte = bytes.data[i];
        bool blank = byte == ' ' || byte == '\t' || ends_line(byte);
        if (text->len == 0 && blank)
            continue;
        if (ends_line(byte))
            text->whole = true;
        else
            text->at[text->len++] = printable(byte);
        text->whole |= text->len == sizeof(text->at);
    }
}

void script_text_copy(const struct script_text *text, char out[PROBE_TEXT_BYTES])
{
    u32 len = text->len;
    while (len > 0 && text->at[len - 1] == ' ')
        len--;
    memcpy(out, text->at, len);
    out[len] = '\0';
}

void script_text_line(struct slice bytes, char out[PROBE_TEXT_BYTES])
{
    struct script_text text = {.len = 0};
    script_text_add(&text, bytes);
    script_text_copy(&text, out);
}
