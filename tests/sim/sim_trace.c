/* Failing: what is printed when a run goes wrong, so that it can be repeated and understood. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include "sim_internal.h"

enum { WORLD_TRACE_EVENTS = 400 };

struct event {
    const char *name;
    u64 now_ns;
    u64 a;
    u64 b;
};

static struct {
    struct event events[WORLD_TRACE_EVENTS];
    u64 count;
    const char *title;
    u64 seed;
    char message[4096];
    bool printed;
} run;

void sim_trace(const char *event, u64 a, u64 b)
{
    u64 now_ns = sim_current ? sim_current->now_ns : 0;
    run.events[run.count++ % WORLD_TRACE_EVENTS] = (struct event){event, now_ns, a, b};
}

void sim_set_title(const char *title, u64 seed)
{
    run.title = title;
    run.seed = seed;
    run.count = 0;
}

static void print_run(void)
{
    if (run.printed)
        return;
    run.printed = true;
    u64 shown = min_u64(run.count, WORLD_TRACE_EVENTS);
    for (u64 i = run.count - shown; i < run.count; i++) {
        const struct event *event = &run.events[i % WORLD_TRACE_EVENTS];
        fprintf(stderr, "  %12.6f %-18s %6llu %8llu\n", (double)event->now_ns / 1e9, event->name,
                (unsigned long long)event->a, (unsigned long long)event->b);
    }
    fprintf(stderr, "%s\nfailed: %s with SEED=%llu\n", run.message, run.title ? run.title : "a run",
            (unsigned long long)run.seed);
}

void sim_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(run.message, sizeof(run.message), format, args);
    va_end(args);
    print_run();
    abort();
}

/* An ASSERT or a sanitizer ends the process: nothing is lost by not being async-signal-safe. */
static void on_abort(int signal_number)
{
    (void)signal_number;
    print_run();
}

void sim_print_on_abort(void)
{
    struct sigaction action = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    SIM_CHECK(sigaction(SIGABRT, &action, NULL) == 0);
}

struct sim_seeds sim_seeds(u64 count)
{
    const char *only = getenv("SEED"), *seeds = getenv("SEEDS");
    u64 first = only ? strtoull(only, NULL, 10) : 1;
    return (struct sim_seeds){first, only ? first : seeds ? strtoull(seeds, NULL, 10) : count};
}
