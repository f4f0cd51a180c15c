/* Health checks: what their settings mean together. */
#include "config/build.h"
#include "config/forms.h"
#include "config/problems.h"

/* ---- The request ---- */

/* What a probe says of itself, unless `headers` do. Some backends want both. */
static const char *const usual_fields[][2] = {
    {"User-Agent", "nextproxy-health-check"},
    {"Accept", "*/*"},
};

static bool is_host(struct slice name)
{
    return http_field_find(name) == HTTP_FIELD_HOST;
}

static u32 line_bytes(const struct settings_field *field)
{
    return field->name.len + field->value.len + (u32)strlen(": \r\n");
}

static u32 lines_bytes(const struct settings_fields *fields)
{
    u32 bytes = 0; /* cannot overflow: their number and lengths are bounded */
    for (u32 i = 0; i < fields->count; i++)
        bytes += line_bytes(&fields->at[i]);
    return bytes;
}

/* The first `count` of the fields have one of this name, in whatever case. */
static bool is_among(const struct settings_fields *fields, u32 count, struct slice name)
{
    for (u32 i = 0; i < count; i++)
        if (slice_equal_nocase(fields->at[i].name, name))
            return true;
    return false;
}

static void host_judge(struct reader *reader, const struct path *path,
                       const struct settings_health_check *from, struct slice value)
{
    if (from->values.host.len > 0)
        reader_complain(reader, path, "is not allowed together with healthCheck.host");
    else if (form_probe_host.complaint(value) != NULL)
        reader_complain(reader, path, "this value (not shown) is not allowed: %s",
                        form_probe_host.allowed);
}

static void headers_judge(struct reader *reader, const struct path *check,
                          const struct settings_health_check *from)
{
    struct path headers = path_key(check, SLICE("headers"));
    for (u32 i = 0; i < from->headers.count; i++) {
        const struct settings_field *field = &from->headers.at[i];
        struct path path = path_key(&headers, field->name);
        if (field->name.len == 0)
            continue; /* a problem already */
        if (is_among(&from->headers, i, field->name))
            reader_complain(reader, &path, "is there twice, in another spelling");
        else if (is_host(field->name))
            host_judge(reader, &path, from, field->value);
    }
    u32 bytes = lines_bytes(&from->headers);
    if (bytes > CONFIG_PROBE_HEADERS_BYTES_MAX)
        reader_complain(reader, &headers, "%u bytes of fields are not allowed: at most %d", bytes,
                        CONFIG_PROBE_HEADERS_BYTES_MAX);
}

static void body_judge(struct reader *reader, const struct path *check,
                       const struct config_health_check *values)
{
    struct path path = path_key(check, SLICE("body"));
    if (values->body.len > 0 && values->method == CONFIG_PROBE_HEAD)
        reader_complain(reader, &path,
                        "is not allowed with the method HEAD: its response has no body");
}

static void intervals_judge(struct reader *reader, const struct path *check,
                            const struct config_health_check *values)
{
    struct path path = path_key(check, SLICE("fastInterval"));
    if (values->fast_interval_ms > values->interval_ms)
        reader_complain(reader, &path, "%u is not allowed: no more than `interval`, which is %u",
                        values->fast_interval_ms, values->interval_ms);
}

/* ---- The command ---- */

static void program_judge(struct reader *reader, const struct config_world *world,
                          const struct path *command, struct slice file)
{
    struct path path = path_index(command, 0);
    const char *quoted = problem_quote(&reader->problems->arena, file);
    if (file.len == 0 || file.data[0] != '/') {
        reader_complain(reader, &path,
                        "%s is not allowed: an absolute path, for no PATH is searched", quoted);
        return;
    }
    const char *why = world->program_check(file.data);
    if (why)
        reader_complain(reader, &path,
                        "%s cannot be executed: %s; correct the path, or make it an executable "
                        "file for the user that nextproxy runs as",
                        quoted, why);
}

/* Who may add backends is not thereby one who may execute what they like. */
static void command_refuse(struct reader *reader, const struct path *check,
                           const struct path *command, const struct settings_health_check *from)
{
    static const char text[] = "is not allowed here: only the configuration file says what is "
                               "executed";
    struct path type = path_key(check, SLICE("type"));
    if (from->command.count > 0)
        reader_complain(reader, command, "%s", text);
    if (from->values.type == CONFIG_PROBE_SCRIPT)
        reader_complain(reader, &type, "\"script\" %s", text);
}

static void command_judge(struct reader *reader, const struct config_world *world,
                          const struct path *check, const struct settings_health_check *from)
{
    struct path path = path_key(check, SLICE("command"));
    bool script = from->values.type == CONFIG_PROBE_SCRIPT;
    if (!world)
        command_refuse(reader, check, &path, from);
    else if (reader_complained(reader, &path))
        return;
    else if (script && from->command.count == 0)
        reader_complain(reader, &path, "is missing: with the type script it is what is executed");
    else if (!script && from->command.count > 0)
        reader_complain(reader, &path, "is not allowed without the type script");
    else if (script && from->values.enabled)
        program_judge(reader, world, &path, from->command.at[0]);
}

static const char *const *command_build(struct arena *arena, const struct settings_strings *words)
{
    const char **command = arena_alloc(arena, (words->count + 1u) * sizeof(*command));
    for (u32 i = 0; i < words->count; i++)
        command[i] = words->at[i].data ? words->at[i].data : ""; /* what was wrong is a problem */
    return command;
}

/* ---- All of it ---- */

void health_check_judge(struct reader *reader, const struct config_world *world,
                        const struct path *path, const struct settings_health_check *from)
{
    headers_judge(reader, path, from);
    body_judge(reader, path, &from->values);
    intervals_judge(reader, path, &from->values);
    command_judge(reader, world, path, from);
}

static struct slice fields_build(struct arena *arena, const struct settings_fields *headers)
{
    u32 room = min_u32(lines_bytes(headers), CONFIG_PROBE_HEADERS_BYTES_MAX) +
               CONFIG_PROBE_FIELDS_BYTES_MAX - CONFIG_PROBE_HEADERS_BYTES_MAX;
    char *text = arena_alloc(arena, room);
    struct http_writer writer = {.at = text, .end = text + room};
    for (u32 i = 0; i < ARRAY_COUNT(usual_fields); i++) {
        struct slice name = slice_of_string(usual_fields[i][0]);
        if (!is_among(headers, headers->count, name))
            http_write_field(&writer, name, slice_of_string(usual_fields[i][1]));
    }
    for (u32 i = 0; i < headers->count; i++)
        if (headers->at[i].name.len > 0 && !is_host(headers->at[i].name)) /* else a problem */
            http_write_field(&writer, headers->at[i].name, headers->at[i].value);
    return slice_of(text, (usize)(writer.at - text));
}

struct config_health_check health_check_build(struct arena *arena,
                                              const struct settings_health_check *from)
{
    struct config_health_check to = from->values;
    to.fields = fields_build(arena, &from->headers);
    to.command = command_build(arena, &from->command);
    for (u32 i = 0; i < from->headers.count; i++)
        if (is_host(from->headers.at[i].name))
            to.host = from->headers.at[i].value;
    return to;
}
