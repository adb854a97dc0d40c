/* slurm.h - Slurm: what it says in the environment of a task, and jobs given to it by its commands. */
#ifndef ENT_ANALYSES_SLURM_H
#define ENT_ANALYSES_SLURM_H

#include <entropy/base.h>

/* ---- in a task ------------------------------------------------------------------------------------------------ */

/* The share of the cells that is this task's, from 1: by its place in the array, and in the step that srun started.
 * Leaves both alone outside of those. */
void slurm_shard(uint64_t *shard, uint64_t *shards);
/* The processors that the task was given; 0 when nothing is said. */
unsigned slurm_threads(void);

/* ---- submitting ----------------------------------------------------------------------------------------------- */

struct slurm_job {
    const char *name;    /* of the plan */
    const char *folder;  /* absolute: of the run */
    const char *program; /* absolute */
    uint64_t tasks;
    uint64_t cpus;                                   /* of a task; 0: the partition's preset */
    const char *time, *partition, *account, *memory; /* as sbatch takes them; NULL: not said */
    const char *run_options;                         /* for `entropy run`, "" or beginning with a blank */
};

/* Writes the scripts FOLDER/task.sh and FOLDER/merge.sh. */
ent_status slurm_write_scripts(const struct slurm_job *job, ent_error *error);
/* Submits them: the tasks as arrays as large as Slurm allows, then the merge after all of them; their numbers go to
 * FOLDER/jobs.  `said` gets what to tell the user.  With `dry`, nothing is submitted and *said has the commands. */
ent_status slurm_submit(const struct slurm_job *job, bool dry, ent_buffer *said, ent_error *error);
/* The states of the jobs of a run folder that are in the queue, e.g. "3 RUNNING, 5 PENDING"; false when none are known.
 */
bool slurm_jobs(char *text, size_t size, const char *folder);

/* Appends text as one word of a shell. */
ent_status shell_word(ent_buffer *buffer, const char *text);

#endif
