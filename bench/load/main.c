/* load: a load generator on io_uring that checks every response. See bench/README.md. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "common/net.h"
#include "load/load.h"

enum {
    SQ_ENTRIES = 4096,
    CQ_ENTRIES = 32768,
    BUFFERS = 2048,
    BUFFER_BYTES = 4096,
    BUFFERS_PUBLISHED = 512,
    BULK_BODY_BYTES_MIN = 32768,
    FILES_SPARE = 256,
};

static void *allocate(usize count, usize bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    if (memory == NULL)
        net_die("out of memory");
    return memory;
}

/* Bodies that are larger than a few buffers are taken with MSG_TRUNC, for which the kernel wants an
 * address range that it never writes to. */
static void prepare_bulk(struct load *load)
{
    load->bulk = load->options.body_bytes >= BULK_BODY_BYTES_MIN;
    if (!load->bulk)
        return;
    load->discard = mmap(NULL, load->options.body_bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (load->discard == MAP_FAILED)
        net_die("mmap: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    static struct load load;
    options_parse(&load.options, argc, argv);
    u32 total = load.options.idle + load.options.connections;
    signal(SIGPIPE, SIG_IGN);
    net_raise_nofile((u64)total + FILES_SPARE);
    net_pin_cpu(load.options.cpu);
    /* The default slack of 50 us would be half the interval at 10,000 requests per second. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    pattern_fill(load.block);
    prepare_bulk(&load);
    load.connections = allocate(total, sizeof(*load.connections));
    load.ready = allocate(total, sizeof(struct connection *));
    bench_ring_open(&load.ring,
                    &(struct bench_ring_setup){.sq_entries = SQ_ENTRIES, .cq_entries = CQ_ENTRIES});
    buffer_group_open(&load.group, &load.ring,
                      &(struct buffer_group_setup){.count = BUFFERS,
                                                   .buffer_bytes = BUFFER_BYTES,
                                                   .published_max = BUFFERS_PUBLISHED});
    traffic_run(&load);
    return report_print(&load) ? 0 : 2;
}
