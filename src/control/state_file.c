/* See state_file.h. */
#include "control/state_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "control/state_writer.h"

enum {
    SETTLE_MS = 500,
    RETRY_MS = 10000,
    PATH_BYTES = 4096,
    LINE_BYTES = 1024,
    SECRET_BYTES = 32,
};

static const char STICKY[] = "sticky";

struct secret {
    char name[65];
    u8 bytes[SECRET_BYTES];
};

struct state_file {
    struct state_file_options with;
    struct state_writer writer;
    struct config_kept *kept;    /* until it is restored */
    const struct health *health; /* NULL before that */
    u64 due_ns;                  /* UINT64_MAX: nothing is to be written */
    u64 health_changes;          /* when it was written last */
    u32 secret_count;
    bool finished;
    bool inherited; /* `kept` is of another engine, and not from the file */
    bool failing;   /* and said so */
    struct secret secrets[CONFIG_KEPT_SECRETS_MAX]; /* of other names, too: a later version may want
                                                     * them back */
    char path[PATH_BYTES];                          /* "" = there is none */
};

PRINTF_LIKE(3, 4)
static void say(struct state_file *file, enum log_severity severity, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    file->with.say(file->with.context, severity, line);
}

/* Whether there is a cookie that is signed with a key made by chance. */
static bool sticky_used(const struct config *config)
{
    for (u32 i = 0; i < config->route_count && config->sticky_key.len == 0; i++)
        if (config->routes[i].sticky_cookie)
            return true;
    return false;
}

/* ---- Reading ---- */

/* The setting's, or below the directory that systemd has made for the service. */
static void find_path(struct state_file *file)
{
    const struct config_state *config = file->with.config;
    const char *directories = getenv("STATE_DIRECTORY");
    if (!config->enabled)
        return;
    if (config->file.len > 0)
        (void)snprintf(file->path, sizeof(file->path), "%.*s", (int)config->file.len,
                       config->file.data);
    else if (directories && directories[0] == '/')
        (void)snprintf(file->path, sizeof(file->path), "%.*s/state.json",
                       (int)strcspn(directories, ":"), directories);
}

/* It is kept for whoever wants to know what was in it. */
static void set_aside(struct state_file *file, const struct config_problems *problems)
{
    enum { SAID_MAX = 5 };
    char bad[PATH_BYTES + 8];
    for (u32 i = 0; i < problems->count && i < SAID_MAX; i++)
        say(file, LOG_ERROR, "%s: %s%s%s", problems->at[i].place, problems->at[i].path,
            problems->at[i].path[0] != '\0' ? ": " : "", problems->at[i].text);
    (void)snprintf(bad, sizeof(bad), "%s.bad", file->path);
    if (rename(file->path, bad) == 0)
        say(file, LOG_ERROR, "The state file is not used, and is called %s now", bad);
    else
        say(file, LOG_ERROR, "The state file is not used; it cannot be renamed to %s: %s", bad,
            strerror(errno));
}

static void take_secrets(struct state_file *file)
{
    for (u32 i = 0; i < file->kept->secret_count; i++) {
        const struct config_kept_secret *from = &file->kept->secrets[i];
        struct secret *to = &file->secrets[file->secret_count];
        if (from->name.len >= sizeof(to->name) ||
            !hex_read(from->value, to->bytes, sizeof(to->bytes)))
            continue;
        memcpy(to->name, from->name.data, from->name.len);
        file->secret_count++;
    }
}

static struct secret *secret_find(struct state_file *file, const char *name)
{
    for (u32 i = 0; i < file->secret_count; i++)
        if (strcmp(file->secrets[i].name, name) == 0)
            return &file->secrets[i];
    return NULL;
}

/* What sticky sessions are signed with. True when there is one, and what is served has to be made
 * anew with it. */
static bool restore_sticky_key(struct state_file *file)
{
    const struct snapshot *snapshot = live_snapshot(file->with.live);
    const struct secret *secret = secret_find(file, STICKY);
    struct siphash_key key;
    if (!secret)
        return false;
    memcpy(key.bytes, secret->bytes, sizeof(key.bytes));
    state_set_sticky_key(snapshot->state, &key);
    return sticky_used(snapshot->config);
}

static void load(struct state_file *file)
{
    struct config_problems problems;
    bool missing;
    file->kept = config_kept_load(file->path, &missing, &problems);
    if (!file->kept && !missing)
        set_aside(file, &problems);
    config_problems_deinit(&problems);
}

/* From the engine that serves until we do: what its file, if it has one, may not hold yet. */
static void load_handed_over(struct state_file *file)
{
    struct config_problems problems;
    char path[32];
    bool missing;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file->with.handed_over);
    file->kept = config_kept_load(path, &missing, &problems);
    if (!file->kept)
        say(file, LOG_ERROR, "What the earlier engine knew cannot be read: %s",
            problems.count > 0 ? problems.at[0].text : "there is no /proc");
    config_problems_deinit(&problems);
    (void)close(file->with.handed_over);
}

struct state_file *state_file_open(const struct state_file_options *options)
{
    struct state_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->with = *options;
    file->due_ns = UINT64_MAX;
    find_path(file);
    file->writer = (struct state_writer){.path = file->path, .ring = options->ring};
    if (options->handed_over >= 0)
        load_handed_over(file);
    file->inherited = file->kept != NULL;
    if (!file->kept && file->path[0] != '\0')
        load(file);
    if (file->kept) {
        take_secrets(file);
        live_restore(file->with.live, file->kept, restore_sticky_key(file));
    }
    return file;
}

/* ---- Restoring ---- */

static u64 age_ms(const struct config_kept *kept)
{
    u64 now_ms = clock_wall_ns() / NS_PER_MS;
    /* One from the future says that a clock was stepped: its age is not known. */
    return kept->saved_ms <= now_ms ? now_ms - kept->saved_ms : UINT64_MAX;
}

static const struct config_kept_backend *kept_find(const struct config_kept *kept,
                                                   const struct config_backend *backend)
{
    for (u32 i = 0; i < kept->backend_count; i++)
        if (slice_equal(kept->backends[i].id, backend->id) &&
            slice_equal(kept->backends[i].url, backend->url))
            return &kept->backends[i];
    return NULL;
}

struct restored {
    u32 marks;
    u32 health;
};

static void restore_backend(const struct config_kept_backend *kept, struct state *state, u32 slot,
                            struct restored *restored)
{
    if (kept->draining)
        state_backend_mark(state, slot, STATE_DRAINING, true);
    if (kept->maintenance)
        state_backend_mark(state, slot, STATE_MAINTENANCE, true);
    restored->marks += kept->draining || kept->maintenance;
}

void state_file_restore(struct state_file *file, struct health *health)
{
    static const enum health_state states[] = {
        [CONFIG_KEPT_UNKNOWN] = HEALTH_UNKNOWN,
        [CONFIG_KEPT_HEALTHY] = HEALTH_HEALTHY,
        [CONFIG_KEPT_UNHEALTHY] = HEALTH_UNHEALTHY,
    };
    const struct snapshot *snapshot = live_snapshot(file->with.live);
    struct restored restored = {0, 0};
    file->health = health;
    if (file->inherited || (sticky_used(snapshot->config) && !secret_find(file, STICKY)))
        state_file_touch(file);
    if (!file->kept)
        return;
    bool fresh = age_ms(file->kept) <= file->with.config->health_age_ms_max;
    for (u32 i = 0; i < snapshot->config->backend_count; i++) {
        const struct config_kept_backend *kept =
            kept_find(file->kept, &snapshot->config->backends[i]);
        u32 slot = snapshot->backend_slots[i];
        if (!kept)
            continue;
        restore_backend(kept, snapshot->state, slot, &restored);
        if (fresh && kept->health != CONFIG_KEPT_UNKNOWN)
            health_restore(health, slot, states[kept->health]);
        restored.health += fresh && kept->health != CONFIG_KEPT_UNKNOWN;
    }
    const struct config_overlay *overlay = live_overlay(file->with.live);
    say(file, LOG_INFO,
        "Restored from %s: %u backends added and %u removed at run time, %u marks, health of %u%s",
        file->inherited ? "the earlier engine" : file->path, overlay->added_count,
        overlay->removed_count, restored.marks, restored.health, fresh ? "" : ", which is too old");
    config_kept_destroy(file->kept);
    file->kept = NULL;
}

/* ---- Writing ---- */

static u32 health_kept(const struct state_file *file, u32 slot)
{
    static const u32 kept[] = {
        [HEALTH_UNKNOWN] = CONFIG_KEPT_UNKNOWN,
        [HEALTH_HEALTHY] = CONFIG_KEPT_HEALTHY,
        [HEALTH_UNHEALTHY] = CONFIG_KEPT_UNHEALTHY,
    };
    return file->health ? kept[health_state(file->health, slot)] : CONFIG_KEPT_UNKNOWN;
}

/* Those of which there is something to say. */
static void keep_backends(const struct state_file *file, struct config_kept *kept)
{
    const struct snapshot *snapshot = live_snapshot(file->with.live);
    u32 count = snapshot->config->backend_count;
    struct config_kept_backend *backends = arena_alloc(&kept->arena, count * sizeof(*backends));
    for (u32 i = 0; i < count && kept->backend_count < CONFIG_KEPT_BACKENDS_MAX; i++) {
        u32 slot = snapshot->backend_slots[i];
        u32 marks = state_backend_marks(snapshot->state, slot) & STATE_MANUAL;
        u32 health = health_kept(file, slot);
        if (marks == 0 && health == CONFIG_KEPT_UNKNOWN)
            continue;
        backends[kept->backend_count++] = (struct config_kept_backend){
            .id = snapshot->config->backends[i].id,
            .url = snapshot->config->backends[i].url,
            .health = health,
            .draining = marks & STATE_DRAINING,
            .maintenance = marks & STATE_MAINTENANCE,
        };
    }
    kept->backends = backends;
}

static void keep_overlay(const struct state_file *file, struct config_kept *kept)
{
    const struct config_overlay *overlay = live_overlay(file->with.live);
    struct slice *added = arena_alloc(&kept->arena, overlay->added_count * sizeof(*added));
    for (u32 i = 0; i < overlay->added_count; i++)
        added[i] = config_addition_json(&kept->arena, &overlay->added[i]);
    kept->added = added;
    kept->added_count = overlay->added_count;
    kept->removed = overlay->removed;
    kept->removed_count = overlay->removed_count;
}

static bool secret_put(struct state_file *file, const char *name, const u8 bytes[SECRET_BYTES])
{
    struct secret *secret = secret_find(file, name);
    if (!secret && file->secret_count < CONFIG_KEPT_SECRETS_MAX &&
        strlen(name) < sizeof(secret->name)) {
        secret = &file->secrets[file->secret_count++];
        (void)snprintf(secret->name, sizeof(secret->name), "%s", name);
    }
    if (secret)
        memcpy(secret->bytes, bytes, sizeof(secret->bytes));
    return secret != NULL;
}

static void keep_sticky_key(struct state_file *file)
{
    const struct snapshot *snapshot = live_snapshot(file->with.live);
    const struct siphash_key key = state_sticky_key(snapshot->state);
    u8 bytes[SECRET_BYTES] = {0};
    memcpy(bytes, key.bytes, sizeof(key.bytes));
    if (sticky_used(snapshot->config))
        (void)secret_put(file, STICKY, bytes);
}

static void keep_secrets(const struct state_file *file, struct config_kept *kept)
{
    enum { HEX_BYTES = 2 * SECRET_BYTES };
    struct config_kept_secret *secrets =
        arena_alloc(&kept->arena, file->secret_count * sizeof(*secrets));
    for (u32 i = 0; i < file->secret_count; i++) {
        char *digits = arena_alloc(&kept->arena, HEX_BYTES);
        hex_write(file->secrets[i].bytes, SECRET_BYTES, digits);
        secrets[i] = (struct config_kept_secret){slice_of_string(file->secrets[i].name),
                                                 slice_of(digits, HEX_BYTES)};
    }
    kept->secrets = secrets;
    kept->secret_count = file->secret_count;
}

static void print(struct state_file *file, FILE *out)
{
    struct config_kept kept = {.saved_ms = clock_wall_ns() / NS_PER_MS};
    arena_init(&kept.arena);
    keep_sticky_key(file);
    keep_backends(file, &kept);
    keep_overlay(file, &kept);
    keep_secrets(file, &kept);
    config_kept_print(&kept, out);
    arena_deinit(&kept.arena);
}

int state_file_hand_over(struct state_file *file)
{
    int fd = memfd_create("nextproxy state", MFD_CLOEXEC);
    FILE *out = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
    if (!out) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    print(file, out);
    if (fclose(out) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Without a descriptor or memory for it what was told before holds on. */
static void tell(struct state_file *file)
{
    int fd = state_file_hand_over(file);
    if (fd >= 0)
        file->with.tell(file->with.context, fd);
    else if (!file->finished)
        file->due_ns = ring_now_ns(file->with.ring) + RETRY_MS * NS_PER_MS;
}

static void begin_writing(struct state_file *file)
{
    char *text = NULL;
    usize bytes = 0;
    file->due_ns = UINT64_MAX;
    if (file->with.tell)
        tell(file);
    file->health_changes = file->health ? health_changes(file->health) : 0;
    FILE *out = file->path[0] != '\0' ? open_memstream(&text, &bytes) : NULL;
    if (!out)
        return;
    print(file, out);
    if (fclose(out) == 0)
        state_writer_begin(&file->writer, text, bytes);
    else
        free(text);
}

static void note_result(struct state_file *file, u64 now_ns)
{
    if (file->writer.step && !file->failing)
        say(file, LOG_ERROR, "Cannot %s the state file %s: %s; it is tried again every %d s",
            file->writer.step, file->path, strerror(file->writer.error), RETRY_MS / 1000);
    else if (!file->writer.step && file->failing)
        say(file, LOG_INFO, "The state file %s is written again", file->path);
    file->failing = file->writer.step != NULL;
    if (file->failing)
        file->due_ns = min_u64(file->due_ns, now_ns + RETRY_MS * NS_PER_MS);
}

void state_file_touch(struct state_file *file)
{
    u64 settled_ns = ring_now_ns(file->with.ring) + SETTLE_MS * NS_PER_MS;
    if ((file->path[0] != '\0' || file->with.tell) && !file->finished)
        file->due_ns = min_u64(file->due_ns, settled_ns);
}

void state_file_tick(struct state_file *file, u64 now_ns)
{
    if (state_writer_ended(&file->writer))
        note_result(file, now_ns);
    if (file->health && file->health_changes != health_changes(file->health))
        state_file_touch(file);
    if (now_ns >= file->due_ns && !state_writer_busy(&file->writer))
        begin_writing(file);
}

u64 state_file_deadline_ns(const struct state_file *file)
{
    return state_writer_busy(&file->writer) ? UINT64_MAX : file->due_ns;
}

void state_file_finish(struct state_file *file)
{
    bool changed = file->due_ns != UINT64_MAX;
    if (file->finished)
        return;
    file->finished = true;
    state_writer_wait(&file->writer);
    if (changed)
        begin_writing(file);
    file->due_ns = UINT64_MAX;
    file->health = NULL;
}

void state_file_close(struct state_file *file)
{
    state_writer_wait(&file->writer);
    config_kept_destroy(file->kept);
    free(file);
}
