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

/* "at most 64 fields", "1 to 4096 objects" */
static const char *count_allowed(const struct setting *row, struct arena *arena, const char *what)
{
    if (row->min == 0)
        return arena_printf(arena, "at most %" PRIu64 " %s", row->max, what);
    return arena_printf(arena, "%" PRIu64 " to %" PRIu64 " %s", row->min, row->max, what);
}

static const char *strings_allowed(const struct setting *row, struct arena *arena)
{
    return arena_printf(arena, "a list of %s, each %s", count_allowed(row, arena, "strings"),
                        row->form->allowed);
}

static const char *fields_allowed(const struct setting *row, struct arena *arena)
{
    return arena_printf(arena, "an object of %s with their values",
                        count_allowed(row, arena, "field names"));
}

static const char *list_allowed(const struct setting *row, struct arena *arena)
{
    return arena_printf(arena, "a list of %s", count_allowed(row, arena, "objects"));
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
        return strings_allowed(row, arena);
    case SETTING_FIELDS:
        return fields_allowed(row, arena);
    case SETTING_OBJECT:
        return "an object";
    case SETTING_LIST:
        return list_allowed(row, arena);
    }
    return "";
}
