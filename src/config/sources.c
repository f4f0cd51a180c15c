/*
 * See include/config/sources.h, and build.h. The file in memory:
 *
 *     nextproxy sources 1
 *     11 345
 *     config.json{...345 bytes...}
 *     10 17
 *     error.html<h1>{status}</h1>
 *
 * with the lengths of a name and of what is in its file before each; the configuration's own comes
 * first.
 */
#include "config/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/build.h"
#include "config/problems.h"

#define FIRST_LINE "nextproxy sources 1\n"

/* ---- While a configuration is made ---- */

void source_remember(struct config *config, const char *file, struct slice content)
{
    struct config_source *source = arena_alloc(&config->arena, sizeof(*source));
    source->next = config->sources;
    source->name = arena_copy(&config->arena, slice_of_string(file));
    source->content = content;
    config->sources = source;
}

static const struct config_source *source_find(const struct config_source *sources,
                                               struct slice name)
{
    while (sources != NULL && !slice_equal(sources->name, name))
        sources = sources->next;
    return sources;
}

const char *source_read(struct builder *builder, const char *file, usize bytes_max,
                        struct slice *content)
{
    struct arena *arena = &builder->config->arena;
    const struct config_world *world = builder->world;
    const struct config_source *known = source_find(world->sources, slice_of_string(file));
    const char *why = NULL;
    if (known != NULL)
        *content = arena_copy(arena, known->content);
    else
        why = world->file_read(arena, file, bytes_max, content);
    if (why == NULL)
        source_remember(builder->config, file, *content);
    return why;
}

const char *source_read_token(struct builder *builder, const char *file, struct slice *token)
{
    struct arena *arena = &builder->config->arena;
    const char *why = source_read(builder, file, TOKEN_FILE_BYTES_MAX, token);
    return why == NULL ? world_token_judge(arena, token)
                       : arena_printf(arena, "cannot be read: %s", why);
}

/* ---- Saving ---- */

static bool sources_write(const struct config *config, FILE *out)
{
    bool good = fputs(FIRST_LINE, out) >= 0;
    for (const struct config_source *it = config->sources; it != NULL && good; it = it->next)
        good = fprintf(out, "%u %u\n", it->name.len, it->content.len) > 0 &&
               fwrite(it->name.data, 1, it->name.len, out) == it->name.len &&
               fwrite(it->content.data, 1, it->content.len, out) == it->content.len;
    return good;
}

/* Whoever has it may rely on what it says. */
static bool seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

int config_sources_save(const struct config *config)
{
    int fd = memfd_create("nextproxy configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int writable = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    FILE *out = writable >= 0 ? fdopen(writable, "w") : NULL;
    bool good = out != NULL && sources_write(config, out);
    if (out != NULL)
        good &= fclose(out) == 0;
    else if (writable >= 0)
        (void)close(writable);
    if (fd >= 0 && (!good || !seal(fd))) {
        int error = errno;
        (void)close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}

/* ---- Loading ---- */

static const char *file_read_again(int fd, struct arena *arena, struct slice *text)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return strerror(errno);
    if (status.st_size > UINT32_MAX)
        return "it is too large";
    usize size = (usize)status.st_size;
    char *bytes = arena_alloc(arena, size + 1);
    for (usize at = 0; at < size;) {
        ssize_t got = pread(fd, bytes + at, size - at, (off_t)at);
        if (got == 0 || (got < 0 && errno != EINTR))
            return got == 0 ? "it ends too early" : strerror(errno);
        at += got > 0 ? (usize)got : 0;
    }
    *text = slice_of(bytes, size);
    return NULL;
}

static bool bytes_take(struct slice *rest, u64 count, struct arena *arena, struct slice *out)
{
    if (count > rest->len)
        return false;
    *out = arena_copy(arena, slice_of(rest->data, count));
    *rest = slice_of(rest->data + count, rest->len - count);
    return true;
}

static bool source_take(struct slice *rest, struct arena *arena, struct config_source *out)
{
    struct slice line = slice_take_until(rest, '\n');
    u64 name_len, content_len;
    struct slice first = slice_take_until(&line, ' ');
    return slice_parse_number(first, UINT32_MAX, &name_len) &&
           slice_parse_number(line, UINT32_MAX, &content_len) &&
           bytes_take(rest, name_len, arena, &out->name) &&
           bytes_take(rest, content_len, arena, &out->content);
}

/* NULL when it is none of ours. */
static const struct config_source *sources_parse(struct slice text, struct arena *arena)
{
    struct config_source *first = NULL;
    if (!slice_starts_with(text, SLICE(FIRST_LINE)))
        return NULL;
    (void)slice_take_until(&text, '\n');
    for (struct config_source *last = NULL; text.len > 0;) {
        struct config_source *source = arena_alloc(arena, sizeof(*source));
        if (!source_take(&text, arena, source))
            return NULL;
        if (last == NULL)
            first = source;
        else
            last->next = source;
        last = source;
    }
    return first;
}

/* A configuration that was accepted once is not refused for a program that has gone since. */
static const char *any_program(const char *file)
{
    (void)file;
    return NULL;
}

struct config *config_sources_load(int fd, char **environment, struct config_problems *problems)
{
    struct arena scratch;
    struct slice text = {0};
    struct config *config = NULL;
    arena_init(&scratch);
    const char *why = file_read_again(fd, &scratch, &text);
    const struct config_source *own = why == NULL ? sources_parse(text, &scratch) : NULL;
    if (own != NULL) {
        struct config_world world = config_world_system;
        world.program_check = any_program;
        world.sources = own->next;
        config = config_load_in(&world, own, environment, problems);
    } else {
        problems_init(problems);
        problem_add(problems, (struct problem_at){"what was served before", ""},
                    "cannot be read: %s", why != NULL ? why : "it is of another format");
    }
    arena_deinit(&scratch);
    return config;
}
