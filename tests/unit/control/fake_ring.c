/*
 * A stand-in for the functions of include/ring.h that the log writer uses. A write is carried out
 * with write(2) when it is queued and completes in the next ring_turn; what the tests set in `fake`
 * makes it fail, fall short or stay in flight. Included by the test program, so that it takes the
 * place of the real ring.
 */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "ring.h"

enum { FAKE_SLOTS = 8 };

struct fake_write {
    struct ring_op *op;
    struct ring_done done;
};

static struct {
    struct fake_write writes[FAKE_SLOTS]; /* in flight */
    u32 write_count;
    u32 writes_total;
    u32 largest;    /* bytes of the largest write */
    i32 fail_error; /* errno for every write; 0 = none */
    u32 disk_bytes; /* room left on the disk; UINT32_MAX = no end */
    bool hold;      /* nothing completes */
    u64 now_ns;
    atomic_uint wakes;
} fake;

static void fake_ring_reset(void)
{
    memset(&fake, 0, sizeof fake);
    fake.disk_bytes = UINT32_MAX;
    fake.now_ns = 1;
}

void ring_op_init(struct ring_op *op, const struct ring_op_class *class)
{
    *op = (struct ring_op){.class = class};
}

/* What the kernel would say. */
static i32 fake_write_now(int fd, const void *data, u32 len)
{
    if (fake.fail_error != 0)
        return -fake.fail_error;
    if (fake.disk_bytes == 0)
        return -ENOSPC;
    len = min_u32(len, fake.disk_bytes);
    ssize_t written = write(fd, data, len);
    if (written < 0)
        return -errno;
    if (fake.disk_bytes != UINT32_MAX)
        fake.disk_bytes -= (u32)written;
    return (i32)written;
}

void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *data, u32 len)
{
    ASSERT(!op->owed);
    ASSERT(fake.write_count < FAKE_SLOTS);
    op->owed = true;
    i32 result = fake_write_now(fd, data, len);
    fake.writes_total++;
    fake.largest = max_u32(fake.largest, len);
    fake.writes[fake.write_count++] = (struct fake_write){
        .op = op,
        .done = {.result = result > 0 ? result : 0,
                 .error = result < 0 ? -result : 0,
                 .status = result < 0 ? RING_FAILED : RING_OK},
    };
}

u64 ring_turn(struct ring *ring, u64 deadline_ns)
{
    if (fake.hold || fake.write_count == 0) {
        fake.now_ns = max_u64(fake.now_ns, deadline_ns);
        return fake.now_ns;
    }
    struct fake_write batch[FAKE_SLOTS];
    u32 count = fake.write_count;
    memcpy(batch, fake.writes, sizeof batch);
    fake.write_count = 0;
    for (u32 i = 0; i < count; i++) {
        batch[i].op->owed = false;
        batch[i].op->class->on_done(batch[i].op, batch[i].done);
    }
    return fake.now_ns;
}

void ring_wake(struct ring *ring)
{
    atomic_fetch_add(&fake.wakes, 1);
}
