/* Which backend is meant: by its URL, or by an object that names its id or its URL. */
#include "config/document.h"
#include "config/overlay_internal.h"
#include "config/problems.h"

static enum config_overlay_verdict problem(struct config_problems *problems,
                                           enum config_overlay_verdict verdict, const char *text)
{
    problem_add(problems, (struct problem_at){"request", ""}, "%s", text);
    return verdict;
}

enum config_overlay_verdict config_backend_by_url(const struct config *config, struct slice url,
                                                  struct slice *id,
                                                  struct config_problems *problems)
{
    const struct config_backend *found = NULL;
    problems_init(problems);
    const char *quoted = problem_quote(&problems->arena, url);
    for (u32 i = 0; i < config->backend_count; i++) {
        const struct config_backend *backend = &config->backends[i];
        if (!overlay_same_place(backend->url, url))
            continue;
        if (found != NULL)
            return problem(problems, CONFIG_OVERLAY_DUPLICATE,
                           arena_printf(&problems->arena,
                                        "%s is the URL of \"%.*s\" and of \"%.*s\": name one of "
                                        "them by its id",
                                        quoted, (int)found->id.len, found->id.data,
                                        (int)backend->id.len, backend->id.data));
        found = backend;
    }
    if (found == NULL)
        return problem(problems, CONFIG_OVERLAY_UNKNOWN,
                       arena_printf(&problems->arena, "%s is not the URL of a backend", quoted));
    *id = found->id;
    return CONFIG_OVERLAY_GOOD;
}

static enum config_overlay_verdict object_find(const struct config *config, json_t *root,
                                               struct slice *id, struct config_problems *problems)
{
    const char *key = json_object_get(root, "id") != NULL ? "id" : "url";
    const json_t *value = json_object_get(root, key);
    if (json_object_size(root) != 1 || !json_is_string(value))
        return problem(problems, CONFIG_OVERLAY_WRONG,
                       "allowed is an object with one member, \"id\" or \"url\", which is a "
                       "string");
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    if (strcmp(key, "url") == 0) {
        config_problems_deinit(problems);
        return config_backend_by_url(config, text, id, problems);
    }
    const struct config_backend *backend = overlay_backend_find(config, text);
    if (backend == NULL)
        return problem(problems, CONFIG_OVERLAY_UNKNOWN,
                       arena_printf(&problems->arena, "%s is not the id of a backend",
                                    problem_quote(&problems->arena, text)));
    *id = backend->id;
    return CONFIG_OVERLAY_GOOD;
}

enum config_overlay_verdict config_backend_by_json(const struct config *config, struct slice json,
                                                   struct slice *id,
                                                   struct config_problems *problems)
{
    problems_init(problems);
    struct source source = {.text = json, .name = "request"};
    json_t *root = document_parse(&source, problems);
    if (root == NULL)
        return CONFIG_OVERLAY_WRONG;
    enum config_overlay_verdict verdict = object_find(config, root, id, problems);
    json_decref(root);
    return verdict;
}
