#include <stdio.h>

#include "load/load.h"

static const char *const error_names[ERROR_COUNT] = {
    [ERROR_CONNECT] = "connect",         [ERROR_RESET] = "reset", [ERROR_CLOSED] = "closed",
    [ERROR_IDLE_CLOSED] = "idle_closed", [ERROR_HEAD] = "head",   [ERROR_STATUS] = "status",
    [ERROR_LENGTH] = "length",           [ERROR_BODY] = "body",   [ERROR_EXTRA] = "extra",
    [ERROR_TIMEOUT] = "timeout",
};

static const struct {
    const char *name;
    u32 per_million;
} percentiles[] = {
    {"p50", 500000}, {"p90", 900000}, {"p95", 950000}, {"p99", 990000}, {"p999", 999000},
};

static double us(u64 ns)
{
    return (double)ns / 1e3;
}

static void print_latency(const struct histogram *latency)
{
    double mean = latency->count > 0 ? us(latency->sum) / (double)latency->count : 0;
    printf(" \"latency_us\": {\"count\": %llu, \"mean\": %.1f", (unsigned long long)latency->count,
           mean);
    for (usize i = 0; i < ARRAY_COUNT(percentiles); i++)
        printf(", \"%s\": %.1f", percentiles[i].name,
               us(histogram_percentile(latency, percentiles[i].per_million)));
    printf(", \"max\": %.1f},", us(latency->max));
}

static u64 print_errors(const struct load *load)
{
    u64 total = 0;
    printf(" \"errors\": {");
    for (u32 i = 0; i < ERROR_COUNT; i++) {
        total += load->errors[i];
        printf("%s\"%s\": %llu", i > 0 ? ", " : "", error_names[i],
               (unsigned long long)load->errors[i]);
    }
    printf("},");
    return total;
}

static void print_watches(const struct options *options)
{
    printf(" \"watch\": {");
    for (u32 i = 0; i < options->watch_count; i++) {
        if (i > 0)
            printf(", ");
        watch_print(&options->watches[i], stdout);
    }
    printf("}}\n");
}

bool report_print(const struct load *load)
{
    double seconds = (double)(load->end_ns - load->begin_ns) / 1e9;
    printf("{\"event\": \"result\", \"requests\": %llu, \"bytes\": %llu, \"seconds\": %.6f,",
           (unsigned long long)load->completed, (unsigned long long)load->bytes, seconds);
    printf(" \"rps\": %.1f, \"refused\": %llu,",
           seconds > 0 ? (double)load->completed / seconds : 0, (unsigned long long)load->refused);
    print_latency(&load->latency);
    u64 errors = print_errors(load);
    bool valid = errors == 0 && (load->completed > 0 || load->options.connections == 0);
    printf(" \"error_count\": %llu, \"reconnects\": %llu, \"valid\": %s,",
           (unsigned long long)errors, (unsigned long long)load->reconnects,
           valid ? "true" : "false");
    print_watches(&load->options);
    fflush(stdout);
    return valid;
}
