/*
 * Loading a configuration, in five steps that each go on after a problem so that all are reported:
 *
 *   text -> document (document.c) -> with overrides (environment.c) -> settings (read.c)
 *        -> completed (complete.c) -> snapshot (build.c, build_routes.c)
 */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>

#include "config/build.h"
#include "config/document.h"
#include "config/environment.h"
#include "config/problems.h"

static struct config *config_create(const char *name)
{
    struct config *config = calloc(1, sizeof(*config));
    ASSERT(config != NULL);
    arena_init(&config->arena);
    config->file = arena_copy(&config->arena, slice_of_string(name));
    return config;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    arena_deinit(&config->arena);
    free(config);
}

/* What is used before it works is said once for each setting, when all else is well. */
static void notes_report(const struct notes *notes, struct config_problems *problems)
{
    for (u32 i = 0; i < notes->count; i++) {
        const struct note *note = &notes->at[i];
        struct problem_at at = {note->place, note->path};
        if (note->count == 1)
            problem_add(problems, at, "not active yet, accepted and ignored");
        else
            problem_add(problems, at, "not active yet, accepted and ignored, here and in %u more",
                        note->count - 1);
    }
}

static void snapshot_build(struct reader *reader, const struct config_world *world, json_t *root,
                           struct config *config)
{
    struct settings *settings = arena_alloc(&config->arena, sizeof(*settings));
    settings_read(reader, root, settings);
    settings_complete(settings, &config->arena);
    config_build(&(struct builder){
        .reader = reader,
        .world = world,
        .settings = settings,
        .config = config,
    });
}

struct config *config_parse_in(const struct config_world *world, struct slice json,
                               const char *name, char **environment,
                               struct config_problems *problems)
{
    problems_init(problems);
    struct source source = {.text = json, .name = name};
    json_t *root = document_parse(&source, problems);
    if (root == NULL)
        return NULL;
    struct config *config = config_create(name);
    struct notes notes = {.count = 0};
    struct reader reader = {&config->arena, &source, problems, &notes};
    environment_apply(environment, root, &source, problems);
    snapshot_build(&reader, world, root, config);
    json_decref(root);
    if (problems->count > 0) {
        config_destroy(config);
        return NULL;
    }
    notes_report(&notes, problems);
    return config;
}

struct config *config_parse(struct slice json, const char *name, char **environment,
                            struct config_problems *problems)
{
    return config_parse_in(&config_world_system, json, name, environment, problems);
}

struct config *config_load_in(const struct config_world *world, const struct config_source *file,
                              char **environment, struct config_problems *problems)
{
    struct config *config =
        config_parse_in(world, file->content, file->name.data, environment, problems);
    if (config != NULL)
        source_remember(config, file->name.data, arena_copy(&config->arena, file->content));
    return config;
}

struct config *config_load(const char *file, char **environment, struct config_problems *problems)
{
    struct arena scratch;
    struct config_source source = {.name = slice_of_string(file)};
    arena_init(&scratch);
    const char *why =
        config_world_system.file_read(&scratch, file, DOCUMENT_BYTES_MAX, &source.content);
    struct config *config = NULL;
    if (why == NULL) {
        config = config_load_in(&config_world_system, &source, environment, problems);
    } else {
        problems_init(problems);
        const char *place = arena_printf(&problems->arena, "%s", file);
        problem_add(problems, (struct problem_at){place, ""}, "cannot be read: %s", why);
    }
    arena_deinit(&scratch);
    return config;
}

const char *config_library(void)
{
    return "jansson " JANSSON_VERSION;
}
