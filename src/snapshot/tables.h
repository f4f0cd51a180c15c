/*
 * The tables of BALANCE_IP_HASH: filled once for the same backends, and used by all workers, by all
 * pools that have these backends, and by later snapshots. Control counts who uses one.
 */
#ifndef NEXTPROXY_SNAPSHOT_TABLES_H
#define NEXTPROXY_SNAPSHOT_TABLES_H

#include "snapshot.h"

/* Room for `count` tables, from the arena. */
void tables_init(struct snapshot_tables *tables, struct arena *arena, u32 count);
/* The table of these members: one that is there, or that `earlier` (NULL = none) has, or a new one.
 * It lives until tables_release(), and longer for others who took it. */
const struct balance_table *tables_take(struct snapshot_tables *tables,
                                        const struct snapshot_tables *earlier,
                                        const struct balance_backend *members, u32 count);
void tables_release(struct snapshot_tables *tables);

#endif
