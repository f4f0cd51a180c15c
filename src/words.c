/* See words.h. */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

u32 words_find_option(const struct word_option *options, u32 count, const char *word,
                      const char **value)
{
    usize len = strcspn(word, "=");
    *value = word[len] == '=' ? word + len + 1 : NULL;
    u32 i = 0;
    while (i < count && (strlen(options[i].name) != len || memcmp(options[i].name, word, len) != 0))
        i++;
    return i;
}

const char *words_take_value(int count, char **words, int *at)
{
    if (*at + 1 == count || strncmp(words[*at + 1], "--", 2) == 0)
        return NULL;
    return words[++*at];
}

bool words_check_option(const struct word_option *option, bool given, const char *value)
{
    if (given)
        return words_refuse("%s is given twice", option->name);
    if (!option->value)
        return !value ||
               words_refuse("%s takes no value, but is given \"%s\"", option->name, value);
    return (value && *value != '\0') ||
           words_refuse("%s must follow %s", option->value, option->name);
}

bool words_refuse(const char *format, ...)
{
    va_list arguments;
    (void)fputs("nextproxy: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputs("; `nextproxy --help` lists what there is\n", stderr);
    return false;
}
