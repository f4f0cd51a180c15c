/* The end of a process that found a bug in itself, and the trail that led there. It may run in a
 * signal handler or with a broken heap, so it formats by hand and calls nothing but write(2). */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/slice.h"

enum { TRACE_EVENTS = 256, OUTPUT_BYTES = 4096 };

struct trace_entry {
    const char *event;
    u64 a;
    u64 b;
};

struct trace {
    struct trace_entry entries[TRACE_EVENTS];
    u32 count; /* of all events ever, so the newest is at count - 1 modulo the size */
};

static __thread struct trace trace;

void trace_event(const char *event, u64 a, u64 b)
{
    trace.entries[trace.count++ % TRACE_EVENTS] = (struct trace_entry){event, a, b};
}

struct output {
    char bytes[OUTPUT_BYTES];
    usize len;
};

static void output_flush(struct output *output)
{
    const char *at = output->bytes;
    while (output->len > 0) {
        ssize_t written = write(STDERR_FILENO, at, output->len);
        if (written <= 0)
            break; /* nobody listens; the core dump still tells */
        at += written;
        output->len -= (usize)written;
    }
    output->len = 0;
}

static void output_string(struct output *output, const char *string)
{
    for (; *string != '\0'; string++) {
        if (output->len == sizeof(output->bytes))
            output_flush(output);
        output->bytes[output->len++] = *string;
    }
}

static void output_number(struct output *output, u64 number)
{
    char digits[21];
    usize at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    output_string(output, &digits[at]);
}

static void output_trace(struct output *output)
{
    u32 shown = min_u32(trace.count, TRACE_EVENTS);
    if (shown == 0)
        return;
    output_string(output, "the last events of this thread, oldest first:\n");
    for (u32 i = trace.count - shown; i != trace.count; i++) {
        const struct trace_entry *entry = &trace.entries[i % TRACE_EVENTS];
        output_string(output, "  ");
        output_string(output, entry->event);
        output_string(output, " ");
        output_number(output, entry->a);
        output_string(output, " ");
        output_number(output, entry->b);
        output_string(output, "\n");
    }
}

void panic(const char *file, int line, const char *what)
{
    static __thread struct output output; /* not on the stack: it may be what ran out */

    output_string(&output, "nextproxy: bug: ");
    output_string(&output, what);
    output_string(&output, " does not hold at ");
    output_string(&output, file);
    output_string(&output, ":");
    output_number(&output, (u64)line);
    output_string(&output, " in thread ");
    output_number(&output, (u64)syscall(SYS_gettid));
    output_string(&output, "\n");
    output_trace(&output);
    output_flush(&output);
    abort();
}
