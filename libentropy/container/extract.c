/* extract.c - the model's files back, or one tensor into memory. */
#include <errno.h>
#include <pthread.h>
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
    const uint8_t *from = piece->bytes.data;
    size_t left = piece->bytes.size;
    for (uint64_t at = piece->offset; left;) {
        ssize_t n = pwrite(t->fd[piece->file], from, left, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return ent_fail(error, ENT_EIO, "%s: cannot write at byte %llu: %s", t->output[piece->file].temporary,
                            (unsigned long long)at, strerror(n ? errno : ENOSPC));
        from += n;
        at += (uint64_t)n;
        left -= (size_t)n;
    }
    return ENT_OK;
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

static ent_status extract(ent_container *c, target *t, const char *path, const ent_run *run, ent_error *error)
{
    ent_status status = ENT_OK;
    ent_flow flow = { .container = c, .sink = write_piece, .context = t };
    if (run) flow.run = *run;
    for (size_t i = 0; i < t->files && !status; i++) status = create_file(c, t, i, path, error);
    if (!status) status = ent_flow_all(&flow, error);
    for (size_t i = 0; i < t->files; i++)
        if (t->fd[i] >= 0 && close(t->fd[i]) && !status)
            status = ent_fail(error, ENT_EIO, "%s: cannot write: %s", t->output[i].temporary, strerror(errno));
    for (size_t i = 0; i < t->files && !status; i++) status = ent_output_commit(&t->output[i], error);
    return status;
}

ent_status ent_container_extract(ent_container *container, const char *path, const ent_run *run, ent_error *error)
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
    if (!status) status = extract(container, &t, path, run, error);
    for (size_t i = 0; i < n && t.output; i++) ent_output_drop(&t.output[i]);
    if (status && made) rmdir(path);
    ent_free(t.output);
    ent_free(t.fd);
    ent_h5_restore(tongue);
    return status;
}

/* ---- one tensor --------------------------------------------------------------------------------------------- */

typedef struct reading {
    const ent_container *container;
    ent_loaded loaded;
    uint8_t *out;
    unsigned flags;
    ent_scratch *scratch; /* of each thread */
    pthread_mutex_t lock; /* of the next two */
    size_t failed;        /* the first block that failed, SIZE_MAX: none */
    ent_error error;      /* why */
} reading;

static ent_status read_block(size_t k, unsigned thread, void *context)
{
    reading *r = context;
    uint64_t offset;
    size_t size;
    ent_error error;
    ent_index_block(&r->container->index, r->loaded.tensor, k, &offset, &size);
    ent_status status =
        ent_load_block(r->container, &r->loaded, k, r->flags, r->out + offset, &r->scratch[thread], &error);
    if (!status) return ENT_OK;
    pthread_mutex_lock(&r->lock);
    if (k < r->failed) {
        r->failed = k;
        r->error = error;
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

static ent_status read_blocks(reading *r, unsigned threads, ent_error *error)
{
    if (!(r->scratch = ent_calloc(threads, sizeof *r->scratch)))
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", r->container->path);
    r->failed = SIZE_MAX;
    pthread_mutex_init(&r->lock, NULL);
    ent_status status = ent_parallel(ent_index_blocks(&r->container->index, r->loaded.tensor), threads, read_block, r);
    pthread_mutex_destroy(&r->lock);
    ent_scratch_free(r->scratch, threads);
    return status ? ent_fail(error, status, "%s", r->error.text) : ENT_OK;
}

ent_status ent_container_read(ent_container *container, size_t i, void *out, const ent_run *run, ent_error *error)
{
    reading r = { .container = container, .out = out };
    ent_h5_tongue tongue = ent_h5_quiet();
    ent_status status = ent_load(&r.loaded, container, i, error);
    ent_h5_restore(tongue);
    if (status) return status;
    r.flags = r.loaded.tensor->bytes > ent_stream_bytes() ? ENT_STREAM : 0;
    status = read_blocks(&r, ent_threads(run ? run->threads : 0), error);
    ent_unload(&r.loaded);
    return status;
}
