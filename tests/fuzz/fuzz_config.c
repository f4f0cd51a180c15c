/*
 * Arbitrary bytes as a configuration are refused with problems, or make a snapshot that holds what
 * config.h promises and whose print loads again and prints the same.
 *
 * The input: the JSON text, and behind a NUL lines that are entries of the environment. Templates
 * exist by their first letter, so nothing leaves the process.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/address.h"
#include "config/world.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

enum { VARIABLES_MAX = 8, VARIABLE_BYTES_MAX = 256 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char *file_read(struct arena *arena, const char *file, usize bytes_max,
                             struct slice *content)
{
    require(bytes_max > 0);
    if (file[0] != 'e')
        return "No such file or directory";
    *content = arena_copy(arena, SLICE("{status}"));
    return NULL;
}

static const char *program_check(const char *file)
{
    return file[1] == 'e' ? NULL : "No such file or directory";
}

static const struct config_world world = {file_read, program_check, NULL};

/* ---- What a snapshot promises ---- */

static void timeouts_check(const struct config_timeouts *timeouts)
{
    require(timeouts->connect_ms > 0 && timeouts->request_head_ms > 0);
    require(timeouts->request_body_idle_ms > 0 && timeouts->response_head_ms > 0);
    require(timeouts->response_idle_ms > 0 && timeouts->keep_alive_ms > 0);
    require(timeouts->tunnel_idle_ms > 0 && timeouts->drain_ms > 0);
}

static void pools_check(const struct config *config)
{
    for (u32 i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        u32 weight = 0;
        require(pool->backend_count > 0 && pool->strategy < BALANCE_STRATEGY_COUNT);
        for (u32 j = 0; j < pool->backend_count; j++) {
            require(pool->backends[j] < config->backend_count);
            weight += config->backends[pool->backends[j]].weight;
        }
        require(weight > 0);
    }
}

static u32 host_rank(const struct config_route *route)
{
    return route->host.len == 0 ? 2 : route->wildcard;
}

static void edits_check(const struct config_header_edits *edits)
{
    for (u32 i = 0; i < edits->count; i++) {
        require(edits->at[i].name.len > 0);
        require(http_field_find(edits->at[i].name) != HTTP_FIELD_TRANSFER_ENCODING);
        for (u32 j = 0; j < edits->at[i].value.len; j++)
            require(edits->at[i].value.data[j] != '\r' && edits->at[i].value.data[j] != '\n');
    }
}

static void routes_check(const struct config *config)
{
    require(config->route_count > 0);
    require(slice_equal(config->routes[config->route_count - 1].id, SLICE("default")));
    for (u32 i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        require(route->pool < config->pool_count);
        require(route->path.len > 0 && route->path.data[0] == '/');
        require(route->wildcard == (route->host.len > 0 && route->host.data[0] == '.'));
        require(i == 0 || host_rank(&config->routes[i - 1]) <= host_rank(route));
        timeouts_check(&route->timeouts);
        edits_check(&route->request_headers);
        edits_check(&route->response_headers);
    }
}

static void config_check(const struct config *config)
{
    require(config->workers > 0 && config->backend_count > 0 && config->listener_count > 0);
    for (u32 i = 0; i < config->backend_count; i++)
        require(config->backends[i].id.len > 0 &&
                (config->backends[i].address.len > 0) == (config->backends[i].name.len == 0));
    for (u32 i = 0; i < config->listener_count; i++) {
        char text[64];
        const struct config_listener *listener = &config->listeners[i];
        require(listener->name.len > 0 && address_format_ip(&listener->address, text) < 64);
        network_list_contains(&listener->proxy_protocol_from, &listener->address);
    }
    require(config->limits.http.fields_max <= HTTP_FIELDS_MAX);
    timeouts_check(&config->timeouts);
    pools_check(config);
    routes_check(config);
}

/* ---- Round trip ---- */

static char *printed(const struct config *config, usize *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    require(out != NULL);
    (void)config_print(config, out);
    require(fclose(out) == 0);
    return text;
}

static void round_trip(const struct config *config)
{
    usize once_len;
    usize twice_len;
    char *once = printed(config, &once_len);
    struct config_problems problems;
    struct config *again =
        config_parse_in(&world, slice_of(once, once_len), "printed", NULL, &problems);
    require(again != NULL);
    char *twice = printed(again, &twice_len);
    require(once_len == twice_len && memcmp(once, twice, once_len) == 0);
    config_destroy(again);
    config_problems_deinit(&problems);
    free(once);
    free(twice);
}

/* Cuts the lines behind the text into entries; returns the length of the text. */
static usize environment_cut(const u8 *data, usize size, char (*lines)[VARIABLE_BYTES_MAX],
                             char **environment)
{
    const u8 *nul = size == 0 ? NULL : memchr(data, 0, size);
    usize text_len = nul == NULL ? size : (usize)(nul - data);
    usize at = text_len + 1;
    u32 count = 0;
    while (at < size && count < VARIABLES_MAX) {
        const u8 *end = memchr(data + at, '\n', size - at);
        usize len = end == NULL ? size - at : (usize)(end - data) - at;
        snprintf(lines[count], VARIABLE_BYTES_MAX, "%.*s", (int)len, (const char *)data + at);
        environment[count] = lines[count];
        count++;
        at += len + 1;
    }
    environment[count] = NULL;
    return text_len;
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    char lines[VARIABLES_MAX][VARIABLE_BYTES_MAX];
    char *environment[VARIABLES_MAX + 1];
    usize len = environment_cut(data, size, lines, environment);
    struct config_problems problems;
    struct config *config =
        config_parse_in(&world, slice_of((const char *)data, len), "fuzz", environment, &problems);
    require(config != NULL || problems.count > 0);
    for (u32 i = 0; i < problems.count; i++)
        require(problems.at[i].place[0] != '\0' && problems.at[i].text[0] != '\0');
    if (config != NULL) {
        config_check(config);
        if (config->admin.token.len == 0) /* which is not printed */
            round_trip(config);
    }
    config_destroy(config);
    config_problems_deinit(&problems);
    return 0;
}
