/* The rows of `overload`. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

#define STAGE(name, member, value, description)                                                    \
    {                                                                                              \
        .key = name, .type = SETTING_INTEGER, MEMBER(struct config_overload, member), .min = 0,    \
        .max = 100, .unit = "percent", .fallback = value, .text = description " 0 = never."        \
    }

static const struct setting overload_rows[] = {
    STAGE("dropKeepAlive", no_keep_alive, "85",
          "From here on each response is the last one on its connection."),
    STAGE("closeIdle", close_idle, "90",
          "From here on clients without a request are closed, those first that have been idle for "
          "longest."),
    STAGE("refuse", refuse, "95", "From here on requests are answered 503."),
    STAGE("stopAccepting", no_accept, "98",
          "From here on new connections wait in the kernel's queue."),
    {.key = "recovery", .type = SETTING_INTEGER, MEMBER(struct config_overload, recovery),
     .min = 1, .max = 50, .unit = "percent", .fallback = "5",
     .text = "A stage ends when so much less is in use than it began with."},
};

/* clang-format on */

const struct settings_table settings_overload = TABLE(struct config_overload, overload_rows);
