/* Rows in words. */
#include "config/describe.h"

#include <inttypes.h>

static const char *number_allowed(const struct setting *row, struct arena *arena, const char *what)
{
    return arena_printf(arena, "%s%s%s from %" PRIu64 " to %" PRIu64, what,
                        row->unit != NULL ? " of " : "", row->unit != NULL ? row->unit : "",
                        row->min, row->max);
}

static const char *choice_allowed(const struct setting_choice *choice, struct arena *arena)
{
    const char *text = "one of";
    for (u32 i = 0; i < choice->count; i++)
        text = arena_printf(arena, "%s%s %s", text, i > 0 ? "," : "", choice->name(i));
    return text;
}

static const char *entries_allowed(const struct setting *row, struct arena *arena, const char *what)
{
    return arena_printf(arena, "%s with %" PRIu64 " to %" PRIu64 " entries", what, row->min,
                        row->max);
}

const char *setting_allowed(const struct setting *row, struct arena *arena)
{
    switch (row->type) {
    case SETTING_BOOL:
        return "true or false";
    case SETTING_INTEGER:
        return number_allowed(row, arena, "a whole number");
    case SETTING_AUTO:
        return number_allowed(row, arena, "\"auto\" or a whole number");
    case SETTING_RATIO:
        return number_allowed(row, arena, "a number");
    case SETTING_STRING:
        return row->form->allowed;
    case SETTING_CHOICE:
        return choice_allowed(row->choice, arena);
    case SETTING_STRINGS:
        return entries_allowed(row, arena, "a list of strings");
    case SETTING_FIELDS:
        return entries_allowed(row, arena, "an object of field names and values");
    case SETTING_OBJECT:
        return "an object";
    case SETTING_LIST:
        return entries_allowed(row, arena, "a list of objects");
    }
    return "";
}
