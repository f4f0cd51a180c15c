/* See pressure.h. */
#include "control/pressure.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/file_limit.h"

enum {
    LOOK_MS = 2000,       /* at the limit of descriptors, which somebody may change: prlimit(2) */
    LOOK_MEMORY_MS = 100, /* where there is a limit of memory */
    PERMILLE = 1000,
};

void pressure_init(struct pressure *pressure)
{
    *pressure = (struct pressure){.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
                                  .least_bytes = UINT64_MAX};
}

void pressure_deinit(struct pressure *pressure)
{
    if (pressure->statm_fd >= 0)
        (void)close(pressure->statm_fd);
}

u64 pressure_deadline_ns(const struct pressure *pressure)
{
    return pressure->next_ns;
}

/* The second number in statm. 0 when it cannot be read. */
static u64 resident_bytes(const struct pressure *pressure)
{
    char text[128];
    ssize_t len = pread(pressure->statm_fd, text, sizeof(text) - 1, 0);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    const char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) * (u64)sysconf(_SC_PAGESIZE) : 0;
}

/* Memory that was needed once stays resident, and is used again before more is taken: it is counted
 * as free, or a process that had its fill once could never recover. How much of it is resident
 * nobody knows: as large a part as of all that workers have touched, which is what has come since
 * the process had least. */
u64 pressure_memory_in_use(const struct pressure_memory *memory)
{
    u64 grown_kb = (memory->resident_bytes - memory->least_bytes) / 1024;
    u64 spare_kb = memory->spare_bytes / 1024, touched_kb = memory->touched_bytes / 1024;
    if (grown_kb < touched_kb) /* else all of it is, and something else has grown beside it */
        spare_kb = spare_kb * grown_kb / touched_kb;
    return memory->resident_bytes - min_u64(spare_kb * 1024, memory->resident_bytes);
}

static u64 used_bytes(struct pressure *pressure, const struct pressure_sources *from)
{
    struct pressure_memory memory = {.resident_bytes = resident_bytes(pressure)};
    struct proxy_figures figures;
    for (u32 i = 0; i < from->worker_count; i++) {
        worker_figures(from->workers[i], &figures);
        memory.touched_bytes += figures.touched_bytes;
        memory.spare_bytes += figures.spare_bytes;
    }
    if (memory.resident_bytes > 0)
        pressure->least_bytes = min_u64(pressure->least_bytes, memory.resident_bytes);
    memory.least_bytes = pressure->least_bytes;
    return pressure_memory_in_use(&memory);
}

void pressure_tick(struct pressure *pressure, const struct pressure_sources *from, u64 now_ns)
{
    if (now_ns < pressure->next_ns)
        return;
    pressure->memory_max = from->config->limits.memory_bytes_max;
    pressure->memory_bytes = used_bytes(pressure, from);
    pressure->files_max = file_limit();
    u64 permille = 0;
    if (pressure->memory_max > 0)
        permille = max_u64(1, pressure->memory_bytes * PERMILLE / pressure->memory_max);
    team_set_budget(from->team, (struct overload_budget){
                                    .files = file_limit_share(from->config),
                                    .memory_permille = (u32)min_u64(permille, UINT16_MAX),
                                });
    u32 look_ms = pressure->memory_max > 0 ? LOOK_MEMORY_MS : LOOK_MS;
    pressure->next_ns = now_ns + look_ms * NS_PER_MS;
}
