/*
 * What the HTTP/1 code costs: nanoseconds per head for parsing and framing, per body for chunked.
 *
 *     gcc -std=gnu17 -O2 -D_GNU_SOURCE -Iinclude -Isrc bench/micro/http.c src/http/[a-z]*.c \
 *         src/base/[a-z]*.c -o build/micro-http && build/micro-http
 *
 * Every case runs in rounds; the fastest and the median round are printed, so that a disturbed
 * machine shows as a distance between the two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http.h"

enum { ROUNDS = 15, ROUND_NS = 20000000, ROUND_NS_SMOKE = 100000 };

static const struct http_limits limits = {
    .head_bytes_max = 16384,
    .target_bytes_max = 8192,
    .fields_max = 100,
};

static struct http_request request;
static struct http_response response;

/* A browser's request: 703 bytes, 9 fields. */
static const char browser[] =
    "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n"
    "Host: www.kittyhell.com\r\n"
    "User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) "
    "Gecko/20100401 Firefox/3.6.3 Pathtraq/0.9\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: ja,en-us;q=0.7,en;q=0.3\r\n"
    "Accept-Encoding: gzip,deflate\r\n"
    "Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r\n"
    "Keep-Alive: 115\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx; "
    "__utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; "
    "__utmz=xxxxxxxxx.xxxxxxxxxx.x.x.utmccn=(referral)|utmcsr=reader.livedoor.com|"
    "utmcct=/reader/|utmcmd=referral\r\n\r\n";
static const char small[] = "GET /api/users?page=2 HTTP/1.1\r\n"
                            "Host: api.example.com\r\n"
                            "Accept: */*\r\n"
                            "User-Agent: curl/8\r\n\r\n";
static const char api[] = "POST /v1/orders/8f14e45f HTTP/1.1\r\n"
                          "Host: api.example.com:8443\r\n"
                          "User-Agent: python-requests/2.31.0\r\n"
                          "Accept-Encoding: gzip, deflate\r\n"
                          "Accept: application/json, text/plain, */*\r\n"
                          "Connection: keep-alive\r\n"
                          "Content-Type: application/json\r\n"
                          "Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIi"
                          "OiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U\r\n"
                          "X-Request-ID: 018d2f6e-7b1a-7c3d-9e4f-0123456789ab\r\n"
                          "X-Forwarded-For: 192.0.2.17\r\n"
                          "Content-Length: 187\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Server: nginx/1.22.1\r\n"
                             "Date: Tue, 13 Jan 2026 10:30:45 GMT\r\n"
                             "Content-Type: application/json; charset=utf-8\r\n"
                             "Content-Length: 1024\r\n"
                             "Connection: keep-alive\r\n"
                             "ETag: \"65a2f3c1-400\"\r\n"
                             "Cache-Control: no-cache\r\n\r\n";

static char chunks[16 * 1024];

static u64 run_request(const char *data, u32 len)
{
    if (http_request_parse(slice_of(data, len), &limits, &request) != HTTP_PARSE_DONE)
        abort();
    struct http_framing framing = http_request_framing(&request);
    return request.head_bytes + framing.length;
}

static u64 run_response(const char *data, u32 len)
{
    if (http_response_parse(slice_of(data, len), &limits, &response) != HTTP_PARSE_DONE)
        abort();
    struct http_framing framing = http_response_framing(&response, HTTP_METHOD_GET, false);
    return response.head_bytes + framing.length;
}

static u64 run_chunked(const char *data, u32 len)
{
    struct http_chunked chunked = {0};
    u32 taken = http_chunked_scan(&chunked, data, len);
    if (chunked.state != HTTP_CHUNKED_END)
        abort();
    return taken;
}

static u64 run_date(const char *data, u32 len)
{
    char date[HTTP_DATE_BYTES];
    http_date_format(1768300245u + len + (u64)data[0], date);
    return (u64)date[24];
}

struct bench_case {
    const char *name;
    u64 (*run)(const char *data, u32 len);
    const char *data;
    u32 len;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds per run in one round. `sum` keeps the work from being optimised away. */
static double round_ns(const struct bench_case *bench, u32 repeats, u64 *sum)
{
    u64 start = clock_monotonic_ns();
    for (u32 i = 0; i < repeats; i++)
        *sum += bench->run(bench->data, bench->len);
    return (double)(clock_monotonic_ns() - start) / repeats;
}

static void measure(const struct bench_case *bench, u32 budget_ns, u64 *sum)
{
    double rounds[ROUNDS];
    u32 repeats = 1 + (u32)(budget_ns / (1 + round_ns(bench, 200, sum)));
    for (u32 i = 0; i < ROUNDS; i++)
        rounds[i] = round_ns(bench, repeats, sum);
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    printf("%-34s %6u B %9.1f ns %9.1f ns\n", bench->name, bench->len, rounds[0],
           rounds[ROUNDS / 2]);
}

/* Chunks of `bytes` payload each, as many as fit, with the last one behind them. */
static u32 fill_chunks(char *out, u32 room, u32 bytes)
{
    u32 at = 0;
    while (at + bytes + 32 < room) {
        at += (u32)snprintf(out + at, room - at, "%x\r\n", bytes);
        memset(out + at, 'x', bytes);
        at += bytes;
        memcpy(out + at, "\r\n", 2);
        at += 2;
    }
    memcpy(out + at, "0\r\n", 3);
    return at + 3;
}

int main(int argc, char **argv)
{
    bool smoke = argc == 2 && strcmp(argv[1], "--smoke") == 0;
    if (argc > 1 && !smoke) {
        (void)fprintf(stderr, "usage: %s [--smoke]\n", argv[0]);
        return EXIT_FAILURE;
    }
    u32 budget_ns = smoke ? ROUND_NS_SMOKE : ROUND_NS;
    static const struct bench_case heads[] = {
        {"request, browser, 9 fields", run_request, browser, sizeof(browser) - 1},
        {"request, small, 3 fields", run_request, small, sizeof(small) - 1},
        {"request, API, 10 fields", run_request, api, sizeof(api) - 1},
        {"response, 7 fields", run_response, answer, sizeof(answer) - 1},
        {"date", run_date, "", 0},
    };
    u64 sum = 0;
    printf("%-34s %8s %12s %12s\n", "", "size", "fastest", "median");
    for (usize i = 0; i < ARRAY_COUNT(heads); i++)
        measure(&heads[i], budget_ns, &sum);
    static const u32 sizes[] = {1, 16, 256, 4096};
    for (usize i = 0; i < ARRAY_COUNT(sizes); i++) {
        char name[64];
        snprintf(name, sizeof(name), "chunked scan, %u-byte chunks", sizes[i]);
        struct bench_case bench = {name, run_chunked, chunks,
                                   fill_chunks(chunks, sizeof(chunks), sizes[i])};
        measure(&bench, budget_ns, &sum);
    }
    printf("checksum %llu\n", (unsigned long long)sum);
    return 0;
}
