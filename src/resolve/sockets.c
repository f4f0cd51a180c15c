/* See sockets.h. */
#include "resolve/sockets.h"

#include "base/list.h"

static bool item_is_free(const struct sockets_item *item)
{
    return !item->open && !item->read.op.owed && !item->write.op.owed;
}

static struct sockets_item *find(struct sockets *sockets, int fd)
{
    for (u32 i = 0; i < SOCKETS_MAX; i++)
        if (sockets->at[i].open && sockets->at[i].fd == fd)
            return &sockets->at[i];
    return NULL;
}

static struct sockets_item *take(struct sockets *sockets, int fd)
{
    for (u32 i = 0; i < SOCKETS_MAX; i++)
        if (item_is_free(&sockets->at[i])) {
            sockets->at[i].fd = fd;
            sockets->at[i].open = true;
            return &sockets->at[i];
        }
    return NULL;
}

static void arm(struct sockets_item *item)
{
    struct ring *ring = item->sockets->ring;
    if (item->open && item->read.wanted && !item->read.op.owed)
        ring_poll_readable(ring, &item->read.op, item->fd);
    if (item->open && item->write.wanted && !item->write.op.owed)
        ring_poll_writable(ring, &item->write.op, item->fd);
}

/* A wait that was given up may be wanted again by now. One that failed is not repeated: c-ares
 * finds out when its time is over. */
static void ready(struct sockets_item *item, struct ring_done done, bool readable)
{
    struct sockets *sockets = item->sockets;
    if (item->open && done.status == RING_OK)
        sockets->on_ready(sockets->context, readable ? item->fd : -1, readable ? -1 : item->fd);
    if (done.status == RING_OK || done.status == RING_CANCELED)
        arm(item);
}

static void on_readable(struct ring_op *op, struct ring_done done)
{
    ready(container_of(op, struct sockets_item, read.op), done, true);
}

static void on_writable(struct ring_op *op, struct ring_done done)
{
    ready(container_of(op, struct sockets_item, write.op), done, false);
}

static const struct ring_op_class read_class = {"dns_readable", on_readable};
static const struct ring_op_class write_class = {"dns_writable", on_writable};

void sockets_init(struct sockets *sockets)
{
    for (u32 i = 0; i < SOCKETS_MAX; i++) {
        struct sockets_item *item = &sockets->at[i];
        *item = (struct sockets_item){.sockets = sockets, .fd = -1};
        ring_op_init(&item->read.op, &read_class);
        ring_op_init(&item->write.op, &write_class);
    }
}

bool sockets_want(struct sockets *sockets, int fd, bool readable, bool writable)
{
    struct sockets_item *item = find(sockets, fd);
    if (!item && !readable && !writable)
        return true;
    if (!item)
        item = take(sockets, fd);
    if (!item)
        return false;
    item->read.wanted = readable;
    item->write.wanted = writable;
    item->open = readable || writable;
    if (!readable)
        ring_cancel(sockets->ring, &item->read.op);
    if (!writable)
        ring_cancel(sockets->ring, &item->write.op);
    arm(item);
    return true;
}

bool sockets_are_quiet(const struct sockets *sockets)
{
    for (u32 i = 0; i < SOCKETS_MAX; i++)
        if (!item_is_free(&sockets->at[i]))
            return false;
    return true;
}
