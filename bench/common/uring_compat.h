/*
 * Constants of the io_uring interface that are newer than liburing 2.3 (Debian 12). The interface
 * is stable, so defining them here is safe; whether the running kernel knows them is asked at run
 * time.
 */
#ifndef NEXTPROXY_BENCH_URING_COMPAT_H
#define NEXTPROXY_BENCH_URING_COMPAT_H

#include <liburing.h>

#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14) /* Linux 6.10 */
#endif
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15) /* Linux 6.12 */
#endif
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4) /* Linux 6.10 */
#endif

#endif
