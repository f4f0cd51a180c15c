/*
 * The part of the io_uring interface that liburing 2.3 (Debian 12) does not name yet. The interface
 * is stable, so the values can be written down here; whether the running kernel knows them is found
 * out at run time (probe.c).
 *
 * Include this instead of <liburing.h>, and never include <linux/io_uring.h>: both guard themselves
 * with LINUX_IO_URING_H, the first one wins, and the kernel's copy may be the older of the two.
 */
#ifndef NEXTPROXY_RING_COMPAT_H
#define NEXTPROXY_RING_COMPAT_H

#if defined(LINUX_IO_URING_H) && !defined(LIB_URING_H)
#error "<linux/io_uring.h> was included before ring/compat.h"
#endif

#include <liburing.h>

#include "base/types.h"

/* io_uring_params.features */
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14) /* Linux 6.10 */
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17) /* Linux 6.15 */
#endif

/* io_uring_enter(2), flags */
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7) /* Linux 6.15 */
#endif

/* io_uring_sqe.ioprio of receives and sends */
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4) /* Linux 6.10 */
#endif

#endif
