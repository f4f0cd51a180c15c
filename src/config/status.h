/* Status codes as settings name them: "200", "200-399", "200,204,301-303". */
#ifndef NEXTPROXY_CONFIG_STATUS_H
#define NEXTPROXY_CONFIG_STATUS_H

#include "base/slice.h"

/* At most CONFIG_STATUS_RANGES_BYTES_MAX, and nothing else in between or behind. */
bool status_ranges_valid(struct slice ranges);

#endif
