/* From settings to the snapshot: what needs more than one setting to be checked, or the system. */
#ifndef NEXTPROXY_CONFIG_BUILD_H
#define NEXTPROXY_CONFIG_BUILD_H

#include "config/read.h"
#include "config/world.h"

/* A name and where it stands in its list, sorted by name. */
struct name_index {
    struct slice name;
    u32 index;
};

struct builder {
    struct reader *reader;
    const struct config_world *world;
    struct settings *settings;
    struct config *config;
    const struct config_backend *const *known; /* by place: backends that are taken over as they
                                                  are, NULL = none, or not this one */
    const struct name_index *backends_by_id;
    const u32 *all_backends; /* those that serve routes which name none */
    u32 all_count;
    struct config_pool *pools;        /* of config, while it grows */
    const struct config_retry *retry; /* of the default route */
};

/* Fills in what settings inherit from each other, ids by number, and the listener of proxy.port. */
void settings_complete(struct settings *settings, struct arena *arena);

/* Builds config from completed settings; adds problems for what contradicts itself. */
void config_build(struct builder *builder);
/* Backends alone. */
void backends_build(struct builder *builder);
/* Adds a problem for each thing that contradicts itself in a check, whose place is `path`. Without
 * a world it may not execute anything. */
void health_check_judge(struct reader *reader, const struct config_world *world,
                        const struct path *path, const struct settings_health_check *from);
/* Of one that was judged; what was wrong with it is left out. */
struct config_health_check health_check_build(struct arena *arena,
                                              const struct settings_health_check *from);
/* Pools and routes, from the settings and the backends that are built already. */
void routes_build(struct builder *builder);
/* The management API. */
void admin_build(struct builder *builder);

/* ---- sources.c: files that a configuration names ---- */

/* Reads one, and remembers it as what the configuration was made from. NULL, or why not. */
const char *source_read(struct builder *builder, const char *file, usize bytes_max,
                        struct slice *content);
/* The token that it holds. NULL, or what is wrong with the file. */
const char *source_read_token(struct builder *builder, const char *file, struct slice *token);
/* The content, of the configuration's arena, is that of the file; it comes before the others. */
void source_remember(struct config *config, const char *file, struct slice content);

/* <0, 0 or >0: by bytes, a name before all that it begins. */
int name_compare(struct slice a, struct slice b);
/* Sorts by name, equal names by index. */
void names_order(struct name_index *names, u32 count);
/* Sorts names (in the arena); a name that stands twice is a problem at `list`[index].id. */
const struct name_index *names_sort(struct builder *builder, const char *list,
                                    struct name_index *names, u32 count);
/* The index of a name, or UINT32_MAX. */
u32 names_find(const struct name_index *names, u32 count, struct slice name);

/* How a completed listener is called: "*:3000", "[::]:3000", "unix:/run/x.sock". */
struct slice listener_name(struct arena *arena, const struct settings_listener *from);
/* Permission bits, from octal digits. */
u32 listener_mode(struct slice digits);

/* list[index].key */
struct path path_member(const char *list, u32 index, const char *key);

#endif
