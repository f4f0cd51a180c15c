/* A configuration for a test, from text. */
#ifndef NEXTPROXY_TEST_CONFIG_FIXTURE_H
#define NEXTPROXY_TEST_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"

/* Fails the test, with all problems on stderr, when it is not valid. The caller destroys it. */
static inline struct config *config_fixture(const char *json)
{
    struct config_problems problems;
    struct config *config = config_parse(slice_of_string(json), "test", NULL, &problems);
    if (!config)
        config_problems_print(&problems, stderr);
    config_problems_deinit(&problems);
    assert_non_null(config);
    return config;
}

#endif
