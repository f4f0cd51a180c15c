/* See tables.h. An open-addressed hash table, never more than half full. */
#include "snapshot/tables.h"

#include <stdlib.h>

#include "base/hash.h"

struct snapshot_table {
    const struct balance_table *table;
    struct arena arena; /* of the table alone */
    u64 hash;           /* of its members */
    u32 users;          /* snapshots */
};

void tables_init(struct snapshot_tables *tables, struct arena *arena, u32 count)
{
    tables->capacity = count > 0 ? 2 : 0;
    while (tables->capacity < 2 * count)
        tables->capacity *= 2;
    tables->at = arena_alloc(arena, tables->capacity * sizeof(struct snapshot_table *));
}

static u64 hash_members(const struct balance_backend *members, u32 count)
{
    u64 hash = count;
    for (u32 i = 0; i < count; i++)
        hash = hash_mix64(hash_mix64(hash ^ members[i].key) + members[i].weight);
    return hash;
}

/* Where the table of these members is, or where it would be put. */
static struct snapshot_table **find(const struct snapshot_tables *tables, u64 hash,
                                    const struct balance_backend *members, u32 count)
{
    u32 at = (u32)hash & (tables->capacity - 1);
    while (tables->at[at] && !(tables->at[at]->hash == hash &&
                               balance_table_is_for(tables->at[at]->table, members, count)))
        at = (at + 1) & (tables->capacity - 1);
    return &tables->at[at];
}

static struct snapshot_table *make(u64 hash, const struct balance_backend *members, u32 count)
{
    struct arena arena;
    arena_init(&arena);
    const struct balance_table *table = balance_table_create(&arena, members, count);
    struct snapshot_table *made = calloc(1, sizeof(*made));
    ASSERT(made); /* far less than what the table has just got */
    *made = (struct snapshot_table){.table = table, .arena = arena, .hash = hash};
    return made;
}

const struct balance_table *tables_take(struct snapshot_tables *tables,
                                        const struct snapshot_tables *earlier,
                                        const struct balance_backend *members, u32 count)
{
    u64 hash = hash_members(members, count);
    struct snapshot_table **place = find(tables, hash, members, count);
    if (*place)
        return (*place)->table;
    if (earlier && earlier->capacity > 0)
        *place = *find(earlier, hash, members, count);
    if (!*place)
        *place = make(hash, members, count);
    (*place)->users++;
    return (*place)->table;
}

void tables_release(struct snapshot_tables *tables)
{
    for (u32 i = 0; i < tables->capacity; i++) {
        struct snapshot_table *table = tables->at[i];
        if (!table || --table->users > 0)
            continue;
        arena_deinit(&table->arena);
        free(table);
    }
}
