/* What the files of the overlay share. */
#ifndef NEXTPROXY_CONFIG_OVERLAY_INTERNAL_H
#define NEXTPROXY_CONFIG_OVERLAY_INTERNAL_H

#include "config.h"

/* NULL when there is none. */
const struct config_backend *overlay_backend_find(const struct config *config, struct slice id);
/* True when this backend, of the file, was taken out. */
bool overlay_removes(const struct config_overlay *overlay, const struct config_backend *backend);
/* Two ways to write one place are one place. */
bool overlay_same_place(struct slice left, struct slice right);

#endif
