/* The text of a configuration as a JSON document, and syntax errors that help. */
#ifndef NEXTPROXY_CONFIG_DOCUMENT_H
#define NEXTPROXY_CONFIG_DOCUMENT_H

#include <jansson.h>

#include "config/place.h"

enum {
    DOCUMENT_BYTES_MAX = 16 << 20,
    DOCUMENT_DEPTH_MAX = 32, /* four times what any setting needs */
};

/* NULL, with one problem added, when the text is no JSON object. The caller drops the reference. */
MUST_CHECK json_t *document_parse(const struct source *source, struct config_problems *problems);

#endif
