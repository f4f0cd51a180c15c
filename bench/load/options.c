#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net.h"
#include "load/load.h"

enum { CONNECTIONS_MAX = 200000, CPU_MAX = 4095, BODY_BYTES_MAX = 64 * 1024 * 1024 };

static const char usage[] =
    "usage: load --target ADDRESS:PORT [options]\n"
    "  --body BYTES         ask for /BYTES and expect a body of that length (1024)\n"
    "  --connections N      keep-alive connections with traffic (16)\n"
    "  --seconds T          how long to measure (3)\n"
    "  --requests M         measure M requests instead\n"
    "  --warmup T           seconds of traffic before measuring (0.3)\n"
    "  --rate R             constant rate of R requests/s; latency counts from the intended time\n"
    "  --fresh              a new connection for each request (Connection: close)\n"
    "  --may-refuse         a 503 is no error: it is counted, and its latency is not\n"
    "  --idle K             first open K connections, one request each, and keep them open\n"
    "  --host NAME          the Host field (the target)\n"
    "  --cpu N              run on this processor only\n"
    "  --watch NAME=PID     report the CPU time of that process within the measured window\n"
    "With --connections 0 it only holds the idle connections for the given seconds.\n"
    "Prints {\"event\": \"idle_ready\"} when the idle connections stand, and the result at the "
    "end.\n"
    "Exit status: 0 valid, 2 when any response was wrong or missing, 1 for other failures.\n";

static u64 parse_count(const char *text, u64 max)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || text[0] == '-' || value > max)
        net_die("not a number from 0 to %llu: %s", (unsigned long long)max, text);
    return value;
}

static double parse_seconds(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 86400))
        net_die("not a number of seconds: %s", text);
    return value;
}

static void add_watch(struct options *options, const char *text)
{
    if (options->watch_count == WATCHES_MAX)
        net_die("at most %d --watch", WATCHES_MAX);
    watch_open(&options->watches[options->watch_count++], text);
}

struct request_parts {
    const char *target;
    const char *host;
};

static bool apply_number(struct options *options, int option, const char *text)
{
    switch (option) {
    case 'b':
        options->body_bytes = parse_count(text, BODY_BYTES_MAX);
        return true;
    case 'c':
        options->connections = (u32)parse_count(text, CONNECTIONS_MAX);
        return true;
    case 'i':
        options->idle = (u32)parse_count(text, CONNECTIONS_MAX);
        return true;
    case 'm':
        options->requests = parse_count(text, UINT64_MAX);
        return true;
    case 'r':
        options->rate = parse_count(text, 10000000);
        return true;
    case 'p':
        options->cpu = (int)parse_count(text, CPU_MAX);
        return true;
    case 's':
        options->seconds = parse_seconds(text);
        return true;
    case 'w':
        options->warmup_seconds = parse_seconds(text);
        return true;
    default:
        return false;
    }
}

static void apply_option(struct options *options, struct request_parts *parts, int option)
{
    if (apply_number(options, option, optarg))
        return;
    if (option == 't')
        parts->target = optarg;
    else if (option == 'h')
        parts->host = optarg;
    else if (option == 'f')
        options->fresh = true;
    else if (option == 'e')
        options->may_refuse = true;
    else if (option == 'x')
        add_watch(options, optarg);
    else
        net_die("unknown option\n%s", usage);
}

/* About what a client of an internal service sends: 190 bytes. */
static void write_request(struct options *options, const struct request_parts *parts)
{
    int len = snprintf(options->request, sizeof(options->request),
                       "GET /%llu HTTP/1.1\r\nHost: %s\r\nUser-Agent: load/1.0 (benchmark)\r\n"
                       "Accept: text/html,application/json;q=0.9,*/*;q=0.8\r\n"
                       "Accept-Language: en\r\nCookie: session=0123456789abcdef\r\n%s\r\n",
                       (unsigned long long)options->body_bytes,
                       parts->host != NULL ? parts->host : parts->target,
                       options->fresh ? "Connection: close\r\n" : "");
    if (len < 0 || (usize)len >= sizeof(options->request))
        net_die("--host is too long");
    options->request_len = (usize)len;
}

void options_parse(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"target", required_argument, NULL, 't'},      {"body", required_argument, NULL, 'b'},
        {"connections", required_argument, NULL, 'c'}, {"seconds", required_argument, NULL, 's'},
        {"requests", required_argument, NULL, 'm'},    {"warmup", required_argument, NULL, 'w'},
        {"rate", required_argument, NULL, 'r'},        {"fresh", no_argument, NULL, 'f'},
        {"may-refuse", no_argument, NULL, 'e'},        {"idle", required_argument, NULL, 'i'},
        {"host", required_argument, NULL, 'h'},        {"cpu", required_argument, NULL, 'p'},
        {"watch", required_argument, NULL, 'x'},       {NULL, 0, NULL, 0}};
    struct request_parts parts = {NULL, NULL};
    *options = (struct options){
        .connections = 16, .seconds = 3, .warmup_seconds = 0.3, .body_bytes = 1024, .cpu = -1};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        apply_option(options, &parts, option);
    if (parts.target == NULL || optind != argc)
        net_die("%s", usage);
    if (!net_parse_address(parts.target, &options->target))
        net_die("not ADDRESS:PORT: %s", parts.target);
    if (options->fresh && (options->rate > 0 || options->idle > 0))
        net_die("--fresh goes with neither --rate nor --idle");
    if (options->connections == 0 && options->idle == 0)
        net_die("nothing to do: no connections and no idle connections");
    write_request(options, &parts);
}
