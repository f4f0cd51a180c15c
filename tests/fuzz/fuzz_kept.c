/*
 * Arbitrary bytes as a state file are refused with problems, or say what kept.h promises: then
 * their print is read again and prints the same, and what they say of backends can be put on top of
 * a configuration, which then is as good as any.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const u8 *data, usize size);

static const char base_text[] =
    "{\"backends\": [{\"id\": \"a\", \"url\": \"http://127.0.0.1:1\"},"
    " {\"id\": \"b\", \"url\": \"http://127.0.0.1:2\"}],"
    " \"routes\": [{\"id\": \"r\", \"path\": \"/r\", \"backends\": [\"a\"]}]}";

static void require(bool condition)
{
    if (!condition)
        abort();
}

static char *printed(const struct config_kept *kept, usize *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    require(out != NULL);
    config_kept_print(kept, out);
    require(fclose(out) == 0);
    return text;
}

static void round_trip(const struct config_kept *kept)
{
    usize once_len;
    usize twice_len;
    struct config_problems problems;
    char *once = printed(kept, &once_len);
    struct config_kept *again = config_kept_parse(slice_of(once, once_len), "printed", &problems);
    require(again != NULL);
    char *twice = printed(again, &twice_len);
    require(once_len == twice_len && memcmp(once, twice, once_len) == 0);
    config_kept_destroy(again);
    config_problems_deinit(&problems);
    free(once);
    free(twice);
}

static void hear(void *context, const char *message)
{
    (void)context;
    require(message[0] != '\0');
}

static void derived_check(const struct config *config)
{
    for (u32 i = 0; i < config->pool_count; i++) {
        u32 weight = 0;
        for (u32 at = 0; at < config->pools[i].backend_count; at++)
            weight += config->backends[config->pools[i].backends[at]].weight;
        require(weight > 0);
    }
}

/* No names are looked up: an addition may have one, and nothing leaves this process. */
static bool has_names(const struct config_overlay *overlay)
{
    for (u32 i = 0; i < overlay->added_count; i++) {
        struct slice url = overlay->added[i].url;
        struct slice ip = SLICE("http://127.0.0.1:");
        if (!slice_starts_with(url, ip) && !slice_starts_with(url, SLICE("unix:")))
            return true;
    }
    return false;
}

static void restore(const struct config_kept *kept)
{
    struct config_problems problems;
    struct config_overlay overlay;
    struct config *base = config_parse(slice_of_string(base_text), "base", NULL, &problems);
    config_problems_deinit(&problems);
    require(base != NULL);
    config_overlay_init(&overlay);
    config_overlay_restore(&overlay, kept, base, (struct config_overlay_listener){hear, NULL});
    if (!has_names(&overlay)) {
        struct config *config = config_derive(base, &overlay, &problems);
        require(config != NULL || problems.count > 0);
        if (config != NULL)
            derived_check(config);
        config_destroy(config);
        config_problems_deinit(&problems);
    }
    config_overlay_deinit(&overlay);
    config_destroy(base);
}

int LLVMFuzzerTestOneInput(const u8 *data, usize size)
{
    struct config_problems problems;
    struct config_kept *kept =
        config_kept_parse(slice_of((const char *)data, size), "fuzz", &problems);
    require(kept != NULL || problems.count > 0);
    for (u32 i = 0; i < problems.count; i++)
        require(problems.at[i].place[0] != '\0' && problems.at[i].text[0] != '\0');
    if (kept != NULL) {
        round_trip(kept);
        restore(kept);
    }
    config_kept_destroy(kept);
    config_problems_deinit(&problems);
    return 0;
}
