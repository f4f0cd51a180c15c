/*
 * origin: a small HTTP/1.1 server that is faster than every proxy in front of it. `GET /<bytes>` is
 * answered with a body of that many bytes.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net.h"
#include "origin/server.h"

enum { LISTENERS_MAX = 4096, FILES_MAX = 65536 };

static const char usage[] =
    "usage: origin [--listen ADDRESS:PORT]... [--count N] [--cpu N] [--slots N --service-us T]\n"
    "  --listen ADDRESS:PORT  where to listen (127.0.0.1:0); port 0 takes a free one\n"
    "  --count N              make N listeners of each: consecutive ports, or N free ones\n"
    "  --cpu N                run on this processor only\n"
    "  --slots N              serve so many requests at once; others wait in line\n"
    "  --service-us T         each of them for so many microseconds\n"
    "Prints `listening ADDRESS:PORT` for each, then `ready`.\n";

struct listen_plan {
    struct sockaddr_in addresses[16];
    u32 address_count;
    u32 count;
    int cpu;
    int slots;
    int service_us;
};

static int parse_int(const char *text, int max)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 0 || value > max)
        net_die("not a number from 0 to %d: %s", max, text);
    return (int)value;
}

static void add_address(struct listen_plan *plan, const char *text)
{
    if (plan->address_count == ARRAY_COUNT(plan->addresses))
        net_die("too many --listen options");
    if (!net_parse_address(text, &plan->addresses[plan->address_count++]))
        net_die("not ADDRESS:PORT: %s", text);
}

static void parse_options(int argc, char **argv, struct listen_plan *plan)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},     {"count", required_argument, NULL, 'n'},
        {"cpu", required_argument, NULL, 'c'},        {"slots", required_argument, NULL, 's'},
        {"service-us", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'l')
            add_address(plan, optarg);
        else if (option == 'n')
            plan->count = (u32)parse_int(optarg, LISTENERS_MAX);
        else if (option == 'c')
            plan->cpu = parse_int(optarg, 4095);
        else if (option == 's')
            plan->slots = parse_int(optarg, PACE_SLOTS_MAX);
        else if (option == 't')
            plan->service_us = parse_int(optarg, 1000000);
        else
            net_die("unknown option\n%s", usage);
    }
    if (plan->address_count == 0)
        add_address(plan, "127.0.0.1:0");
}

static int open_one(struct sockaddr_in address, u32 index)
{
    if (address.sin_port != 0)
        address.sin_port = htons((u16)(ntohs(address.sin_port) + index));
    int fd = net_listen(&address);
    char text[INET_ADDRSTRLEN];
    printf("listening %s:%u\n", inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)),
           (unsigned)ntohs(address.sin_port));
    return fd;
}

int main(int argc, char **argv)
{
    static int listeners[LISTENERS_MAX];
    static struct pace pace;
    struct listen_plan plan = {.count = 1, .cpu = -1};
    parse_options(argc, argv, &plan);
    u32 total = plan.count * plan.address_count;
    if (total == 0 || total > LISTENERS_MAX)
        net_die("between 1 and %d listeners, not %u", LISTENERS_MAX, (unsigned)total);
    signal(SIGPIPE, SIG_IGN);
    net_raise_nofile(FILES_MAX);
    net_pin_cpu(plan.cpu);
    for (u32 i = 0; i < total; i++)
        listeners[i] = open_one(plan.addresses[i / plan.count], i % plan.count);
    puts("ready");
    fflush(stdout);
    pace.slots = (u32)plan.slots;
    pace.service_ns = (u64)plan.service_us * 1000;
    server_run(listeners, total, &pace);
}
