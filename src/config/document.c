/*
 * JSON by jansson, which is strict (duplicate keys, UTF-8, numbers) and says where it stopped; why
 * it stopped is worked out here from the bytes around that place.
 */
#include "config/document.h"

#include "config/problems.h"

static void syntax_problem(const struct source *source, usize at, const char *text,
                           struct config_problems *problems)
{
    struct problem_at where = {source_place_at(source, at, &problems->arena), ""};
    problem_add(problems, where, "not valid JSON: %s", text);
}

/* Nesting is limited before jansson recurses into it. */
static bool depth_check(const struct source *source, struct config_problems *problems)
{
    struct slice text = source->text;
    u32 depth = 0;
    bool quoted = false;
    for (u32 i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > DOCUMENT_DEPTH_MAX) {
            syntax_problem(source, i, "nested deeper than 32 levels", problems);
            return false;
        }
    }
    return true;
}

/* ---- Hints ---- */

/* Where the token begins behind which jansson stopped: its messages end in "near 'token'". */
static usize token_begin(struct slice text, const json_error_t *error)
{
    usize end = error->position < 0 ? 0 : min_u32((u32)error->position, text.len);
    if (json_error_code(error) == json_error_premature_end_of_input)
        return text.len;
    const char *near = strstr(error->text, " near '");
    usize len = near == NULL ? 0 : strlen(near) - sizeof(" near '");
    if (near != NULL && len <= end)
        return end - len;
    /* Long tokens are not repeated in the message: this one is a string. */
    usize begin = end > 0 ? end - 1 : 0;
    while (begin > 0 && text.data[begin - 1] != '"')
        begin--;
    return begin > 0 ? begin - 1 : 0;
}

static char byte_before(struct slice text, usize at)
{
    while (at > 0 && strchr(" \t\r\n", text.data[at - 1]) != NULL)
        at--;
    return at > 0 ? text.data[at - 1] : '\0';
}

static bool is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static bool is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-';
}

static bool value_begins(char c)
{
    return c == '"' || c == '{' || c == '[' || is_number(c) || is_letter(c);
}

static bool word_at(struct slice text, usize at, struct slice word)
{
    return text.len - at >= word.len &&
           slice_equal_nocase(slice_of(text.data + at, word.len), word);
}

/* Why a token cannot stand where it stands, from itself and what is before it. */
static const char *token_hint(struct slice text, usize at)
{
    char c = text.data[at];
    char before = byte_before(text, at);
    if (before == ',' && (c == '}' || c == ']'))
        return "remove the comma before this: commas stand between two entries only";
    if (c == '/' || c == '#')
        return "there are no comments in JSON";
    if (c == '\'')
        return "strings stand in double quotes";
    if (is_letter(c) && (before == '{' || before == ','))
        return "keys stand in double quotes";
    if (word_at(text, at, SLICE("true")) || word_at(text, at, SLICE("false")))
        return "true and false are written in small letters";
    if (is_letter(c))
        return "strings stand in double quotes";
    if (c == '+' || c == '.' || is_number(c))
        return "numbers are written like 10 or 0.5";
    if (c == ',')
        return "there is nothing before this comma";
    return NULL;
}

struct hint {
    const char *message; /* how jansson's message begins */
    const char *text;
};

static const struct hint hints[] = {
    {"duplicate object key", "the same key stands twice in one object"},
    {"unexpected newline", "a string must end on its line: a closing quote is missing"},
    {"control character", "a control character in a string: write it as \\u and four digits"},
    {"invalid escape", "an unknown escape: a backslash itself is written \\\\"},
    {"invalid Unicode", "an invalid \\u escape"},
    {"unable to decode byte", "a byte that is no UTF-8"},
    {"too big integer", "the number is too large"},
    {"too big negative integer", "the number is too small"},
    {"real number overflow", "the number is too large"},
    {"end of file expected", "the one object has ended before this"},
    {"':' expected", "a colon is missing between key and value"},
    {"\\u0000 is not allowed", "\\u0000 is not allowed"},
    {"NUL byte in object key", "\\u0000 is not allowed"},
    {"'[' or '{' expected", "it must be one object: { ... }"},
};

static const char *syntax_hint(struct slice text, usize at, const json_error_t *error)
{
    if (byte_before(text, text.len) == '\0')
        return "the file is empty";
    if (at >= text.len)
        return "the file ends in the middle of something: a }, a ] or a closing quote is missing";
    for (u32 i = 0; i < ARRAY_COUNT(hints); i++)
        if (strncmp(error->text, hints[i].message, strlen(hints[i].message)) == 0)
            return hints[i].text;
    bool separator = strncmp(error->text, "'}' expected", 12) == 0 ||
                     strncmp(error->text, "']' expected", 12) == 0;
    if (separator && value_begins(text.data[at]))
        return "a comma is missing before this";
    const char *hint = token_hint(text, at);
    return hint != NULL ? hint : "this cannot stand here";
}

json_t *document_parse(const struct source *source, struct config_problems *problems)
{
    struct slice text = source->text;
    if (text.len > DOCUMENT_BYTES_MAX) {
        problem_add(problems, (struct problem_at){source->name, ""},
                    "%u bytes are not allowed: at most %d", text.len, DOCUMENT_BYTES_MAX);
        return NULL;
    }
    if (slice_starts_with(text, SLICE("\xef\xbb\xbf"))) {
        syntax_problem(source, 0, "a byte order mark at the beginning: save it as plain UTF-8",
                       problems);
        return NULL;
    }
    if (!depth_check(source, problems))
        return NULL;
    json_error_t error;
    json_t *root =
        json_loadb(text.len == 0 ? "" : text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        usize at = token_begin(text, &error);
        syntax_problem(source, at, syntax_hint(text, at, &error), problems);
    } else if (!json_is_object(root)) {
        syntax_problem(source, 0, "it must be one object: { ... }", problems);
        json_decref(root);
        root = NULL;
    }
    return root;
}
