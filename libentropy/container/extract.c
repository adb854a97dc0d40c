/* extract.c - the model's files back, all of them or what damage has left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/flow.h"
#include "container/output.h"

/* ---- files -------------------------------------------------------------------------------------------------- */

typedef struct target {
    ent_output *output;
    int *fd;
    size_t files;
} target;

static ent_status write_piece(void *context, const ent_piece *piece, ent_error *error)
{
    const target *t = context;
    return ent_output_write(&t->output[piece->file], t->fd[piece->file], piece->offset, piece->bytes, error);
}

/* One file goes to `path` itself, several into the folder `path`. */
static ent_status create_file(const ent_container *c, target *t, size_t i, const char *path, ent_error *error)
{
    char inside[4352];
    if (t->files > 1) {
        if (snprintf(inside, sizeof inside, "%s/%s", path, c->index.file[i].name) >= (int)sizeof inside)
            return ent_fail(error, ENT_EINVAL, "%s: the path is too long", path);
        path = inside;
    }
    ent_status status = ent_output_plan(&t->output[i], path, error);
    return status ? status : ent_output_create(&t->output[i], &t->fd[i], error);
}

/* Full of zeros, where what cannot be read stays as it is. */
static ent_status fill_file(const ent_container *c, const target *t, size_t i, ent_error *error)
{
    if (!ftruncate(t->fd[i], (off_t)c->index.file[i].bytes)) return ENT_OK;
    return ent_fail(error, ENT_EIO, "%s: cannot write: %s", t->output[i].temporary, strerror(errno));
}

/* Where `report` is NULL, the first wrong thing ends it. */
static ent_status extract(ent_container *c, target *t, const char *path, const ent_run *run, ent_finding *report,
                          void *context, ent_error *error)
{
    ent_status status = ENT_OK;
    ent_flow flow = { .container = c, .sink = write_piece, .context = t, .report = report, .report_context = context };
    if (run) flow.run = *run;
    for (size_t i = 0; i < t->files && !status; i++) {
        status = create_file(c, t, i, path, error);
        if (!status && report) status = fill_file(c, t, i, error);
    }
    if (!status) status = ent_flow_all(&flow, error);
    bool damaged = status == ENT_ECHECK;
    if (damaged) status = ENT_OK;
    for (size_t i = 0; i < t->files; i++)
        if (t->fd[i] >= 0 && close(t->fd[i]) && !status)
            status = ent_fail(error, ENT_EIO, "%s: cannot write: %s", t->output[i].temporary, strerror(errno));
    for (size_t i = 0; i < t->files && !status; i++) status = ent_output_commit(&t->output[i], error);
    if (status || !damaged) return status;
    return ent_fail(error, ENT_ECORRUPT, "%s is damaged: what could not be read is zeros in %s", c->path, path);
}

static ent_status extract_to(ent_container *container, const char *path, const ent_run *run, ent_finding *report,
                             void *context, ent_error *error)
{
    size_t n = container->index.files;
    target t = { ent_calloc(n, sizeof *t.output), ent_calloc(n, sizeof *t.fd), n };
    ent_status status = t.output && t.fd ? ENT_OK : ent_fail(error, ENT_ENOMEM, "%s: out of memory", container->path);
    bool made = false;
    ent_h5_tongue tongue = ent_h5_quiet();
    for (size_t i = 0; i < n && !status; i++) t.fd[i] = -1;
    if (!status && n > 1) {
        made = !mkdir(path, 0777);
        if (!made && errno != EEXIST)
            status = ent_fail(error, ENT_EIO, "%s: cannot make the folder: %s", path, strerror(errno));
    }
    if (!status) status = extract(container, &t, path, run, report, context, error);
    for (size_t i = 0; i < n && t.output; i++) ent_output_drop(&t.output[i]);
    if (status && made) rmdir(path); /* which leaves it where there are files */
    ent_free(t.output);
    ent_free(t.fd);
    ent_h5_restore(tongue);
    return status;
}

ent_status ent_container_extract(ent_container *container, const char *path, const ent_run *run, ent_error *error)
{
    return extract_to(container, path, run, NULL, NULL, error);
}

ent_status ent_container_salvage(ent_container *container, const char *path, const ent_run *run, ent_finding *report,
                                 void *context, ent_error *error)
{
    return extract_to(container, path, run, report, context, error);
}
