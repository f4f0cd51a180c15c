/* A run: the worker's loop in steps, the virtual clock, and what has to hold at the end. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim_internal.h"

static u32 sim_leases(const struct config *config);

/* The worker itself, with as many leases as the world wants, and no thread. */
#define proxy_leases sim_leases
#include "src/worker/worker.c"
#undef proxy_leases

#include "proxy/proxy_internal.h"

enum { LOG_BYTES = 64 * 1024, LOG_REMEMBERED_BYTES = 256 * 1024, STEP_NS = 500 * 1000 * 1000 };

struct sim *sim_current;

/* ---- The clock (include/base/clock.h): the world's own ---- */

u64 clock_monotonic_ns(void)
{
    return sim_current->now_ns;
}

u64 clock_wall_ns(void)
{
    return sim_current->now_ns + 1750000000ull * NS_PER_S + (u64)sim_current->wall_shift_ns;
}

u64 sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

/* ---- Chance ---- */

u32 sim_random(struct sim *sim, u32 bound)
{
    return rng_below(&sim->rng, bound);
}

bool sim_chance(struct sim *sim, u32 percent)
{
    return percent > 0 && sim_random(sim, 100) < percent;
}

static u32 one_of(struct sim *sim, const u32 values[4])
{
    return values[sim_random(sim, 4)];
}

static u32 choose_disabled(struct sim *sim)
{
    u32 disabled = 0;
    if (sim_chance(sim, 50))
        return 0;
    for (u32 i = 0; i < RING_CAP_COUNT; i++)
        if (sim_chance(sim, 35))
            disabled |= 1u << i;
    return disabled;
}

static void choose_manners(struct sim *sim)
{
    sim->manners = (struct sim_manners){
        .disabled = choose_disabled(sim),
        .piece_bits = one_of(sim, (const u32[]){4, 8, 14, 20}),
        .rest_percent = one_of(sim, (const u32[]){0, 0, 20, 60}),
        .single_percent = one_of(sim, (const u32[]){0, 0, 5, 50}),
        .late_percent = one_of(sim, (const u32[]){0, 50, 50, 100}),
        .refuse_percent = one_of(sim, (const u32[]){0, 0, 0, 5}),
        .completions_max = one_of(sim, (const u32[]){1, 4, 64, 512}),
        .window = one_of(sim, (const u32[]){1 << 10, 1 << 14, 1 << 17, 1 << 20}),
        .shuffled = sim_chance(sim, 70),
        .end_takes_buffer = sim_chance(sim, 30),
        .early_enobufs = sim_chance(sim, 50),
        .queue_entries = one_of(sim, (const u32[]){0, 0, 4, 32}),
    };
}

/* ---- The worker ---- */

static u32 leases_wanted;

static u32 sim_leases(const struct config *config)
{
    return leases_wanted > 0 ? leases_wanted : proxy_leases(config);
}

static struct config *parse_config(const char *text)
{
    char *json = strdup(text);
    SIM_CHECK(json);
    for (char *at = json; *at; at++)
        if (*at == '\'')
            *at = '"';
    struct config_problems problems;
    struct config *config = config_parse(slice_of_string(json), "world", NULL, &problems);
    if (!config) {
        config_problems_print(&problems, stderr);
        sim_fail("the world's configuration is refused");
    }
    config_problems_deinit(&problems);
    free(json);
    return config;
}

/* Parsed once for all runs that follow each other with the same text. */
static struct config *load_config(const char *text)
{
    static struct config *config;
    static char *loaded;
    if (loaded && strcmp(loaded, text) == 0)
        return config;
    free(loaded);
    loaded = strdup(text);
    SIM_CHECK(loaded);
    config_destroy(config);
    config = parse_config(text);
    return config;
}

static void on_news(void *context)
{
    (void)context;
}

static void start_worker(struct sim *sim)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    sim->team = team_create();
    SIM_CHECK(worker && sim->team && team_prepare(sim->team, 0));
    worker->with = (struct worker_options){
        .snapshot = sim->snapshot,
        .team = sim->team,
        .on_news = on_news,
        .ring_disabled = sim->manners.disabled,
        .cpu = -1,
    };
    worker->settled = true;
    memcpy(worker->with.logs, sim->logs, sizeof(sim->logs));
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->started, NULL);
    sim->worker = worker;
    if (!prepare(worker))
        sim_fail("the worker does not start: %s", worker->why);
    atomic_store(&worker->command, WORKER_RUN);
    obey(worker);
}

/* Control's part: the sockets that the worker is to accept from. */
static void furnish(struct sim *sim)
{
    const struct config *config = sim->snapshot->config;
    struct snapshot_socket sockets[ARRAY_COUNT(sim->sockets)];
    for (u32 i = 0; i < config->listener_count; i++)
        sockets[i] = (struct snapshot_socket){sim_listening(sim, &config->listeners[i]), i};
    snapshot_set_sockets(sim->snapshot, 0,
                         (struct snapshot_sockets){sockets, config->listener_count});
}

struct sim *sim_create(const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    SIM_CHECK(sim);
    sim_current = sim;
    sim->seed = options->seed;
    rng_seed(&sim->rng, options->seed);
    sim->now_ns = NS_PER_S * (1 + sim_random(sim, 1000000));
    choose_manners(sim);
    if (options->completions > 0) {
        sim->manners.queue_entries = options->completions;
        sim->manners.completions_max = 16 * options->completions;
    }
    leases_wanted = options->leases;
    sim->config = load_config(options->config ? options->config : SIM_CONFIG_ONE);
    sim->state = state_create();
    SIM_CHECK(sim->state);
    sim->snapshot = snapshot_create(sim->config, sim->state, 1, 1, NULL);
    SIM_CHECK(sim->snapshot);
    snapshot_begin(sim->snapshot);
    for (u32 i = 0; i < LOG_FILE_COUNT && options->logs; i++)
        sim->logs[i] = log_buffer_create(LOG_BYTES);
    furnish(sim);
    start_worker(sim);
    sim->lease_count = sim->worker->ring->lease_count;
    sim->was_held = calloc(sim->lease_count, sizeof(bool));
    SIM_CHECK(sim->was_held);
    return sim;
}

/* ---- Reloading: control's part ---- */

static void free_earlier(struct sim *sim, u32 index)
{
    struct sim_earlier *it = &sim->earlier[index];
    sim_trace("configuration freed", it->snapshot->version, 0);
    snapshot_destroy(it->snapshot);
    config_destroy(it->config);
}

/* At once, so that a use after that is seen. */
static void retire(struct sim *sim)
{
    u32 kept = 0;
    for (u32 i = 0; i < sim->earlier_count; i++) {
        const struct snapshot *snapshot = sim->earlier[i].snapshot;
        if (worker_version(sim->worker) <= snapshot->version || snapshot_pinned(snapshot))
            sim->earlier[kept++] = sim->earlier[i];
        else
            free_earlier(sim, i);
    }
    sim->earlier_count = kept;
}

void sim_reload(struct sim *sim, const char *config)
{
    struct config *next = parse_config(config);
    SIM_CHECK(proxy_adoptable(sim->config, next));
    u32 count = sim->earlier_count + 1;
    sim->earlier = realloc(sim->earlier, count * sizeof(*sim->earlier));
    SIM_CHECK(sim->earlier);
    sim->earlier[sim->earlier_count] = (struct sim_earlier){sim->snapshot, sim->reloaded};
    sim->earlier_count = count;
    sim->reloaded = next;
    sim->snapshot = snapshot_create(next, sim->state, 1, sim->snapshot->version + 1, sim->snapshot);
    SIM_CHECK(sim->snapshot);
    snapshot_begin(sim->snapshot);
    for (u32 i = 0; i < sim->earlier_count; i++)
        snapshot_supersede(sim->snapshot, sim->earlier[i].snapshot, sim->now_ns);
    furnish(sim);
    sim_trace("reload", sim->snapshot->version, 0);
    worker_adopt(sim->worker, sim->snapshot);
    sim->woken = true;
}

u32 sim_earlier(const struct sim *sim)
{
    return sim->earlier_count;
}

/* ---- Steps ---- */

/* Forgets whole lines, the oldest, when there are too many. */
static void remember(struct sim_bytes *text, struct slice lines)
{
    SIM_CHECK(lines.len == 0 || lines.data[lines.len - 1] == '\n');
    sim_bytes_append(text, lines.data, lines.len);
    while (text->len > LOG_REMEMBERED_BYTES) {
        const char *front = sim_bytes_front(text);
        const char *end = memchr(front, '\n', text->len);
        SIM_CHECK(end);
        sim_bytes_drop(text, (usize)(end - front) + 1);
    }
}

/* The control thread's part: takes what was logged. */
static void read_logs(struct sim *sim)
{
    for (u32 i = 0; i < LOG_FILE_COUNT && !sim->logs_stand; i++) {
        struct slice runs[2];
        if (!sim->logs[i])
            continue;
        usize bytes = log_buffer_peek(sim->logs[i], runs);
        for (u32 r = 0; r < 2; r++)
            remember(&sim->log_text[i], runs[r]);
        log_buffer_consume(sim->logs[i], bytes);
    }
}

/* The same: ejections whose time is over. */
static void tick_circuits(struct sim *sim)
{
    u32 slot;
    while ((slot = state_circuits_tick(sim->state, sim->now_ns)) != STATE_SLOT_NONE)
        sim_trace("may be tried", slot, 0);
}

static void step_until(struct sim *sim, u64 until_ns)
{
    tick_circuits(sim);
    sim->until_ns = min_u64(until_ns, state_circuits_deadline_ns(sim->state));
    if (finished(sim->worker)) {
        sim->now_ns = max_u64(sim->now_ns, until_ns);
        (void)sim_sockets_advance(sim, true);
        return;
    }
    turn(sim->worker);
    sim_mate_takes(sim, false);
    sim->held_max = max_u32(sim->held_max, ring_leases_held(sim->worker->ring));
    read_logs(sim);
    retire(sim);
}

void sim_step(struct sim *sim)
{
    step_until(sim, sim->now_ns + STEP_NS);
}

void sim_pass(struct sim *sim, u64 ms)
{
    u64 end_ns = sim->now_ns + ms * NS_PER_MS;
    while (sim->now_ns < end_ns)
        step_until(sim, end_ns);
}

static void command(struct sim *sim, enum worker_command what)
{
    worker_command(sim->worker, what);
    sim->woken = true;
}

void sim_command_drain(struct sim *sim)
{
    sim_trace("drain", 0, 0);
    command(sim, WORKER_DRAIN);
}

void sim_command_retire(struct sim *sim)
{
    sim_trace("retire", 0, 0);
    command(sim, WORKER_RETIRE);
}

void sim_command_stop(struct sim *sim)
{
    sim_trace("stop", 0, 0);
    command(sim, WORKER_STOP);
}

bool sim_finished(const struct sim *sim)
{
    return finished(sim->worker);
}

/* ---- Figures ---- */

const struct proxy_counters *sim_counters(const struct sim *sim)
{
    return proxy_counters(sim->worker->proxy);
}

u32 sim_leases_held(const struct sim *sim)
{
    return ring_leases_held(sim->worker->ring);
}

u32 sim_leases_held_max(const struct sim *sim)
{
    return sim->held_max;
}

u32 sim_upstreams(const struct sim *sim)
{
    return upstreams_count(sim->worker->proxy->upstreams);
}

u32 sim_busy(const struct sim *sim)
{
    return proxy_load(sim->worker->proxy).busy;
}

enum overload_stage sim_overload(const struct sim *sim)
{
    return (enum overload_stage)sim->worker->proxy->overload.stage;
}

void sim_budget(struct sim *sim, struct overload_budget budget)
{
    sim_trace("budget", budget.files, budget.memory_permille);
    team_set_budget(sim->team, budget);
    sim->woken = true;
}

u64 sim_overflows(const struct sim *sim)
{
    struct ring_stats stats;
    ring_stats(sim->worker->ring, &stats);
    return stats.overflows;
}

bool sim_has_logs(const struct sim *sim)
{
    return sim->logs[LOG_FILE_ACCESS] != NULL;
}

struct slice sim_log(const struct sim *sim, enum log_file file)
{
    const struct sim_bytes *text = &sim->log_text[file];
    return text->len > 0 ? slice_of(sim_bytes_front(text), text->len) : (struct slice){"", 0};
}

void sim_backend_usable(struct sim *sim, u32 backend, bool usable)
{
    if (backend >= sim->snapshot->config->backend_count)
        return;
    sim_trace(usable ? "backend up" : "backend down", backend, 0);
    state_backend_mark(sim->state, sim->snapshot->backend_slots[backend], STATE_DOWN, !usable);
}

u32 sim_marks(const struct sim *sim, u32 backend)
{
    return state_backend_marks(sim->state, sim->snapshot->backend_slots[backend]);
}

/* ---- The end ---- */

static void check_nothing_left(struct sim *sim)
{
    const struct proxy *proxy = sim->worker->proxy;
    SIM_CHECK(proxy_quiet(proxy));
    SIM_CHECK(sim_leases_held(sim) == 0);
    SIM_CHECK(proxy->exchanges.in_use == 0);
    SIM_CHECK(proxy->inboxes.in_use == 0);
    for (u32 i = 0; i < sim->snapshot->config->backend_count; i++)
        SIM_CHECK(state_backend_active(sim->state, sim->snapshot->backend_slots[i]) == 0);
    for (u32 i = 0; i < sim->snapshot->config->route_count; i++) {
        u32 slot = sim->snapshot->route_slots[i];
        struct state_exchanges sums = state_route_exchange_sums(sim->state, slot);
        SIM_CHECK(sums.begun == state_exchanges_ended(&sums));
    }
    for (u32 i = 0; i < sim->peer_count; i++) {
        const struct sim_peer *peer = sim->peers[i];
        bool never_ours = peer->listen_fd >= 0 && !peer->taken;
        bool controls = peer->link == SIM_LINK_LISTENING; /* closed by control */
        if (!peer->closed && !never_ours && !controls)
            sim_fail("descriptor %d is still open", peer->fd);
    }
    SIM_CHECK(sim_ops_armed(sim) <= 1); /* the ring's own wait for ring_wake() */
}

static void free_worker_of(struct sim *sim)
{
    struct worker *worker = sim->worker;
    proxy_destroy(worker->proxy);
    SIM_CHECK(wheel_next_ns(&worker->wheel) == UINT64_MAX);
    ring_destroy(worker->ring);
    free_worker(worker);
    team_destroy(sim->team);
}

static void free_snapshots(struct sim *sim)
{
    for (u32 i = 0; i < sim->earlier_count; i++) /* offered to a worker that had stopped */
        free_earlier(sim, i);
    snapshot_destroy(sim->snapshot);
    if (sim->reloaded)
        config_destroy(sim->reloaded);
    free(sim->earlier);
    SIM_CHECK(state_slots(sim->state, STATE_BACKEND) == 0);
    SIM_CHECK(state_slots(sim->state, STATE_ROUTE) == 0);
    SIM_CHECK(state_slots(sim->state, STATE_URL) == 0);
    SIM_CHECK(state_slots(sim->state, STATE_PATTERN) == 0);
}

void sim_destroy(struct sim *sim)
{
    if (!finished(sim->worker))
        sim_command_stop(sim);
    SIM_UNTIL(sim, finished(sim->worker));
    read_logs(sim);
    sim_mate_takes(sim, true);
    check_nothing_left(sim);
    free_worker_of(sim);
    free_snapshots(sim);
    state_destroy(sim->state);
    for (u32 i = 0; i < LOG_FILE_COUNT; i++) {
        log_buffer_destroy(sim->logs[i]);
        free(sim->log_text[i].data);
    }
    sim_sockets_deinit(sim);
    free(sim->ops);
    free(sim->completions);
    free(sim->was_held);
    free(sim);
    sim_current = NULL;
}
