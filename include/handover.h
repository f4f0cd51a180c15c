/*
 * handover: what one process of nextproxy gives to the next one: listening sockets, by inheritance,
 * and some words about them in one environment variable; and the channel on which a supervisor and
 * its engine talk while both live.
 *
 * The text is meant to be read by a later version of the program (an upgrade) as well as by the
 * same one (a restart): lines of a key and values, the first of which names the format.
 */
#ifndef NEXTPROXY_HANDOVER_H
#define NEXTPROXY_HANDOVER_H

#include "base/types.h"

/* ---- What is handed over ---- */

#define HANDOVER_VARIABLE "NEXTPROXY_HANDOVER"

enum {
    HANDOVER_NAME_BYTES = 128, /* "unix:" and a path is the longest */
    HANDOVER_SOCKETS_MAX = 4096,
    HANDOVER_ENGINES_MAX = 8,
    HANDOVER_REPORT_BYTES = 256,
    HANDOVER_TEXT_BYTES = 65536, /* half of what execve(2) takes as one variable */
};

/* The name of a unix socket of the management API ends so: operators may ask until the engine has
 * ended, so its file stays longer than those for clients. */
#define HANDOVER_MANAGEMENT " (admin)"

enum handover_role {
    HANDOVER_NONE,
    HANDOVER_ENGINE,     /* to serve on these sockets */
    HANDOVER_REPORTER,   /* to write the report into the error log, and end */
    HANDOVER_SUPERVISOR, /* to go on with these engines */
};

struct handover_socket {
    int fd;     /* -1: it was of no use, and is closed */
    bool given; /* by the service manager, so it is to be known by its address */
    bool used;  /* by an engine's listener; not in the text */
    char name[HANDOVER_NAME_BYTES]; /* of the listener, as in the log; of a given one: its
                                       FileDescriptorName= */
};

struct handover_engine {
    i32 pid;
    int channel;
    u64 start_ns; /* CLOCK_MONOTONIC */
};

struct handover {
    enum handover_role role;
    int channel;      /* to the supervisor; -1 = none */
    i32 supervisor;   /* its process */
    u32 restarts;     /* of the engine, since the supervisor began */
    u64 watchdog_us;  /* how often the service manager wants to hear of us; 0 = it does not */
    int state;        /* what the engine that served last knew, as in a state file; -1 = nothing */
    int config;       /* what the engine that served was configured from, for who finds the file
                         bad: see config/sources.h; -1 = nothing */
    bool instead;     /* of the file, with which the last one did not become ready */
    u32 engine_count; /* for a supervisor: the first one serves, the others drain */
    u32 socket_count;
    char report[HANDOVER_REPORT_BYTES]; /* why there is a new engine; "" = nothing to tell */
    struct handover_engine engines[HANDOVER_ENGINES_MAX];
    struct handover_socket
        sockets[HANDOVER_SOCKETS_MAX]; /* of one listener in the workers' order */
};

void handover_init(struct handover *handover);
/* The text for HANDOVER_VARIABLE. False when it does not fit. */
MUST_CHECK bool handover_write(const struct handover *handover, char *out, usize bytes);
/* False, with what is wrong in *problem (static), when the text is not exactly as handover_write()
 * makes it; `out` is then as after handover_init(). The descriptors are not looked at. */
MUST_CHECK bool handover_parse(const char *text, struct handover *out, const char **problem);
/* Takes the variable out of the environment, so that no child inherits it, and closes the
 * descriptors to further programs. False when there was one that is not understood. Without one,
 * the role is HANDOVER_NONE. */
MUST_CHECK bool handover_take(struct handover *out, const char **problem);
/* Adds a socket at the end. False when there is no room, or the name is too long. */
MUST_CHECK bool handover_add(struct handover *handover, int fd, const char *name, bool given);

/* ---- From a service manager (sd_listen_fds(3)) ---- */

struct activation {
    const char *pid;   /* LISTEN_PID; NULL = not set, as with the others */
    const char *count; /* LISTEN_FDS */
    const char *names; /* LISTEN_FDNAMES */
};

/* Adds the sockets that are for process `pid` to `out`. False, with what is wrong in *problem, when
 * the variables make no sense. Sockets for another process are nobody's: then nothing is added. */
MUST_CHECK bool activation_parse(const struct activation *activation, i32 pid, struct handover *out,
                                 const char **problem);
/* The same from the environment, whose variables are taken out of it. */
MUST_CHECK bool activation_take(struct handover *out, const char **problem);

/* What the service manager wants to hear how often: WATCHDOG_USEC when WATCHDOG_PID is `pid` or not
 * set; 0 = nothing. */
u64 watchdog_parse(const char *usec, const char *for_pid, i32 pid);

/* ---- To a service manager (sd_notify(3)) ---- */

/* Sends assignments such as "READY=1\nSTATUS=..." to the socket that NOTIFY_SOCKET names. False
 * when there is one but the message did not go. Never waits. */
bool notify_send(const char *text);

/* ---- The channel ---- */

enum {
    CHANNEL_TEXT_BYTES = 1024, /* of one message, its end included */
    CHANNEL_FDS_MAX = 64,      /* with one message */
};

/* What an engine is told. */
#define ORDER_STOP "stop"         /* gracefully */
#define ORDER_STOP_NOW "stop now" /* cutting what runs */
#define ORDER_RETIRE "retire"     /* as stop, for another engine serves on these sockets */
#define ORDER_RELOAD "reload"
#define ORDER_HOLD "hold"   /* another engine is to take over: say what is known, change nothing */
#define ORDER_GO_ON "go on" /* it did not */
#define ORDER_NOTE_INFO "note info " /* a text for the error log follows */
#define ORDER_NOTE_WARN "note warn "
#define ORDER_NOTE_ERROR "note error "
#define ORDER_NOTE_CRASH "note crash " /* how another engine has ended */

/* What it says: a first line of these, or assignments for a service manager, of which "READY=1" is
 * also for the supervisor. */
#define MESSAGE_KEEP "KEEP=" /* a listener's name; its sockets go with it */
#define MESSAGE_FORGET                                                                             \
    "FORGET="                    /* how many sockets of a listener are to stay, a space, its name  \
                                  */
#define MESSAGE_FAILED "FAILED=" /* why the program could not be executed */
#define MESSAGE_HELD "HELD="   /* what is known at run time, in the file that goes with it if any */
#define MESSAGE_KNOWN "KNOWN=" /* the same without being asked, when it has changed */
#define MESSAGE_READY "READY=1"
#define MESSAGE_SERVED "SERVED=" /* what a configuration was made from, in the file with it */

struct channel_message {
    char text[CHANNEL_TEXT_BYTES];
    u32 fd_count;
    int fds[CHANNEL_FDS_MAX]; /* closed to further programs; the receiver's from now on */
    bool cut;                 /* there were more, which we were not allowed to have */
};

enum channel_result { CHANNEL_MESSAGE, CHANNEL_NOTHING, CHANNEL_ENDED };

/* Both ends, closed to further programs and never waiting. False with errno. */
MUST_CHECK bool channel_open(int ends[2]);
/* One message, whole or not at all. False with errno: EAGAIN when the other side is behind. */
bool channel_send(int channel, const char *text, const int *fds, u32 fd_count);
/* Waits up to a second for room: for what must not be lost. */
bool channel_send_patiently(int channel, const char *text, const int *fds, u32 fd_count);
enum channel_result channel_receive(int channel, struct channel_message *out);

#endif
