/* Values as texts for struct config_change. See change_text.h. */
#include "config/change_text.h"

#include <inttypes.h>

#include "base/hex.h"

static const char cut_mark[] = "...";
const char change_hidden[] = "(not shown)";

/* ---- Bytes ---- */

void change_text_init(struct change_text *text, u32 bytes_max)
{
    ASSERT(bytes_max <= sizeof(text->bytes));
    text->len = 0;
    text->bytes_max = bytes_max;
    text->cut = false;
}

/* One byte as it is shown; the length written. */
static u32 byte_write(char c, char out[4])
{
    if (c == '\\') {
        memcpy(out, "\\\\", 2);
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        out[0] = c;
        return 1;
    }
    memcpy(out, "\\x", 2);
    hex_write((const u8 *)&c, 1, out + 2);
    return 4;
}

void change_text_put(struct change_text *text, struct slice bytes)
{
    u32 room_end = text->bytes_max - (u32)strlen(cut_mark);
    for (u32 i = 0; i < bytes.len && !text->cut; i++) {
        char shown[4];
        u32 len = byte_write(bytes.data[i], shown);
        text->cut = len > room_end - text->len;
        if (text->cut)
            return;
        memcpy(text->bytes + text->len, shown, len);
        text->len += len;
    }
}

const char *change_text_keep(const struct change_text *text, struct arena *arena)
{
    return arena_printf(arena, "%.*s%s", (int)text->len, text->bytes, text->cut ? cut_mark : "");
}

/* ---- Values ---- */

enum change_shown {
    CHANGE_ABSENT, /* nothing is there: no text */
    CHANGE_TEXT,
    CHANGE_HIDDEN, /* it may be secret: a text that says so */
};

static enum change_shown value_put(struct change_text *text, const struct setting_form *form,
                                   struct slice value)
{
    if (value.len == 0)
        return CHANGE_ABSENT;
    if (form->secret != NULL && form->secret(value))
        return CHANGE_HIDDEN;
    change_text_put(text, value);
    return CHANGE_TEXT;
}

static enum change_shown string_put(struct change_text *text, const struct setting *row,
                                    const char *member)
{
    struct slice value;
    memcpy(&value, member, sizeof(value));
    return value_put(text, row->form, value);
}

static enum change_shown bool_put(struct change_text *text, const struct setting *row,
                                  const char *member)
{
    (void)row;
    change_text_put(text, *(const bool *)member ? SLICE("true") : SLICE("false"));
    return CHANGE_TEXT;
}

static void number_put(struct change_text *text, u64 value)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    change_text_put(text, slice_of_string(digits));
}

static enum change_shown integer_put(struct change_text *text, const struct setting *row,
                                     const char *member)
{
    u64 value = setting_integer(row, member);
    if (row->fallback == NULL && value == row->absent)
        return CHANGE_ABSENT;
    number_put(text, value);
    return CHANGE_TEXT;
}

static enum change_shown auto_put(struct change_text *text, const struct setting *row,
                                  const char *member)
{
    u64 value = setting_integer(row, member);
    if (value == 0)
        change_text_put(text, SLICE("auto"));
    else
        number_put(text, value);
    return CHANGE_TEXT;
}

static enum change_shown ratio_put(struct change_text *text, const struct setting *row,
                                   const char *member)
{
    double value;
    char digits[32];
    (void)row;
    memcpy(&value, member, sizeof(value));
    (void)snprintf(digits, sizeof(digits), "%.15g", value);
    change_text_put(text, slice_of_string(digits));
    return CHANGE_TEXT;
}

static enum change_shown choice_put(struct change_text *text, const struct setting *row,
                                    const char *member)
{
    u64 value = setting_integer(row, member);
    if (value >= row->choice->count)
        return CHANGE_ABSENT;
    change_text_put(text, slice_of_string(row->choice->name((u32)value)));
    return CHANGE_TEXT;
}

static enum change_shown strings_put(struct change_text *text, const struct setting *row,
                                     const char *member)
{
    struct settings_strings strings;
    memcpy(&strings, member, sizeof(strings));
    for (u32 i = 0; i < strings.count && !text->cut; i++) {
        if (i > 0)
            change_text_put(text, SLICE(", "));
        if (value_put(text, row->form, strings.at[i]) == CHANGE_HIDDEN)
            return CHANGE_HIDDEN;
    }
    return strings.count == 0 ? CHANGE_ABSENT : CHANGE_TEXT;
}

static enum change_shown (*const putters[])(struct change_text *, const struct setting *,
                                            const char *) = {
    [SETTING_BOOL] = bool_put,       [SETTING_INTEGER] = integer_put, [SETTING_AUTO] = auto_put,
    [SETTING_RATIO] = ratio_put,     [SETTING_STRING] = string_put,   [SETTING_CHOICE] = choice_put,
    [SETTING_STRINGS] = strings_put,
};

static const char *shown_keep(enum change_shown shown, const struct change_text *text,
                              struct arena *arena)
{
    switch (shown) {
    case CHANGE_ABSENT:
        return NULL;
    case CHANGE_TEXT:
        return change_text_keep(text, arena);
    case CHANGE_HIDDEN:
        return change_hidden;
    }
    return NULL;
}

const char *change_member_keep(const struct setting *row, const char *member, struct arena *arena)
{
    struct change_text text;
    ASSERT(row->type < ARRAY_COUNT(putters));
    change_text_init(&text, CONFIG_CHANGE_VALUE_BYTES_MAX);
    return shown_keep(putters[row->type](&text, row, member), &text, arena);
}

const char *change_string_keep(const struct setting_form *form, struct slice value,
                               struct arena *arena)
{
    struct change_text text;
    change_text_init(&text, CONFIG_CHANGE_VALUE_BYTES_MAX);
    return shown_keep(value_put(&text, form, value), &text, arena);
}
