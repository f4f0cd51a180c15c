/* Which of the machine's runs this is: what is told by CLOCK_BOOTTIME holds in the same one only.
 */
#ifndef NEXTPROXY_CONTROL_BOOT_ID_H
#define NEXTPROXY_CONTROL_BOOT_ID_H

#include "base/slice.h"

enum { BOOT_ID_BYTES = 64 };

/* The kernel's name for it, in `out`; empty when it cannot be had (there is no /proc). */
struct slice boot_id_read(char out[BOOT_ID_BYTES]);

#endif
