/* A small world for configurations: a few files, and problems as one text. */
#ifndef NEXTPROXY_TEST_CONFIG_FIXTURE_H
#define NEXTPROXY_TEST_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <stdlib.h>

#include "config/address.h"
#include "config/world.h"

static const char *fake_file_read(struct arena *arena, const char *file, usize bytes_max,
                                  struct slice *content)
{
    (void)bytes_max;
    if (strcmp(file, "error.html") == 0)
        *content = arena_copy(arena, SLICE("<h1>{status}</h1>"));
    else if (strcmp(file, "sticky.key") == 0)
        *content = arena_copy(arena, SLICE("a-key-of-the-tests\n"));
    else
        return "No such file or directory";
    return NULL;
}

static const char *fake_program_check(const char *file)
{
    return strcmp(file, "/usr/lib/checks/app") == 0 ? NULL : "No such file or directory";
}

static const struct config_world fake_world = {fake_file_read, fake_program_check, NULL};

/* Tables read better with 'single' quotes: a copy with double ones. The caller frees it. */
static char *unquote(const char *json)
{
    char *copy = strdup(json);
    for (char *at = copy; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    return copy;
}

struct loaded {
    struct config *config; /* NULL when there are problems */
    struct config_problems problems;
    char *text; /* problems or notes as they are printed */
};

static struct loaded load_raw(const char *json, char **environment)
{
    struct loaded loaded;
    usize len = 0;
    loaded.config = config_parse_in(&fake_world, slice_of_string(json), "c.json", environment,
                                    &loaded.problems);
    FILE *out = open_memstream(&loaded.text, &len);
    config_problems_print(&loaded.problems, out);
    fclose(out);
    return loaded;
}

static inline struct loaded load(const char *json, char **environment)
{
    char *copy = unquote(json);
    struct loaded loaded = load_raw(copy, environment);
    free(copy);
    return loaded;
}

static void unload(struct loaded *loaded)
{
    config_destroy(loaded->config);
    config_problems_deinit(&loaded->problems);
    free(loaded->text);
}

/* Loads what must be good. */
static inline struct loaded load_good(const char *json)
{
    struct loaded loaded = load(json, NULL);
    if (loaded.config == NULL)
        fail_msg("%s\n%s", json, loaded.text);
    return loaded;
}

#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice compared = (actual);                                                          \
        if (!slice_equal(compared, slice_of_string(expected)))                                     \
            fail_msg("\"%.*s\" is not \"%s\"", (int)compared.len, compared.data, expected);        \
    } while (0)

/* A configuration that is wrong, and everything that is said about it. */
struct bad {
    const char *json;
    const char *problems; /* whole lines */
};

static inline void assert_bad(const struct bad *rows, usize count, bool raw)
{
    for (usize i = 0; i < count; i++) {
        struct loaded loaded = raw ? load_raw(rows[i].json, NULL) : load(rows[i].json, NULL);
        if (loaded.config != NULL)
            fail_msg("accepted: %s", rows[i].json);
        if (strcmp(loaded.text, rows[i].problems) != 0)
            fail_msg("%s\nsaid:\n%s\nnot:\n%s", rows[i].json, loaded.text, rows[i].problems);
        unload(&loaded);
    }
}

#define BACKENDS "'backends':[{'url':'http://127.0.0.1:1'}]"

#endif
