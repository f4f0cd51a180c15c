/*
 * floor: a forwarder on the same ring setup as the proxy that parses nothing. What it costs per
 * request is the practical limit for a proxy on this machine; see bench/README.md.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net.h"
#include "floor_relay.h"

enum {
    SQ_ENTRIES = 2048,
    CQ_ENTRIES = 16384,
    FILES_MAX = 65536,
    BUFFERS_MAX = 32768,
    BUFFER_BYTES_MAX = 1 << 20,
    CPU_MAX = 4095,
    FIXED_MAX = 16384,
    BUSY_EVENTS = 16,
    WAIT_NS_MAX = 1000000,
};

static const char usage[] =
    "usage: floor --upstream ADDRESS:PORT [--upstream ...] [options]\n"
    "  --upstream ADDRESS:PORT where to connect to; several: one request to each in turn\n"
    "  --listen ADDRESS:PORT   where to accept (127.0.0.1:0)\n"
    "  --reply-bytes N         a reply is N bytes long: take an upstream for each request, last "
    "in\n"
    "                          first out; without it a client keeps its upstream\n"
    "  --buffer-bytes N        size of a receive buffer (4096)\n"
    "  --buffers N             how many, a power of two (2048)\n"
    "  --publish N             how many of them the kernel has at a time (256)\n"
    "  --send op|quiet|inline  how to send (op)\n"
    "  --wait N                completions to wait for (1)\n"
    "  --min-wait US           but return with fewer after US microseconds\n"
    "  --adaptive              wait for as many as the load makes likely, up to --wait\n"
    "  --single                single-shot instead of multishot receives\n"
    "  --coop                  COOP_TASKRUN instead of SINGLE_ISSUER|DEFER_TASKRUN\n"
    "  --fixed                 also put the descriptors into the ring's table\n"
    "  --congestion NAME       congestion control of all sockets (the system's)\n"
    "  --plain-fd              do not register the ring's descriptor\n"
    "  --cpu N                 run on this processor only\n"
    "Prints `listening ADDRESS:PORT` and `ready`.\n";

static u32 parse_count(const char *text, u32 max)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || text[0] == '-' || value > max)
        net_die("not a number from 0 to %u: %s", max, text);
    return (u32)value;
}

static enum floor_send parse_send(const char *text)
{
    if (strcmp(text, "op") == 0)
        return FLOOR_SEND_OP;
    if (strcmp(text, "quiet") == 0)
        return FLOOR_SEND_QUIET;
    if (strcmp(text, "inline") != 0)
        net_die("--send is op, quiet or inline, not %s", text);
    return FLOOR_SEND_INLINE;
}

static void parse_address(const char *text, struct sockaddr_in *out)
{
    if (!net_parse_address(text, out))
        net_die("not ADDRESS:PORT: %s", text);
}

static bool apply_number(struct floor_options *options, int option, const char *text)
{
    switch (option) {
    case 'r':
        options->reply_bytes = parse_count(text, UINT32_MAX);
        return true;
    case 'b':
        options->buffer_bytes = parse_count(text, BUFFER_BYTES_MAX);
        return true;
    case 'n':
        options->buffers = parse_count(text, BUFFERS_MAX);
        return true;
    case 'p':
        options->publish = parse_count(text, BUFFERS_MAX);
        return true;
    case 'w':
        options->wait_events = parse_count(text, CQ_ENTRIES);
        return true;
    case 'm':
        options->min_wait_us = parse_count(text, 1000000);
        return true;
    case 'c':
        options->cpu = (int)parse_count(text, CPU_MAX);
        return true;
    default:
        return false;
    }
}

static void add_backend(struct floor *floor, const char *text)
{
    if (floor->backend_count == BACKENDS_MAX)
        net_die("more than %d times --upstream", BACKENDS_MAX);
    parse_address(text, &floor->backends[floor->backend_count++].address);
}

static void apply_option(struct floor *floor, int option)
{
    struct floor_options *options = &floor->options;
    if (apply_number(options, option, optarg))
        return;
    if (option == 'l')
        parse_address(optarg, &options->listen);
    else if (option == 'u')
        add_backend(floor, optarg);
    else if (option == 's')
        options->send = parse_send(optarg);
    else if (option == '1')
        options->single = true;
    else if (option == 'o')
        options->ring.coop = true;
    else if (option == 'f')
        options->ring.plain_fd = true;
    else if (option == 'a')
        options->adaptive = true;
    else if (option == 'x')
        options->fixed = true;
    else if (option == 'g')
        options->congestion = optarg;
    else
        net_die("unknown option\n%s", usage);
}

static void parse_options(int argc, char **argv, struct floor *floor)
{
    struct floor_options *options = &floor->options;
    static const struct option names[] = {{"listen", required_argument, NULL, 'l'},
                                          {"upstream", required_argument, NULL, 'u'},
                                          {"reply-bytes", required_argument, NULL, 'r'},
                                          {"buffer-bytes", required_argument, NULL, 'b'},
                                          {"buffers", required_argument, NULL, 'n'},
                                          {"publish", required_argument, NULL, 'p'},
                                          {"send", required_argument, NULL, 's'},
                                          {"wait", required_argument, NULL, 'w'},
                                          {"min-wait", required_argument, NULL, 'm'},
                                          {"single", no_argument, NULL, '1'},
                                          {"coop", no_argument, NULL, 'o'},
                                          {"plain-fd", no_argument, NULL, 'f'},
                                          {"cpu", required_argument, NULL, 'c'},
                                          {"fixed", no_argument, NULL, 'x'},
                                          {"adaptive", no_argument, NULL, 'a'},
                                          {"congestion", required_argument, NULL, 'g'},
                                          {NULL, 0, NULL, 0}};
    *options = (struct floor_options){.buffer_bytes = 4096,
                                      .buffers = 2048,
                                      .publish = 256,
                                      .wait_events = 1,
                                      .cpu = -1,
                                      .ring = {.sq_entries = SQ_ENTRIES, .cq_entries = CQ_ENTRIES}};
    parse_address("127.0.0.1:0", &options->listen);
    int option = 0;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        apply_option(floor, option);
    if (floor->backend_count == 0)
        net_die("%s", usage);
    if (options->buffers == 0 || (options->buffers & (options->buffers - 1)) != 0)
        net_die("--buffers must be a power of two");
    options->publish = min_u32(options->publish, options->buffers);
}

static void *allocate(usize count, usize bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL)
        net_die("out of memory");
    return memory;
}

static void floor_open(struct floor *floor)
{
    const struct floor_options *options = &floor->options;
    bench_ring_open(&floor->ring, &options->ring);
    buffer_group_open(&floor->group, &floor->ring,
                      &(struct buffer_group_setup){.count = options->buffers,
                                                   .buffer_bytes = options->buffer_bytes,
                                                   .published_max = options->publish});
    floor->next = allocate(options->buffers, sizeof(*floor->next));
    floor->len = allocate(options->buffers, sizeof(*floor->len));
    if (options->fixed && io_uring_register_files_sparse(&floor->ring.uring, FIXED_MAX) != 0)
        net_die("cannot register a table of %d descriptors", FIXED_MAX);
    struct sockaddr_in address = options->listen;
    floor->listener = net_listen(&address);
    floor_set_congestion(options, floor->listener);
    char text[INET_ADDRSTRLEN];
    printf("listening %s:%u\nready\n", inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)),
           (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    floor_accept_arm(floor);
}

/* How many completions the next turn waits for. While turns bring many, waiting for slightly more
 * makes larger batches, and lifts the kernel's limit of 20 deferred completions a pass; as soon as
 * a turn ends by the minimum wait instead, the number falls below what came, so that the timer is
 * the exception. With few completions a turn, nothing is ever waited for. */
static u32 next_wait(const struct floor_options *options, u32 waited, u32 seen)
{
    if (seen < BUSY_EVENTS)
        return 1;
    if (seen >= waited)
        return min_u32(seen + seen / 4, options->wait_events);
    return seen * 3 / 4;
}

static u32 drain_completions(struct floor *floor)
{
    struct io_uring_cqe *cqe;
    u32 head;
    u32 seen = 0;
    io_uring_for_each_cqe(&floor->ring.uring, head, cqe)
    {
        floor_dispatch(floor, cqe);
        seen++;
    }
    io_uring_cq_advance(&floor->ring.uring, seen);
    floor_end_turn(floor);
    return seen;
}

__attribute__((noreturn)) static void floor_run(struct floor *floor)
{
    const struct floor_options *options = &floor->options;
    struct bench_wait wait = {.events = options->adaptive ? 1 : options->wait_events,
                              .min_wait_us = options->min_wait_us};
    for (;;) {
        /* Waiting for several on a kernel without a minimum wait could last for ever. */
        wait.timeout_ns = wait.events > 1 ? WAIT_NS_MAX : -1;
        bench_ring_turn(&floor->ring, wait);
        u32 seen = drain_completions(floor);
        if (options->adaptive)
            wait.events = next_wait(options, wait.events, seen);
    }
}

int main(int argc, char **argv)
{
    static struct floor floor;
    parse_options(argc, argv, &floor);
    signal(SIGPIPE, SIG_IGN);
    net_raise_nofile(FILES_MAX);
    net_pin_cpu(floor.options.cpu);
    floor_open(&floor);
    floor_run(&floor);
}
