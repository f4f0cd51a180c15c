/* The origin's loop: accepts, finds requests, sends replies. One thread, one ring. */
#ifndef NEXTPROXY_BENCH_ORIGIN_SERVER_H
#define NEXTPROXY_BENCH_ORIGIN_SERVER_H

#include "base/types.h"
#include "origin/pace.h"

/* Serves the listening sockets until the process is told to stop. The array and the pace must
 * outlive it. */
__attribute__((noreturn)) void server_run(const int *listeners, u32 count, struct pace *pace);

#endif
