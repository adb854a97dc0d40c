/* extract.c - the model's files back, all of them or what damage has left. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "container/flow.h"
#include "container/output.h"

/* ---- files -------------------------------------------------------------------------------------------------- */

typedef struct target {
    ent_outputs outputs;
    int *fd; /* of each file */
} target;

static ent_status write_piece(void *context, const ent_piece *piece, ent_error *error)
{
    const target *t = context;
    return ent_output_write(&t->outputs.file[piece->file], t->fd[piece->file], piece->offset, piece->bytes, error);
}

/* Full of zeros, where what cannot be read stays as it is. */
static ent_status fill_file(const ent_container *c, const target *t, size_t i, ent_error *error)
{
    if (!ftruncate(t->fd[i], (off_t)c->index.file[i].bytes)) return ENT_OK;
    return ent_fail(error, ENT_EIO, "%s: cannot write: %s", t->outputs.file[i].temporary, strerror(errno));
}

/* Where `report` is NULL, the first wrong thing ends it. */
static ent_status extract(ent_container *c, target *t, const char *path, const ent_run *run, ent_finding *report,
                          void *context, ent_error *error)
{
    ent_status status = ENT_OK;
    ent_flow flow = { .container = c, .sink = write_piece, .context = t, .report = report, .report_context = context };
    if (run) flow.run = *run;
    for (size_t i = 0; i < t->outputs.files && !status; i++) {
        status = ent_outputs_create(&t->outputs, i, c->index.file[i].name, &t->fd[i], error);
        if (!status && report) status = fill_file(c, t, i, error);
    }
    if (!status) status = ent_flow_all(&flow, error);
    bool damaged = status == ENT_ECHECK;
    if (damaged) status = ENT_OK;
    for (size_t i = 0; i < t->outputs.files; i++)
        if (t->fd[i] >= 0 && close(t->fd[i]) && !status)
            status = ent_fail(error, ENT_EIO, "%s: cannot write: %s", t->outputs.file[i].temporary, strerror(errno));
    if (!status) status = ent_outputs_commit(&t->outputs, error);
    if (status || !damaged) return status;
    return ent_fail(error, ENT_ECORRUPT, "%s is damaged: what could not be read is zeros in %s", c->path, path);
}

static ent_status extract_to(ent_container *container, const char *path, const ent_run *run, ent_finding *report,
                             void *context, ent_error *error)
{
    size_t n = container->index.files;
    target t = { .fd = ent_calloc(n, sizeof *t.fd) };
    ent_status status = t.fd ? ENT_OK : ent_fail(error, ENT_ENOMEM, "%s: out of memory", container->path);
    ent_h5_tongue tongue = ent_h5_quiet();
    for (size_t i = 0; i < n && !status; i++) t.fd[i] = -1;
    if (!status) status = ent_outputs_plan(&t.outputs, path, n, error);
    if (!status) status = extract(container, &t, path, run, report, context, error);
    ent_outputs_drop(&t.outputs);
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
