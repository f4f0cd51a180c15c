/* What the parts of resolve share: names, what is asked for them, and all of them together. */
#ifndef NEXTPROXY_RESOLVE_INTERNAL_H
#define NEXTPROXY_RESOLVE_INTERNAL_H

#include <ares.h>

#include "base/hash.h"
#include "resolve.h"
#include "resolve/message.h"
#include "resolve/sockets.h"

enum {
    NAME_BUCKETS = 1024,
    LOOKUPS_MAX = 2,
    ASKING_MAX = 64, /* names at once: a burst of packets would be lost in part */
    /* Of these hosts of services: who writes their answers could name many that are silent. */
    ASKING_TARGETS_MAX = ASKING_MAX / 2,
};

enum lookup_result {
    LOOKUP_NONE, /* not asked, or not to an end */
    LOOKUP_GOOD,
    LOOKUP_EMPTY, /* there is the name, but no such record */
    LOOKUP_FAILED,
};

struct name;

/* One question about a name. */
struct lookup {
    struct name *name;
    struct message_record *records; /* of the last good answer */
    u32 count;
    struct message_record *coming; /* of a service: a later answer, see services.c */
    u32 coming_count;
    u32 unused;   /* records of the last good answer, see message.h */
    u64 due_ns;   /* when it is to be asked again */
    u32 failures; /* in a row */
    enum message_type type;
    enum lookup_result result; /* of the last time */
    int status;                /* of c-ares, the same */
    bool asking;               /* under way */
};

enum name_kind {
    NAME_HOST,
    NAME_SERVICE,
    NAME_TARGET, /* a service's host: no search domain belongs to it (RFC 2782) */
};
enum name_state { NAME_NEW, NAME_GOOD, NAME_FAILING };

/* A name that is wanted, for as long as it is. */
struct name {
    struct list node;  /* in a bucket, or alone when nobody wants it any more */
    struct list due;   /* in resolver.due, when it is to be asked for */
    struct list every; /* in resolver.names */
    struct wheel_timer timer;
    struct resolver *resolver;
    struct lookup lookups[LOOKUPS_MAX]; /* A and AAAA, or SRV alone */
    u32 pending;                        /* lookups under way, and who else holds it */
    enum name_kind kind;
    enum name_state state;
    bool crowded;  /* it leads to more addresses than are used */
    bool wanted;   /* by a configuration */
    bool needed;   /* by that, or by the service whose host it is */
    bool recalled; /* what an earlier process knew of it is as good as an answer */
    bool gone;     /* nobody needs it: it is freed when nothing is under way */
    char text[MESSAGE_NAME_BYTES];
};

struct resolver {
    struct resolve_options with;
    ares_channel channel; /* NULL: there is none yet, or none could be opened */
    struct sockets sockets;
    struct wheel_timer ares_timer;
    struct wheel_timer pump_timer;
    struct wheel_timer change_timer;
    struct rng rng;
    struct config_dns settings;
    struct address *servers; /* of the settings */
    struct list names;
    struct list due;
    struct list *buckets;    /* NAME_BUCKETS */
    u32 count;               /* names */
    struct list due_targets; /* NAME_TARGET alone; all others are in `due` */
    u32 asking;              /* names with something under way */
    u32 asking_targets;      /* of these */
    u64 queries;
    u64 failures;
    bool stopped;
};

/* ---- names.c ---- */

/* By its text in lower case; NULL when it is not there. */
struct name *name_find(const struct resolver *resolver, enum name_kind kind, const char *text);
/* The same, or a new one that is due; NULL without memory. */
struct name *name_take(struct resolver *resolver, enum name_kind kind, const char *text);
/* Hosts of services that have come or gone; names that nobody needs any more are dropped. */
void names_collect(struct resolver *resolver);
void name_free(struct name *name);
/* How many lookups its kind and the settings ask for, beginning with lookups[*first]. */
u32 name_lookups(const struct name *name, u32 *first);
/* The lookup whose records count if it has any, of a host. */
const struct lookup *host_preferred(const struct name *name);
/* The lookup whose records count, of a host. With CONFIG_FAMILY_ALL both do: the first. */
const struct lookup *host_lookup(const struct name *name);

/* ---- servers.c ---- */

/* Opens the channel anew: servers and settings may have changed. What is under way starts over. */
void servers_open(struct resolver *resolver);
void servers_close(struct resolver *resolver);

/* ---- services.c ---- */

bool host_is_known(const struct name *host);
/* True when a new answer has to wait, because the one there is leads somewhere. */
bool service_must_wait(const struct lookup *lookup);
/* An answer that waits. */
enum service_coming {
    COMING_NONE,      /* there is none */
    COMING_UNDECIDED, /* some of its hosts are still looked for */
    COMING_HOMELESS,  /* none of them has an address */
};
enum service_coming service_coming(const struct name *service);
void coming_clear(struct lookup *lookup);
/* Answers that wait take effect when they can. */
void services_settle(struct resolver *resolver);

/* ---- standing.c ---- */

/* By its lookups that are over; says how it stands when that has changed. */
void name_judge(struct name *name);
/* True when each lookup has had a result. */
bool name_is_through(const struct name *name);
/* Sets when it is due, by its result. */
void lookup_schedule(struct lookup *lookup, u64 ttl_ms);
/* When the first of its lookups is due; UINT64_MAX: none is before one under way has ended. */
u64 name_due_ns(struct name *name);
/* Those that are to be asked now; returns how many. */
u32 name_due_lookups(struct name *name, struct lookup *due[LOOKUPS_MAX]);

/* ---- query.c ---- */

/* on_change is called soon. */
void query_note_change(struct resolver *resolver);
/* Drops its records. */
void lookup_forget(struct lookup *lookup);
/* The name is to be asked for as soon as there is room. */
void name_make_due(struct name *name);
void query_timers_init(struct resolver *resolver);

/* ---- resolve.c ---- */

/* Says of which names not all addresses are used, when that is new. */
void names_say_crowded(struct resolver *resolver);

/* ---- hosts.c ---- */

/* From /etc/hosts, or because of what the name means (RFC 6761 §6.3). False: DNS is to be asked. */
bool hosts_find(struct resolver *resolver, const char *text, enum message_type type,
                struct message_answer *answer);

/* ---- reasons.c ---- */

/* What a status of c-ares means, as a word and as the end of a sentence. */
struct reason {
    const char *word;
    const char *text;
};
const struct reason *reason_of(int status);

#endif
