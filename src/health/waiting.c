/* See waiting.h. */
#include "health/waiting.h"

#include <stdio.h>

#include "base/clock.h"

enum { MESSAGE_BYTES = 512, PATIENCE_MS_MIN = 1000, PATIENCE_MS_MAX = 60000 };

static const struct prober *programs_of(const struct health *health)
{
    return &health->probers[HEALTH_PROBER_SCRIPTS];
}

/* The one that waits longest; NULL = none does. */
static const struct check *first_waiting(const struct health *health)
{
    const struct list *due = &programs_of(health)->due;
    return list_empty(due) ? NULL : container_of(due->next, const struct check, due);
}

/* A turn that comes late is no matter: then as many as there may be are enough. One that is left
 * out is. */
static u64 patience_ns(const struct check *check)
{
    u32 interval_ms = check_backend(check)->health_check.interval_ms;
    return min_u32(max_u32(interval_ms, PATIENCE_MS_MIN), PATIENCE_MS_MAX) * NS_PER_MS;
}

static void say(const struct health *health, struct log_event event, const char *message)
{
    if (!health->with.log || event.severity < health->snapshot->config->logging.severity_min)
        return;
    event.wall_ns = clock_wall_ns();
    event.type = SLICE("check_programs");
    event.message = slice_of_string(message);
    (void)log_event_write(health->with.log, &event); /* a full buffer counts what it drops */
}

static void say_waiting(const struct health *health, const struct check *check, u64 now_ns)
{
    const struct config_backend *backend = check_backend(check);
    u32 killed = health_programs(health).killed;
    char message[MESSAGE_BYTES];
    (void)snprintf(
        message, sizeof(message),
        "Checks by programs wait, this one for %.1f s: there are %d programs, as many as "
        "there may be, %u of which were killed and do not end; backends of checks that "
        "wait count as they did before. %s",
        (double)(now_ns - check->due_ns) / (double)NS_PER_S, HEALTH_SCRIPTS_MAX, killed,
        killed > 0 ? "Look for what they hang on (ps shows them in state D), often a "
                     "network file system"
                   : "Make the programs quicker, healthCheck.interval longer, or "
                     "healthCheck.timeout shorter");
    say(health,
        (struct log_event){.severity = LOG_WARN, .backend_id = backend->id, .url = backend->url},
        message);
}

u64 waiting_deadline_ns(const struct health *health)
{
    const struct check *check = health->waiting_told ? NULL : first_waiting(health);
    return check ? check->due_ns + patience_ns(check) : UINT64_MAX;
}

void waiting_tick(struct health *health, u64 now_ns)
{
    const struct check *check = first_waiting(health);
    if (!health->snapshot)
        return;
    if (!check && health->waiting_told) {
        health->waiting_told = false;
        say(health, (struct log_event){.severity = LOG_INFO},
            "Checks by programs do not wait any more");
    }
    if (!check || now_ns < waiting_deadline_ns(health))
        return;
    health->waiting_told = true;
    say_waiting(health, check, now_ns);
}
