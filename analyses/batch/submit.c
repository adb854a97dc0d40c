/* submit.c - scripts for Slurm, and its commands; see slurm.h.
 *
 * A task's script passes the signal before its time limit on to the program, which ends with status 75 when cells are
 * left; the task then goes back to the queue, and goes on where it was. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../save.h"
#include "folder.h"
#include "slurm.h"

enum { SIGNAL_SECONDS = 120, MOST_ARRAY = 1001, COMMAND_BYTES = 8192 }; /* 1001: Slurm's preset of MaxArraySize */

static ent_status append(ent_buffer *b, const char *text, size_t n)
{
    ent_status status = ent_buffer_reserve(b, b->size + n + 1);
    if (status) return status;
    memcpy(b->data + b->size, text, n);
    b->size += n;
    b->data[b->size] = '\0';
    return ENT_OK;
}

ent_status shell_word(ent_buffer *b, const char *text)
{
    ent_status status = append(b, "'", 1);
    for (const char *c = text; *c && !status; c++) status = *c == '\'' ? append(b, "'\\''", 4) : append(b, c, 1);
    return status ? status : append(b, "'", 1);
}

ENT_PRINTF(2, 3) static ent_status say(ent_buffer *b, const char *format, ...)
{
    char text[COMMAND_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return n < 0 || n >= (int)sizeof text ? ENT_ESPACE : append(b, text, (size_t)n);
}

/* ---- scripts -------------------------------------------------------------------------------------------------- */

static void write_head(FILE *f, const struct slurm_job *job, const char *what, const char *log)
{
    fprintf(f, "#!/bin/sh\n#SBATCH --job-name=%s-%s\n#SBATCH --output=%s/logs/%s.log\n#SBATCH --open-mode=append\n",
            job->name, what, job->folder, log);
    if (job->partition) fprintf(f, "#SBATCH --partition=%s\n", job->partition);
    if (job->account) fprintf(f, "#SBATCH --account=%s\n", job->account);
}

static void write_task(FILE *f, const struct slurm_job *job, const char *program, const char *folder)
{
    write_head(f, job, "task", "%A_%a");
    if (job->time) fprintf(f, "#SBATCH --time=%s\n", job->time);
    if (job->memory) fprintf(f, "#SBATCH --mem=%s\n", job->memory);
    if (job->cpus) fprintf(f, "#SBATCH --cpus-per-task=%" PRIu64 "\n", job->cpus);
    fprintf(f,
            "#SBATCH --requeue\n"
            "#SBATCH --signal=B:USR1@%d\n"
            "# One share of the cells; $1 is the number of shares in the arrays before this one.\n"
            "export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OMP_PLACES=cores OMP_PROC_BIND=close\n"
            "shard=$((SLURM_ARRAY_TASK_ID + ${1:-0}))\n"
            "time_is_up=\n"
            "trap 'time_is_up=1; kill -USR1 $run' USR1\n"
            "trap 'kill -TERM $run' TERM\n"
            "%s run %s/plan.yaml -o %s --shard $shard/%" PRIu64 " --threads $OMP_NUM_THREADS%s &\n"
            "run=$!\n"
            "wait $run; status=$?\n"
            "while kill -0 $run 2>/dev/null; do wait $run; status=$?; done # a signal ends a wait\n"
            "if [ $status -eq 75 ] && [ \"$time_is_up\" ]; then\n"
            "    scontrol requeue ${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID && exit 0\n"
            "fi\n"
            "exit $status\n",
            SIGNAL_SECONDS, program, folder, folder, job->tasks, job->run_options);
}

static void write_merge(FILE *f, const struct slurm_job *job, const char *program, const char *folder)
{
    write_head(f, job, "merge", "merge");
    fprintf(f,
            "# Joins what there is, and reports it, also when cells failed.\n"
            "%s merge %s; status=$?\n"
            "%s report %s || status=$?\n"
            "exit $status\n",
            program, folder, program, folder);
}

typedef void write_script(FILE *f, const struct slurm_job *job, const char *program, const char *folder);

static ent_status script(const struct slurm_job *job, const char *name, write_script *write, ent_error *error)
{
    ent_buffer program = { NULL, 0, 0 }, folder = { NULL, 0, 0 };
    struct save save;
    char path[PATH_MAX];
    ent_status status = folder_path(path, job->folder, name, error);
    if (!status && (shell_word(&program, job->program) || shell_word(&folder, job->folder)))
        status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) status = save_open(&save, path, error);
    if (!status) {
        write(save.file, job, (const char *)program.data, (const char *)folder.data);
        status = save_close(&save, ENT_OK, error);
    }
    ent_free(program.data);
    ent_free(folder.data);
    return status;
}

/* What would end the line of a #SBATCH directive, or be two words there. */
static ent_status check_plain(const char *text, const char *what, ent_error *error)
{
    for (const char *c = text ? text : ""; *c; c++)
        if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || strchr("'\"\\%", *c))
            return ent_fail(error, ENT_EINVAL, "%s: '%s' has a character that a job script cannot hold", what, text);
    return ENT_OK;
}

ent_status slurm_write_scripts(const struct slurm_job *job, ent_error *error)
{
    const struct {
        const char *text, *what;
    } plain[] = { { job->folder, "--output" },
                  { job->time, "--time" },
                  { job->partition, "--partition" },
                  { job->account, "--account" },
                  { job->memory, "--memory" } };
    char logs[PATH_MAX];
    ent_status status = ENT_OK;
    for (size_t i = 0; i < sizeof plain / sizeof *plain && !status; i++)
        status = check_plain(plain[i].text, plain[i].what, error);
    if (!status) status = folder_path(logs, job->folder, "logs", error);
    if (!status) status = folder_make(logs, error);
    if (!status) status = script(job, "task.sh", write_task, error);
    return status ? status : script(job, "merge.sh", write_merge, error);
}

/* ---- Slurm's commands ----------------------------------------------------------------------------------------- */

/* The first line that a command prints; ENT_EIO when it fails. */
static ent_status first_line(const char *command, char *line, size_t size, ent_error *error)
{
    FILE *f = popen(command, "r");
    if (!f) return ent_fail(error, ENT_EIO, "%s: %s", command, strerror(errno));
    if (!fgets(line, (int)size, f)) line[0] = '\0';
    while (fgetc(f) != EOF) {}
    int status = pclose(f);
    line[strcspn(line, "\n")] = '\0';
    if (!status) return ENT_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return ent_fail(error, ENT_EUNSUPPORTED,
                        "no Slurm here: %.40s is not found; --print-commands lists what any other "
                        "scheduler can run",
                        command);
    return ent_fail(error, ENT_EIO, "failed: %.300s", command);
}

static uint64_t most_tasks(void)
{
    char line[100];
    unsigned long most;
    if (first_line("scontrol show config 2>/dev/null | sed -n 's/^MaxArraySize *= *//p'", line, sizeof line, NULL) ||
        sscanf(line, "%lu", &most) != 1 || most < 2)
        most = MOST_ARRAY;
    return most - 1;
}

/* Submits `command`, or says it; `id` is the number of the job. */
static ent_status submit(const char *command, bool dry, ent_buffer *said, char id[40], ent_error *error)
{
    char line[200];
    snprintf(id, 40, "%s", "JOB");
    if (dry) return say(said, "%s\n", command);
    ent_status status = first_line(command, line, sizeof line, error);
    if (status) return status;
    line[strcspn(line, ";")] = '\0'; /* the name of the cluster may follow */
    if (!line[0] || line[strspn(line, "0123456789")])
        return ent_fail(error, ENT_EIO, "sbatch answered '%.100s' where a job's number was expected", line);
    snprintf(id, 40, "%.39s", line);
    return ENT_OK;
}

ent_status slurm_submit(const struct slurm_job *job, bool dry, ent_buffer *said, ent_error *error)
{
    ent_buffer folder = { NULL, 0, 0 }, ids = { NULL, 0, 0 };
    char command[COMMAND_BYTES], id[40], path[PATH_MAX];
    uint64_t most = most_tasks();
    ent_status status = shell_word(&folder, job->folder);
    for (uint64_t first = 0; first < job->tasks && !status; first += most) {
        uint64_t n = job->tasks - first < most ? job->tasks - first : most;
        snprintf(command, sizeof command, "sbatch --parsable --array=1-%" PRIu64 " %s/task.sh %" PRIu64, n,
                 (const char *)folder.data, first);
        status = submit(command, dry, said, id, error);
        if (!status) status = say(&ids, "%s%s", ids.size ? ":" : "", id);
    }
    if (!status) {
        snprintf(command, sizeof command, "sbatch --parsable --dependency=afterany:%s %s/merge.sh",
                 (const char *)ids.data, (const char *)folder.data);
        status = submit(command, dry, said, id, error);
    }
    if (!status && !dry) {
        struct save save;
        status = folder_path(path, job->folder, "jobs", error);
        if (!status) status = save_open(&save, path, error);
        if (!status) {
            fprintf(save.file, "%s:%s\n", (const char *)ids.data, id);
            status = save_close(&save, ENT_OK, error);
        }
        if (!status) status = say(said, "jobs %s, then merge and report as job %s\n", (const char *)ids.data, id);
    }
    ent_free(folder.data);
    ent_free(ids.data);
    return status;
}

bool slurm_jobs(char *text, size_t size, const char *folder)
{
    char path[PATH_MAX], ids[COMMAND_BYTES / 2], command[COMMAND_BYTES];
    if (folder_path(path, folder, "jobs", NULL)) return false;
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool read = fgets(ids, sizeof ids, f);
    fclose(f);
    ids[read ? strspn(ids, "0123456789:") : 0] = '\0';
    for (char *c = ids; *c; c++) *c = *c == ':' ? ',' : *c;
    if (!ids[0]) return false;
    /* "3 RUNNING, 5 PENDING" */
    snprintf(command, sizeof command,
             "squeue -h -r -o %%T -j %s 2>/dev/null | sort | uniq -c | awk '{ printf \"%%s%%s %%s\", s, $1, $2; s = "
             "\", \" }'",
             ids);
    return !first_line(command, text, size, NULL) && text[0];
}
