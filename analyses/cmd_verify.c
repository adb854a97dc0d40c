/* cmd_verify.c - `entropy verify`: every block of a container checked, or compared with a model. */
#include <stdio.h>

#include "command.h"
#include "model.h"
#include "output.h"
#include "progress.h"

enum { KEY_BASE = 0x2001 };

struct job {
    struct common common;
    const char *argument[2]; /* the container, and maybe a model */
    const char *base;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct job *job = state->input;
    if (key == KEY_BASE) {
        job->base = text;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        if (state->arg_num >= 2) argp_error(state, "too many files");
        job->argument[state->arg_num] = text;
        return 0;
    }
    if (key == ARGP_KEY_END && !job->argument[0]) argp_error(state, "which file?");
    return key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
}

struct findings {
    const struct job *job;
    uint64_t count;
};

static void finding(void *context, const char *text)
{
    struct findings *findings = context;
    findings->count++;
    if (findings->job->common.json) {
        json_t *object = json_object();
        json_text(object, "finding", text);
        json_line(object);
    } else {
        printf("%s\n", text);
    }
}

static ent_status verify(const struct job *job, ent_container *container, const ent_weights *against, ent_error *error)
{
    struct findings findings = { .job = job };
    struct progress progress;
    ent_run run = progress_begin(&progress, &job->common, "verify");
    ent_status status = ent_container_verify(container, against, &run, finding, &findings, error);
    progress_end(&progress);
    if (job->common.json) {
        json_t *object = json_object();
        json_text(object, "file", job->argument[0]);
        json_count(object, "tensors", ent_container_tensors(container));
        json_count(object, "findings", findings.count);
        json_object_set_new(object, "verified", json_boolean(!status));
        json_line(object);
    } else if (!status && !job->common.quiet) {
        printf("%s: all blocks of %zu tensors are sound%s%s\n", job->argument[0], ent_container_tensors(container),
               against ? " and equal to " : "", against ? job->argument[1] : "");
    }
    return status;
}

int cmd_verify(int argc, char **argv)
{
    static const struct argp_option options[] = {
        { .name = "base", .key = KEY_BASE, .arg = "MODEL", .doc = "The checkpoint that `compress --base` told it by" }, { 0 }
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "IN [MODEL]",
        .doc = "Checks every block of a container and, when a model is given, compares with it; says what is wrong "
               "and where, and ends with status 1 then.",
    };
    struct job job = { 0 };
    ent_error error = { 0 };
    ent_container *container = NULL;
    ent_weights *against = NULL, *base = NULL;
    command_parse(&argp, argc, argv, &job, &job.common);
    ent_status status = container_open(&container, job.argument[0], &error);
    if (!status && job.argument[1] && ent_container_is_packed(container))
        status = ent_fail(&error, ENT_EINVAL, "%s is lossy: `entropy quality --against MODEL` compares what it gives back",
                          job.argument[0]);
    if (!status && job.argument[1]) status = model_open(&against, job.argument[1], &error);
    if (!status && job.base) status = base_open(&base, container, job.base, &job.common, &error);
    if (!status) status = verify(&job, container, against, &error);
    ent_weights_close(against);
    if (container) ent_container_close(container);
    ent_weights_close(base);
    return status ? complain_error(&error) : EXIT_DONE;
}
