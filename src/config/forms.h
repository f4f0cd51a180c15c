/* What strings must look like: one form per kind of string. */
#ifndef NEXTPROXY_CONFIG_FORMS_H
#define NEXTPROXY_CONFIG_FORMS_H

#include "config/settings.h"

extern const struct setting_form form_id;
extern const struct setting_form form_url;
extern const struct setting_form form_nameserver;
extern const struct setting_form form_target;     /* path of a probe, with or without query */
extern const struct setting_form form_probe_host; /* the Host field of a probe */
extern const struct setting_form form_probe_body;
extern const struct setting_form form_word; /* of a command */
extern const struct setting_form form_status_ranges;
extern const struct setting_form form_failure_statuses;
extern const struct setting_form form_retry_statuses; /* of errors, or "none" */
extern const struct setting_form form_route_path;     /* a prefix of whole segments */
extern const struct setting_form form_host; /* of a route: exact, "*.example.com" or "*" */
extern const struct setting_form form_cookie_name;
extern const struct setting_form form_file; /* a file or directory */
extern const struct setting_form form_file_pattern;
extern const struct setting_form form_network;
extern const struct setting_form form_listen_address;
extern const struct setting_form form_token; /* of the management API */
extern const struct setting_form form_sticky_key;
extern const struct setting_form form_socket_path;
extern const struct setting_form form_socket_mode;
extern const struct setting_form form_field;         /* the name of one that may be edited */
extern const struct setting_form form_field_removed; /* ... and taken out of a request */
extern const struct setting_form form_field_value;
extern const struct setting_form form_hex;      /* these are of the state file: a secret, */
extern const struct setting_form form_endpoint; /* ... where a name leads, with port, */
extern const struct setting_form form_ip;       /* ... the same without, */
extern const struct setting_form form_dns_name; /* ... and anything that DNS may call a host */

/* What several of them ask: whether all bytes are '!' to '~'; and the `secret` of those that are.
 */
bool form_is_visible_ascii(struct slice value);
bool form_always_secret(struct slice value);

#endif
