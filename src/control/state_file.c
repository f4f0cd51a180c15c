/* See state_file.h. */
#include "control/state_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/state_document.h"
#include "control/state_restore.h"
#include "control/state_writer.h"

enum {
    SETTLE_MS = 500,
    RETRY_MS = 10000,
    RENEW_MS_MIN = 1000,
    LAST_WRITE_MS = 3000,
    PATH_BYTES = 4096,
    LINE_BYTES = 1024,
    NAMES_AGE_MS_MAX = 3600 * 1000, /* of a file: of another engine they are always believed */
};

struct state_file {
    struct state_file_options with;
    struct state_writer writer;
    struct config_kept *kept; /* until it is restored; then `document` knows of health, too */
    struct state_document document;
    u64 due_ns;         /* something has changed; UINT64_MAX: nothing is to be written */
    u64 renew_ns;       /* what was written ages; UINT64_MAX: there is nothing in it that does */
    u64 health_changes; /* when it was written last */
    bool finished;
    bool inherited;        /* `kept` is of another engine, and not from the file */
    bool failing;          /* and said so */
    bool names_are_old;    /* those that were recalled */
    u32 names;             /* which are so many */
    char path[PATH_BYTES]; /* "" = there is none */
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

static bool is_of_this_boot(const struct state_file *file)
{
    struct slice boot = file->document.boot;
    return file->inherited || (boot.len > 0 && slice_equal(boot, file->kept->clock.boot));
}

static void recall_clock(struct state_file *file)
{
    const struct wall_clock_belief belief = {
        .believed_ms = file->kept->clock.believed_ms,
        .doubted_ms = file->kept->clock.doubted_ms,
    };
    if (is_of_this_boot(file))
        wall_clock_recall(file->with.wall, belief, clock_boot_ns());
}

struct state_file *state_file_open(const struct state_file_options *options)
{
    struct state_file *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->with = *options;
    file->document = (struct state_document){.wall = options->wall};
    file->document.boot = boot_id_read(file->document.boot_id);
    file->due_ns = UINT64_MAX;
    file->renew_ns = UINT64_MAX;
    find_path(file);
    if (!state_writer_init(&file->writer, file->path, options->ring)) {
        free(file);
        return NULL;
    }
    if (options->handed_over >= 0)
        load_handed_over(file);
    file->inherited = file->kept != NULL;
    if (!file->kept && file->path[0] != '\0')
        load(file);
    if (file->kept) {
        recall_clock(file);
        state_document_take(&file->document, file->kept);
    }
    return file;
}

const struct config_kept *state_file_kept(const struct state_file *file)
{
    return file->kept;
}

bool state_file_sticky_key(const struct state_file *file, struct siphash_key *out)
{
    const struct state_secret *secret = state_document_secret(&file->document, state_secret_sticky);
    if (secret)
        memcpy(out->bytes, secret->bytes, sizeof(out->bytes));
    return secret != NULL;
}

/* ---- Restoring ---- */

/* Since the machine began there is a clock that nobody can set. */
static u64 age_ms(const struct state_file *file)
{
    const struct config_kept *kept = file->kept;
    u64 now_ms = clock_wall_ns() / NS_PER_MS, boot_ms = clock_boot_ns() / NS_PER_MS;
    if (is_of_this_boot(file) && kept->clock.saved_ms > 0 && kept->clock.saved_ms <= boot_ms)
        return boot_ms - kept->clock.saved_ms;
    /* One from the future says that a clock was stepped: its age is not known. */
    return kept->saved_ms <= now_ms ? now_ms - kept->saved_ms : UINT64_MAX;
}

void state_file_recall_names(struct state_file *file, struct resolver *resolver)
{
    enum resolve_recall recall = RESOLVE_CURRENT;
    file->document.resolver = resolver;
    if (!file->kept)
        return;
    file->names_are_old = !file->inherited && age_ms(file) > NAMES_AGE_MS_MAX;
    if (!file->inherited)
        recall = file->names_are_old ? RESOLVE_OLD : RESOLVE_RECENT;
    file->names = resolver_recall(resolver, file->kept, recall);
}

static void say_restored(struct state_file *file, const struct state_restored *restored)
{
    const struct config_overlay *overlay = live_overlay(file->document.live);
    char stale[64] = "";
    if (restored->stale > 0)
        (void)snprintf(stale, sizeof(stale), ", not of %u others: it is too old", restored->stale);
    say(file, LOG_INFO,
        "Restored from %s: %u backends added and %u removed at run time, %u marks, addresses of %u "
        "names%s, health of %u%s",
        file->inherited ? "the earlier engine" : file->path, overlay->added_count,
        overlay->removed_count, restored->marks, file->names,
        file->names_are_old ? " (old ones)" : "", restored->health, stale);
}

static void restore(struct state_file *file)
{
    const struct snapshot *snapshot = live_snapshot(file->document.live);
    const struct state_restore from = {
        .kept = file->kept,
        .age_ms = age_ms(file),
        .health_age_ms_max = file->with.config->health_age_ms_max,
    };
    const struct state_restored restored = state_restore(&from, snapshot, file->document.health);
    say_restored(file, &restored);
    config_kept_destroy(file->kept);
    file->kept = NULL;
    if (restored.health > 0)
        state_file_touch(file); /* or it would age with the file while checks confirm it */
}

void state_file_restore(struct state_file *file, struct live *live, struct health *health)
{
    const struct config *config = live_snapshot(live)->config;
    bool signs = state_document_signs(config);
    file->document.live = live;
    file->document.health = health;
    if (file->inherited || config_has_names(config) ||
        (signs && !state_document_secret(&file->document, state_secret_sticky)))
        state_file_touch(file);
    if (file->kept)
        restore(file);
}

/* ---- Writing ---- */

/* The descriptor of a file in memory with all of it; -1 = there is no room for one. */
static int print_to_memory(struct state_file *file, struct state_ages *ages)
{
    int fd = memfd_create("nextproxy state", MFD_CLOEXEC);
    FILE *out = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
    if (!out) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    *ages = state_document_print(&file->document, out);
    if (fclose(out) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

int state_file_hand_over(struct state_file *file)
{
    struct state_ages ages;
    return print_to_memory(file, &ages);
}

/* Without a descriptor or memory for it what was told before holds on. */
static struct state_ages tell(struct state_file *file)
{
    struct state_ages ages = {.health = false};
    int fd = print_to_memory(file, &ages);
    if (fd >= 0)
        file->with.tell(file->with.context, fd);
    else if (!file->finished)
        file->due_ns = ring_now_ns(file->with.ring) + RETRY_MS * NS_PER_MS;
    return ages;
}

static struct state_ages write_file(struct state_file *file)
{
    struct state_ages ages = {.health = false};
    char *text = NULL;
    usize bytes = 0;
    FILE *out = file->path[0] != '\0' ? open_memstream(&text, &bytes) : NULL;
    if (!out)
        return ages;
    ages = state_document_print(&file->document, out);
    if (fclose(out) == 0)
        state_writer_begin(&file->writer, text, bytes);
    else
        free(text);
    return ages;
}

/* What is in the file is believed for a time: it never gets half as old while somebody looks, so
 * that not even the power must fail at the right moment. */
static u64 renewal_ns(const struct state_file *file, struct state_ages ages)
{
    u64 health_age_ms_max = file->with.config->health_age_ms_max;
    u64 believed_ms = UINT64_MAX;
    if (ages.health && health_age_ms_max > 0)
        believed_ms = health_age_ms_max;
    if (ages.names)
        believed_ms = min_u64(believed_ms, NAMES_AGE_MS_MAX);
    if (believed_ms == UINT64_MAX)
        return UINT64_MAX;
    return ring_now_ns(file->with.ring) + max_u64(believed_ms / 2, RENEW_MS_MIN) * NS_PER_MS;
}

static void begin_writing(struct state_file *file)
{
    const struct health *health = file->document.health;
    struct state_ages ages = {.health = false};
    file->due_ns = UINT64_MAX;
    if (file->with.tell)
        ages = tell(file);
    if (file->path[0] != '\0')
        ages = write_file(file);
    file->health_changes = health ? health_changes(health) : 0;
    file->renew_ns = file->finished ? UINT64_MAX : renewal_ns(file, ages);
}

static void note_result(struct state_file *file, u64 now_ns)
{
    char again[48] = "";
    if (!file->finished)
        (void)snprintf(again, sizeof(again), "; it is tried again every %d s", RETRY_MS / 1000);
    if (file->writer.step && !file->failing)
        say(file, LOG_ERROR, "Cannot %s the state file %s: %s%s", file->writer.step, file->path,
            strerror(file->writer.error), again);
    else if (!file->writer.step && file->failing)
        say(file, LOG_INFO, "The state file %s is written again", file->path);
    file->failing = file->writer.step != NULL;
    if (file->failing && !file->finished)
        file->due_ns = min_u64(file->due_ns, now_ns + RETRY_MS * NS_PER_MS);
}

static bool health_has_changed(const struct state_file *file)
{
    const struct health *health = file->document.health;
    return health && file->health_changes != health_changes(health);
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
    if (health_has_changed(file))
        state_file_touch(file);
    if (now_ns >= state_file_deadline_ns(file))
        begin_writing(file);
}

u64 state_file_deadline_ns(const struct state_file *file)
{
    return state_writer_busy(&file->writer) ? UINT64_MAX : min_u64(file->due_ns, file->renew_ns);
}

void state_file_finish(struct state_file *file, bool succeeded)
{
    bool wanted = file->due_ns != UINT64_MAX || file->renew_ns != UINT64_MAX;
    if (file->finished)
        return;
    wanted |= health_has_changed(file);
    file->finished = true;
    file->renew_ns = UINT64_MAX;
    file->due_ns = wanted && !succeeded ? 0 : UINT64_MAX;
}

/* False when the disk does not answer in time: then a thread hangs in it, and needs its memory. */
static bool write_last(struct state_file *file)
{
    u64 given_up_ns = clock_monotonic_ns() + LAST_WRITE_MS * NS_PER_MS;
    bool under_way = state_writer_busy(&file->writer);
    if (!state_writer_wait(&file->writer, given_up_ns))
        return false;
    if (file->finished && file->due_ns != UINT64_MAX) {
        begin_writing(file);
        under_way = true;
    }
    if (!state_writer_wait(&file->writer, given_up_ns))
        return false;
    if (under_way)
        note_result(file, clock_monotonic_ns());
    return true;
}

void state_file_close(struct state_file *file)
{
    if (!write_last(file)) {
        say(file, LOG_ERROR,
            "The disk of the state file %s does not answer: what has changed last is not in it",
            file->path);
        return;
    }
    config_kept_destroy(file->kept);
    free(file);
}
