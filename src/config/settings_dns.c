/* The rows of `dns`. */
#include "config/rows.h"

/* A row is read as a row: laid out by hand, because clang-format gives every column its own line.
 */
/* clang-format off */

static const struct setting dns_rows[] = {
    {.key = "servers", .type = SETTING_STRINGS, MEMBER(struct settings_dns, servers),
     .max = SETTINGS_NAMESERVERS_MAX, .form = &form_nameserver,
     .inherits = "the name servers of the system (`/etc/resolv.conf`)",
     .text = "Whom to ask for the names in URLs of backends, port 53 unless another one is given. "
             "`/etc/hosts` is looked at first in any case."},
    {.key = "family", .type = SETTING_CHOICE, MEMBER(struct settings_dns, values.family),
     .fallback = "\"prefer-ipv4\"", .choice = &choice_family,
     .text = "Which addresses of a name are used. With `prefer-ipv4` the IPv6 ones count only when "
             "there are no others; `all` takes both."},
    {.key = "timeout", .type = SETTING_INTEGER, MEMBER(struct settings_dns, values.timeout_ms),
     .min = 50, .max = 60000, .unit = MS, .fallback = "1000",
     .text = "For an answer to the first try; further tries wait longer."},
    {.key = "tries", .type = SETTING_INTEGER, MEMBER(struct settings_dns, values.tries),
     .min = 1, .max = 10, .unit = "tries", .fallback = "3",
     .text = "How often each server is asked before a lookup has failed."},
    {.key = "minTtl", .type = SETTING_INTEGER, MEMBER(struct settings_dns, values.ttl_min_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "1000",
     .text = "An answer is asked for again when its time to live (TTL) is over, but not before "
             "this time."},
    {.key = "maxTtl", .type = SETTING_INTEGER, MEMBER(struct settings_dns, values.ttl_max_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "300000",
     .text = "... and not later than after this time."},
    {.key = "retryInterval", .type = SETTING_INTEGER, MEMBER(struct settings_dns, values.retry_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "1000",
     .text = "When a lookup that failed is tried again; each further time takes twice as long as "
             "the one before. The last good answer is used meanwhile, however old it is."},
    {.key = "maxRetryInterval", .type = SETTING_INTEGER,
     MEMBER(struct settings_dns, values.retry_max_ms),
     .min = 100, .max = MS_MAX, .unit = MS, .fallback = "30000",
     .text = "... up to this."},
    {.key = "startWait", .type = SETTING_INTEGER, MEMBER(struct settings_dns, values.start_wait_ms),
     .min = 0, .max = 60000, .unit = MS, .fallback = "5000",
     .text = "How long a start or a reload waits for the names that it has no answer for. After "
             "that it goes on: a backend without address is not chosen until it has one."},
};
const struct settings_table settings_dns_table = TABLE(struct settings_dns, dns_rows);

/* clang-format on */
