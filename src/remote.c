/* See remote.h. What may be said is a row of `commands`, with its words, what must follow, and what
 * it becomes: a request to the management API. */
#include "remote.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"
#include "remote_ask.h"
#include "words.h"

enum { DONE = 0, FAILED = 1, CANNOT = 2 };
enum { BODY_BYTES = 8192, PATH_BYTES = 128 };

enum option {
    OPTION_CONFIG,
    OPTION_ADMIN,
    OPTION_TOKEN_FILE,
    OPTION_WEIGHT,
    OPTION_ROUTE,
    OPTION_ID,
    OPTION_COUNT
};

static const struct word_option option_rows[OPTION_COUNT] = {
    [OPTION_CONFIG] = {"--config", "a file name"},
    [OPTION_ADMIN] = {"--admin", "the URL of a management API"},
    [OPTION_TOKEN_FILE] = {"--token-file", "a file name"},
    [OPTION_WEIGHT] = {"--weight", "a number"},
    [OPTION_ROUTE] = {"--route", "the id of a route"},
    [OPTION_ID] = {"--id", "an id"},
};

enum {
    WHERE = 1 << OPTION_CONFIG | 1 << OPTION_ADMIN | 1 << OPTION_TOKEN_FILE,
    WHAT = 1 << OPTION_WEIGHT | 1 << OPTION_ROUTE | 1 << OPTION_ID,
    WORDS_MAX = 3,
};

static const struct command {
    const char *words[2]; /* the second may be NULL */
    const char *operand;  /* what must follow; NULL = nothing may */
    const char *method;
    const char *path; /* %s stands for the operand */
    u32 takes;        /* options */
    bool body;        /* the operand is a URL, and goes with the options into an object */
    const char *help;
} commands[] = {
    {{"status", NULL}, NULL, "GET", "/status", WHERE, false, "print what the proxy is doing"},
    {{"reload", NULL},
     NULL,
     "POST",
     "/reload",
     WHERE,
     false,
     "read the configuration again; print what changed, or what is wrong"},
    {{"backends", "list"}, NULL, "GET", "/backends", WHERE, false, "print all backends"},
    {{"backends", "add"},
     "URL",
     "POST",
     "/backends",
     WHERE | WHAT,
     true,
     "add a backend [--weight N] [--route ID] [--id ID]"},
    {{"backends", "remove"},
     "ID",
     "DELETE",
     "/backends/%s",
     WHERE,
     false,
     "take a backend out; what it serves may finish"},
    {{"backends", "drain"},
     "ID",
     "POST",
     "/backends/%s/drain",
     WHERE,
     false,
     "send a backend nothing new"},
    {{"backends", "maintenance"},
     "ID",
     "POST",
     "/backends/%s/maintenance",
     WHERE,
     false,
     "the same, while something is done to it"},
    {{"backends", "ready"},
     "ID",
     "POST",
     "/backends/%s/ready",
     WHERE,
     false,
     "use a backend again after one of the two"},
};

struct said {
    const char *words[WORDS_MAX];
    u32 word_count;
    const char *options[OPTION_COUNT]; /* values; NULL = not given */
    const struct command *command;
};

/* ---- Reading the command line ---- */

static enum option option_find(const char *word, const char **value)
{
    return (enum option)words_find_option(option_rows, OPTION_COUNT, word, value);
}

bool remote_is_asked(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        const char *value;
        enum option option = option_find(words[i], &value);
        if (option < OPTION_COUNT) {
            i += value == NULL;
            continue;
        }
        for (u32 row = 0; row < ARRAY_COUNT(commands); row++)
            if (strcmp(words[i], commands[row].words[0]) == 0)
                return true;
        return false;
    }
    return false;
}

static bool words_read(int count, char **words, struct said *said)
{
    for (int i = 1; i < count; i++) {
        const char *value;
        enum option option = option_find(words[i], &value);
        if (option < OPTION_COUNT) {
            if (!value)
                value = words_take_value(count, words, &i);
            if (!words_check_option(&option_rows[option], said->options[option] != NULL, value))
                return false;
            said->options[option] = value;
        } else if (words[i][0] == '-' || said->word_count == WORDS_MAX) {
            return words_refuse("unknown argument \"%s\"", words[i]);
        } else {
            said->words[said->word_count++] = words[i];
        }
    }
    return true;
}

/* `backends` alone is `backends list`. */
static bool command_find(struct said *said)
{
    const char *second = said->word_count > 1 ? said->words[1] : "list";
    for (u32 i = 0; i < ARRAY_COUNT(commands); i++) {
        const struct command *command = &commands[i];
        if (said->word_count > 0 && strcmp(command->words[0], said->words[0]) == 0 &&
            (!command->words[1] || strcmp(command->words[1], second) == 0))
            said->command = command;
    }
    return said->command || words_refuse("unknown argument \"%s\"", second);
}

static const char *operand_of(const struct said *said)
{
    u32 own = said->command->words[1] ? 2 : 1;
    return said->word_count > own ? said->words[own] : NULL;
}

static bool command_check(const struct said *said)
{
    const struct command *command = said->command;
    const char *operand = operand_of(said);
    const char *last = command->words[1] ? command->words[1] : command->words[0];
    if (operand && !command->operand)
        return words_refuse("unknown argument \"%s\"", operand);
    if (!operand && command->operand)
        return words_refuse("%s must follow %s", command->operand, last);
    if (!command->words[1] && said->word_count > 1)
        return words_refuse("unknown argument \"%s\"", said->words[1]);
    for (u32 i = 0; i < OPTION_COUNT; i++)
        if (said->options[i] && !(command->takes & 1u << i))
            return words_refuse("%s does not go with %s", option_rows[i].name, last);
    if (said->options[OPTION_CONFIG] && said->options[OPTION_ADMIN])
        return words_refuse("--config and --admin cannot be given together: choose one");
    return true;
}

/* ---- Where to ask ---- */

static bool address_from_url(const char *text, struct arena *arena, struct address *address)
{
    const char *why = config_url_resolve(arena, slice_of_string(text), address);
    return !why || words_refuse("--admin is \"%s\": %s", text, why);
}

/* From a file or the environment, never from the command line, which everybody can see. */
static bool token_find(const char *file, struct arena *arena, struct slice *token)
{
    const char *variable = getenv("NEXTPROXY_ADMIN_TOKEN");
    const char *why = NULL;
    if (file)
        why = config_token_read(arena, file, token);
    else
        *token = slice_of_string(variable ? variable : "");
    if (why)
        (void)fprintf(stderr, "nextproxy: %s %s\n", file, why);
    return !why;
}

/* Where "*" listens, the loopback is the nearest; of both families, for `::` takes them all. */
static struct address nearest(struct address address)
{
    if (address.any.sa_family == AF_INET && address.v4.sin_addr.s_addr == htonl(INADDR_ANY))
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (address.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr))
        address.v6.sin6_addr = in6addr_loopback;
    return address;
}

/* A port that the system chooses is not in the configuration. */
static const struct config_listener *reachable(const struct config_admin *admin)
{
    const struct config_listener *last = &admin->listeners[admin->listener_count - 1];
    const struct address *first = &admin->listeners[0].address;
    bool chosen = first->any.sa_family != AF_UNIX && first->v4.sin_port == 0;
    return chosen ? last : &admin->listeners[0];
}

static int ask_configured(const struct said *said, const struct config *config,
                          const struct remote_request *request)
{
    struct arena arena;
    const struct config_listener *listener = reachable(&config->admin);
    struct remote remote = {
        .address = nearest(listener->address),
        .name = listener->name.data,
        .token = config->admin.token,
    };
    if (!config->admin.enabled) {
        (void)fprintf(stderr, "nextproxy: the management API is off: admin.enabled is false\n");
        return FAILED;
    }
    arena_init(&arena);
    bool good = !said->options[OPTION_TOKEN_FILE] ||
                token_find(said->options[OPTION_TOKEN_FILE], &arena, &remote.token);
    int status = good ? (remote_ask(&remote, request) ? DONE : FAILED) : CANNOT;
    arena_deinit(&arena);
    return status;
}

static int ask_with_config(const struct said *said, const struct remote_request *request)
{
    struct config_problems problems;
    const char *file = said->options[OPTION_CONFIG];
    struct config *config = config_load(file ? file : "config.json", environ, &problems);
    int status = CANNOT;
    if (config)
        status = ask_configured(said, config, request);
    else
        config_problems_print(&problems, stderr);
    config_destroy(config);
    config_problems_deinit(&problems);
    return status;
}

static int ask_at_url(const struct said *said, const struct remote_request *request)
{
    struct arena arena;
    struct remote remote = {.name = said->options[OPTION_ADMIN]};
    arena_init(&arena);
    int status = CANNOT;
    if (address_from_url(said->options[OPTION_ADMIN], &arena, &remote.address) &&
        token_find(said->options[OPTION_TOKEN_FILE], &arena, &remote.token))
        status = remote_ask(&remote, request) ? DONE : FAILED;
    arena_deinit(&arena);
    return status;
}

/* ---- What to ask ---- */

static void body_string(struct http_writer *out, const char *key, const char *value)
{
    http_write(out, SLICE("\""));
    http_write(out, slice_of_string(key));
    http_write(out, SLICE("\":\""));
    for (const char *at = value; *at != '\0'; at++) {
        u8 c = (u8)*at;
        char control[6] = {'\\', 'u', '0', '0'};
        hex_write(&c, 1, control + 4);
        if (c < 0x20)
            http_write(out, slice_of(control, sizeof(control)));
        else if (c == '"' || c == '\\')
            http_write(out, SLICE("\\"));
        if (c >= 0x20)
            http_write(out, slice_of(at, 1));
    }
    http_write(out, SLICE("\""));
}

/* A number, for the API to judge. */
static bool weight_check(const char *weight)
{
    usize digits = strspn(weight, "0123456789");
    return (digits > 0 && digits < 10 && weight[digits] == '\0' &&
            (weight[0] != '0' || digits == 1)) ||
           words_refuse("--weight is \"%s\", but must be a number", weight);
}

/* False when the command line will not do. */
static bool body_write(const struct said *said, struct http_writer *out)
{
    const char *weight = said->options[OPTION_WEIGHT];
    http_write(out, SLICE("{"));
    body_string(out, "url", operand_of(said));
    if (said->options[OPTION_ROUTE]) {
        http_write(out, SLICE(","));
        body_string(out, "route", said->options[OPTION_ROUTE]);
    }
    if (said->options[OPTION_ID]) {
        http_write(out, SLICE(","));
        body_string(out, "id", said->options[OPTION_ID]);
    }
    if (weight && !weight_check(weight))
        return false;
    if (weight) {
        http_write(out, SLICE(",\"weight\":"));
        http_write(out, slice_of_string(weight));
    }
    http_write(out, SLICE("}"));
    return !out->full || words_refuse("this is too long");
}

/* Ids are letters, digits and "-_.": nothing else may get into a path. */
static bool id_check(const char *id)
{
    for (const char *at = id; *at != '\0'; at++) {
        char c = ascii_lower(*at);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-_.", c)))
            return words_refuse("\"%s\" is not the id of a backend", id);
    }
    return strlen(id) <= 64 || words_refuse("this id is too long");
}

static void path_write(const char *pattern, const char *operand, char out[PATH_BYTES])
{
    const char *hole = strstr(pattern, "%s");
    int before = hole ? (int)(hole - pattern) : (int)strlen(pattern);
    (void)snprintf(out, PATH_BYTES, "%.*s%s%s", before, pattern, hole ? operand : "",
                   hole ? hole + 2 : "");
}

int remote_run(int count, char **words)
{
    struct said said = {.word_count = 0};
    char body[BODY_BYTES];
    char path[PATH_BYTES];
    struct http_writer out = {.at = body, .end = body + sizeof(body)};
    if (!words_read(count, words, &said) || !command_find(&said) || !command_check(&said))
        return CANNOT;
    const struct command *command = said.command;
    const char *operand = operand_of(&said);
    if (command->body ? !body_write(&said, &out) : operand && !id_check(operand))
        return CANNOT;
    path_write(command->path, operand, path);
    const struct remote_request request = {
        .method = command->method,
        .path = path,
        .body = slice_of(body, (usize)(out.at - body)),
    };
    return said.options[OPTION_ADMIN] ? ask_at_url(&said, &request)
                                      : ask_with_config(&said, &request);
}

void remote_help(FILE *out)
{
    for (u32 i = 0; i < ARRAY_COUNT(commands); i++) {
        const struct command *command = &commands[i];
        char name[64];
        (void)snprintf(name, sizeof(name), "%s%s%s%s%s", command->words[0],
                       command->words[1] ? " " : "", command->words[1] ? command->words[1] : "",
                       command->operand ? " " : "", command->operand ? command->operand : "");
        (void)fprintf(out, "  %-24s %s\n", name, command->help);
    }
    (void)fprintf(out, "\nThese ask the proxy that runs with this configuration, or the one at "
                       "--admin URL\n(http://host:port or unix:/path), with the token of "
                       "NEXTPROXY_ADMIN_TOKEN or\n--token-file FILE.\n");
}
