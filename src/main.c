/* The command line. Everything it offers is a row of `commands`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "demo.h"
#include "doctor.h"
#include "proxy.h"
#include "ring.h"
#include "ring/probe.h"
#include "worker.h"

enum exit_status {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_CANNOT_RUN = 2, /* the configuration, the command line or this kernel will not do */
};

struct arguments {
    const char *config_file;
    bool json;
    int (*command)(const struct arguments *arguments);
};

/* ---- What needs a configuration ---- */

static struct config *load(const struct arguments *arguments, struct config_problems *problems)
{
    struct config *config = config_load(arguments->config_file, environ, problems);
    if (!config)
        config_problems_print(problems, stderr);
    return config;
}

static int run_check(const struct arguments *arguments)
{
    struct config_problems problems;
    struct config *config = load(arguments, &problems);
    if (config) {
        config_problems_print(&problems, stdout);
        (void)printf("%s: ok\n", arguments->config_file);
        config_destroy(config);
    }
    config_problems_deinit(&problems);
    return config ? EXIT_OK : EXIT_CANNOT_RUN;
}

static int run_print_config(const struct arguments *arguments)
{
    struct config_problems problems;
    struct config *config = load(arguments, &problems);
    if (config) {
        config_print(config, stdout);
        config_destroy(config);
    }
    config_problems_deinit(&problems);
    return config ? EXIT_OK : EXIT_CANNOT_RUN;
}

static void print_budget(const struct config *config)
{
    struct proxy_budget_row rows[PROXY_BUDGET_ROWS];
    u64 total = 0;
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
    struct config_problems problems;
    struct config *config = load(arguments, &problems);
    if (config) {
        print_budget(config);
        config_destroy(config);
    }
    config_problems_deinit(&problems);
    return config ? EXIT_OK : EXIT_CANNOT_RUN;
}

/* The capabilities that must not be used: named by the environment, or not offered by the
 * kernel. */
static bool ring_disabled(u32 *disabled)
{
    const char *list = getenv("NEXTPROXY_RING_DISABLE");
    const char *unknown = NULL;
    *disabled = 0;
    if (list && !ring_capabilities_parse(list, disabled, &unknown)) {
        (void)fprintf(stderr,
                      "nextproxy: NEXTPROXY_RING_DISABLE: no capability is called \"%s\"; "
                      "`nextproxy doctor` lists them\n",
                      unknown);
        return false;
    }
    struct ring_probe probe;
    ring_probe_run(&probe);
    if (!probe.usable) {
        char why[RING_EXPLANATION_BYTES];
        ring_explain_setup_error(probe.error, why, sizeof(why));
        (void)fprintf(stderr, "nextproxy: %s\n", why);
        return false;
    }
    *disabled |= ~probe.capabilities;
    *disabled = ~ring_capabilities_reduce(~*disabled);
    return true;
}

static int run_proxy(const struct arguments *arguments)
{
    struct config_problems problems;
    struct config *config = load(arguments, &problems);
    int status = EXIT_CANNOT_RUN;
    struct control_options options = {.config = config, .notes = &problems};
    if (config)
        status = ring_disabled(&options.ring_disabled) ? control_run(&options) : EXIT_CANNOT_RUN;
    if (config)
        config_destroy(config);
    config_problems_deinit(&problems);
    return status;
}

/* ---- The rest ---- */

static int run_doctor(const struct arguments *arguments)
{
    return (int)doctor_run(arguments->json);
}

static int run_demo(const struct arguments *arguments)
{
    (void)arguments;
    return demo_run();
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
    (void)printf("libraries: %s, %s\n", ring_library(), config_library());
    return EXIT_OK;
}

static int run_help(const struct arguments *arguments);

static const struct command {
    const char *name;
    int (*run)(const struct arguments *arguments);
    const char *help; /* NULL = for developers */
} commands[] = {
    {"--check", run_check, "check the configuration and exit (0 valid, 2 not)"},
    {"--print-config", run_print_config, "print the effective configuration with all defaults"},
    {"--print-budget", run_print_budget, "print what memory the configuration may take"},
    {"--demo", run_demo, "run three sample backends on ports 3001 to 3003"},
    {"--version", run_version, "print version, features and libraries"},
    {"--help", run_help, "print this"},
    {"doctor", run_doctor, "report what this kernel offers (--json for machines)"},
    {"--print-schema", run_print_schema, NULL},
    {"--print-config-reference", run_print_reference, NULL},
};

static int run_help(const struct arguments *arguments)
{
    (void)arguments;
    (void)printf("nextproxy: a reverse proxy and load balancer on io_uring\n\n"
                 "usage: nextproxy [--config FILE] [COMMAND]\n\n"
                 "Without a command it runs the proxy. FILE is config.json unless given.\n\n");
    for (usize i = 0; i < ARRAY_COUNT(commands); i++)
        if (commands[i].help)
            (void)printf("  %-16s %s\n", commands[i].name, commands[i].help);
    (void)printf("\nSIGTERM or SIGINT stops it gracefully, a second one at once.\n"
                 "Manual: nextproxy(8), docs/configuration.md\n");
    return EXIT_OK;
}

static const struct command *find_command(const char *name)
{
    for (usize i = 0; i < ARRAY_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool parse_arguments(int count, char **values, struct arguments *arguments)
{
    for (int i = 1; i < count; i++) {
        const char *value = values[i];
        const struct command *command = find_command(value);
        if (strcmp(value, "--config") == 0 && i + 1 < count) {
            arguments->config_file = values[++i];
        } else if (strncmp(value, "--config=", 9) == 0) {
            arguments->config_file = value + 9;
        } else if (strcmp(value, "--json") == 0) {
            arguments->json = true;
        } else if (command) {
            arguments->command = command->run;
        } else {
            (void)fprintf(stderr, "nextproxy: %s \"%s\"; `nextproxy --help` lists what there is\n",
                          strcmp(value, "--config") == 0 ? "a file name must follow"
                                                         : "unknown argument",
                          value);
            return false;
        }
    }
    return true;
}

int main(int argument_count, char **argument_values)
{
    struct arguments arguments = {.config_file = "config.json", .command = run_proxy};
    if (!parse_arguments(argument_count, argument_values, &arguments))
        return EXIT_CANNOT_RUN;
    return arguments.command(&arguments);
}
