#include "load/watch.h"

#include <stdlib.h>
#include <string.h>

#include "common/net.h"

enum { PATH_BYTES = 64, STAT_BYTES = 1024, STATUS_BYTES = 4096, NS_PER_S = 1000000000 };

void watch_open(struct watch *watch, const char *text)
{
    const char *equals = strchr(text, '=');
    memset(watch, 0, sizeof(*watch));
    if (equals == NULL || equals == text || (usize)(equals - text) >= sizeof(watch->name))
        net_die("not NAME=PID: %s", text);
    memcpy(watch->name, text, (usize)(equals - text));
    watch->pid = (i32)strtol(equals + 1, NULL, 10);
    if (clock_getcpuclockid(watch->pid, &watch->clock) != 0)
        net_die("no such process: %s", text);
}

static bool read_file(char *into, usize bytes, i32 pid, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    usize len = fread(into, 1, bytes - 1, file);
    into[len] = '\0';
    fclose(file);
    return len > 0;
}

/* Fields 14 and 15 of /proc/<pid>/stat. The name in field 2 may contain anything, so counting
 * starts behind its closing parenthesis. */
static void read_ticks(i32 pid, struct watch_sample *sample)
{
    char text[STAT_BYTES];
    if (!read_file(text, sizeof(text), pid, "stat"))
        return;
    const char *at = strrchr(text, ')');
    for (u32 field = 2; at != NULL && field < 14; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return;
    char *end = NULL;
    sample->user_ticks = strtoull(at, &end, 10);
    sample->system_ticks = strtoull(end, NULL, 10);
}

static u64 status_number(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

void watch_read(const struct watch *watch, struct watch_sample *sample)
{
    struct timespec now = {0};
    char text[STATUS_BYTES];
    memset(sample, 0, sizeof(*sample));
    if (clock_gettime(watch->clock, &now) == 0)
        sample->cpu_ns = (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
    read_ticks(watch->pid, sample);
    if (read_file(text, sizeof(text), watch->pid, "status"))
        sample->switches = status_number(text, "\nvoluntary_ctxt_switches:") +
                           status_number(text, "\nnonvoluntary_ctxt_switches:");
}

void watch_print(const struct watch *watch, FILE *out)
{
    fprintf(out,
            "\"%s\": {\"pid\": %d, \"cpu_ns\": %llu, \"user_ticks\": %llu, \"system_ticks\": %llu, "
            "\"switches\": %llu}",
            watch->name, watch->pid, (unsigned long long)(watch->end.cpu_ns - watch->begin.cpu_ns),
            (unsigned long long)(watch->end.user_ticks - watch->begin.user_ticks),
            (unsigned long long)(watch->end.system_ticks - watch->begin.system_ticks),
            (unsigned long long)(watch->end.switches - watch->begin.switches));
}
