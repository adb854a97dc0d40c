/* lossy_report.c - see lossy_report.h. */
#include <math.h>
#include <string.h>

#include "lossy_report.h"
#include "model.h"
#include "output.h"

enum { WORD = 40 };

/* ---- sizes ---------------------------------------------------------------------------------------- */

static bool ends_with_part(const char *name, const char *part)
{
    const char *slash = strrchr(name, '/');
    size_t n = strlen(part);
    return slash && !strncmp(slash + 1, part, n) && (!slash[1 + n] || slash[1 + n] == '.'); /* of any level */
}

/* A tensor of the container: a part, one that stays, or the rest, which is headers. */
static void add_tensor(struct lossy_result *r, const ent_weights *weights, const ent_container_tensor *t)
{
    if (ent_weights_find(weights, t->name)) {
        r->kept_bytes += (double)t->bytes;
        r->kept_coded_bytes += (double)t->coded_bytes;
        return;
    }
    for (uint32_t i = 0; i < r->packing.parts; i++)
        if (ends_with_part(t->name, r->packing.part[i].name)) r->coded_bytes[i] += (double)t->coded_bytes;
}

void lossy_measure(struct lossy_result *result, const ent_weights *weights, const ent_container *container)
{
    for (size_t i = 0; i < ent_weights_files(weights); i++) result->input_bytes += ent_weights_file_at(weights, i)->bytes.size;
    for (size_t i = 0; i < ent_weights_tensors(weights); i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        if (ent_format_find(t->dtype)) result->weights += t->elements;
    }
    for (size_t i = 0; i < ent_container_tensors(container); i++) {
        ent_container_tensor t = ent_container_tensor_at(container, i);
        add_tensor(result, weights, &t);
    }
}

/* What is neither a part nor a tensor that stays nor a table. */
static double header_bytes(const struct lossy_result *r)
{
    double bytes = (double)r->sizes.output_bytes - (double)r->sizes.tally.table_bits / 8 - r->kept_coded_bytes;
    for (uint32_t i = 0; i < r->packing.parts; i++) bytes -= r->coded_bytes[i];
    return bytes;
}

static void size_row(struct table *table, const struct lossy_result *r, const char *name, double plain, double entropy, double coded)
{
    double weights = (double)r->weights;
    table_cell(table, "%s", name);
    table_number(table, plain / weights, 4);
    table_number(table, entropy / weights, 4);
    table_number(table, coded / weights, 4);
    table_number(table, 100 * coded / 8 / (double)r->sizes.output_bytes, 2);
}

static void print_sizes(const struct lossy_result *r)
{
    struct table table;
    double tables = (double)r->sizes.tally.table_bits, plain = 8 * r->kept_bytes;
    table_begin(&table, "<bits per weight|plain|entropy|coded|% of output");
    for (uint32_t i = 0; i < r->packing.parts; i++) {
        const ent_pack_part *part = &r->packing.part[i];
        plain += part->plain_bits;
        size_row(&table, r, part->name, part->plain_bits, part->entropy_bits, 8 * r->coded_bytes[i]);
    }
    if (r->kept_bytes > 0) size_row(&table, r, "kept tensors", 8 * r->kept_bytes, NAN, 8 * r->kept_coded_bytes);
    size_row(&table, r, "tables", NAN, NAN, tables);
    size_row(&table, r, "headers", NAN, NAN, 8 * header_bytes(r));
    size_row(&table, r, "all", plain, NAN, 8 * (double)r->sizes.output_bytes);
    table_end(&table);
}

/* ---- errors and times --------------------------------------------------------------------------------- */

static double noise_before(const struct lossy_result *r, uint32_t stage) { return stage ? r->packing.noise_after[stage - 1] : 0; }

static double share(const struct lossy_result *r, double noise) { return r->packing.noise > 0 ? 100 * noise / r->packing.noise : NAN; }

static double gbps(const struct lossy_result *r, double seconds) { return (double)r->packing.bytes / seconds / 1e9; }

static double relative(const struct lossy_result *r, double noise) { return sqrt(noise / r->packing.signal); }

static double sqnr(const struct lossy_result *r, double noise)
{
    return noise > 0 && r->packing.signal > 0 ? 10 * log10(r->packing.signal / noise) : NAN;
}

static void step_row(struct table *table, const struct lossy_result *r, const char *name, double before, double after, double seconds)
{
    table_cell(table, "%s", name);
    if (isnan(after))
        for (int i = 0; i < 3; i++) table_cell(table, "%s", "");
    else {
        table_cell(table, "%.3e", relative(r, after));
        table_number(table, sqnr(r, after), 2);
        table_number(table, share(r, after - before), 2);
    }
    table_number(table, seconds, 3);
    table_number(table, seconds > 0 ? gbps(r, seconds) : NAN, 3);
}

/* "step 2" where the pipelines differ in it. */
static void stage_name(const struct lossy_result *r, uint32_t stage, char name[WORD])
{
    const ent_transform *transform = NULL;
    bool differ = false;
    for (size_t k = 0; k < r->pipelines; k++) {
        if (stage >= r->pipeline[k].stages) continue;
        if (!transform) transform = r->pipeline[k].stage[stage].transform;
        differ = differ || transform != r->pipeline[k].stage[stage].transform;
    }
    if (differ || !transform)
        snprintf(name, WORD, "step %u", stage + 1);
    else
        snprintf(name, WORD, "%s", transform->name);
}

static void print_steps(const struct lossy_result *r)
{
    char name[WORD];
    struct table table;
    const ent_pack_report *p = &r->packing;
    uint32_t stages = p->stages;
    table_begin(&table, "<step|relative error|SQNR dB|% of error|thread s|GB/s a thread");
    step_row(&table, r, "read", NAN, NAN, 1e-9 * p->read_ns);
    for (uint32_t i = 0; i < stages; i++) {
        stage_name(r, i, name);
        step_row(&table, r, name, noise_before(r, i), p->noise_after[i], 1e-9 * p->stage_ns[i]);
    }
    if (stages) step_row(&table, r, "round to dtype", p->noise_after[stages - 1], p->noise, NAN);
    step_row(&table, r, "split into parts", NAN, NAN, 1e-9 * p->part_ns);
    step_row(&table, r, "code", NAN, NAN, r->code_seconds);
    table_end(&table);
    printf("\npacked in %.2f s, coded in %.2f s, peak memory %s\n", r->pack_wall_seconds, r->code_wall_seconds,
           show_bytes(r->peak_bytes).text);
}

/* ---- JSON ----------------------------------------------------------------------------------------------- */

static void json_parts(const struct lossy_result *r)
{
    for (uint32_t i = 0; i < r->packing.parts; i++) {
        const ent_pack_part *part = &r->packing.part[i];
        json_t *object = json_object();
        json_text(object, "part", part->name);
        json_count(object, "words", part->words);
        json_real_or_null(object, "plain_bits", part->plain_bits);
        json_real_or_null(object, "entropy_bits", part->entropy_bits);
        json_real_or_null(object, "coded_bits", 8 * r->coded_bytes[i]);
        json_line(object);
    }
}

static void json_stages(const struct lossy_result *r)
{
    for (uint32_t i = 0; i < r->packing.stages; i++) {
        char name[WORD];
        json_t *object = json_object();
        stage_name(r, i, name);
        json_text(object, "stage", name);
        json_real_or_null(object, "relative_error", relative(r, r->packing.noise_after[i]));
        json_real_or_null(object, "error_percent", share(r, r->packing.noise_after[i] - noise_before(r, i)));
        json_real_or_null(object, "gbps", gbps(r, 1e-9 * r->packing.stage_ns[i]));
        json_line(object);
    }
}

static void json_all(const struct lossy_result *r, const struct lossy *lossy)
{
    json_t *object = json_object();
    json_text(object, "codec", r->codec_text);
    json_text(object, "pipeline", r->pipeline_text);
    json_count(object, "input_bytes", r->input_bytes);
    json_count(object, "output_bytes", r->sizes.output_bytes);
    json_real_or_null(object, "bits_per_weight", 8 * (double)r->sizes.output_bytes / (double)r->weights);
    json_count(object, "weights", r->weights);
    json_count(object, "packed_weights", r->packing.weights);
    json_real_or_null(object, "zeros", (double)r->packing.zeros / (double)r->packing.weights);
    json_real_or_null(object, "sqnr_db", sqnr(r, r->packing.noise));
    json_real_or_null(object, "relative_error", relative(r, r->packing.noise));
    json_real_or_null(object, "largest_error", r->packing.largest);
    json_real_or_null(object, "code_gbps", gbps(r, r->code_seconds));
    json_real_or_null(object, "pack_seconds", r->pack_wall_seconds);
    json_real_or_null(object, "code_seconds", r->code_wall_seconds);
    json_count(object, "peak_bytes", r->peak_bytes);
    json_text(object, "input", lossy->model);
    json_text(object, "output", lossy->output);
    json_line(object);
    json_parts(r);
    json_stages(r);
}

void lossy_print(const struct lossy_result *r, const struct lossy *lossy)
{
    if (lossy->common->json) {
        json_all(r, lossy);
        return;
    }
    printf("%s -> %s, lossy: %s => %s\n", model_name(lossy->model), lossy->output, r->pipeline_text, r->codec_text);
    printf("%s of %s weights packed, %s to %s, %.4f bits a weight, zeros %.1f %%\n\n", show_count(r->packing.weights).text,
           show_count(r->weights).text, show_bytes(r->input_bytes).text, show_bytes(r->sizes.output_bytes).text,
           8 * (double)r->sizes.output_bytes / (double)r->weights, 100 * (double)r->packing.zeros / (double)r->packing.weights);
    print_sizes(r);
    printf("\n");
    print_steps(r);
}
