/*
 * What one log record costs: CPU ns for formatting an access record into a log buffer, with a
 * reader on the same thread that gives the room back, as control does.
 *
 *     make && cc -O2 -Iinclude -Isrc bench/micro/log.c build/libnextproxy.a -o build/bench-log
 *     taskset -c 0 build/bench-log [records]
 *
 * Each case runs ROUNDS times; the fastest and the median are printed. The budget is 300 ns: 3 % of
 * about 11 µs of CPU for a request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "log.h"

enum { ROUNDS = 15, BUFFER_BYTES = 1 << 20, RECORDS = 400000, RECORDS_SMOKE = 1000 };

struct bench_case {
    const char *name;
    struct slice path;
    struct slice agent_host;
};

static u64 cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static struct log_access entry_make(const struct bench_case *what)
{
    return (struct log_access){
        .method = SLICE("GET"),
        .path = what->path,
        .host = what->agent_host,
        .route = SLICE("default"),
        .backend_id = SLICE("backend-2"),
        .client_ip = SLICE("192.168.1.100"),
        .request_id = SLICE("0194612a-5b73-7c11-9d5e-6f0a1b2c3d4e"),
        .status = 200,
        .attempts = 1,
        .protocol_minor = 1,
        .reused = true,
    };
}

/* Numbers that change, as they do: 10 µs between records. */
static void entry_vary(struct log_access *entry, u32 i)
{
    entry->wall_ns = 1768300245123456789ull + (u64)i * 10000;
    entry->bytes_in = 300 + i % 700;
    entry->bytes_out = 1200 + i % 5000;
    entry->duration_us = 80 + i % 3000;
    entry->head_us = i % 30;
    entry->first_byte_us = 50 + i % 2900;
    entry->body_us = i % 90;
    entry->own_us = 8 + i % 20;
}

static u64 run(const struct bench_case *what, u32 records, u64 *bytes)
{
    struct log_buffer *buffer = log_buffer_create(BUFFER_BYTES);
    if (buffer == NULL) {
        fputs("no memory for the log buffer\n", stderr);
        exit(1);
    }
    struct log_access entry = entry_make(what);
    *bytes = 0;
    u64 start = cpu_ns();
    for (u32 i = 0; i < records; i++) {
        entry_vary(&entry, i);
        bool written = log_access_write(buffer, &entry);
        if (i % 256 == 255 || !written) {
            struct slice runs[2];
            usize unread = log_buffer_peek(buffer, runs);
            *bytes += unread;
            log_buffer_consume(buffer, unread);
        }
    }
    u64 spent = cpu_ns() - start;
    log_buffer_destroy(buffer);
    return spent;
}

static int compare_u64(const void *left, const void *right)
{
    const u64 *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

int main(int argc, char **argv)
{
    const struct bench_case cases[] = {
        {"plain", SLICE("/api/users/42?expand=orders"), SLICE("www.example.com")},
        {"long path",
         SLICE("/static/assets/javascript/vendor/chunk-2f9c41d77ab0e5.min.js?v=2026-01"
               "-13&locale=en-GB&theme=dark&session=00112233445566778899aabbccddeeff"),
         SLICE("cdn-7.eu-central.example.com")},
        {"UTF-8",
         SLICE("/suche?q=K\xc3\xb6ln+Stra\xc3\x9f"
               "e"),
         SLICE("www.example.com")},
        {"hostile", SLICE("/\"\\\x01\x02\x03\xff\xfe\"\"\"\\\\\\\r\n{\"status\":200}"),
         SLICE("\"\"\"")},
    };
    bool smoke = argc == 2 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !smoke) {
        (void)fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return EXIT_FAILURE;
    }
    u32 records = smoke ? RECORDS_SMOKE : RECORDS;
    printf("%-10s %8s %8s %12s\n", "case", "best ns", "median", "bytes/record");
    for (usize i = 0; i < ARRAY_COUNT(cases); i++) {
        u64 spent[ROUNDS], bytes = 0;
        for (u32 round = 0; round < ROUNDS; round++)
            spent[round] = run(&cases[i], records, &bytes);
        qsort(spent, ROUNDS, sizeof spent[0], compare_u64);
        printf("%-10s %8.1f %8.1f %12.1f\n", cases[i].name, (double)spent[0] / records,
               (double)spent[ROUNDS / 2] / records, (double)bytes / records);
    }
    return 0;
}
