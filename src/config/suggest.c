/*
 * The nearest name by edit distance: insertions, deletions, substitutions and swaps of neighbours
 * (optimal string alignment, after Damerau 1964), without case and without "-" and "_", so that
 * "Strategy", "round_robin" and "max-requests" are near what was meant.
 */
#include "config/suggest.h"

static struct slice name_fold(struct slice name, char out[SUGGEST_BYTES_MAX])
{
    u32 len = 0;
    for (u32 i = 0; i < name.len; i++)
        if (name.data[i] != '-' && name.data[i] != '_')
            out[len++] = ascii_lower(name.data[i]);
    return slice_of(out, len);
}

static u32 min3(u32 a, u32 b, u32 c)
{
    return min_u32(a, min_u32(b, c));
}

static u32 edit_distance(struct slice a, struct slice b)
{
    u32 rows[3][SUGGEST_BYTES_MAX + 1]; /* this row of the matrix and the two before it */
    for (u32 j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (u32 i = 1; i <= a.len; i++) {
        u32 *row = rows[i % 3];
        const u32 *above = rows[(i + 2) % 3];
        row[0] = i;
        for (u32 j = 1; j <= b.len; j++) {
            u32 substitute = above[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = min3(substitute, above[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = min_u32(row[j], rows[(i + 1) % 3][j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void suggest_begin(struct suggestion *suggestion, struct slice wanted)
{
    /* A third of the letters may be wrong: beyond that a hint would mislead. */
    *suggestion = (struct suggestion){.wanted = wanted, .distance = max_u32(wanted.len / 3, 1) + 1};
}

/* "warning" for "warn", "max" for "maxFiles". */
static bool begins_alike(struct slice a, struct slice b)
{
    return min_u32(a.len, b.len) >= 3 && (slice_starts_with(a, b) || slice_starts_with(b, a));
}

void suggest_consider(struct suggestion *suggestion, struct slice candidate)
{
    char folded[2][SUGGEST_BYTES_MAX];
    if (suggestion->wanted.len > SUGGEST_BYTES_MAX || candidate.len > SUGGEST_BYTES_MAX)
        return;
    struct slice wanted = name_fold(suggestion->wanted, folded[0]);
    struct slice offered = name_fold(candidate, folded[1]);
    u32 distance = edit_distance(wanted, offered);
    if (distance > 1 && begins_alike(wanted, offered))
        distance = 1;
    if (distance < suggestion->distance && distance < candidate.len) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}

const char *suggest_text(const struct suggestion *suggestion, struct arena *arena)
{
    if (suggestion->best.len == 0)
        return "";
    return arena_printf(arena, " (did you mean \"%.*s\"?)", (int)suggestion->best.len,
                        suggestion->best.data);
}
