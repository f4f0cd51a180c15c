/* What happens to the machine as a whole: its clock, its disk, its descriptors. */
#include "base/clock.h"
#include "log.h"
#include "sim_internal.h"

void sim_set_clock(struct sim *sim, i64 ms)
{
    sim->wall_shift_ns += ms * (i64)NS_PER_MS;
}

void sim_logs_stand(struct sim *sim, bool stand)
{
    sim->logs_stand = stand;
}

u64 sim_log_dropped(const struct sim *sim, enum log_file file)
{
    return log_buffer_dropped(sim->logs[file]);
}

u64 sim_accepts_fail(struct sim *sim, bool fail)
{
    sim->accepts_fail = fail;
    return sim->accept_failures;
}
