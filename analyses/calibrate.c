/* calibrate.c - see calibrate.h.
 *
 * Cold: a sample of the model that no second-level cache holds, 64 MiB at least; on machines whose last level is
 * larger than that (some share hundreds of MiB among many) it may still come from there, and --sample makes it
 * larger.  Warm: a quarter of a core's second-level cache for each thread.  The formats that files hold most often are
 * measured besides the model's, on weights made for that: how fast a codec decodes depends on the format more than on
 * the weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gsl/gsl_statistics.h>

#include "calibrate.h"
#include "core_speed.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "sample.h"
#include "save.h"
#include "target_file.h"

enum { MOST_COUNTS = 16, STATES = 2, COLD = 0, LEVELS = 3, SHORT = 200, COMMON = 4 };
static const char *const states[STATES] = { "cold", "warm" }, *const common_formats[COMMON] = { "BF16", "F16", "F32", "I8" };

struct row {
    bool done;
    double gbps, cycles, pj, bits;
};

struct calibration {
    const struct calibrate *c;
    struct target_origin origin;
    const char *dtype[1 + COMMON]; /* the model's, then the common ones that it is not */
    size_t dtypes;
    unsigned threads[MOST_COUNTS], counts; /* 1, 2, 4, ... all */
    struct core_speed core;
    struct { const char *name; double capacity, gbps, core_gbps; } level[LEVELS]; /* farthest first; capacity 0: none */
    struct row *row; /* [dtypes][codecs][STATES][counts] */
};

static struct row *row_at(const struct calibration *x, size_t dtype, size_t codec, int state, unsigned count)
{
    return &x->row[((dtype * x->c->codecs + codec) * STATES + (size_t)state) * x->counts + count];
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void find_threads(struct calibration *x)
{
    unsigned all = ent_threads(x->c->common->threads);
    for (unsigned n = 1; n < all && x->counts + 1 < MOST_COUNTS; n *= 2) x->threads[x->counts++] = n;
    x->threads[x->counts++] = all;
}

static ent_status find_dtypes(struct calibration *x, const ent_weights *weights, ent_error *error)
{
    const char *own = sample_dtype(weights);
    if (!own) return ent_fail(error, ENT_EUNSUPPORTED, "the model has no tensors of a known number format");
    x->dtype[x->dtypes++] = own;
    for (int i = 0; i < COMMON; i++)
        if (strcmp(own, common_formats[i])) x->dtype[x->dtypes++] = common_formats[i];
    return ENT_OK;
}

static double cache_bytes(int name)
{
    long size = sysconf(name);
    return size > 0 ? (double)size : 0;
}

/* Half of a cache is read, so that it stays in; of memory four times the last level, 256 MiB to 1 GiB. */
static void measure_memory(struct calibration *x)
{
    const double l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE), l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE), mib = 1 << 20;
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const double all = x->threads[x->counts - 1];
    const double size[LEVELS] = { fmin(fmax(4 * l3, 256 * mib), 1024 * mib), fmin(l3 / 2, 64 * mib), l2 / 2 };
    const double share[LEVELS] = { 1, 1, all }; /* a second level is of one core */
    const double capacity[LEVELS] = { memory, l3, l2 * all };
    static const char *const name[LEVELS] = { "memory", "L3", "L2" };
    for (int i = 0; i < LEVELS; i++) {
        x->level[i].name = name[i];
        if (size[i] < mib / 16) continue;
        x->level[i].core_gbps = read_gbps((size_t)size[i], 1);
        x->level[i].gbps = fmax(x->level[i].core_gbps, read_gbps((size_t)(size[i] * share[i]), (unsigned)all));
        x->level[i].capacity = x->level[i].gbps > 0 ? capacity[i] : 0;
    }
}

static ent_status measure_codecs(struct calibration *x, size_t dtype, const struct sample *sample, int state,
                                 unsigned count, ent_error *error)
{
    const struct calibrate *c = x->c;
    struct progress progress;
    ent_status status = ENT_OK;
    progress_begin(&progress, c->common, "calibrate");
    for (size_t i = 0; i < c->codecs && !status; i++) {
        ent_bench b;
        unsigned runs;
        if (!c->codec[i] || sample->n <= (x->threads[count] - 1) * ent_codec_block(c->codec[i])) continue; /* a thread idle */
        char note[160];
        snprintf(note, sizeof note, "%s, %s, %u threads, %s", x->dtype[dtype], states[state], x->threads[count],
                 ent_codec_name(c->codec[i]));
        progress_note(&progress, note);
        unsigned most = state == COLD ? c->runs : c->runs * SHORT; /* runs of a few microseconds */
        status = sample_bench(sample, c->codec[i], x->threads[count], most, c->seconds, &b, &runs, error);
        const ent_tally *t = &b.tally;
        *row_at(x, dtype, i, state, count) = (struct row){
            !status, b.decode_gbps, b.decode_cycles, b.decode_pj,
            (double)(t->payload_bits + t->table_bits + t->index_bits) / (double)b.weights
        };
    }
    progress_end(&progress);
    return status;
}

/* The model's own weights for its own format. */
static ent_status measure_state(struct calibration *x, const ent_weights *weights, size_t dtype, int state,
                                unsigned count, ent_error *error)
{
    struct sample sample;
    uint64_t warm = (uint64_t)fmax(cache_bytes(_SC_LEVEL2_CACHE_SIZE) / 4, 64 << 10) * x->threads[count];
    uint64_t bytes = state == COLD ? x->c->sample_bytes : warm;
    ent_status status = dtype ? sample_generate(&sample, x->dtype[dtype], bytes, error)
                              : sample_take(&sample, weights, bytes, error);
    if (!status) status = measure_codecs(x, dtype, &sample, state, count, error);
    sample_free(&sample);
    return status;
}

static ent_status measure_all(struct calibration *x, const ent_weights *weights, ent_error *error)
{
    ent_status status = ENT_OK;
    for (size_t dtype = 0; dtype < x->dtypes && !status; dtype++)
        for (int state = 0; state < STATES && !status; state++)
            for (unsigned count = 0; count < x->counts && !status; count++)
                status = measure_state(x, weights, dtype, state, count, error);
    return status;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void write_machine(const struct calibration *x, FILE *file)
{
    const struct core_speed *s = &x->core;
    yaml_measured(file, "clock_ghz", s->clock_ghz, &x->origin);
    yaml_measured(file, "cores", x->threads[x->counts - 1], &x->origin);
    fputs("memory: # read by all cores, and by one\n", file);
    for (int i = 0; i < LEVELS; i++) {
        if (!(x->level[i].capacity > 0)) continue;
        fprintf(file, "  - name: %s\n", x->level[i].name);
        yaml_measured(file, "    capacity_bytes", x->level[i].capacity, &x->origin);
        yaml_measured(file, "    gbps", x->level[i].gbps, &x->origin);
        yaml_measured(file, "    gbps_per_core", x->level[i].core_gbps, &x->origin);
    }
    fputs("execution:\n", file);
    yaml_measured(file, "  operations_per_cycle", s->operations_per_cycle, &x->origin);
    yaml_measured(file, "  loads_per_cycle", s->loads_per_cycle, &x->origin);
    yaml_measured(file, "  load_latency_cycles", s->load_latency_cycles, &x->origin);
    yaml_measured(file, "  multiply_latency_cycles", s->multiply_latency_cycles, &x->origin);
    yaml_measured(file, "  branch_cycles", fmax(s->branch_cycles, 1e-3), &x->origin);
    if (s->vector_bytes > 0) yaml_measured(file, "  vector_bytes", s->vector_bytes, &x->origin);
    if (s->vector_bytes > 0) yaml_measured(file, "  vectors_per_cycle", s->vectors_per_cycle, &x->origin);
    if (s->vector_bytes > 0) yaml_measured(file, "  gather_lanes_per_cycle", s->gather_lanes_per_cycle, &x->origin);
}

static void write_row(const struct calibration *x, FILE *file, size_t dtype, size_t codec, int state, unsigned count)
{
    const struct row *row = row_at(x, dtype, codec, state, count);
    if (!row->done) return;
    fputs("  - { codec: ", file);
    yaml_quoted(file, ent_codec_name(x->c->codec[codec]));
    fprintf(file, ", dtype: %s, threads: %u, cache: %s, bits_per_weight: %.5g, gbps: %.5g", x->dtype[dtype],
            x->threads[count], states[state], row->bits, row->gbps);
    if (row->pj > 0) fprintf(file, ", pj_per_weight: %.5g", row->pj);
    fputs(" }\n", file);
}

/* With `rows`: a target of kind measured.  Without: the numbers of the machine alone, from which all is computed. */
static void write_target(const struct calibration *x, FILE *file, bool rows)
{
    fprintf(file, "# Written by `entropy bench --calibrate`; every number was measured by the command in it.\n");
    if (rows) target_file_head(file, x->c->output, ent_cpu_text(), ent_cpu_text(), &x->origin);
    else target_file_name(file, x->c->output, ent_cpu_text(), "model");
    write_machine(x, file);
    if (!rows) return;
    fprintf(file, "rates: # GB/s of decoded weights: %s of %s, else normal weights\n", x->dtype[0], model_name(x->c->model));
    for (size_t dtype = 0; dtype < x->dtypes; dtype++)
        for (size_t i = 0; i < x->c->codecs; i++)
            for (int state = 0; state < STATES; state++)
                for (unsigned count = 0; count < x->counts; count++) write_row(x, file, dtype, i, state, count);
}

/* ---- output ---------------------------------------------------------------------------------- */

/* The target as computed from the core's numbers alone: written beside the output, read, removed. */
static ent_status read_model(const struct calibration *x, ent_target **target, ent_error *error)
{
    char path[PATH_MAX];
    struct save save;
    if (snprintf(path, sizeof path, "%s.%ld.model", x->c->output, (long)getpid()) >= PATH_MAX)
        return ent_fail(error, ENT_EINVAL, "%s: the name is too long", x->c->output);
    ent_status status = save_open(&save, path, error);
    if (status) return status;
    write_target(x, save.file, false);
    status = save_close(&save, ENT_OK, error);
    if (!status) status = ent_target_read(target, path, error);
    unlink(path);
    return status;
}

/* GB/s of decoded weights; NaN: it cannot be computed. */
static double computed(const struct calibration *x, const ent_target *model, size_t dtype, size_t codec, unsigned count)
{
    ent_recipe recipe;
    ent_prediction p;
    ent_error error;
    const struct row *row = row_at(x, dtype, codec, COLD, count);
    if (ent_codec_bind(x->c->codec[codec], x->dtype[dtype], &recipe, &error) ||
        ent_target_predict(model, &recipe, row->bits, x->threads[count], &p, &error))
        return NAN;
    return p.weights_per_ns * recipe.word_width;
}

static void print_row_json(const struct calibration *x, const ent_target *model, size_t dtype, size_t codec, int state,
                           unsigned count)
{
    const struct row *row = row_at(x, dtype, codec, state, count);
    if (!row->done) return;
    json_t *object = json_object();
    json_text(object, "codec", ent_codec_name(x->c->codec[codec]));
    json_text(object, "dtype", x->dtype[dtype]);
    json_text(object, "cache", states[state]);
    json_count(object, "threads", x->threads[count]);
    json_real_or_null(object, "decode_gbps", row->gbps);
    json_real_or_null(object, "decode_cycles", row->cycles);
    json_real_or_null(object, "decode_pj", row->pj);
    json_real_or_null(object, "computed_gbps", state == COLD ? computed(x, model, dtype, codec, count) : NAN);
    json_line(object);
}

static void print_json(const struct calibration *x, const ent_target *model)
{
    for (size_t dtype = 0; dtype < x->dtypes; dtype++)
        for (size_t i = 0; i < x->c->codecs; i++)
            for (int state = 0; state < STATES; state++)
                for (unsigned count = 0; count < x->counts; count++) print_row_json(x, model, dtype, i, state, count);
}

static void print_machine(const struct calibration *x)
{
    const struct core_speed *s = &x->core;
    const struct row *raw = row_at(x, 0, 0, COLD, 0);
    printf("%s: %s\n%.2f GHz; a cycle: %.2f operations, %.2f loads", x->c->output, ent_cpu_text(), s->clock_ghz,
           s->operations_per_cycle, s->loads_per_cycle);
    if (s->vector_bytes > 0)
        printf(", %.2f vectors of %.0f bytes, %.2f gathered lanes", s->vectors_per_cycle, s->vector_bytes,
               s->gather_lanes_per_cycle);
    printf("; a load takes %.1f cycles, a product %.1f, a branch by chance %.1f\n", s->load_latency_cycles,
           s->multiply_latency_cycles, s->branch_cycles);
    for (int i = 0; i < LEVELS; i++)
        if (x->level[i].capacity > 0)
            printf("%s: %.1f GB/s for one core, %.1f for all\n", x->level[i].name, x->level[i].core_gbps,
                   x->level[i].gbps);
    if (!(raw->cycles > 0)) puts("cycles: this machine does not let them be read (perf_event_open)");
    if (!(raw->pj > 0)) puts("energy: this machine does not let it be read (/sys/class/powercap)");
    putchar('\n');
}

/* A table of a format; returns the median error of what was computed. */
static double print_table(const struct calibration *x, const ent_target *model, size_t dtype, double *errors)
{
    struct table table;
    char heading[600];
    size_t n = (size_t)snprintf(heading, sizeof heading, "<%s, decode GB/s", x->dtype[dtype]), known = 0;
    for (int state = 0; state < STATES; state++)
        for (unsigned count = 0; count < x->counts; count++)
            n += (size_t)snprintf(heading + n, sizeof heading - n, "|%s, %u", states[state], x->threads[count]);
    snprintf(heading + n, sizeof heading - n, "|cycles/weight|pJ/weight|computed, 1|error %%");
    table_begin(&table, heading);
    for (size_t i = 0; i < x->c->codecs; i++) {
        const struct row *one = row_at(x, dtype, i, COLD, 0);
        if (!one->done) continue;
        table_cell(&table, "%s", ent_codec_name(x->c->codec[i]));
        for (int state = 0; state < STATES; state++)
            for (unsigned count = 0; count < x->counts; count++) {
                const struct row *row = row_at(x, dtype, i, state, count);
                table_number(&table, row->done ? row->gbps : NAN, 2);
            }
        table_number(&table, one->cycles, 2);
        table_number(&table, one->pj, 1);
        double gbps = computed(x, model, dtype, i, 0);
        table_number(&table, gbps, 2);
        table_number(&table, 100 * (gbps / one->gbps - 1), 0);
        if (!isnan(gbps)) errors[known++] = fabs(gbps / one->gbps - 1);
    }
    table_end(&table);
    return known ? gsl_stats_median(errors, 1, known) : NAN;
}

static ent_status print_tables(const struct calibration *x, const ent_target *model, ent_error *error)
{
    double *errors = ent_calloc(x->c->codecs + 1, sizeof *errors);
    if (!errors) return ent_fail(error, ENT_ENOMEM, "out of memory");
    print_machine(x);
    for (size_t dtype = 0; dtype < x->dtypes; dtype++)
        printf("median error: %.0f %%\n\n", 100 * print_table(x, model, dtype, errors));
    puts("computed: from the coder's operation counts and this core's numbers, cold, one thread");
    ent_free(errors);
    return ENT_OK;
}

ent_status calibrate(const struct calibrate *c, ent_error *error)
{
    struct calibration x = { .c = c, .origin = target_origin_now(c->command) };
    struct save save;
    ent_weights *weights;
    ent_target *model = NULL;
    ent_status status = may_write(c->output, c->force, error);
    if (status) return status;
    status = model_open(&weights, c->model, error);
    if (status) return status;
    if ((status = save_open(&save, c->output, error))) {
        ent_weights_close(weights);
        return status;
    }
    find_threads(&x);
    status = find_dtypes(&x, weights, error);
    x.row = ent_calloc(x.dtypes * c->codecs * STATES * x.counts + 1, sizeof *x.row);
    if (!status && !x.row) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    if (!status) {
        core_speed(&x.core);
        measure_memory(&x);
        status = measure_all(&x, weights, error);
    }
    if (!status) status = read_model(&x, &model, error);
    if (!status) write_target(&x, save.file, true);
    status = save_close(&save, status, error);
    if (!status && c->common->json) print_json(&x, model);
    else if (!status) status = print_tables(&x, model, error);
    if (model) ent_target_free(model);
    ent_free(x.row);
    ent_weights_close(weights);
    return status;
}
