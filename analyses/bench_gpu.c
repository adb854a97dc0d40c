/* bench_gpu.c - see bench_gpu.h. */
#include <stdio.h>
#include <string.h>

#include "bench_gpu.h"
#include "gpu_measure.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "sample.h"
#include "save.h"

enum { COLS = 4096 };

/* Layers of models of 7 to 70 thousand million weights. */
static const struct { size_t rows, cols; } layer[] = { { 4096, 4096 }, { 14336, 4096 }, { 4096, 14336 }, { 8192, 28672 } };
enum { LAYERS = sizeof layer / sizeof *layer };
static const unsigned batches[] = { 1, 2, 4, 8, 16 };
enum { BATCHES = sizeof batches / sizeof *batches };

/* ---- measuring --------------------------------------------------------------------------------------- */

struct session {
    const struct bench_gpu *bench;
    struct gpu_measure measure;
    struct gpu_report report;
    struct sample sample;
};

static ent_status open_sample(struct session *s, ent_error *error)
{
    const struct bench_gpu *b = s->bench;
    const size_t largest = b->rows ? b->rows * b->cols : layer[LAYERS - 1].rows * layer[LAYERS - 1].cols;
    ent_weights *weights;
    ent_status status = model_open(&weights, b->model, error);
    if (status) return status;
    uint64_t bytes = b->sample_bytes > 2 * (uint64_t)largest ? b->sample_bytes : 2 * (uint64_t)largest;
    status = sample_take_dtype(&s->sample, weights, "BF16", bytes, error);
    ent_weights_close(weights);
    s->sample.dtype = "BF16"; /* the model's own name for it goes with the model */
    return status;
}

static ent_status measure(struct session *s, size_t rows, size_t cols, size_t most_batches, struct progress *progress,
                          ent_error *error)
{
    const struct gpu_matrix matrix = { s->sample.words, rows, cols, batches, most_batches };
    char note[80];
    snprintf(note, sizeof note, "%zu x %zu", rows, cols);
    progress_note(progress, note);
    struct gpu_row *row = s->report.row + s->report.rows;
    ent_status status = gpu_measure_matrix(&s->measure, &matrix, &row, error);
    s->report.rows = (size_t)(row - s->report.row);
    return status;
}

/* The layers, then the sample as one matrix that meets one vector: what a token takes of a model of that size. */
static ent_status measure_all(struct session *s, ent_error *error)
{
    const struct bench_gpu *b = s->bench;
    const size_t all = (LAYERS + 1) * gpu_measure_rows(&s->measure, BATCHES);
    struct progress progress;
    if (!(s->report.row = ent_calloc(all, sizeof *s->report.row))) return ent_fail(error, ENT_ENOMEM, "out of memory");
    progress_begin(&progress, b->common, "bench --target gpu");
    ent_status status = b->rows ? measure(s, b->rows, b->cols, BATCHES, &progress, error) : ENT_OK;
    for (size_t i = 0; i < LAYERS && !b->rows && !status; i++)
        status = measure(s, layer[i].rows, layer[i].cols, BATCHES, &progress, error);
    if (!b->rows && !status) status = measure(s, s->sample.n / COLS, COLS, 1, &progress, error);
    progress_end(&progress);
    return status;
}

/* ---- output ------------------------------------------------------------------------------------------- */

/* The target's file and, under the same name, the table. */
static ent_status write_files(const struct session *s, ent_error *error)
{
    const char *path = s->bench->output;
    struct save target, table;
    char tsv[PATH_MAX];
    size_t stem = strlen(path) - (strlen(path) > 5 && !strcmp(path + strlen(path) - 5, ".yaml") ? 5 : 0);
    if ((size_t)snprintf(tsv, sizeof tsv, "%.*s.tsv", (int)stem, path) >= sizeof tsv)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", path);
    ent_status status = save_open(&target, path, error);
    if (status) return status;
    gpu_report_target(&s->report, path, target.file);
    if ((status = save_close(&target, ENT_OK, error)) || (status = save_open(&table, tsv, error))) return status;
    gpu_report_tsv(&s->report, table.file);
    return save_close(&table, ENT_OK, error);
}

static ent_status check(const struct bench_gpu *bench, ent_error *error)
{
    enum { TARGETS = 6 }; /* two columns each, of TABLE_COLUMNS */
    size_t n;
    if (!bench->rows != !bench->cols) return ent_fail(error, ENT_EINVAL, "--target gpu: --rows and --cols, or neither");
    if (__builtin_mul_overflow(bench->rows, bench->cols, &n) || n > SIZE_MAX / 16)
        return ent_fail(error, ENT_EINVAL, "a matrix of %zu x %zu is too large", bench->rows, bench->cols);
    if (bench->runs >= GPU_MARKS) return ent_fail(error, ENT_EINVAL, "--target gpu: %d runs at most", GPU_MARKS - 1);
    if (bench->targets > TARGETS) return ent_fail(error, ENT_EINVAL, "--target gpu: %d other targets at most", TARGETS);
    return bench->output ? may_write(bench->output, bench->force, error) : ENT_OK;
}

ent_status bench_gpu_on(const struct bench_gpu *bench, ent_gpu *gpu, int device, const gpu_bench *card, ent_error *error)
{
    struct session s = { .bench = bench };
    struct gpu_measure *m = &s.measure;
    *m = (struct gpu_measure){ .gpu = gpu, .device = device, .bench = card, .codec = bench->codec, .codecs = bench->codecs,
                               .runs = bench->runs, .threads = bench->common->threads };
    ent_status status;
    if ((status = card->facts(device, &m->facts))) return ent_fail(error, status, "%s: %s", ent_gpu_name(gpu), card->why());
    s.report = (struct gpu_report){ .card = { ent_gpu_name(gpu), m->facts },
                                    .model = bench->model, .origin = target_origin_now(bench->command),
                                    .target = bench->target, .targets = bench->targets };
    status = open_sample(&s, error);
    if (!status) status = measure_all(&s, error);
    if (!status && bench->output) status = write_files(&s, error);
    if (bench->common->json) gpu_report_json(&s.report); /* of a card that failed on the way: what it did until then */
    else if (s.report.rows) gpu_report_print(&s.report);
    ent_free(s.report.row);
    sample_free(&s.sample);
    return status;
}

ent_status bench_gpu(const struct bench_gpu *bench, ent_error *error)
{
    enum { FIRST = 0 };
    ent_gpu *gpu;
    ent_error reason;
    ent_status status = check(bench, error);
    if (status) return status;
    status = ent_gpu_open(&gpu, FIRST, &reason);
    if (status) return ent_fail(error, status == ENT_EUNSUPPORTED ? ENT_EIO : status, "--target gpu: %s", reason.text);
    const gpu_bench *card = ent_gpu_bench(gpu);
    status = card ? bench_gpu_on(bench, gpu, FIRST, card, error)
                  : ent_fail(error, ENT_EIO, "--target gpu: the library for GPUs is of another build: run `make gpu` again");
    ent_gpu_close(gpu);
    return status;
}
