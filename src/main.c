/* The command line. Everything it offers is a row of `commands`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "config.h"
#include "control.h"
#include "demo.h"
#include "doctor.h"
#include "proxy.h"
#include "remote.h"
#include "resolve.h"
#include "ring.h"
#include "ring/probe.h"
#include "supervisor.h"
#include "words.h"
#include "worker.h"

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_CANNOT_RUN = 2, /* the configuration, the command line or this kernel will not do */
};

enum { DEMO_PORT_FIRST = 3001, DEMO_PORT_FIRST_MAX = UINT16_MAX - (DEMO_BACKENDS - 1) };

struct arguments {
    const struct command *command; /* NULL = run the proxy */
    const char *config_file;
    char **words; /* all of it, as it was given */
    u32 given;    /* enum option, one bit each */
    u16 port;
};

enum option {
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_PORT,
    OPTION_NO_SUPERVISOR,
    OPTION_ENGINE,
    OPTION_COUNT
};

static const struct word_option option_rows[OPTION_COUNT] = {
    [OPTION_CONFIG] = {"--config", "a file name"},
    [OPTION_JSON] = {"--json", NULL},
    [OPTION_PORT] = {"--port", "the first of three ports"},
    [OPTION_NO_SUPERVISOR] = {"--no-supervisor", NULL},
    [OPTION_ENGINE] = {SUPERVISOR_ENGINE_OPTION, NULL}, /* only a supervisor gives it */
};

/* ---- What needs a configuration ---- */

static struct config *load(const struct arguments *arguments, struct config_problems *problems)
{
    struct config *config = config_load(arguments->config_file, environ, problems);
    if (!config)
        config_problems_print(problems, stderr);
    return config;
}

/* Loads it, and does this with it; `notes` are problems that do not matter. */
static int with_config(const struct arguments *arguments,
                       void (*use)(const struct config *config,
                                   const struct config_problems *notes))
{
    struct config_problems problems;
    struct config *config = load(arguments, &problems);
    if (config)
        use(config, &problems);
    config_destroy(config);
    config_problems_deinit(&problems);
    return config ? EXIT_OK : EXIT_CANNOT_RUN;
}

static void print_check(const struct config *config, const struct config_problems *notes)
{
    config_problems_print(notes, stdout);
    (void)printf("%s: ok\n", config->file.data);
}

static int run_check(const struct arguments *arguments)
{
    return with_config(arguments, print_check);
}

static void print_settings(const struct config *config, const struct config_problems *notes)
{
    (void)notes;
    u32 hidden = config_print(config, stdout);
    if (hidden > 0)
        (void)fprintf(
            stderr, "nextproxy: the value%s of %u header field%s not shown, as %s may be secret\n",
            hidden == 1 ? "" : "s", hidden, hidden == 1 ? " is" : "s are",
            hidden == 1 ? "it" : "they");
    if (config->admin.token.len > 0)
        (void)fprintf(stderr, "nextproxy: the token of the management API is not printed: "
                              "keep it in admin.tokenFile or NEXTPROXY_ADMIN_TOKEN\n");
}

static int run_print_config(const struct arguments *arguments)
{
    return with_config(arguments, print_settings);
}

static void print_budget(const struct config *config, const struct config_problems *notes)
{
    struct proxy_budget_row rows[PROXY_BUDGET_ROWS];
    u64 total = 0;
    (void)notes;
    proxy_budget(config, rows);
    (void)printf("%-10s %10s %10s %12s  %s\n", "what", "count", "bytes each", "MiB",
                 "when it runs out");
    for (u32 i = 0; i < PROXY_BUDGET_ROWS; i++) {
        u64 bytes = rows[i].count * rows[i].item_bytes;
        total += bytes;
        (void)printf("%-10s %10llu %10llu %12.1f  %s\n", rows[i].what,
                     (unsigned long long)rows[i].count, (unsigned long long)rows[i].item_bytes,
                     (double)bytes / 1048576.0, rows[i].when_exhausted);
    }
    (void)printf(
        "\nAt most %.1f MiB per worker, %.1f MiB for %u; memory is taken from the system only\n"
        "when it is first used, so an idle proxy holds a small part of it.\n",
        (double)total / 1048576.0, (double)(total * config->workers) / 1048576.0, config->workers);
}

static int run_print_budget(const struct arguments *arguments)
{
    return with_config(arguments, print_budget);
}

/* The capabilities that must not be used: named by the environment, or not offered by the
 * kernel. False with the reason in `why` when there can be no ring at all. */
static bool ring_disabled(u32 *disabled, char *why, usize why_bytes)
{
    const char *list = getenv("NEXTPROXY_RING_DISABLE");
    const char *unknown = NULL;
    *disabled = 0;
    if (list && !ring_capabilities_parse(list, disabled, &unknown)) {
        (void)snprintf(why, why_bytes,
                       "NEXTPROXY_RING_DISABLE: no optional feature is called \"%.*s\"; "
                       "`nextproxy doctor --json` lists them with \"required\":false",
                       (int)strcspn(unknown, ", \t"), unknown);
        return false;
    }
    struct ring_probe probe;
    ring_probe_run(&probe);
    if (!probe.usable) {
        ring_explain_setup_error(probe.error, why, why_bytes);
        return false;
    }
    *disabled |= ~probe.capabilities;
    *disabled = ~ring_capabilities_reduce(~*disabled);
    return true;
}

static struct config *load_earlier(const struct handover *handover,
                                   const struct config_problems *refused,
                                   struct config_problems *notes)
{
    struct config *config = config_sources_load(handover->config, environ, notes);
    if (config)
        (void)fprintf(stderr,
                      "nextproxy: %u problem%s in %s: the configuration that was served before is "
                      "served on\n",
                      refused->count, refused->count == 1 ? "" : "s", config->file.data);
    else
        config_problems_print(notes, stderr);
    return config;
}

/* The file; after a crash, when it is bad, what the earlier engine was configured from. `refused`
 * is then what is wrong with the file. */
static struct config *load_served(const struct arguments *arguments,
                                  const struct handover *handover, struct config_problems *refused,
                                  struct config_problems *notes)
{
    static struct config_problem not_ready = {
        .path = "", .text = "no engine became ready with it: what was logged before says why"};
    struct config *config;
    *refused = (struct config_problems){0};
    if (!handover->instead) {
        config = load(arguments, notes);
        if (config || handover->config < 0)
            return config;
        *refused = *notes;
    } else {
        not_ready.place = arguments->config_file;
        refused->at = &not_ready;
        refused->count = 1;
    }
    config = load_earlier(handover, refused, notes);
    (void)close(handover->config);
    return config;
}

/* In this process, on what was handed over to it. */
static int run_engine(const struct arguments *arguments, struct handover *handover)
{
    struct config_problems problems, refused;
    struct control_options options = {.notes = &problems,
                                      .refused = &refused,
                                      .read_wall_ns = clock_wall_ns(),
                                      .handover = handover};
    struct config *config = load_served(arguments, handover, &refused, &problems);
    int status = EXIT_CANNOT_RUN;
    options.config = config;
    char why[RING_EXPLANATION_BYTES];
    if (config && handover->report[0] != '\0')
        control_report(config, "crash", handover->report);
    if (config && handover->role == HANDOVER_REPORTER)
        status = EXIT_FAILED;
    else if (config && ring_disabled(&options.ring_disabled, why, sizeof(why)))
        status = control_run(&options);
    else if (config)
        control_refuse(config, why);
    config_destroy(config);
    config_problems_deinit(&problems);
    config_problems_deinit(&refused);
    return status;
}

/* The parts are this program twice: as the supervisor, and, executed by it, as the engine. */
static int run_proxy(const struct arguments *arguments)
{
    static struct handover handover;
    const char *problem = NULL;
    bool engine = arguments->given >> OPTION_ENGINE & 1;
    if (!handover_take(&handover, &problem)) {
        (void)fprintf(stderr, "nextproxy: " HANDOVER_VARIABLE " cannot be used: %s\n", problem);
        return EXIT_CANNOT_RUN;
    }
    if (engine != (handover.role == HANDOVER_ENGINE || handover.role == HANDOVER_REPORTER)) {
        (void)fprintf(stderr, "nextproxy: " SUPERVISOR_ENGINE_OPTION " and " HANDOVER_VARIABLE
                              " are for a supervisor to set\n");
        return EXIT_CANNOT_RUN;
    }
    if (handover.role == HANDOVER_NONE && !activation_take(&handover, &problem)) {
        (void)fprintf(stderr, "nextproxy: socket activation: %s\n", problem);
        return EXIT_CANNOT_RUN;
    }
    if (engine) {
        (void)prctl(PR_SET_NAME, "nextproxy"); /* it may be executed by another name of its file */
        return run_engine(arguments, &handover);
    }
    if (!(arguments->given >> OPTION_NO_SUPERVISOR & 1))
        return supervisor_run(arguments->words, &handover);
    handover.watchdog_us =
        watchdog_parse(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    return run_engine(arguments, &handover);
}

/* ---- The rest ---- */

static int run_doctor(const struct arguments *arguments)
{
    return (int)doctor_run(arguments->given >> OPTION_JSON & 1);
}

static int run_demo(const struct arguments *arguments)
{
    return demo_run(arguments->port);
}

static int run_print_schema(const struct arguments *arguments)
{
    (void)arguments;
    config_print_schema(stdout);
    return EXIT_OK;
}

static int run_print_reference(const struct arguments *arguments)
{
    (void)arguments;
    config_print_reference(stdout);
    return EXIT_OK;
}

static int run_version(const struct arguments *arguments)
{
    (void)arguments;
    (void)printf("nextproxy %s\n", NEXTPROXY_VERSION);
    (void)printf("features: http/1.1 websocket proxy-protocol io_uring\n");
    (void)printf("libraries: %s, %s, %s\n", ring_library(), config_library(), resolver_library());
    return EXIT_OK;
}

static int run_help(const struct arguments *arguments);

enum {
    TAKES_CONFIG = 1 << OPTION_CONFIG,
    TAKES_JSON = 1 << OPTION_JSON,
    TAKES_PORT = 1 << OPTION_PORT,
    TAKES_PROCESS = 1 << OPTION_NO_SUPERVISOR | 1 << OPTION_ENGINE,
};

static const struct command {
    const char *name;
    int (*run)(const struct arguments *arguments);
    u32 takes;        /* options */
    const char *help; /* NULL = for developers */
} commands[] = {
    {"--check", run_check, TAKES_CONFIG, "check the configuration and exit (0 valid, 2 not)"},
    {"--print-config", run_print_config, TAKES_CONFIG,
     "print the effective configuration with all defaults"},
    {"--print-budget", run_print_budget, TAKES_CONFIG,
     "print what memory the configuration may take"},
    {"--demo", run_demo, TAKES_PORT,
     "run three sample backends on ports 3001 to 3003 (--port N: from N on)"},
    {"--version", run_version, 0, "print version, features and libraries"},
    {"--help", run_help, 0, "print this"},
    {"doctor", run_doctor, TAKES_JSON, "report what this kernel offers (--json for machines)"},
    {"--print-schema", run_print_schema, 0, NULL},
    {"--print-config-reference", run_print_reference, 0, NULL},
};

/* Without a command. */
static const struct command proxy_command = {"the proxy", run_proxy, TAKES_CONFIG | TAKES_PROCESS,
                                             NULL};

static int run_help(const struct arguments *arguments)
{
    (void)arguments;
    (void)printf("nextproxy: a reverse proxy and load balancer on io_uring\n\n"
                 "usage: nextproxy [--config FILE] [COMMAND]\n\n"
                 "Without a command it runs the proxy. FILE is config.json unless given.\n\n");
    for (usize i = 0; i < ARRAY_COUNT(commands); i++)
        if (commands[i].help)
            (void)printf("  %-24s %s\n", commands[i].name, commands[i].help);
    remote_help(stdout);
    (void)printf(
        "\nThe proxy runs below a supervisor, which starts it again when it crashes; with\n"
        "--no-supervisor it is one process.\n"
        "SIGTERM, SIGINT or SIGQUIT stops it gracefully, a second one at once; SIGHUP\n"
        "reads FILE again; SIGUSR2 has a new version of the program take over.\n"
        "Manual: nextproxy(8), docs/configuration.md\n");
    return EXIT_OK;
}

/* ---- Reading the command line ---- */

static const struct command *find_command(const char *name)
{
    for (usize i = 0; i < ARRAY_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool port_parse(const char *text, u16 *port)
{
    u64 value;
    if (!slice_parse_number(slice_of_string(text), DEMO_PORT_FIRST_MAX, &value))
        return false;
    *port = (u16)value;
    return value > 0;
}

static bool take_option(struct arguments *arguments, enum option option, const char *value)
{
    if (!words_check_option(&option_rows[option], arguments->given >> option & 1, value))
        return false;
    arguments->given |= 1U << option;
    if (option == OPTION_CONFIG)
        arguments->config_file = value;
    else if (option == OPTION_PORT && !port_parse(value, &arguments->port))
        return words_refuse("--port is \"%s\", but must be from 1 to %d", value,
                            DEMO_PORT_FIRST_MAX);
    return true;
}

static bool take_command(struct arguments *arguments, const struct command *command)
{
    if (arguments->command && arguments->command != command)
        return words_refuse("%s and %s cannot be given together: choose one",
                            arguments->command->name, command->name);
    arguments->command = command;
    return true;
}

static const struct command *command_of(const struct arguments *arguments)
{
    return arguments->command ? arguments->command : &proxy_command;
}

/* Nothing that was given may be ignored in silence. */
static bool check_options(const struct arguments *arguments)
{
    const struct command *command = command_of(arguments);
    for (u32 i = 0; i < OPTION_COUNT; i++)
        if (arguments->given & ~command->takes & 1U << i)
            return words_refuse("%s does not go with %s", option_rows[i].name, command->name);
    return true;
}

static bool parse_arguments(int count, char **words, struct arguments *arguments)
{
    for (int i = 1; i < count; i++) {
        const char *value;
        const struct command *command = find_command(words[i]);
        enum option option =
            (enum option)words_find_option(option_rows, OPTION_COUNT, words[i], &value);
        if (!command && option == OPTION_COUNT)
            return words_refuse("unknown argument \"%s\"", words[i]);
        if (option < OPTION_COUNT && option_rows[option].value && !value)
            value = words_take_value(count, words, &i);
        if (command ? !take_command(arguments, command) : !take_option(arguments, option, value))
            return false;
    }
    return check_options(arguments);
}

/* What was asked for must not be lost in silence on a full disk. */
static int close_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    (void)fprintf(stderr, "nextproxy: cannot write to standard output: %s\n", strerror(errno));
    return status == EXIT_OK ? EXIT_FAILED : status;
}

int main(int argument_count, char **argument_words)
{
    struct arguments arguments = {
        .config_file = "config.json", .port = DEMO_PORT_FIRST, .words = argument_words};
    if (remote_is_asked(argument_count, argument_words))
        return close_output(remote_run(argument_count, argument_words));
    if (!parse_arguments(argument_count, argument_words, &arguments))
        return EXIT_CANNOT_RUN;
    return close_output(command_of(&arguments)->run(&arguments));
}
