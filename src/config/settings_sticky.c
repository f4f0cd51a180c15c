/* The rows of `stickySession`, in `loadBalancing` and in each route, which can inherit. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

#define TEXT_ENABLED "Whether a client stays with the backend that answered it first."
#define TEXT_SOURCE                                                                                \
    "How a client is recognised: by a `cookie` that its first response sets, or by its address "   \
    "(`client-ip`: the strategy is `ip-hash` then, whatever `strategy` says)."
#define TEXT_COOKIE_NAME                                                                           \
    "Name of the cookie that remembers the backend. Routes with other backends need another one."
#define TEXT_TTL                                                                                   \
    "How long the cookie is valid. It is set anew when half of that is over, and when its "        \
    "backend had to be left."

static const struct setting rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct settings_sticky, sticky.enabled),
     .fallback = "false", .text = TEXT_ENABLED},
    {.key = "cookieName", .type = SETTING_STRING,
     MEMBER(struct settings_sticky, sticky.cookie_name), .fallback = "\"nextproxy_backend\"",
     .form = &form_cookie_name, .text = TEXT_COOKIE_NAME},
    {.key = "ttl", .type = SETTING_INTEGER, MEMBER(struct settings_sticky, sticky.ttl_ms),
     .min = 1000, .max = UINT32_MAX, .unit = MS, .fallback = "3600000", .text = TEXT_TTL},
    {.key = "source", .type = SETTING_CHOICE, MEMBER(struct settings_sticky, sticky.source),
     .choice = &choice_sticky_source, .fallback = "\"cookie\"", .text = TEXT_SOURCE},
    {.key = "key", .type = SETTING_STRING, MEMBER(struct settings_sticky, key),
     .form = &form_sticky_key, .secret = true, .inherits = "made by chance at each start",
     .text = "What the cookies are signed with. With the same one, cookies outlive a restart, and "
             "several instances understand each other's. Better kept in `keyFile`, or in the "
             "environment as `NEXTPROXY_LOAD_BALANCING_STICKY_SESSION_KEY`."},
    {.key = "keyFile", .type = SETTING_STRING, MEMBER(struct settings_sticky, key_file),
     .form = &form_file,
     .text = "A file that holds the key, read again with each reload; a line end behind it does "
             "not count."},
};
const struct settings_table settings_sticky = TABLE(struct settings_sticky, rows);

static const struct setting route_rows[] = {
    {.key = "enabled", .type = SETTING_BOOL, MEMBER(struct config_sticky, enabled),
     .absent = SETTINGS_BOOL_INHERITED, .inherits = "`loadBalancing.stickySession.enabled`",
     .text = TEXT_ENABLED},
    {.key = "cookieName", .type = SETTING_STRING, MEMBER(struct config_sticky, cookie_name),
     .inherits = "`loadBalancing.stickySession.cookieName`", .form = &form_cookie_name,
     .text = TEXT_COOKIE_NAME},
    {.key = "ttl", .type = SETTING_INTEGER, MEMBER(struct config_sticky, ttl_ms),
     .min = 1000, .max = UINT32_MAX, .unit = MS,
     .inherits = "`loadBalancing.stickySession.ttl`", .text = TEXT_TTL},
    {.key = "source", .type = SETTING_CHOICE, MEMBER(struct config_sticky, source),
     .choice = &choice_sticky_source, .absent = SETTINGS_INHERITED,
     .inherits = "`loadBalancing.stickySession.source`", .text = TEXT_SOURCE},
};
const struct settings_table settings_route_sticky = TABLE(struct config_sticky, route_rows);

/* clang-format on */
