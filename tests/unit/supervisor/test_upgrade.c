/* When an upgrade is begun, and what becomes of the earlier version when it fails. */
/* link: -Wl,--wrap=kill */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/supervisor_internal.h"

enum { SERVING_PID = 100, TRIAL_PID = 200, TEXT_BYTES = 1024 };

static struct supervisor supervisor;
static char told[TEXT_BYTES]; /* the engine that serves: orders, each with a space behind it */
static char noted[TEXT_BYTES];
static char said[TEXT_BYTES]; /* on stderr */
static int spawn_error;
static pid_t killed;

/* ---- What upgrade.c needs of the others ---- */

struct engine *supervisor_find(struct supervisor *in, enum engine_state state)
{
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        if (in->engines[i].state == state)
            return &in->engines[i];
    return NULL;
}

bool supervisor_spawn(struct supervisor *in, enum engine_state state)
{
    struct engine *engine = supervisor_find(in, ENGINE_NONE);
    assert_non_null(engine);
    errno = spawn_error;
    if (spawn_error == 0)
        *engine = (struct engine){.state = state, .pid = TRIAL_PID, .channel = -1};
    return spawn_error == 0;
}

void supervisor_reconsider(struct supervisor *in)
{
}

void supervisor_say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(said, sizeof(said), format, list);
    va_end(list);
}

void engine_tell(const struct engine *engine, const char *order)
{
    usize len = strlen(told);
    assert_int_equal(engine->pid, SERVING_PID);
    (void)snprintf(told + len, sizeof(told) - len, "%s ", order);
}

void engine_note(const struct engine *engine, const char *order, const char *text)
{
    assert_int_equal(engine->pid, SERVING_PID);
    (void)snprintf(noted, sizeof(noted), "%s%s", order, text);
}

int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number)
{
    assert_int_equal(number, SIGKILL);
    killed = pid;
    return 0;
}

/* ---- Tests ---- */

static int begin(void **state)
{
    (void)state;
    memset(&supervisor, 0, sizeof(supervisor));
    supervisor.program = "/nonexistent/nextproxy";
    supervisor.known_fd = supervisor.config_fd = -1;
    supervisor.restart_ns = supervisor.kill_ns = supervisor.trial_ns = UINT64_MAX;
    supervisor.engines[0] =
        (struct engine){.state = ENGINE_SERVING, .pid = SERVING_PID, .channel = -1};
    told[0] = noted[0] = said[0] = '\0';
    spawn_error = 0;
    killed = 0;
    return 0;
}

/* The reason goes to the log, and to stderr. */
static void assert_told_both(const char *order, const char *text)
{
    char line[TEXT_BYTES];
    (void)snprintf(line, sizeof(line), "%s%s", order, text);
    assert_string_equal(noted, line);
    (void)snprintf(line, sizeof(line), "nextproxy: %s", text);
    assert_string_equal(said, line);
}

static void assert_refused(const char *why)
{
    told[0] = '\0';
    supervisor_upgrade(&supervisor);
    assert_told_both(ORDER_NOTE_WARN, why);
    assert_string_equal(told, "");
}

static void begin_trial(void)
{
    supervisor_upgrade(&supervisor);
    assert_string_equal(told, ORDER_HOLD " ");
    assert_null(supervisor_find(&supervisor, ENGINE_TRIAL));
    supervisor_held(&supervisor);
    assert_non_null(supervisor_find(&supervisor, ENGINE_TRIAL));
    told[0] = '\0';
}

static void there_is_one_upgrade_at_a_time(void **state)
{
    (void)state;
    supervisor_upgrade(&supervisor);
    assert_refused("Not upgraded: an upgrade is going on");
    supervisor_held(&supervisor);
    assert_refused("Not upgraded: an upgrade is going on");
    supervisor_held(&supervisor); /* said twice */
    u32 trials = 0;
    for (u32 i = 0; i < HANDOVER_ENGINES_MAX; i++)
        trials += supervisor.engines[i].state == ENGINE_TRIAL;
    assert_int_equal(trials, 1);
}

static void who_stops_is_not_upgraded(void **state)
{
    (void)state;
    supervisor_upgrade(&supervisor);
    supervisor.stops_asked = 1;
    supervisor_held(&supervisor);
    assert_null(supervisor_find(&supervisor, ENGINE_TRIAL));
    assert_refused("Not upgraded: the proxy is stopping");
}

static void places_are_left_for_a_crash(void **state)
{
    (void)state;
    for (u32 i = 1; i < HANDOVER_ENGINES_MAX - 2; i++)
        supervisor.engines[i] = (struct engine){.state = ENGINE_DRAINING, .channel = -1};
    assert_refused("Not upgraded: too many earlier engines still finish what they have begun");
    supervisor.engines[1].state = ENGINE_NONE;
    begin_trial();
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
    (void)state;
    supervisor_upgrade(&supervisor);
    assert_true(supervisor.trial_ns != UINT64_MAX);
    supervisor_trial_over(&supervisor);
    assert_non_null(supervisor_find(&supervisor, ENGINE_TRIAL));
    assert_true(supervisor.trial_ns != UINT64_MAX);
    assert_int_equal(killed, 0);
}

static void without_a_server_it_waits_for_one(void **state)
{
    (void)state;
    supervisor.engines[0].state = ENGINE_NONE;
    supervisor_upgrade(&supervisor);
    assert_true(supervisor.upgrade_asked);
    begin(NULL);
    supervisor_upgrade(&supervisor);
    supervisor.engines[0].state = ENGINE_NONE; /* it has crashed meanwhile */
    supervisor_trial_over(&supervisor);
    assert_true(supervisor.upgrade_asked);
    assert_null(supervisor_find(&supervisor, ENGINE_TRIAL));
}

static void no_process_for_the_new_version(void **state)
{
    (void)state;
    spawn_error = EAGAIN;
    supervisor_upgrade(&supervisor);
    supervisor_held(&supervisor);
    char line[TEXT_BYTES];
    (void)snprintf(line, sizeof(line), "Not upgraded: no process for a new engine: %s",
                   strerror(EAGAIN));
    assert_told_both(ORDER_NOTE_ERROR, line);
    assert_string_equal(told, ORDER_HOLD " " ORDER_GO_ON " ");
    assert_true(supervisor.trial_ns == UINT64_MAX);
}

static struct engine *engine_on_trial(void)
{
    struct engine *engine = supervisor_find(&supervisor, ENGINE_TRIAL);
    assert_non_null(engine);
    if (!engine)
        abort(); /* the compiler does not know that cmocka's does not return */
    return engine;
}

static void a_new_version_that_hangs_is_ended(void **state)
{
    (void)state;
    begin_trial();
    supervisor_trial_over(&supervisor);
    assert_int_equal(killed, TRIAL_PID);
    assert_true(supervisor.trial_ns == UINT64_MAX);
    struct engine was = *engine_on_trial();
    engine_on_trial()->state = ENGINE_NONE;
    supervisor_upgrade_failed(&supervisor, &was, SIGKILL);
    assert_told_both(ORDER_NOTE_ERROR, "Not upgraded: the new engine was not ready after 60 s; the "
                                       "earlier version serves on");
    assert_string_equal(told, ORDER_GO_ON " ");
    begin(NULL); /* nothing to end: the next time is harmless */
    supervisor_trial_over(&supervisor);
    assert_int_equal(killed, 0);
}

static void how_a_new_version_ended_is_told(void **state)
{
    (void)state;
    begin_trial();
    struct engine was = *engine_on_trial();
    supervisor_upgrade_failed(&supervisor, &was, SIGSEGV);
    assert_non_null(strstr(noted, "the new engine was ended by signal 11; the earlier"));
    supervisor_upgrade_failed(&supervisor, &was, 2 << 8);
    assert_non_null(strstr(noted, "the new engine ended with exit status 2; the earlier"));
}

/* The file has gone since its engine was tried out: that one serves, and so does this process. */
static void a_supervisor_that_cannot_be_executed_goes_on(void **state)
{
    (void)state;
    static char name[] = "nextproxy";
    char *words[] = {name, NULL};
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    supervisor.words = words;
    supervisor.engines[0].channel = fds[0];
    supervisor.known_fd = fds[1];
    supervisor.upgraded = true;
    supervisor_become(&supervisor);
    assert_false(supervisor.upgraded);
    assert_told_both(ORDER_NOTE_WARN,
                     "Upgraded, but for the supervisor, which is still the earlier version: cannot "
                     "execute /nonexistent/nextproxy: No such file or directory");
    for (u32 i = 0; i < ARRAY_COUNT(fds); i++) { /* programs that are started get none of these */
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        (void)close(fds[i]);
    }
    assert_null(getenv(HANDOVER_VARIABLE));
}

static void nobody_becomes_another_program_while_it_stops(void **state)
{
    (void)state;
    supervisor.engines[0].channel = 0;
    supervisor.upgraded = true;
    supervisor.stops_asked = 1;
    supervisor_become(&supervisor);
    assert_false(supervisor.upgraded);
    assert_string_equal(noted, "");
    supervisor.stops_asked = 0;
    supervisor.engines[0].state = ENGINE_NONE; /* it has just crashed */
    supervisor_become(&supervisor);
    assert_string_equal(said, "");
}

#define TEST(function) cmocka_unit_test_setup(function, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_is_one_upgrade_at_a_time),
        TEST(who_stops_is_not_upgraded),
        TEST(places_are_left_for_a_crash),
        TEST(who_does_not_answer_is_not_waited_for),
        TEST(without_a_server_it_waits_for_one),
        TEST(no_process_for_the_new_version),
        TEST(a_new_version_that_hangs_is_ended),
        TEST(how_a_new_version_ended_is_told),
        TEST(a_supervisor_that_cannot_be_executed_goes_on),
        TEST(nobody_becomes_another_program_while_it_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
