/* The circuits of all backends: each step of one is taken under the lock of the marks, and ends
 * with marks that say what the circuit has become. So two workers cannot both have the trial, and
 * no two ejections can both find the last place that maxEjectionPercent leaves. */
#include "base/clock.h"
#include "state/state_internal.h"

enum { CIRCUIT_MARKS = STATE_EJECTED | STATE_ON_TRIAL | STATE_FAILING };

void circuits_init(struct state *state)
{
    list_init(&state->open);
    state->circuits_next_ns = UINT64_MAX;
}

static struct circuit *circuit_of(struct state *state, u32 slot)
{
    struct circuit *circuit = &state->figures->circuits[slot];
    if (!circuit->node.next)
        circuit_init(circuit);
    return circuit;
}

static void set_deadline(struct state *state)
{
    u64 next_ns = UINT64_MAX;
    list_each (node, following, &state->open)
        next_ns = min_u64(next_ns, container_of(node, struct circuit, node)->until_ns);
    __atomic_store_n(&state->circuits_next_ns, next_ns, __ATOMIC_RELAXED);
}

void circuits_forget(struct state *state, u32 slot)
{
    struct circuit *circuit = &state->figures->circuits[slot];
    if (!circuit->node.next)
        return;
    list_remove(&circuit->node);
    circuit_init(circuit);
    set_deadline(state);
}

/* How many requests of the backend have ended, the one in hand included. */
static u64 requests_ended(const struct state *state, u32 slot)
{
    u64 begun = state_backend_tally(state, slot).requests;
    u32 active = state_backend_active(state, slot);
    return begun - min_u64(begun, active) + 1;
}

static u32 marks_of(const struct circuit *circuit)
{
    switch ((enum circuit_state)circuit->state) {
    case CIRCUIT_CLOSED:
        break;
    case CIRCUIT_OPEN:
        return STATE_EJECTED;
    case CIRCUIT_HALF_OPEN:
        return STATE_ON_TRIAL;
    case CIRCUIT_TRIAL:
        return STATE_EJECTED | STATE_ON_TRIAL;
    }
    return circuit->row > 0 || circuit->spared_now ? STATE_FAILING : 0;
}

/* After each step. */
static void settle(struct state *state, u32 slot, struct circuit *circuit)
{
    bool linked = !list_empty(&circuit->node);
    bool open = circuit->state == CIRCUIT_OPEN;
    if (open && !linked)
        list_push_back(&state->open, &circuit->node);
    else if (!open)
        list_remove(&circuit->node);
    if (open || linked)
        set_deadline(state);
    marks_replace(state, slot, CIRCUIT_MARKS, marks_of(circuit));
}

/* Control has something to wait for, or to say. */
static void announce(const struct state *state)
{
    if (state->on_change)
        state->on_change(state->context);
}

/* ---- What workers see ---- */

static enum state_circuit_event open_or_spare(struct state *state,
                                              const struct state_attempt *attempt,
                                              struct circuit *circuit, enum circuit_reason reason)
{
    if (reason == CIRCUIT_NO_REASON)
        return STATE_CIRCUIT_SAME;
    /* Whoever is on trial has its place among the ejected still. */
    if (reason == CIRCUIT_BY_TRIAL || marks_may_eject(state, attempt->slot)) {
        circuit_open(circuit, attempt->check, reason, attempt->now_ns);
        return STATE_CIRCUIT_OPENED;
    }
    bool told = circuit->spared_now;
    circuit_spare(circuit);
    return told ? STATE_CIRCUIT_SAME : STATE_CIRCUIT_SPARED;
}

enum state_circuit_event state_circuit_fail(struct state *state,
                                            const struct state_attempt *attempt,
                                            const struct circuit_failure *failure,
                                            struct circuit *after)
{
    marks_lock(state);
    struct circuit *circuit = circuit_of(state, attempt->slot);
    enum circuit_reason reason = circuit_fail(
        circuit, attempt->check, failure, requests_ended(state, attempt->slot), attempt->now_ns);
    enum state_circuit_event event = open_or_spare(state, attempt, circuit, reason);
    settle(state, attempt->slot, circuit);
    *after = *circuit;
    marks_unlock(state);
    if (event == STATE_CIRCUIT_OPENED)
        announce(state);
    return event;
}

enum state_circuit_event state_circuit_succeed(struct state *state,
                                               const struct state_attempt *attempt)
{
    marks_lock(state);
    struct circuit *circuit = circuit_of(state, attempt->slot);
    bool closed = circuit_succeed(circuit, attempt->check, attempt->trial,
                                  requests_ended(state, attempt->slot), attempt->now_ns);
    settle(state, attempt->slot, circuit);
    marks_unlock(state);
    if (closed)
        announce(state);
    return closed ? STATE_CIRCUIT_CLOSED : STATE_CIRCUIT_SAME;
}

bool state_circuit_try(struct state *state, u32 slot)
{
    marks_lock(state);
    struct circuit *circuit = circuit_of(state, slot);
    bool tried = circuit_try(circuit);
    settle(state, slot, circuit);
    marks_unlock(state);
    return tried;
}

void state_circuit_untried(struct state *state, u32 slot)
{
    marks_lock(state);
    struct circuit *circuit = circuit_of(state, slot);
    circuit_untried(circuit);
    settle(state, slot, circuit);
    marks_unlock(state);
}

/* ---- What control does ---- */

bool state_circuit_probe(struct state *state, u32 slot, bool good, u32 needed)
{
    if ((state_backend_marks(state, slot) & STATE_EJECTED) == 0)
        return false;
    marks_lock(state);
    struct circuit *circuit = circuit_of(state, slot);
    bool over = circuit_probe(circuit, good, needed);
    settle(state, slot, circuit);
    marks_unlock(state);
    return over;
}

bool state_circuit_close(struct state *state, u32 slot)
{
    if ((state_backend_marks(state, slot) & CIRCUIT_MARKS) == 0)
        return false;
    marks_lock(state);
    struct circuit *circuit = circuit_of(state, slot);
    bool was_closed = circuit->state == CIRCUIT_CLOSED;
    circuit_close(circuit, requests_ended(state, slot), clock_monotonic_ns());
    settle(state, slot, circuit);
    marks_unlock(state);
    return !was_closed;
}

u32 state_circuits_tick(struct state *state, u64 now_ns)
{
    u32 slot = STATE_SLOT_NONE;
    if (now_ns < state_circuits_deadline_ns(state))
        return slot;
    marks_lock(state);
    list_each (node, following, &state->open) {
        struct circuit *circuit = container_of(node, struct circuit, node);
        if (!circuit_tick(circuit, now_ns))
            continue;
        slot = (u32)(circuit - state->figures->circuits);
        settle(state, slot, circuit);
        break;
    }
    marks_unlock(state);
    return slot;
}

u64 state_circuits_deadline_ns(const struct state *state)
{
    return __atomic_load_n(&state->circuits_next_ns, __ATOMIC_RELAXED);
}

void state_on_circuit(struct state *state, void (*on_change)(void *context), void *context)
{
    state->on_change = on_change;
    state->context = context;
}

struct circuit state_circuit(struct state *state, u32 slot)
{
    struct circuit circuit;
    marks_lock(state);
    circuit = state->figures->circuits[slot];
    marks_unlock(state);
    list_init(&circuit.node);
    return circuit;
}
