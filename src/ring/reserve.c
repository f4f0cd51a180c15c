/* See include/ring/reserve.h. A place is changed by whoever exchanges what it holds; a descriptor
 * is in it only while it is /dev/null's. */
#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/assert.h"
#include "ring/reserve.h"
#include "ring/ring_internal.h"

enum { PLACE_UNUSED = -2, PLACE_LACKING = -1 }; /* else a descriptor */

static_assert(RING_RESERVE == 4, "one initializer for each place");
static struct {
    _Atomic int places[RING_RESERVE];
    _Atomic int null; /* what is put in the place of a socket */
} reserve = {
    .places = {PLACE_UNUSED, PLACE_UNUSED, PLACE_UNUSED, PLACE_UNUSED},
    .null = -1,
};

static bool is_lacking(void)
{
    for (u32 i = 0; i < RING_RESERVE; i++)
        if (atomic_load_explicit(&reserve.places[i], memory_order_relaxed) == PLACE_LACKING)
            return true;
    return false;
}

/* False when somebody else's was put there before. */
static bool put(int fd)
{
    for (u32 i = 0; i < RING_RESERVE; i++) {
        int lacking = PLACE_LACKING;
        if (atomic_compare_exchange_strong(&reserve.places[i], &lacking, fd))
            return true;
    }
    return false;
}

bool reserve_keep(int fd)
{
    return UNLIKELY(is_lacking()) && dup3(atomic_load(&reserve.null), fd, O_CLOEXEC) >= 0 &&
           put(fd);
}

void ring_reserve_fill(void)
{
    while (is_lacking()) {
        int fd = fcntl(atomic_load(&reserve.null), F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return;
        if (!put(fd))
            (void)close(fd);
    }
}

void ring_reserve_begin(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0)
        return;
    ASSERT(atomic_load(&reserve.null) < 0);
    atomic_store(&reserve.null, null);
    for (u32 i = 0; i < RING_RESERVE; i++)
        atomic_store(&reserve.places[i], PLACE_LACKING);
    ring_reserve_fill();
}

/* Whoever closes a socket at this moment, and saw that one was lacking, finds no place for it. */
void ring_reserve_end(void)
{
    for (u32 i = 0; i < RING_RESERVE; i++) {
        int fd = atomic_exchange(&reserve.places[i], PLACE_UNUSED);
        if (fd >= 0)
            (void)close(fd);
    }
    int null = atomic_exchange(&reserve.null, -1);
    if (null >= 0)
        (void)close(null);
}

bool ring_reserve_give_up(void)
{
    for (u32 i = 0; i < RING_RESERVE; i++) {
        int fd = atomic_load(&reserve.places[i]);
        if (fd < 0)
            continue;
        /* What is in a place stays there until it is given up, which one thread does. */
        atomic_store(&reserve.places[i], PLACE_LACKING);
        (void)close(fd);
        return true;
    }
    return false;
}
