/* remote_ask: one request to the management API of a proxy that runs, for the command line. */
#ifndef NEXTPROXY_REMOTE_ASK_H
#define NEXTPROXY_REMOTE_ASK_H

#include "config.h"

/* Where the API is. */
struct remote {
    struct address address;
    const char *name;   /* for messages */
    struct slice token; /* "" = none */
};

struct remote_request {
    const char *method;
    const char *path;
    struct slice body; /* JSON; "" = none */
};

/* Prints the answer, as text for people: to stdout when the API has done what was asked, else to
 * stderr. False when it has not, or when there is no answer, with why on stderr. */
MUST_CHECK bool remote_ask(const struct remote *remote, const struct remote_request *request);

#endif
