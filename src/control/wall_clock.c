/* See wall_clock.h. */
#include "control/wall_clock.h"

#include "base/assert.h"
#include "base/clock.h"

/* Clocks are disciplined by slewing, or by steps of parts of a second. */
#define STEP_NS ((i64)NS_PER_S)
#define FAR_NS ((i64)(3600 * NS_PER_S))
#define PATIENCE_NS (86400 * NS_PER_S)

static void judge(struct wall_clock *clock, u64 boot_ns)
{
    bool far = (i64)(clock->offset_ns - clock->believed_ns) >= FAR_NS;
    if (far && clock->doubted_ns == 0)
        clock->doubted_ns = boot_ns;
    if (far && boot_ns - clock->doubted_ns < PATIENCE_NS)
        return;
    clock->believed_ns = clock->offset_ns;
    clock->doubted_ns = 0;
}

i64 wall_clock_look(struct wall_clock *clock, u64 boot_ns, u64 wall_ns)
{
    bool first = clock->offset_ns == 0, recalled = clock->believed_ns != 0;
    i64 step_ns = (i64)(wall_ns - boot_ns - clock->offset_ns);
    clock->offset_ns = wall_ns - boot_ns;
    if (first && !recalled)
        clock->believed_ns = clock->offset_ns;
    judge(clock, boot_ns);
    if (first || (step_ns > -STEP_NS && step_ns < STEP_NS))
        return 0;
    clock->steps++;
    return step_ns;
}

struct wall_clock_belief wall_clock_belief(const struct wall_clock *clock)
{
    return (struct wall_clock_belief){
        /* One that is before 1970 has wrapped around. */
        .believed_ms = (i64)clock->believed_ns > 0 ? clock->believed_ns / NS_PER_MS : 0,
        .doubted_ms = clock->doubted_ns / NS_PER_MS,
    };
}

void wall_clock_recall(struct wall_clock *clock, struct wall_clock_belief belief, u64 boot_ns)
{
    ASSERT(clock->offset_ns == 0);
    if (belief.believed_ms > INT64_MAX / NS_PER_MS || belief.doubted_ms > boot_ns / NS_PER_MS)
        return;
    clock->believed_ns = belief.believed_ms * NS_PER_MS;
    clock->doubted_ns = clock->believed_ns > 0 ? belief.doubted_ms * NS_PER_MS : 0;
}
