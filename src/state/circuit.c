/* See include/state/circuit.h. */
#include "state/circuit.h"

#include "base/clock.h"

void circuit_init(struct circuit *circuit)
{
    *circuit = (struct circuit){.state = CIRCUIT_CLOSED};
    list_init(&circuit->node);
}

const char *circuit_state_name(enum circuit_state state)
{
    static const char *const names[] = {
        [CIRCUIT_CLOSED] = "closed",
        [CIRCUIT_OPEN] = "open",
        [CIRCUIT_HALF_OPEN] = "half-open",
        [CIRCUIT_TRIAL] = "half-open",
    };
    ASSERT(state < ARRAY_COUNT(names));
    return names[state];
}

const char *circuit_reason_name(enum circuit_reason reason)
{
    static const char *const names[] = {
        [CIRCUIT_NO_REASON] = "none",  [CIRCUIT_BY_REFUSAL] = "refused",
        [CIRCUIT_BY_ROW] = "failures", [CIRCUIT_BY_RATE] = "error-rate",
        [CIRCUIT_BY_TRIAL] = "trial",
    };
    ASSERT(reason < ARRAY_COUNT(names));
    return names[reason];
}

/* ---- The window ---- */

static struct circuit_sample *sample_at(struct circuit *circuit, u32 index)
{
    return &circuit->samples[(circuit->samples_begin + index) % CIRCUIT_SAMPLES];
}

static void sample_add(struct circuit *circuit, struct circuit_sample sample)
{
    if (circuit->samples_count == CIRCUIT_SAMPLES) {
        circuit->samples_begin = (circuit->samples_begin + 1) % CIRCUIT_SAMPLES;
        circuit->samples_count--;
    }
    *sample_at(circuit, circuit->samples_count++) = sample;
}

static void window_begin(struct circuit *circuit, u64 requests, u64 now_ns)
{
    circuit->samples_count = 0;
    sample_add(circuit, (struct circuit_sample){now_ns, requests, circuit->failures});
}

static u64 between(u64 from, u64 to, double share)
{
    return from + (u64)((double)(to - from) * share);
}

/* How things stood at the beginning of the window. Samples are taken with failures alone: between
 * two of them requests are taken to have come evenly. What is older than all samples is not known,
 * and counts as none. */
static struct circuit_sample window_base(struct circuit *circuit, struct circuit_sample now,
                                         u64 begin_ns)
{
    struct circuit_sample before = *sample_at(circuit, 0);
    for (u32 i = 1; i <= circuit->samples_count; i++) {
        struct circuit_sample after = i < circuit->samples_count ? *sample_at(circuit, i) : now;
        if (before.at_ns >= begin_ns)
            break;
        if (after.at_ns > begin_ns) {
            double share = (double)(begin_ns - before.at_ns) / (double)(after.at_ns - before.at_ns);
            return (struct circuit_sample){
                .at_ns = begin_ns,
                .requests = between(before.requests, after.requests, share),
                .failures = between(before.failures, after.failures, share),
            };
        }
        before = after;
    }
    return before;
}

static bool rate_is_high(struct circuit *circuit, const struct config_passive_check *check,
                         struct circuit_sample now)
{
    u64 window_ns = check->window_ms * NS_PER_MS;
    u64 begin_ns = now.at_ns > window_ns ? now.at_ns - window_ns : 0;
    /* The first failure: all before it was good, and is not older than the window, as far as we
     * know. */
    if (circuit->samples_count == 0)
        sample_add(circuit, (struct circuit_sample){.at_ns = begin_ns});
    struct circuit_sample base = window_base(circuit, now, begin_ns);
    if (now.at_ns - sample_at(circuit, circuit->samples_count - 1)->at_ns >=
        window_ns / CIRCUIT_STEPS)
        sample_add(circuit, now);
    u64 requests = now.requests > base.requests ? now.requests - base.requests : 0;
    u64 failures = now.failures - base.failures;
    return check->error_rate_percent > 0 && requests >= check->requests_min &&
           failures * 100 >= requests * check->error_rate_percent;
}

/* ---- Failures ---- */

static void count(struct circuit *circuit, const struct config_passive_check *check,
                  const struct circuit_failure *failure, u64 now_ns)
{
    if (now_ns > circuit->failed_ns + check->window_ms * NS_PER_MS)
        circuit->row = circuit->refused_row = 0;
    circuit->failed_ns = now_ns;
    circuit->failures++;
    circuit->last = *failure;
    circuit->row++;
    circuit->refused_row = failure->refused ? circuit->refused_row + 1 : 0;
}

static bool reached(u32 row, u32 most)
{
    return most > 0 && row >= most;
}

enum circuit_reason circuit_fail(struct circuit *circuit, const struct config_passive_check *check,
                                 const struct circuit_failure *failure, u64 requests, u64 now_ns)
{
    /* Workers look at their clocks once a turn: one may be behind another. */
    now_ns = max_u64(now_ns, max_u64(circuit->failed_ns, circuit->closed_ns));
    if (circuit->state != CIRCUIT_CLOSED) {
        circuit->failures++;
        if (circuit->state != CIRCUIT_TRIAL || !failure->trial)
            return CIRCUIT_NO_REASON; /* begun before it was ejected, or in panic */
        circuit->last = *failure;
        circuit->failed_ns = now_ns;
        return CIRCUIT_BY_TRIAL;
    }
    count(circuit, check, failure, now_ns);
    bool high =
        rate_is_high(circuit, check, (struct circuit_sample){now_ns, requests, circuit->failures});
    if (reached(circuit->refused_row, check->refused_max))
        return CIRCUIT_BY_REFUSAL;
    if (reached(circuit->row, check->failures_max))
        return CIRCUIT_BY_ROW;
    return high ? CIRCUIT_BY_RATE : CIRCUIT_NO_REASON;
}

static bool follows_another(const struct circuit *circuit, enum circuit_reason reason, u64 now_ns)
{
    return circuit->ejections > 0 && (reason == CIRCUIT_BY_TRIAL ||
                                      now_ns < circuit->closed_ns + circuit->open_ms * NS_PER_MS);
}

void circuit_open(struct circuit *circuit, const struct config_passive_check *check,
                  enum circuit_reason reason, u64 now_ns)
{
    u64 most_ms = max_u32(check->ejection_ms, check->ejection_max_ms);
    u64 open_ms =
        follows_another(circuit, reason, now_ns) ? 2ull * circuit->open_ms : check->ejection_ms;
    circuit->open_ms = (u32)min_u64(max_u64(open_ms, check->ejection_ms), most_ms);
    circuit->until_ns = now_ns + circuit->open_ms * NS_PER_MS;
    circuit->state = CIRCUIT_OPEN;
    circuit->reason = reason;
    circuit->ejections++;
    circuit->good = 0;
    circuit->spared_now = false;
}

void circuit_spare(struct circuit *circuit)
{
    circuit->spared++;
    circuit->spared_now = true;
    circuit->row = circuit->refused_row = 0;
}

/* ---- Success, and trials ---- */

void circuit_close(struct circuit *circuit, u64 requests, u64 now_ns)
{
    circuit->state = CIRCUIT_CLOSED;
    circuit->closed_ns = now_ns;
    circuit->row = circuit->refused_row = circuit->good = 0;
    window_begin(circuit, requests, now_ns);
}

/* A trial that was passed on says as much, as long as it is not decided by others. */
static bool counts(const struct circuit *circuit, enum circuit_trial trial)
{
    bool undecided = circuit->state == CIRCUIT_TRIAL || circuit->state == CIRCUIT_HALF_OPEN;
    return trial == CIRCUIT_TRIAL_HELD ? circuit->state == CIRCUIT_TRIAL
                                       : trial == CIRCUIT_TRIAL_PASSED_ON && undecided;
}

bool circuit_succeed(struct circuit *circuit, const struct config_passive_check *check,
                     enum circuit_trial trial, u64 requests, u64 now_ns)
{
    if (circuit->state == CIRCUIT_CLOSED) {
        circuit->row = circuit->refused_row = 0;
        circuit->spared_now = false;
        return false;
    }
    if (!counts(circuit, trial))
        return false;
    if (trial == CIRCUIT_TRIAL_HELD)
        circuit->state = CIRCUIT_HALF_OPEN;
    if (++circuit->good < check->trials)
        return false;
    circuit_close(circuit, requests, now_ns);
    return true;
}

bool circuit_try(struct circuit *circuit)
{
    if (circuit->state != CIRCUIT_HALF_OPEN)
        return false;
    circuit->state = CIRCUIT_TRIAL;
    return true;
}

void circuit_untried(struct circuit *circuit)
{
    if (circuit->state == CIRCUIT_TRIAL)
        circuit->state = CIRCUIT_HALF_OPEN;
}

static void half_open(struct circuit *circuit)
{
    circuit->state = CIRCUIT_HALF_OPEN;
    circuit->good = 0;
}

bool circuit_tick(struct circuit *circuit, u64 now_ns)
{
    if (circuit->state != CIRCUIT_OPEN || now_ns < circuit->until_ns)
        return false;
    half_open(circuit);
    return true;
}

bool circuit_probe(struct circuit *circuit, bool good, u32 needed)
{
    if (circuit->state != CIRCUIT_OPEN)
        return false;
    circuit->good = good ? circuit->good + 1 : 0;
    if (circuit->good < needed)
        return false;
    half_open(circuit);
    return true;
}
