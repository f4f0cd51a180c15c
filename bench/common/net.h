/* Sockets, processor affinity and limits for the benchmark programs. Every failure here is a
 * start-up error: the message names the cause and the program ends with status 1. */
#ifndef NEXTPROXY_BENCH_NET_H
#define NEXTPROXY_BENCH_NET_H

#include <netinet/in.h>

#include "base/types.h"

/* Prints "<program>: message" to stderr and exits with status 1. */
__attribute__((noreturn)) void net_die(const char *format, ...) PRINTF_LIKE(1, 2);

/* Parses "127.0.0.1:8080" (port 0 allowed). Returns false when the text is anything else. */
bool net_parse_address(const char *text, struct sockaddr_in *out) MUST_CHECK;

/* A listening TCP socket on `address`; on return the port is the one really bound. */
int net_listen(struct sockaddr_in *address);

/* A TCP socket with TCP_NODELAY, not connected. Returns -1 with errno when there is none to have.
 */
int net_socket(void) MUST_CHECK;

/* Pins the calling thread to `cpu`; a negative number leaves it free. */
void net_pin_cpu(int cpu);

/* Raises the soft limit on open files to the hard one, or, where allowed, to `files`. */
void net_raise_nofile(u64 files);

/* CLOCK_MONOTONIC in nanoseconds. */
u64 net_now_ns(void);

#endif
