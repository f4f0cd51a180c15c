/* The rows of kernel-reqs/features.def as a table, and what follows from the rows alone. */
#include <assert.h>
#include <string.h>

#include "ring/probe.h"

static const struct ring_feature_info features[RING_FEATURE_COUNT] = {
#define FEATURE_REQUIRED(suffix, name_, since_, why_)                                              \
    [RING_FEATURE_##suffix] = {                                                                    \
        .name = name_, .since = since_, .why = why_, .without = "nextproxy does not start"},
#define FEATURE_OPTIONAL(suffix, name_, since_, needs_, why_, without_)                            \
    [RING_FEATURE_##suffix] = {                                                                    \
        .name = name_,                                                                             \
        .since = since_,                                                                           \
        .why = why_,                                                                               \
        .without = without_,                                                                       \
        .capability = 1u << RING_CAP_##suffix,                                                     \
        .needs = 1u << RING_CAP_##suffix | 1u << RING_CAP_##needs_,                                \
    },
#include "../../kernel-reqs/features.def"
};

static_assert(RING_CAP_COUNT <= 32, "capabilities are kept in a u32");

const struct ring_feature_info *ring_feature_info(enum ring_feature feature)
{
    ASSERT(feature < RING_FEATURE_COUNT);
    return &features[feature];
}

const char *ring_capability_name(enum ring_capability capability)
{
    static const char *const names[RING_CAP_COUNT] = {
#define FEATURE_OPTIONAL(suffix, name, since, needs, why, without) [RING_CAP_##suffix] = name,
#include "../../kernel-reqs/features.def"
    };
    ASSERT(capability < RING_CAP_COUNT);
    return names[capability];
}

u32 ring_capabilities_reduce(u32 wanted)
{
    /* Needs come before what builds on them (the unit test checks it), so once through is enough.
     */
    u32 kept = wanted;
    for (usize i = 0; i < RING_FEATURE_COUNT; i++)
        if ((features[i].needs & kept) != features[i].needs)
            kept &= ~features[i].capability;
    return kept;
}

/* The bit of the capability with that name, 0 when there is none. */
static u32 capability_bit(const char *name, usize len)
{
    for (u32 i = 0; i < RING_CAP_COUNT; i++) {
        const char *known = ring_capability_name((enum ring_capability)i);
        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return 1u << i;
    }
    return 0;
}

bool ring_capabilities_parse(const char *list, u32 *out, const char **unknown)
{
    static const char separators[] = ", \t";
    *out = 0;
    *unknown = NULL;
    for (const char *at = list + strspn(list, separators); *at != '\0';
         at += strspn(at, separators)) {
        usize len = strcspn(at, separators);
        u32 bit = capability_bit(at, len);
        if (bit == 0) {
            *unknown = at;
            return false;
        }
        *out |= bit;
        at += len;
    }
    return true;
}
