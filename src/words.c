/* See words.h. */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool word_is_option(const char *word, const char *name, const char **value)
{
    usize len = strcspn(word, "=");
    *value = word[len] == '=' ? word + len + 1 : NULL;
    return strlen(name) == len && memcmp(name, word, len) == 0;
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
