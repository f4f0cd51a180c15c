/*
 * The start-up probe: setup flags by setting rings up, feature bits and operations by asking, and
 * everything else by doing it (behaviour.c).
 */
#include "ring/probe.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "ring/behaviour.h"

enum { PROBE_ENTRIES = 8 }; /* rings so small that they fit any limit on locked memory */

/* ---- The tests, one for each row of features.def ---- */

static const struct setup_test {
    enum ring_feature feature;
    u32 flags;
} setup_tests[] = {
    {RING_FEATURE_START_DISABLED, IORING_SETUP_R_DISABLED},
    {RING_FEATURE_SUBMIT_ALL, IORING_SETUP_SUBMIT_ALL},
    {RING_FEATURE_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN},
    {RING_FEATURE_SINGLE_ISSUER, IORING_SETUP_SINGLE_ISSUER},
    {RING_FEATURE_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN},
};

static const struct bit_test {
    enum ring_feature feature;
    u32 bit;
} bit_tests[] = {
    {RING_FEATURE_NO_DROP, IORING_FEAT_NODROP},
    {RING_FEATURE_SUBMIT_STABLE, IORING_FEAT_SUBMIT_STABLE},
    {RING_FEATURE_NO_IOWAIT, IORING_FEAT_NO_IOWAIT},
};

static const struct op_test {
    enum ring_feature feature;
    int op;
} op_tests[] = {
    {RING_FEATURE_OP_POLL_ADD, IORING_OP_POLL_ADD},
    {RING_FEATURE_OP_SENDMSG, IORING_OP_SENDMSG},
    {RING_FEATURE_OP_ACCEPT, IORING_OP_ACCEPT},
    {RING_FEATURE_OP_CONNECT, IORING_OP_CONNECT},
    {RING_FEATURE_OP_ASYNC_CANCEL, IORING_OP_ASYNC_CANCEL},
    {RING_FEATURE_OP_READ, IORING_OP_READ},
    {RING_FEATURE_OP_READV, IORING_OP_READV},
    {RING_FEATURE_OP_WRITE, IORING_OP_WRITE},
    {RING_FEATURE_OP_SEND, IORING_OP_SEND},
    {RING_FEATURE_OP_RECV, IORING_OP_RECV},
};

static const struct behaviour_test {
    enum ring_feature feature;
    i32 (*run)(struct io_uring *ring);
} behaviour_tests[] = {
    {RING_FEATURE_THREAD_LIMIT, behaviour_thread_limit},
    {RING_FEATURE_REGISTERED_RING, behaviour_registered_ring},
    {RING_FEATURE_BUFFER_RING, behaviour_buffer_ring},
    {RING_FEATURE_MULTISHOT_ACCEPT, behaviour_multishot_accept},
    {RING_FEATURE_MULTISHOT_RECV, behaviour_multishot_recv},
    {RING_FEATURE_BUNDLE, behaviour_bundle},
    {RING_FEATURE_SPLICE, behaviour_splice},
    {RING_FEATURE_RESTRICTIONS, behaviour_restrictions},
};

static_assert(ARRAY_COUNT(setup_tests) + ARRAY_COUNT(bit_tests) + ARRAY_COUNT(op_tests) +
                      ARRAY_COUNT(behaviour_tests) + 2 ==
                  RING_FEATURE_COUNT,
              "every row of features.def has a test; two are in ring_probe_run itself");

/* ---- Running them ---- */

/* These say something about the process' limits and nothing about the kernel. */
static bool is_shortage(i32 error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static void record(struct ring_probe *out, enum ring_feature feature, i32 error)
{
    enum ring_feature_state state = RING_FEATURE_MISSING;
    if (error == 0)
        state = RING_FEATURE_PRESENT;
    else if (is_shortage(error))
        state = RING_FEATURE_UNTESTED;
    out->rows[feature] = (struct ring_probe_row){state, error};
}

static bool present(const struct ring_probe *probe, enum ring_feature feature)
{
    return probe->rows[feature].state == RING_FEATURE_PRESENT;
}

static i32 try_setup(u32 flags)
{
    struct io_uring ring;
    int failed = io_uring_queue_init(PROBE_ENTRIES, &ring, flags);
    if (failed != 0)
        return -failed;
    io_uring_queue_exit(&ring);
    return 0;
}

/* A ring of the best kind there is, as the workers will have. */
static i32 open_best(const struct ring_probe *probe, struct io_uring *ring)
{
    u32 flags = 0;
    if (present(probe, RING_FEATURE_DEFER_TASKRUN))
        flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    else if (present(probe, RING_FEATURE_COOP_TASKRUN))
        flags = IORING_SETUP_COOP_TASKRUN;
    return -io_uring_queue_init(PROBE_ENTRIES, ring, flags);
}

static void ask_operations(struct ring_probe *out, struct io_uring *ring)
{
    enum { OPS_ASKED = 64 };
    union {
        struct io_uring_probe known;
        u8 room[sizeof(struct io_uring_probe) + OPS_ASKED * sizeof(struct io_uring_probe_op)];
    } answer = {.room = {0}};
    int failed = io_uring_register_probe(ring, &answer.known, OPS_ASKED);
    for (usize i = 0; i < ARRAY_COUNT(op_tests); i++) {
        bool supported = io_uring_opcode_supported(&answer.known, op_tests[i].op);
        record(out, op_tests[i].feature, supported ? 0 : failed < 0 ? -failed : EINVAL);
    }
}

static void try_on_ring(struct ring_probe *out, struct io_uring *ring)
{
    for (usize i = 0; i < ARRAY_COUNT(bit_tests); i++)
        record(out, bit_tests[i].feature, ring->features & bit_tests[i].bit ? 0 : EINVAL);
    ask_operations(out, ring);
    record(out, RING_FEATURE_WAIT_TIMEOUT, behaviour_wait_timeout(ring));
    if (!present(out, RING_FEATURE_WAIT_TIMEOUT))
        return; /* the other experiments could wait for ever */
    for (usize i = 0; i < ARRAY_COUNT(behaviour_tests); i++)
        record(out, behaviour_tests[i].feature, behaviour_tests[i].run(ring));
}

static void summarize(struct ring_probe *out)
{
    out->usable = true; /* until something required turns out not to be present */
    for (u32 i = 0; i < RING_FEATURE_COUNT; i++) {
        const struct ring_feature_info *info = ring_feature_info((enum ring_feature)i);
        if (present(out, (enum ring_feature)i))
            out->capabilities |= info->capability;
        else if (info->capability == 0 && out->usable) {
            out->usable = false;
            out->error = out->rows[i].error;
        }
    }
    out->capabilities = ring_capabilities_reduce(out->capabilities);
}

void ring_probe_run(struct ring_probe *out)
{
    memset(out, 0, sizeof(*out));
    out->error = try_setup(0);
    record(out, RING_FEATURE_IO_URING, out->error);
    if (out->error != 0)
        return;
    for (usize i = 0; i < ARRAY_COUNT(setup_tests); i++)
        record(out, setup_tests[i].feature, try_setup(setup_tests[i].flags));
    struct io_uring ring;
    out->error = open_best(out, &ring);
    if (out->error != 0)
        return;
    try_on_ring(out, &ring);
    io_uring_queue_exit(&ring);
    summarize(out);
}
