/* slurm.c - what the environment of a task says; see slurm.h. */
#include <stdlib.h>

#include "slurm.h"

/* A whole number of the environment; `otherwise` when it is not there or none. */
static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char *end;
    if (!text || *text < '0' || *text > '9') return otherwise;
    uint64_t value = strtoull(text, &end, 10);
    return *end ? otherwise : value;
}

void slurm_shard(uint64_t *shard, uint64_t *shards)
{
    const uint64_t most = UINT32_MAX;
    uint64_t tasks = number("SLURM_STEP_NUM_TASKS", 1), task = number("SLURM_PROCID", 0);
    uint64_t id = number("SLURM_ARRAY_TASK_ID", 0), least = number("SLURM_ARRAY_TASK_MIN", 0);
    uint64_t step = number("SLURM_ARRAY_TASK_STEP", 1), count = number("SLURM_ARRAY_TASK_COUNT", 1);
    if (!step || id < least || (id - least) / step >= count || task >= tasks || tasks > most || count > most / tasks)
        return;
    if (count * tasks == 1) return;
    *shard = (id - least) / step * tasks + task + 1;
    *shards = count * tasks;
}

unsigned slurm_threads(void) { return (unsigned)number("SLURM_CPUS_PER_TASK", 0); }
