/*
 * resolve: where the names of backends lead. Asks name servers by c-ares, on control's ring and
 * without ever waiting: A and AAAA records of hosts; of services SRV records, and then those of
 * their hosts. /etc/hosts comes first. Each name is asked for again when its answer's time to live
 * is over.
 *
 *            answer                          no answer: the last good one stays
 *   (none) ---------> GOOD <-----------------------------------------> FAILING
 *      |                                    answer                        ^
 *      +------------------------------------------------------------------+
 */
#ifndef NEXTPROXY_RESOLVE_H
#define NEXTPROXY_RESOLVE_H

#include "base/wheel.h"
#include "config.h"
#include "ring.h"

struct resolver;
struct config_kept;

/* Who listens. Not called from inside a call below. */
struct resolve_listener {
    /* Names may lead elsewhere than before, or are known to lead nowhere. Not more often than every
     * 50 ms. */
    void (*on_change)(void *context);
    /* A name begins or ceases to be a problem: `error` is a word for programs, "" when it ceases.
     */
    void (*say)(void *context, enum log_severity severity, const char *error, const char *message);
    void *context;
};

struct resolve_options {
    struct ring *ring;
    struct wheel *wheel; /* run by the caller after each ring_turn */
    struct resolve_listener listener;
    u64 seed; /* of the jitter */
};

/* NULL when memory is refused. Asks nothing before resolver_follow(). */
MUST_CHECK struct resolver *resolver_create(const struct resolve_options *options);
/* Only when it is quiet. */
void resolver_destroy(struct resolver *resolver);
/* Asks no more, and forgets all answers. Quiet some turns later, when the kernel has let go. */
void resolver_stop(struct resolver *resolver);
bool resolver_is_quiet(const struct resolver *resolver);

/* From now on the names of these configurations are wanted, with the settings of the last one.
 * Answers for names that stay are kept. */
void resolver_follow(struct resolver *resolver, const struct config *const *configs, u32 count);
/* Asks for all names anew, whatever their time to live, and of what servers the system has now. */
void resolver_ask_again(struct resolver *resolver);

/* Where the backend's name leads: the last good answer, in an order that only depends on it, no
 * address and port twice. For struct config_names. Of a service the hosts of the best priority that
 * have an address; an answer none of whose hosts has one does not count yet. */
u32 resolver_find(const struct resolver *resolver, const struct config_backend *backend,
                  struct config_endpoint out[CONFIG_ENDPOINTS_MAX]);
/* True when every name that is wanted has had its answer, or has failed. */
bool resolver_settled(const struct resolver *resolver);

/* What an earlier process knew. */
enum resolve_recall {
    RESOLVE_OLD,     /* used until there is an answer; the name is not settled by it */
    RESOLVE_RECENT,  /* as good as an answer */
    RESOLVE_CURRENT, /* the same, and names that led nowhere are settled, too */
};
/* Takes it up for the names that are followed and have had no answer yet; they are asked for
 * nevertheless. Right after resolver_follow(). Returns for how many it has records. */
u32 resolver_recall(struct resolver *resolver, const struct config_kept *kept,
                    enum resolve_recall recall);
/* Puts what is known into `kept`, with memory of its arena, and for the next turn of the ring at
 * most: names are not copied. */
void resolver_keep(const struct resolver *resolver, struct config_kept *kept);

struct resolve_figures {
    u32 names;    /* that are asked for, hosts of services included */
    u32 failing;  /* of these */
    u64 queries;  /* questions to name servers */
    u64 failures; /* of these, without an answer or with one that cannot be used */
};
void resolver_figures(const struct resolver *resolver, struct resolve_figures *out);
/* "c-ares 1.18.1": the library in use, for --version. */
const char *resolver_library(void);

#endif
