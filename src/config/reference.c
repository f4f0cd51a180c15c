/* docs/configuration.md: what each row says, for people. */
#include "config.h"
#include "config/describe.h"
#include "config/settings.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by `nextproxy --print-config-reference` from the rows in "
    "src/config/settings*.c.\n"
    "     Change those, not this file. -->\n"
    "\n"
    "nextproxy reads one JSON file: `config.json` in the working directory, or the one that\n"
    "`--config FILE` names. Only `backends` must be there:\n"
    "\n"
    "```json\n"
    "{\n"
    "    \"backends\": [\n"
    "        { \"url\": \"http://127.0.0.1:3001\" },\n"
    "        { \"url\": \"http://127.0.0.1:3002\" }\n"
    "    ]\n"
    "}\n"
    "```\n"
    "\n"
    "- `nextproxy --check` checks a file and starts nothing; the exit status is 2 when it is bad.\n"
    "- `nextproxy --print-config` prints what is in effect, all defaults filled in, but for "
    "secrets: the\n"
    "  token and the sticky key are left out, and `(not shown)` stands for the values of header "
    "fields with\n"
    "  such names (`Authorization`, `Cookie`, `X-Api-Key`, whatever has `token`, `secret`, "
    "`password` ... in\n"
    "  it). What is in a `path` or a `command` is printed.\n"
    "- `config.schema.json` lets an editor complete and check the file:\n"
    "  `\"$schema\": \"./config.schema.json\"`.\n"
    "\n"
    "## When something is wrong\n"
    "\n"
    "Every problem is reported at once, with file, line, column and path, the value, and what is\n"
    "allowed. A key that is not known is a problem, never ignored:\n"
    "\n"
    "```text\n"
    "config.json:5:36: backends[1].healthCheck.interval: -5 is not allowed: a whole number of "
    "milliseconds from 100 to 86400000\n"
    "config.json:9:9: loadBalancing.stratgy: unknown setting (did you mean \"strategy\"?)\n"
    "```\n"
    "\n"
    "Settings marked *later* belong to a feature that is not there yet: they are checked, and "
    "using\n"
    "one is noted at the start as \"not active yet\".\n"
    "\n"
    "The file is read at the start, and again when it changes. A change of a setting marked "
    "*restart*\n"
    "is refused then, and with it the whole file: it needs a new start.\n"
    "\n"
    "## From the environment\n"
    "\n"
    "For containers, every single value and every list of strings can come from the environment. "
    "A\n"
    "variable wins over the file. Its name is the path in capitals, with `_` between keys and "
    "before\n"
    "each capital inside a key; entries of a list are counted from 0. Lists of strings are "
    "separated\n"
    "by commas.\n"
    "\n"
    "```sh\n"
    "NEXTPROXY_PROXY_PORT=8080\n"
    "NEXTPROXY_LOAD_BALANCING_STRATEGY=least-connections\n"
    "NEXTPROXY_BACKENDS_0_WEIGHT=3\n"
    "NEXTPROXY_TRUSTED_PROXIES=10.0.0.0/8,192.168.0.0/16\n"
    "BACKENDS=http://10.0.0.1:8080,http://10.0.0.2:8080   # replaces all of `backends`\n"
    "```\n"
    "\n"
    "A variable that begins with `NEXTPROXY_` and names no setting is a problem like any other.\n"
    "\n"
    "## Which route a request takes\n"
    "\n"
    "`routes` are tried from the most specific on: an exact host before a wildcard, a longer\n"
    "wildcard before a shorter, any host last; within a host the longest path. What no route "
    "matches\n"
    "takes the route `default`, which needs no entry: all `backends`, `loadBalancing.strategy` "
    "and\n"
    "the top-level `timeouts`. As soon as one route has a path, requests with `.` or `..` "
    "segments\n"
    "in theirs are refused ([why](http.md#which-backend)).\n";

/* A cell of a table: bars would end it, and in plain text so would these begin something else. */
static void cell_print(FILE *out, const char *text, bool plain)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '|' || (plain && strchr("`*_<\\", *at) != NULL))
            fputc('\\', out);
        fputc(*at, out);
    }
}

static const char *default_text(const struct setting *row, struct arena *arena)
{
    if (row->required)
        return "**required**";
    if (row->inherits != NULL)
        return row->inherits;
    if (row->fallback != NULL)
        return arena_printf(arena, "`%s`", row->fallback);
    return "";
}

static void row_print(FILE *out, const struct setting *row, const char *path)
{
    struct arena arena;
    arena_init(&arena);
    fprintf(out, "| `%s` | ", path);
    cell_print(out, setting_allowed(row, &arena), true);
    fputs(" | ", out);
    cell_print(out, default_text(row, &arena), false);
    fputs(" | ", out);
    cell_print(out, row->text, false);
    fprintf(out, "%s%s |\n", row->restart ? " *Restart.*" : "", row->later ? " *Later.*" : "");
    arena_deinit(&arena);
}

static void rows_print(FILE *out, const struct settings_table *table, const char *prefix)
{
    struct arena arena;
    arena_init(&arena);
    for (u32 i = 0; i < table->count; i++) {
        const struct setting *row = &table->rows[i];
        const char *path = arena_printf(&arena, "%s%s", prefix, row->key);
        row_print(out, row, path);
        if (row->table != NULL)
            rows_print(out, row->table, arena_printf(&arena, "%s.", path));
    }
    arena_deinit(&arena);
}

static const char table_head[] = "| setting | allowed | default | meaning |\n|---|---|---|---|\n";

static void section_print(FILE *out, const struct setting *row)
{
    char prefix[SETTINGS_KEY_BYTES_MAX + 4];
    bool list = row->type == SETTING_LIST;
    snprintf(prefix, sizeof(prefix), "%s%s.", row->key, list ? "[]" : "");
    fprintf(out, "\n### `%s`\n\n%s\n\n%s", row->key, row->text, table_head);
    rows_print(out, row->table, prefix);
}

void config_print_reference(FILE *out)
{
    fputs(introduction, out);
    fputs("\n## Settings\n\nAll times are in milliseconds.\n\n", out);
    fputs(table_head, out);
    for (u32 i = 0; i < settings_root.count; i++)
        if (settings_root.rows[i].table == NULL || settings_root.rows[i].type == SETTING_LIST)
            row_print(out, &settings_root.rows[i], settings_root.rows[i].key);
    for (u32 i = 0; i < settings_root.count; i++)
        if (settings_root.rows[i].table != NULL)
            section_print(out, &settings_root.rows[i]);
}
