/* A line: one exchange that runs, and clients that wait behind it on a route that serves one at a
 * time. For scenarios about queues. */
#ifndef NEXTPROXY_LINE_H
#define NEXTPROXY_LINE_H

#include "scenario.h"

/* Of the default route, with time for everything but the queue. */
#define SETTINGS(active, queue)                                                                    \
    "'reqActiveLength':" active ",'reqQueueLength':" queue ","                                     \
    "'limits':{'clients':256,'exchanges':128,'headBytes':8192},"                                   \
    "'timeouts':{'connect':1000,'responseHead':60000,'queue':3000,'halfClose':500}"

enum { QUEUED_MAX = 20 };

struct line {
    struct sim_peer *clients[QUEUED_MAX]; /* client i asks for "/<i>" */
    struct sim_peer *first;               /* client of the one that runs */
    struct sim_peer *backend;             /* its connection */
    u32 count;
};

/* Begins a line: one that runs, and `count` clients that wait. */
void line_up(struct sim *sim, struct line *line, u32 count);
/* One more waits. */
void line_add(struct sim *sim, struct line *line);
/* Answers the one that runs; the next must be that of client `next`. */
void line_serve_next(struct sim *sim, struct line *line, u32 next);

/* The steps of it. */
void line_ask(struct sim_peer *client, u32 number);
void line_expect_asked(struct sim *sim, struct sim_peer *backend, u32 number);
void line_answer(struct sim *sim, struct sim_peer *backend, struct sim_peer *client);
/* 503, and when it may try again. Takes the page. */
void line_expect_refused(struct sim *sim, struct sim_peer *client);

#endif
