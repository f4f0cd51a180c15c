/*
 * How a name stands, by those of its lookups that are over, and when each of them is due again: one
 * that was good when its time to live is over, one that was not by its own count of failures.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "resolve/resolve_internal.h"

enum { LINE_BYTES = 512 };

/* Those that its kind and the settings ask for. */
struct range {
    struct lookup *at;
    u32 count;
};

static struct range range_of(struct name *name)
{
    u32 first, count = name_lookups(name, &first);
    return (struct range){&name->lookups[first], count};
}

static bool has_result(struct range lookups, enum lookup_result result)
{
    bool has = false;
    for (u32 i = 0; i < lookups.count; i++)
        has |= lookups.at[i].result == result;
    return has;
}

/* ---- Telling ---- */

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

/* Of what failed: the worst is told, and a name that does not exist before one without records. */
static int worst_status(struct range lookups)
{
    int status = lookups.at[0].status;
    for (u32 i = 1; i < lookups.count; i++)
        if (lookups.at[i].result == LOOKUP_FAILED || status == ARES_ENODATA)
            status = lookups.at[i].status;
    return status;
}

/* ---- Judging ---- */

/* A family without records is believed when the other one has some: else it is a failure. What is
 * said of both must be of one time. */
static void believe_empty(struct name *name, struct range lookups)
{
    for (u32 i = 0; i < lookups.count; i++)
        if (lookups.at[i].asking)
            return;
    for (u32 i = 0; i < lookups.count; i++) {
        struct lookup *lookup = &lookups.at[i];
        if (lookup->result != LOOKUP_EMPTY)
            continue;
        lookup->failures = 0;
        if (lookup->count > 0) {
            lookup_forget(lookup);
            query_note_change(name->resolver);
        }
    }
}

/* Something failed, and what it has found before is used. */
static bool uses_old_answer(const struct name *name, struct range lookups)
{
    bool all = name->resolver->settings.family == CONFIG_FAMILY_ALL;
    for (u32 i = 0; i < lookups.count; i++) {
        const struct lookup *lookup = &lookups.at[i];
        if (lookup->result == LOOKUP_FAILED && lookup->count > 0 &&
            (all || lookup == host_lookup(name)))
            return true;
    }
    return false;
}

/* True while it may still turn out to be good. */
static bool is_undecided(struct range lookups)
{
    for (u32 i = 0; i < lookups.count; i++)
        if (lookups.at[i].asking || lookups.at[i].result == LOOKUP_NONE)
            return true;
    return false;
}

void name_judge(struct name *name)
{
    static const struct reason homeless = {"no_address",
                                           "none of the hosts it leads to has an address"};
    struct range lookups = range_of(name);
    bool good = has_result(lookups, LOOKUP_GOOD);
    if (!good && is_undecided(lookups))
        return;
    if (good)
        believe_empty(name, lookups);
    if (!good || uses_old_answer(name, lookups)) {
        name_move(name, NAME_FAILING, reason_of(worst_status(lookups)));
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

bool name_is_through(const struct name *name)
{
    u32 first, count = name_lookups(name, &first);
    for (u32 i = first; i < first + count; i++)
        if (name->lookups[i].result == LOOKUP_NONE)
            return false;
    return true;
}

/* ---- Deadlines ---- */

static u64 wait_ms(struct lookup *lookup, u64 ttl_ms)
{
    const struct config_dns *settings = &lookup->name->resolver->settings;
    if (lookup->result == LOOKUP_GOOD) {
        lookup->failures = 0;
        return max_u64(min_u64(ttl_ms, settings->ttl_max_ms), settings->ttl_min_ms);
    }
    u64 retry_ms = (u64)settings->retry_ms << min_u32(lookup->failures++, 16);
    return min_u64(retry_ms, max_u32(settings->retry_ms, settings->retry_max_ms));
}

/* A little later by chance, so that names do not fall into step; never before the time to live is
 * over: a server would only tell the rest of it. */
void lookup_schedule(struct lookup *lookup, u64 ttl_ms)
{
    struct resolver *resolver = lookup->name->resolver;
    u64 wait_ns = wait_ms(lookup, ttl_ms) * NS_PER_MS;
    wait_ns += wait_ns / 256 * rng_below(&resolver->rng, 16);
    lookup->due_ns = ring_now_ns(resolver->with.ring) + wait_ns;
}

/* Where the name is good, a family without records has none: it is asked for with the other. */
static bool has_deadline(const struct lookup *lookup, bool good)
{
    return !lookup->asking && !(good && lookup->result == LOOKUP_EMPTY);
}

/* What failed goes alone where the name is good. All else goes together, so that an answer without
 * records is seen beside one of the same time. */
static bool goes_alone(const struct lookup *lookup, bool good)
{
    return good && lookup->result == LOOKUP_FAILED;
}

u64 name_due_ns(struct name *name)
{
    struct range lookups = range_of(name);
    bool good = has_result(lookups, LOOKUP_GOOD);
    u64 due_ns = UINT64_MAX;
    for (u32 i = 0; i < lookups.count; i++)
        if (has_deadline(&lookups.at[i], good))
            due_ns = min_u64(due_ns, lookups.at[i].due_ns);
    return due_ns;
}

u32 name_due_lookups(struct name *name, struct lookup *due[LOOKUPS_MAX])
{
    struct range lookups = range_of(name);
    u64 now_ns = ring_now_ns(name->resolver->with.ring);
    bool good = has_result(lookups, LOOKUP_GOOD), together = false;
    u32 count = 0;
    for (u32 i = 0; i < lookups.count; i++)
        together |= has_deadline(&lookups.at[i], good) && !goes_alone(&lookups.at[i], good) &&
                    lookups.at[i].due_ns <= now_ns;
    for (u32 i = 0; i < lookups.count; i++) {
        struct lookup *lookup = &lookups.at[i];
        bool goes = goes_alone(lookup, good) ? lookup->due_ns <= now_ns : together;
        if (goes && !lookup->asking)
            due[count++] = lookup;
    }
    return count;
}
