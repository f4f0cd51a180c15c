/*
 * The text of a handover:
 *
 *     nextproxy 1
 *     role engine
 *     channel 3
 *     supervisor 4711
 *     restarts 2
 *     watchdog 30000000
 *     state 7
 *     config 8
 *     report The engine (process 4712) was ended by SIGSEGV ...
 *     engine 4713 9 123456789
 *     listen 5-6,11 *:3000
 *     given 12 web
 *
 * A name goes to the end of its line, and the sockets of one listener share one, in order.
 */
#include "handover.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_LINE "nextproxy 1"

static const char *const role_names[] = {
    [HANDOVER_NONE] = "none",
    [HANDOVER_ENGINE] = "engine",
    [HANDOVER_REPORTER] = "reporter",
    [HANDOVER_SUPERVISOR] = "supervisor",
};

void handover_init(struct handover *handover)
{
    /* Not all of it: untouched pages of the table of sockets cost nothing. */
    *handover->report = '\0';
    handover->role = HANDOVER_NONE;
    handover->channel = -1;
    handover->supervisor = 0;
    handover->restarts = 0;
    handover->watchdog_us = 0;
    handover->state = -1;
    handover->config = -1;
    handover->instead = false;
    handover->engine_count = 0;
    handover->socket_count = 0;
}

bool handover_add(struct handover *handover, int fd, const char *name, bool given)
{
    usize len = strlen(name);
    if (handover->socket_count == HANDOVER_SOCKETS_MAX || len >= HANDOVER_NAME_BYTES ||
        strchr(name, '\n'))
        return false;
    struct handover_socket *it = &handover->sockets[handover->socket_count++];
    it->fd = fd;
    it->given = given;
    it->used = false;
    memcpy(it->name, name, len + 1);
    return true;
}

/* ---- Writing ---- */

struct writer {
    char *at;
    usize left;
    bool full;
};

static void put(struct writer *writer, const char *format, ...) PRINTF_LIKE(2, 3);

static void put(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(writer->at, writer->left, format, arguments);
    va_end(arguments);
    if (len < 0 || (usize)len >= writer->left) {
        writer->full = true;
        return;
    }
    writer->at += len;
    writer->left -= (usize)len;
}

static bool same_listener(const struct handover_socket *a, const struct handover_socket *b)
{
    return a->given == b->given && strcmp(a->name, b->name) == 0;
}

/* One line; returns the index of the first socket behind it. */
static u32 put_sockets(struct writer *writer, const struct handover *handover, u32 i)
{
    const struct handover_socket *first = &handover->sockets[i];
    const char *separator = first->given ? "given " : "listen ";
    while (i < handover->socket_count && same_listener(&handover->sockets[i], first)) {
        int from = handover->sockets[i].fd, to = from;
        for (i++; i < handover->socket_count && same_listener(&handover->sockets[i], first) &&
                  handover->sockets[i].fd == to + 1;
             i++)
            to++;
        put(writer, to > from ? "%s%d-%d" : "%s%d", separator, from, to);
        separator = ",";
    }
    put(writer, " %s\n", first->name);
    return i;
}

bool handover_write(const struct handover *handover, char *out, usize bytes)
{
    struct writer writer = {.at = out, .left = bytes};
    put(&writer, FORMAT_LINE "\nrole %s\n", role_names[handover->role]);
    if (handover->channel >= 0)
        put(&writer, "channel %d\n", handover->channel);
    if (handover->supervisor > 0)
        put(&writer, "supervisor %d\n", handover->supervisor);
    if (handover->restarts > 0)
        put(&writer, "restarts %u\n", handover->restarts);
    if (handover->watchdog_us > 0)
        put(&writer, "watchdog %llu\n", (unsigned long long)handover->watchdog_us);
    if (handover->state >= 0)
        put(&writer, "state %d\n", handover->state);
    if (handover->config >= 0)
        put(&writer, "%s %d\n", handover->instead ? "instead" : "config", handover->config);
    if (handover->report[0] != '\0')
        put(&writer, "report %s\n", handover->report);
    for (u32 i = 0; i < handover->engine_count; i++)
        put(&writer, "engine %d %d %llu\n", handover->engines[i].pid, handover->engines[i].channel,
            (unsigned long long)handover->engines[i].start_ns);
    for (u32 i = 0; i < handover->socket_count;)
        i = put_sockets(&writer, handover, i);
    return !writer.full;
}

/* ---- Reading ---- */

/* A number without sign, spaces or leading zeros; `*at` is behind it then. */
static bool take_number(const char **at, u64 max, u64 *out)
{
    const char *it = *at;
    u64 value = 0;
    if (*it < '0' || *it > '9' || (it[0] == '0' && it[1] >= '0' && it[1] <= '9'))
        return false;
    for (; *it >= '0' && *it <= '9'; it++) {
        u64 digit = (u64)(*it - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *at = it;
    *out = value;
    return true;
}

static bool take_int(const char **at, int *out)
{
    u64 value;
    if (!take_number(at, INT32_MAX - 1, &value))
        return false;
    *out = (int)value;
    return true;
}

static bool take_byte(const char **at, char byte)
{
    if (**at != byte)
        return false;
    (*at)++;
    return true;
}

static bool read_role(const char *value, struct handover *out)
{
    for (u32 i = HANDOVER_ENGINE; i < ARRAY_COUNT(role_names); i++)
        if (strcmp(value, role_names[i]) == 0) {
            out->role = (enum handover_role)i;
            return true;
        }
    return false;
}

static bool read_channel(const char *value, struct handover *out)
{
    return take_int(&value, &out->channel) && *value == '\0';
}

static bool read_supervisor(const char *value, struct handover *out)
{
    return take_int(&value, &out->supervisor) && *value == '\0';
}

static bool read_restarts(const char *value, struct handover *out)
{
    u64 restarts = 0;
    bool ok = take_number(&value, UINT32_MAX, &restarts) && *value == '\0';
    out->restarts = (u32)restarts;
    return ok;
}

static bool read_watchdog(const char *value, struct handover *out)
{
    return take_number(&value, UINT64_MAX, &out->watchdog_us) && *value == '\0';
}

static bool read_state(const char *value, struct handover *out)
{
    return take_int(&value, &out->state) && *value == '\0';
}

static bool read_config(const char *value, struct handover *out)
{
    return take_int(&value, &out->config) && *value == '\0';
}

static bool read_instead(const char *value, struct handover *out)
{
    out->instead = true;
    return read_config(value, out);
}

static bool read_report(const char *value, struct handover *out)
{
    usize len = strlen(value);
    if (len >= sizeof(out->report))
        return false;
    memcpy(out->report, value, len + 1);
    return true;
}

static bool read_engine(const char *value, struct handover *out)
{
    if (out->engine_count == HANDOVER_ENGINES_MAX)
        return false;
    struct handover_engine *engine = &out->engines[out->engine_count++];
    return take_int(&value, &engine->pid) && engine->pid > 0 && take_byte(&value, ' ') &&
           take_int(&value, &engine->channel) && take_byte(&value, ' ') &&
           take_number(&value, UINT64_MAX, &engine->start_ns) && *value == '\0';
}

static bool read_sockets(const char *value, struct handover *out, bool given)
{
    const char *name = strchr(value, ' ');
    if (!name)
        return false;
    do {
        int from, to;
        if (!take_int(&value, &from))
            return false;
        to = from;
        if (take_byte(&value, '-') && (!take_int(&value, &to) || to <= from))
            return false;
        for (int fd = from; fd <= to; fd++)
            if (!handover_add(out, fd, name + 1, given))
                return false;
    } while (take_byte(&value, ','));
    return value == name;
}

static bool read_listen(const char *value, struct handover *out)
{
    return read_sockets(value, out, false);
}

static bool read_given(const char *value, struct handover *out)
{
    return read_sockets(value, out, true);
}

static const struct key {
    const char *name;
    bool (*read)(const char *value, struct handover *out);
    const char *problem;
} keys[] = {
    {"role", read_role, "its role is none that this version knows"},
    {"channel", read_channel, "its channel is no descriptor"},
    {"supervisor", read_supervisor, "its supervisor is no process"},
    {"restarts", read_restarts, "its restarts are no number"},
    {"watchdog", read_watchdog, "its watchdog is no time"},
    {"state", read_state, "its state is no descriptor"},
    {"config", read_config, "its configuration is no descriptor"},
    {"instead", read_instead, "its configuration is no descriptor"},
    {"report", read_report, "its report is too long"},
    {"engine", read_engine, "it has a bad engine"},
    {"listen", read_listen, "it has a bad socket"},
    {"given", read_given, "it has a bad socket"},
};

/* A line without its end. What a later version adds is left alone. */
static bool read_line(const char *line, struct handover *out, const char **problem)
{
    for (u32 i = 0; i < ARRAY_COUNT(keys); i++) {
        usize len = strlen(keys[i].name);
        if (strncmp(line, keys[i].name, len) != 0 || line[len] != ' ')
            continue;
        *problem = keys[i].problem;
        return keys[i].read(line + len + 1, out);
    }
    return true;
}

/* Copies the next line; NULL when it has no end or is too long. */
static const char *next_line(const char *text, char *line, usize bytes)
{
    usize len = strcspn(text, "\n");
    if (text[len] != '\n' || len >= bytes)
        return NULL;
    memcpy(line, text, len);
    line[len] = '\0';
    return text + len + 1;
}

bool handover_parse(const char *text, struct handover *out, const char **problem)
{
    static char line[HANDOVER_TEXT_BYTES]; /* a line of sockets may be nearly all of it */
    handover_init(out);
    *problem = "it is of another format";
    text = next_line(text, line, sizeof(line));
    bool ok = text && strcmp(line, FORMAT_LINE) == 0;
    while (ok && *text != '\0') {
        *problem = "it has a line without an end";
        text = next_line(text, line, sizeof(line));
        ok = text && read_line(line, out, problem);
    }
    if (ok && out->role == HANDOVER_NONE) {
        *problem = "it has no role";
        ok = false;
    }
    if (!ok)
        handover_init(out);
    return ok;
}
