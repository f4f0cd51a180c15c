/* What the files of src/admin share: connections, requests as they are judged, and answers. */
#ifndef NEXTPROXY_ADMIN_INTERNAL_H
#define NEXTPROXY_ADMIN_INTERNAL_H

#include "admin.h"
#include "base/arena.h"
#include "http.h"
#include "state/exchanges.h"
#include "state/routes.h"
#include "transport.h"

enum {
    ADMIN_REQUEST_HEAD_BYTES_MAX = 8192,
    ADMIN_BODY_BYTES_MAX = 8192,                                                 /* of a request */
    ADMIN_INBOX_BYTES = ADMIN_REQUEST_HEAD_BYTES_MAX + ADMIN_BODY_BYTES_MAX + 2, /* an empty line */
    ADMIN_LOCATION_BYTES = 96,
    ADMIN_TARGET_BYTES_MAX = 2048,
    ADMIN_FIELDS_MAX = 64,
    ADMIN_HEAD_BYTES = 1024,      /* of our answers */
    ADMIN_SMALL_BYTES = 1024,     /* their bodies, but for the large ones */
    ADMIN_LARGE_BYTES = 16 << 20, /* address space: thousands of backends and routes */
    ADMIN_LARGE_COUNT = 4,        /* large answers at once */
    ADMIN_LARGE_WAIT_MS = 10000,
    /* Each byte of a report takes at most six as JSON. */
    ADMIN_VERDICT_BYTES = 8 * ADMIN_RELOAD_REPORT_BYTES,
    ADMIN_VERDICT_COUNT = 16, /* requests for a reload at once */
    ADMIN_HOST_NAME_BYTES = 65,
};

/* ---- Answers ---- */

enum admin_form { ADMIN_JSON, ADMIN_TEXT, ADMIN_METRICS };

/* Where bodies that do not fit into the connection are written. */
enum admin_block { ADMIN_BLOCK_LARGE, ADMIN_BLOCK_VERDICT, ADMIN_BLOCK_KINDS, ADMIN_BLOCK_NONE };
struct admin_block_row {
    u32 bytes;
    u32 count;
    u32 wait_ms;           /* for one to be given back; 0 = it may take too long */
    const char *none_left; /* what is said then */
};
extern const struct admin_block_row admin_block_rows[ADMIN_BLOCK_KINDS];

struct admin_reply {
    struct http_writer body;
    u32 status;
    enum admin_form form;
    bool text;                           /* for people: they asked for text */
    bool later;                          /* nothing yet: admin_reload_over() tells */
    u32 methods;                         /* with 405: what is allowed */
    char location[ADMIN_LOCATION_BYTES]; /* of what was made; "" = nothing was */
};

/* {"error":"Not Found","message":...}, or the message as a line of text. */
void reply_error(struct admin_reply *reply, u32 status, const char *message);
/* The head of the answer, whose body has as many bytes. */
void reply_head(const struct admin_reply *reply, bool keep, u64 body_bytes,
                struct http_writer *head);

/* ---- The server ---- */

/* Where connections come in. */
struct admin_door {
    struct ring_op accept_op;
    struct wheel_timer retry;
    struct admin *admin;
    int fd;
};

struct admin {
    struct ring *ring;
    struct wheel *wheel;
    const struct admin_source *source;
    struct transport_reaper reaper;
    struct slab connections;
    struct slab blocks[ADMIN_BLOCK_KINDS];
    struct wheel_timer look;                /* at the queues of the doors */
    struct list waiting[ADMIN_BLOCK_KINDS]; /* connections, for a block: first come, first served */
    struct list connected; /* whoever was answered last, or has come last, is at the end */
    struct admin_door doors[CONFIG_ADMIN_LISTENERS_MAX];
    u32 door_count;
    u64 start_ns;
    u64 start_wall_ns;
    u64 requests;
    u64 crowded_out; /* connections ended to make room */
    bool deaf;       /* accepts nothing any more */
    bool stopping;
    char host_name[ADMIN_HOST_NAME_BYTES];
    struct http_request request; /* scratch: nothing of it outlives a handler */
};

/* connection.c: what one takes. */
usize connection_bytes(void);
/* Takes over an accepted connection. */
void connection_start(struct admin *admin, int fd);
/* Ends all connections. */
void connections_cut(struct admin *admin);
/* After each turn: answers those that have waited for a block, as far as there are some. */
void connections_serve_waiting(struct admin *admin);

/* ---- Requests ---- */

/* What may be done with a request, judged by what came with it alone. */
enum guard {
    GUARD_OK,
    GUARD_HOST,    /* 403: a name that may be anybody's */
    GUARD_ORIGIN,  /* 403: sent by the page of another site */
    GUARD_TOKEN,   /* 401 */
    GUARD_PROXIED, /* 403: anybody may be behind a proxy */
};

/* `open`: no token is asked for. `token` is what is wanted, "" = none. */
enum guard guard_judge(const struct http_request *request, struct slice token, bool open);

/* What a request is about, besides its head. */
struct admin_question {
    struct slice id;   /* of the path: what stands for {id} */
    struct slice body; /* "" = none */
};

enum admin_body { ADMIN_BODY_NONE, ADMIN_BODY_OPTIONAL, ADMIN_BODY_REQUIRED };

struct endpoint {
    const char *path; /* {id} stands for one segment */
    u32 methods;      /* bit set of enum http_method */
    enum admin_body body;
    bool open; /* no token is asked for */
    enum admin_block block;
    void (*answer)(struct admin *admin, const struct admin_question *question,
                   struct admin_reply *reply);
};

/* What is at a path. */
struct endpoint_match {
    const struct endpoint *endpoint; /* NULL: not for this method */
    struct slice id;
    u32 methods; /* all that the path knows; 0 = there is no such path */
    bool open;
};

struct endpoint_match endpoint_find(struct slice path, enum http_method method);

/* backends.c */
void answer_backends(struct admin *admin, const struct admin_question *question,
                     struct admin_reply *reply);
void answer_backend(struct admin *admin, const struct admin_question *question,
                    struct admin_reply *reply);
void answer_add(struct admin *admin, const struct admin_question *question,
                struct admin_reply *reply);
void answer_remove(struct admin *admin, const struct admin_question *question,
                   struct admin_reply *reply);
void answer_remove_named(struct admin *admin, const struct admin_question *question,
                         struct admin_reply *reply);
void answer_drain(struct admin *admin, const struct admin_question *question,
                  struct admin_reply *reply);
void answer_maintenance(struct admin *admin, const struct admin_question *question,
                        struct admin_reply *reply);
void answer_ready_again(struct admin *admin, const struct admin_question *question,
                        struct admin_reply *reply);

/* verdict.c: asks for a reload; */
void answer_reload(struct admin *admin, const struct admin_question *question,
                   struct admin_reply *reply);
/* and what became of it, with the lines that the log has. */
void verdict_write(const struct admin *admin, enum admin_reload verdict, struct slice report,
                   struct admin_reply *reply);

/* ---- What is answered ---- */

/* All workers' figures added up; leases_free_min is the smallest. */
void figures_sum(const struct admin *admin, const struct admin_view *view,
                 struct proxy_figures *sum);
void status_json(const struct admin *admin, struct http_writer *out);
void status_text(const struct admin *admin, struct http_writer *out);
const char *admin_event_kind_name(enum admin_event_kind kind);
const char *admin_event_result_name(enum admin_event_result result);
/* One backend as /status shows it; its place is that in the configuration. */
void status_backend_json(const struct admin_view *view, u32 index, struct http_writer *out);
/* "[...]", and a table. */
/* A member with percentiles. */
void status_times(struct http_writer *out, const char *key, const struct state_latency_sums *times);
void status_backends_json(const struct admin_view *view, struct http_writer *out);
void status_backends_text(const struct admin_view *view, struct http_writer *out);
/* The same table with one row. */
void status_backend_text(const struct admin_view *view, u32 index, struct http_writer *out);
void metrics_write(const struct admin *admin, struct http_writer *out);

/* As active checks see the backend; unknown where there are none. */
static inline enum health_state view_health(const struct admin_view *view, u32 slot)
{
    return view->health ? health_state(view->health, slot) : HEALTH_UNKNOWN;
}
/* How many requests the route may serve at a time, at the moment; 0 = any number. */
u32 view_route_limit(const struct snapshot *snapshot, u32 route);
/* Requests of a route in progress, without those that wait for their turn. */
u64 view_route_active(const struct snapshot *snapshot, u32 route);
u64 admin_uptime_s(const struct admin *admin);

/* ---- Writing (write.c) ---- */

/* printf at the end; what does not fit is left out as a whole. */
void write_format(struct http_writer *out, const char *format, ...) PRINTF_LIKE(2, 3);
/* A JSON string with its quotes. What is not ASCII is replaced: ids and URLs hold nothing else. */
void write_json(struct http_writer *out, struct slice text);
/* A list of strings, one for each line. */
void write_json_lines(struct http_writer *out, struct slice lines);
/* "2026-01-13T10:30:45.123Z" */
void write_json_time(struct http_writer *out, u64 wall_ns);
/* The same for the path of a route, which may hold any bytes: escaped as in a URL. */
void write_json_path(struct http_writer *out, struct slice path);

#endif
