/*
 * Asking: a name that is due waits for room, is looked up (all its lookups at once), and when the
 * last of them is over it is known how it stands and when it is due again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/clock.h"
#include "resolve/resolve_internal.h"

enum { CHANGE_MS = 50, LINE_BYTES = 512 };

/* on_change is called soon. */
static void note_change(struct resolver *resolver)
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
    if (name->pending > 0 || !list_empty(&name->due))
        return;
    list_push_back(&resolver->due, &name->due);
    wheel_set(resolver->with.wheel, &resolver->pump_timer, ring_now_ns(resolver->with.ring));
}

/* ---- How a name stands ---- */

static void say(struct name *name, enum log_severity severity, const char *error, const char *text)
{
    const struct resolve_listener *listener = &name->resolver->with.listener;
    bool known = name->lookups[0].count + name->lookups[1].count > 0;
    char line[LINE_BYTES];
    if (severity == LOG_INFO)
        (void)snprintf(line, sizeof(line), "\"%s\" is resolved again", name->text);
    else
        (void)snprintf(line, sizeof(line), "\"%s\" cannot be resolved: %s; %s", name->text, text,
                       known ? "the last answer is used on" : "it leads nowhere until it can");
    listener->say(listener->context, severity, error, line);
}

static void name_move(struct name *name, enum name_state state, const struct reason *reason)
{
    enum name_state before = name->state;
    name->state = state;
    if (before == state)
        return;
    if (state == NAME_FAILING)
        say(name, LOG_WARN, reason->word, reason->text);
    else if (before == NAME_FAILING)
        say(name, LOG_INFO, "", "");
}

static bool is_good(const struct lookup *lookups, u32 count)
{
    bool good = false;
    for (u32 i = 0; i < count; i++)
        good |= lookups[i].result == LOOKUP_GOOD;
    return good;
}

static u64 wait_ms(struct name *name, const struct lookup *lookups, u32 count)
{
    const struct config_dns *settings = &name->resolver->settings;
    u64 ttl_ms = settings->ttl_max_ms;
    u64 retry_ms = (u64)settings->retry_ms << min_u32(name->failures, 16);
    retry_ms = min_u64(retry_ms, max_u32(settings->retry_ms, settings->retry_max_ms));
    for (u32 i = 0; i < count; i++) {
        if (lookups[i].result == LOOKUP_GOOD)
            ttl_ms = min_u64(ttl_ms, lookups[i].ttl_ms);
        else if (lookups[i].result == LOOKUP_FAILED)
            ttl_ms = min_u64(ttl_ms, retry_ms);
    }
    return is_good(lookups, count) ? ttl_ms : retry_ms;
}

/* A little later by chance, so that names do not fall into step; never before the time to live is
 * over: a server would only tell the rest of it. */
static void schedule(struct name *name, const struct lookup *lookups, u32 count)
{
    struct resolver *resolver = name->resolver;
    u64 wait_ns = wait_ms(name, lookups, count) * NS_PER_MS;
    wait_ns += wait_ns / 256 * rng_below(&resolver->rng, 16);
    wheel_set(resolver->with.wheel, &name->timer, ring_now_ns(resolver->with.ring) + wait_ns);
}

static void records_clear(struct lookup *lookup)
{
    free(lookup->records);
    lookup->records = NULL;
    lookup->count = 0;
}

/* A family without records is believed when the other one has some: else it is a failure. */
static void believe_empty(struct name *name, struct lookup *lookups, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (lookups[i].result == LOOKUP_EMPTY && lookups[i].count > 0) {
            records_clear(&lookups[i]);
            note_change(name->resolver);
        }
}

/* Of what failed: the worst is told, and a name that does not exist before one without records. */
static int worst_status(const struct lookup *lookups, u32 count)
{
    int status = lookups[0].status;
    for (u32 i = 1; i < count; i++)
        if (lookups[i].result == LOOKUP_FAILED || status == ARES_ENODATA)
            status = lookups[i].status;
    return status;
}

void name_judge(struct name *name)
{
    static const struct reason homeless = {"no_address",
                                           "none of the hosts it leads to has an address"};
    u32 first, count = name_lookups(name, &first);
    const struct lookup *lookups = &name->lookups[first];
    if (!is_good(lookups, count)) {
        name_move(name, NAME_FAILING, reason_of(worst_status(lookups, count)));
        return;
    }
    switch (service_coming(name)) {
    case COMING_NONE:
        name_move(name, NAME_GOOD, NULL);
        return;
    case COMING_UNDECIDED:
        return; /* that decides */
    case COMING_HOMELESS:
        name_move(name, NAME_FAILING, &homeless);
        return;
    }
}

static void conclude(struct name *name)
{
    u32 first, count = name_lookups(name, &first);
    struct lookup *lookups = &name->lookups[first];
    if (name->canceled) {
        name->canceled = false;
        name_make_due(name);
        return;
    }
    if (name->state == NAME_NEW)
        note_change(name->resolver);
    if (is_good(lookups, count)) {
        believe_empty(name, lookups, count);
        name->failures = 0;
    }
    name_judge(name);
    schedule(name, lookups, count);
    if (!is_good(lookups, count))
        name->failures++;
    if (name->kind == NAME_SERVICE)
        names_collect(name->resolver);
}

/* ---- Answers ---- */

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
        records_clear(lookup);
        lookup->records = records;
        lookup->count = answer->count;
    }
    note_change(lookup->name->resolver);
}

static void lookup_answered(struct lookup *lookup, const struct message_answer *answer)
{
    const struct config_dns *settings = &lookup->name->resolver->settings;
    u64 ttl_ms = min_u64((u64)answer->ttl_s * 1000, settings->ttl_max_ms);
    lookup->result = answer->count > 0 ? LOOKUP_GOOD : LOOKUP_EMPTY;
    lookup->status = answer->count > 0 ? ARES_SUCCESS : ARES_ENODATA;
    lookup->ttl_ms = (u32)max_u64(ttl_ms, settings->ttl_min_ms);
    if (answer->count > 0)
        records_keep(lookup, answer);
}

static void lookup_failed(struct lookup *lookup, int status)
{
    bool empty = status == ARES_ENODATA || status == ARES_ENOTFOUND;
    lookup->result = empty ? LOOKUP_EMPTY : LOOKUP_FAILED;
    lookup->status = status;
    lookup->name->resolver->failures++;
}

/* One lookup is over. The name may be gone when this returns. */
static void lookup_end(struct lookup *lookup)
{
    struct name *name = lookup->name;
    ASSERT(name->pending > 0);
    if (--name->pending > 0)
        return;
    name->resolver->asking--;
    if (name->gone)
        name_free(name);
    else
        conclude(name);
}

static void on_answer(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
    struct lookup *lookup = context;
    struct message_answer answer;
    (void)timeouts;
    if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION)
        lookup->name->canceled = true;
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
        ares_search(resolver->channel, lookup->name->text, CLASS_IN, (int)lookup->type, on_answer,
                    lookup);
    }
}

static void name_ask(struct name *name)
{
    struct resolver *resolver = name->resolver;
    u32 first, count = name_lookups(name, &first);
    resolver->asking++;
    name->pending = count;
    /* The last one may be over, and the name gone, before this returns. */
    for (u32 i = first; i < first + count; i++)
        lookup_start(resolver, &name->lookups[i]);
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

static void pump(struct resolver *resolver)
{
    u32 rounds = ASKING_MAX; /* what is over at once must not keep the thread for itself */
    if (!resolver->channel && !list_empty(&resolver->due))
        servers_open(resolver);
    for (; rounds > 0 && resolver->asking < ASKING_MAX && !list_empty(&resolver->due); rounds--)
        name_ask(container_of(list_pop_front(&resolver->due), struct name, due));
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
