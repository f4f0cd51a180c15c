/*
 * Asking: a name that is due waits for room, and those of its lookups that are due are started.
 * Each ends by itself; how the name stands then, and when it is due again, says standing.c.
 */
#include <stdlib.h>
#include <sys/time.h>

#include "base/clock.h"
#include "resolve/resolve_internal.h"

enum { CHANGE_MS = 50 };

void query_note_change(struct resolver *resolver)
{
    struct wheel_timer *timer = &resolver->change_timer;
    if (timer->deadline_ns == 0 && !resolver->stopped)
        wheel_set(resolver->with.wheel, timer,
                  ring_now_ns(resolver->with.ring) + CHANGE_MS * NS_PER_MS);
}

void name_make_due(struct name *name)
{
    struct resolver *resolver = name->resolver;
    wheel_clear(resolver->with.wheel, &name->timer);
    if (!list_empty(&name->due))
        return;
    list_push_back(name->kind == NAME_TARGET ? &resolver->due_targets : &resolver->due, &name->due);
    wheel_set(resolver->with.wheel, &resolver->pump_timer, ring_now_ns(resolver->with.ring));
}

/* ---- Answers ---- */

void lookup_forget(struct lookup *lookup)
{
    free(lookup->records);
    lookup->records = NULL;
    lookup->count = 0;
    lookup->unused = 0;
}

static bool are_equal(const struct message_record *records, u32 count,
                      const struct message_answer *answer)
{
    return count == answer->count &&
           memcmp(records, answer->at, count * sizeof(answer->at[0])) == 0;
}

static void records_keep(struct lookup *lookup, const struct message_answer *answer)
{
    usize bytes = answer->count * sizeof(answer->at[0]);
    if (are_equal(lookup->records, lookup->count, answer)) {
        coming_clear(lookup);
        return;
    }
    if (are_equal(lookup->coming, lookup->coming_count, answer))
        return;
    struct message_record *records = malloc(bytes);
    if (!records)
        return; /* those there are stay */
    memcpy(records, answer->at, bytes);
    coming_clear(lookup);
    if (service_must_wait(lookup)) {
        lookup->coming = records;
        lookup->coming_count = answer->count;
    } else {
        lookup_forget(lookup);
        lookup->records = records;
        lookup->count = answer->count;
    }
    query_note_change(lookup->name->resolver);
}

static void lookup_conclude(struct lookup *lookup, enum lookup_result result, int status)
{
    if (lookup->result == LOOKUP_NONE)
        query_note_change(lookup->name->resolver);
    lookup->result = result;
    lookup->status = status;
}

static void lookup_answered(struct lookup *lookup, const struct message_answer *answer)
{
    bool good = answer->count > 0;
    lookup_conclude(lookup, good ? LOOKUP_GOOD : LOOKUP_EMPTY, good ? ARES_SUCCESS : ARES_ENODATA);
    lookup_schedule(lookup, (u64)answer->ttl_s * 1000);
    if (!good)
        return;
    records_keep(lookup, answer);
    if (lookup->unused != answer->unused)
        query_note_change(lookup->name->resolver);
    lookup->unused = answer->unused;
}

static void lookup_failed(struct lookup *lookup, int status)
{
    bool empty = status == ARES_ENODATA || status == ARES_ENOTFOUND;
    lookup_conclude(lookup, empty ? LOOKUP_EMPTY : LOOKUP_FAILED, status);
    lookup_schedule(lookup, 0);
    lookup->name->resolver->failures++;
}

/* While it is held, also by each lookup under way, a name that goes is not freed. */
static void name_hold(struct name *name)
{
    if (name->pending++ > 0)
        return;
    name->resolver->asking++;
    name->resolver->asking_targets += name->kind == NAME_TARGET;
}

static void name_release(struct name *name)
{
    ASSERT(name->pending > 0);
    if (--name->pending > 0)
        return;
    name->resolver->asking--;
    name->resolver->asking_targets -= name->kind == NAME_TARGET;
    if (name->gone)
        name_free(name);
}

static void name_timer_set(struct name *name)
{
    u64 due_ns = name_due_ns(name);
    if (due_ns < UINT64_MAX && !name->gone)
        wheel_set(name->resolver->with.wheel, &name->timer, max_u64(due_ns, 1));
}

/* One lookup is over. The name may be gone when this returns. */
static void lookup_end(struct lookup *lookup)
{
    struct name *name = lookup->name;
    ASSERT(lookup->asking);
    lookup->asking = false;
    if (!name->gone) {
        name_judge(name);
        name_timer_set(name);
        if (name->kind == NAME_SERVICE)
            names_collect(name->resolver);
    }
    name_release(name);
}

static void on_answer(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
    struct lookup *lookup = context;
    struct message_answer answer;
    (void)timeouts;
    if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION)
        lookup->due_ns = 0; /* nothing is known by this */
    else if (status != ARES_SUCCESS)
        lookup_failed(lookup, status);
    else if (len > 0 && message_decode(bytes, (u32)len, lookup->type, &answer))
        lookup_answered(lookup, &answer);
    else
        lookup_failed(lookup, ARES_EBADRESP);
    lookup_end(lookup);
}

/* ---- Questions ---- */

static void lookup_start(struct resolver *resolver, struct lookup *lookup)
{
    enum { CLASS_IN = 1 };
    struct message_answer answer;
    if (!resolver->channel) {
        lookup_failed(lookup, ARES_ENOMEM);
        lookup_end(lookup);
    } else if (hosts_find(resolver, lookup->name->text, lookup->type, &answer)) {
        lookup_answered(lookup, &answer);
        lookup_end(lookup);
    } else {
        resolver->queries++;
        (lookup->name->kind == NAME_TARGET ? ares_query : ares_search)(
            resolver->channel, lookup->name->text, CLASS_IN, (int)lookup->type, on_answer, lookup);
    }
}

static void name_ask(struct name *name)
{
    struct lookup *due[LOOKUPS_MAX];
    u32 count = name_due_lookups(name, due);
    name_hold(name); /* what is started may be over at once */
    for (u32 i = 0; i < count; i++) {
        name_hold(name);
        due[i]->asking = true;
    }
    for (u32 i = 0; i < count; i++)
        lookup_start(name->resolver, due[i]);
    name_timer_set(name);
    name_release(name);
}

static void ares_timer_set(struct resolver *resolver)
{
    struct timeval left;
    if (!resolver->channel || !ares_timeout(resolver->channel, NULL, &left)) {
        wheel_clear(resolver->with.wheel, &resolver->ares_timer);
        return;
    }
    u64 left_ns = (u64)left.tv_sec * NS_PER_S + (u64)left.tv_usec * NS_PER_US;
    wheel_set(resolver->with.wheel, &resolver->ares_timer, clock_monotonic_ns() + left_ns);
}

/* Whose turn it is; NULL: nobody is due, or there is no room. */
static struct list *next_due(struct resolver *resolver)
{
    if (resolver->asking >= ASKING_MAX)
        return NULL;
    if (resolver->asking_targets < ASKING_TARGETS_MAX && !list_empty(&resolver->due_targets))
        return &resolver->due_targets;
    return list_empty(&resolver->due) ? NULL : &resolver->due;
}

static void pump(struct resolver *resolver)
{
    u32 rounds = ASKING_MAX; /* what is over at once must not keep the thread for itself */
    struct list *due = next_due(resolver);
    if (!resolver->channel && due)
        servers_open(resolver);
    for (; rounds > 0 && due; rounds--, due = next_due(resolver))
        name_ask(container_of(list_pop_front(due), struct name, due));
    if (rounds == 0)
        wheel_set(resolver->with.wheel, &resolver->pump_timer, ring_now_ns(resolver->with.ring));
    ares_timer_set(resolver);
}

/* ---- What drives it ---- */

static void process(struct resolver *resolver, int readable_fd, int writable_fd)
{
    if (!resolver->channel)
        return;
    ares_process_fd(resolver->channel, readable_fd, writable_fd);
    pump(resolver);
}

static void on_ready(void *context, int readable_fd, int writable_fd)
{
    process(context, readable_fd, writable_fd);
}

static void on_ares_timer(struct wheel_timer *timer)
{
    process(container_of(timer, struct resolver, ares_timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_pump_timer(struct wheel_timer *timer)
{
    pump(container_of(timer, struct resolver, pump_timer));
}

static void on_change_timer(struct wheel_timer *timer)
{
    struct resolver *resolver = container_of(timer, struct resolver, change_timer);
    services_settle(resolver);
    names_say_crowded(resolver);
    resolver->with.listener.on_change(resolver->with.listener.context);
}

void query_timers_init(struct resolver *resolver)
{
    resolver->sockets.ring = resolver->with.ring;
    resolver->sockets.on_ready = on_ready;
    resolver->sockets.context = resolver;
    sockets_init(&resolver->sockets);
    wheel_timer_init(&resolver->ares_timer, on_ares_timer);
    wheel_timer_init(&resolver->pump_timer, on_pump_timer);
    wheel_timer_init(&resolver->change_timer, on_change_timer);
}
