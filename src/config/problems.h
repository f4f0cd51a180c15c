/* Collecting problems, and showing values in them. */
#ifndef NEXTPROXY_CONFIG_PROBLEMS_H
#define NEXTPROXY_CONFIG_PROBLEMS_H

#include <jansson.h>

#include "config.h"

enum {
    PROBLEMS_MAX = 256,           /* more are not kept; a last line says so */
    PROBLEM_VALUE_BYTES_MAX = 80, /* of a value in a message */
};

struct problem_at {
    const char *place;
    const char *path;
};

void problems_init(struct config_problems *problems);
/* `at` and its strings must live in problems->arena or longer. */
void problem_add(struct config_problems *problems, struct problem_at at, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* A value as a message shows it: JSON, printable ASCII, cut when long; "an object", "a list". */
const char *problem_value(struct arena *arena, const json_t *value);
/* The same for a string. */
const char *problem_quote(struct arena *arena, struct slice string);

#endif
