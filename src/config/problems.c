/* Problems of a configuration: all of them are collected and printed together. */
#include "config/problems.h"

#include <stdarg.h>
#include <stdlib.h>

void problems_init(struct config_problems *problems)
{
    *problems = (struct config_problems){0};
    arena_init(&problems->arena);
}

void config_problems_deinit(struct config_problems *problems)
{
    arena_deinit(&problems->arena);
    *problems = (struct config_problems){0};
}

void config_problems_replace(struct config_problems *problems, const char *text)
{
    config_problems_deinit(problems);
    problems_init(problems);
    problem_add(problems, (struct problem_at){"", ""}, "%s", text);
}

void config_problems_print(const struct config_problems *problems, FILE *out)
{
    for (u32 i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->at[i];
        if (problem->path[0] == '\0')
            fprintf(out, "%s: %s\n", problem->place, problem->text);
        else
            fprintf(out, "%s: %s: %s\n", problem->place, problem->path, problem->text);
    }
}

static struct config_problem *problem_next(struct config_problems *problems)
{
    if (problems->at == NULL) {
        problems->capacity = PROBLEMS_MAX + 1;
        problems->at = arena_alloc(&problems->arena, problems->capacity * sizeof(*problems->at));
    }
    return problems->count < problems->capacity ? &problems->at[problems->count++] : NULL;
}

void problem_add(struct config_problems *problems, struct problem_at at, const char *format, ...)
{
    struct config_problem *problem = problem_next(problems);
    if (problem == NULL)
        return;
    if (problems->count == problems->capacity) {
        *problem = (struct config_problem){at.place, "", "there are more problems behind this one"};
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    *problem = (struct config_problem){at.place, at.path,
                                       arena_vprintf(&problems->arena, format, arguments)};
    va_end(arguments);
}

/* ---- Values in messages ---- */

/* The value as one line of printable ASCII; NULL when there is no memory for it. */
static char *value_dump(const json_t *value)
{
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
    for (char *at = dump; at != NULL && *at != '\0'; at++)
        if (*at == 0x7f)
            *at = '?'; /* the one control character that JSON lets through */
    return dump;
}

const char *problem_value(struct arena *arena, const json_t *value)
{
    if (json_is_object(value))
        return "an object";
    if (json_is_array(value))
        return "a list";
    char *dump = value_dump(value);
    if (dump == NULL)
        return "this value";
    bool cut = strlen(dump) > PROBLEM_VALUE_BYTES_MAX;
    const char *text =
        arena_printf(arena, "%.*s%s", PROBLEM_VALUE_BYTES_MAX, dump, cut ? "...\"" : "");
    free(dump);
    return text;
}

const char *problem_quote(struct arena *arena, struct slice string)
{
    json_t *value = json_stringn(string.data == NULL ? "" : string.data, string.len);
    const char *text = problem_value(arena, value);
    json_decref(value);
    return text;
}
