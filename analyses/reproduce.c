/* reproduce.c - see reproduce.h.
 *
 * A cut is 1 - coded / uncoded on the same target with the same layers: time or energy of a pass in which each
 * weight meets one vector ("token by token", the reading under which the published cells fit both accelerators),
 * and beside it one in which it meets the whole prompt at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "reproduce.h"
#include "shapes.h"

ent_status reproduction_open(struct reproduction *r, ent_error *error)
{
    *r = (struct reproduction){ .sets = 0 };
    ent_status status = published_read(&r->cells, "huff-llm.tsv", error);
    if (!status) status = published_read(&r->models, "huff-llm-models.tsv", error);
    if (!status) status = published_read(&r->workloads, "huff-llm-workloads.tsv", error);
    if (status) reproduction_close(r);
    return status;
}

void reproduction_close(struct reproduction *r)
{
    published_free(&r->cells);
    published_free(&r->models);
    published_free(&r->workloads);
}

/* ---- cuts ------------------------------------------------------------------------------------- */

enum quantity { LATENCY, ENERGY };

static ent_status one_cost(const struct shapes *shapes, const ent_target *target, const char *codec_text, double bits,
                           uint64_t vectors, ent_layer_cost *cost, ent_error *error)
{
    ent_codec *codec;
    ent_recipe recipe;
    ent_status status = ent_codec_parse(&codec, codec_text, error);
    if (status) return status;
    status = ent_codec_bind(codec, "F16", &recipe, error);
    ent_codec_free(codec);
    return status ? status : shapes_cost(shapes, target, &recipe, bits, vectors, 1, cost, error);
}

/* In percent, of FP16 weights at `bits` coded; `model`'s layers are those of its config. */
static ent_status cut(const char *model, const char *accelerator, const char *gbps, enum quantity quantity, double bits,
                      uint64_t vectors, double *percent, ent_error *error)
{
    char name[200], path[PATH_MAX];
    struct shapes shapes = { .row = NULL };
    ent_target *target = NULL;
    ent_layer_cost raw, coded;
    snprintf(name, sizeof name, "huff-llm-%s-%s", accelerator, gbps);
    ent_status status = data_path(path, "targets", name, error);
    if (!status) status = ent_target_read(&target, path, error);
    snprintf(name, sizeof name, "configs/%s.json", model);
    if (!status) status = published_path(path, name, error);
    if (!status) status = shapes_of_config(&shapes, path, error);
    if (!status) status = one_cost(&shapes, target, "raw", 16, vectors, &raw, error);
    if (!status) status = one_cost(&shapes, target, "huff-llm", bits, vectors, &coded, error);
    if (!status)
        *percent = 100 * (quantity == LATENCY ? 1 - coded.time_ns / raw.time_ns : 1 - coded.energy_pj / raw.energy_pj);
    shapes_free(&shapes);
    ent_target_free(target);
    return status;
}

/* The least or the most over a family's models, both accelerators, 64 and 128 GB/s. */
static ent_status family_cut(const struct reproduction *r, const char *family, enum quantity quantity, bool most,
                             double bits, double *percent, ent_error *error)
{
    static const char *const accelerator[] = { "systolic", "simba" }, *const gbps[] = { "64", "128" };
    ent_status status = ENT_OK;
    *percent = NAN;
    for (size_t m = 0; m < r->models.rows && !status; m++) {
        const char *name = published_get(&r->models, m, "model"), *of = published_get(&r->models, m, "family");
        for (size_t i = 0; i < 4 && !status && !strncmp(family, of, strlen(of)); i++) {
            double one;
            status = cut(name, accelerator[i / 2], gbps[i % 2], quantity, bits, 1, &one, error);
            if (!status) *percent = isnan(*percent) ? one : most ? fmax(*percent, one) : fmin(*percent, one);
        }
    }
    return status;
}

/* ---- a published row -------------------------------------------------------------------------- */

struct cell {
    const char *model, *format, *accelerator, *gbps, *workload, *quantity;
    double published;
    enum variant variant; /* of weights that are like this row's model */
};

static struct cell cell_of(const struct reproduction *r, size_t row)
{
    const struct published *p = &r->cells;
    struct cell c = { published_get(p, row, "model"),       published_get(p, row, "format"),
                      published_get(p, row, "accelerator"), published_get(p, row, "gbps"),
                      published_get(p, row, "workload"),    published_get(p, row, "quantity"),
                      strtod(published_get(p, row, "published"), NULL), CAST_FP16 };
    size_t m = 0; /* a family has the kind of its first model */
    while (m < r->models.rows && strcmp(published_get(&r->models, m, "model"), c.model) &&
           (!strstr(c.model, " family") || strncmp(c.model, published_get(&r->models, m, "family"),
                                                   strcspn(c.model, " "))))
        m++;
    bool cast = !strcmp(published_get(&r->models, m, "fp16"), "cast"), fp16 = !strcmp(c.format, "FP16");
    c.variant = cast ? (fp16 ? CAST_FP16 : CAST_BF16) : fp16 ? NATIVE_FP16 : NATIVE_BF16;
    return c;
}

/* The published bits of a row's model; NaN where Table 5 does not have it. */
static double published_bits(const struct reproduction *r, const struct cell *cell)
{
    for (size_t i = 0; i < r->cells.rows; i++) {
        struct cell c = cell_of(r, i);
        if (!strcmp(c.model, cell->model) && !strcmp(c.format, "FP16") && !strcmp(c.quantity, "coded, bits"))
            return c.published;
    }
    return NAN;
}

/* A bit count or a ratio, from the weights alone. */
static double of_weights(const struct cell *c, const struct variant_bits *b)
{
    if (!strcmp(c->quantity, "ratio")) return 16 / b->coded;
    if (!strcmp(c->quantity, "coded, bits")) return b->coded;
    if (strstr(c->quantity, "8-8")) return b->halves;
    return strstr(c->quantity, "1-5-5-5") ? b->fields : b->word;
}

static ent_status of_machine(const struct reproduction *r, const struct cell *c, double bits, uint64_t vectors,
                             double *value, ent_error *error)
{
    enum quantity quantity = strstr(c->quantity, "latency") ? LATENCY : ENERGY;
    *value = NAN;
    if (isnan(bits) || (strstr(c->model, "family") && vectors > 1)) return ENT_OK;
    return strstr(c->model, "family")
               ? family_cut(r, c->model, quantity, !strncmp(c->quantity, "most", 4), bits, value, error)
               : cut(c->model, c->accelerator, c->gbps, quantity, bits, vectors, value, error);
}

/* A number of a table with two digits, without the sign of a zero. */
static void add_number(struct table *t, double value) { table_number(t, fabs(value) < 0.005 ? 0 : value, 2); }

/* "calibrated" for the rows that set the decoders' energy. */
static const char *role_of(const struct cell *c)
{
    if (!strstr(c->quantity, "energy")) return "";
    return !strcmp(c->model, "Llama-3-8B") && !strcmp(c->gbps, "128") ? "calibrated" : "tested";
}

/* ---- tables ----------------------------------------------------------------------------------- */

static void begin_row(struct table *t, const struct reproduction *r, size_t row, const struct cell *c,
                      const char *weights)
{
    table_cell(t, "%s", c->model);
    table_cell(t, "%s", c->format);
    table_cell(t, "%s", c->quantity);
    table_cell(t, "%s", weights);
    table_cell(t, "%s", published_get(&r->cells, row, "published"));
    table_cell(t, "%s", published_get(&r->cells, row, "status"));
}

static ent_status weights_rows(const struct reproduction *r, const char *name, struct table *t)
{
    table_begin(t, "<model|<format|<quantity|<weights|published|<status|ours|difference|<source");
    for (size_t row = 0; row < r->cells.rows; row++) {
        struct cell c = cell_of(r, row);
        if (strcmp(published_get(&r->cells, row, "table"), name)) continue;
        for (size_t s = 0; s < r->sets; s++) {
            double ours = of_weights(&c, &r->weights[s].bits[c.variant]);
            if (isnan(ours)) continue;
            begin_row(t, r, row, &c, r->weights[s].name);
            table_number(t, ours, 3);
            table_number(t, ours - c.published, 3);
            table_cell(t, "%s", published_get(&r->cells, row, "source"));
        }
    }
    return ENT_OK;
}

static ent_status machine_row(const struct reproduction *r, size_t row, const struct variants *weights, struct table *t,
                              ent_error *error)
{
    struct cell c = cell_of(r, row);
    size_t w = published_find(&r->workloads, "workload", c.workload);
    uint64_t tokens = strtoull(published_get(&r->workloads, w, "tokens"), NULL, 10);
    double bits = weights->bits[c.variant].coded, ours, at_published, prompt = NAN;
    if (isnan(bits)) return ENT_OK;
    ent_status status = of_machine(r, &c, bits, 1, &ours, error);
    if (!status) status = of_machine(r, &c, published_bits(r, &c), 1, &at_published, error);
    if (!status && tokens > 1) status = of_machine(r, &c, bits, tokens, &prompt, error);
    if (status) return status;
    begin_row(t, r, row, &c, weights->name);
    add_number(t, ours);
    add_number(t, ours - c.published);
    add_number(t, at_published);
    add_number(t, prompt);
    table_cell(t, "%s", c.accelerator);
    table_cell(t, "%s", c.gbps);
    table_cell(t, "%s", role_of(&c));
    table_cell(t, "%s", published_get(&r->cells, row, "source"));
    return ENT_OK;
}

static ent_status machine_rows(const struct reproduction *r, const char *name, struct table *t, ent_error *error)
{
    ent_status status = ENT_OK;
    table_begin(t, "<model|<format|<quantity|<weights|published|<status|ours|difference|ours at published bits|"
                   "ours, whole prompt at once|<accelerator|GB/s|<energy|<source");
    for (size_t row = 0; row < r->cells.rows; row++)
        for (size_t s = 0; s < r->sets && !strcmp(published_get(&r->cells, row, "table"), name) && !status; s++)
            status = machine_row(r, row, &r->weights[s], t, error);
    return status;
}

static void area_row(struct table *t, const char *quantity, const char *published, const char *status, double ours,
                     const char *source)
{
    table_cell(t, "%s", quantity);
    table_cell(t, "%s", published);
    table_cell(t, "%s", status);
    add_number(t, ours);
    add_number(t, *published ? ours - strtod(published, NULL) : NAN);
    table_cell(t, "%s", source);
}

/* The decoders of the systolic array, and what wider alphabets would take. */
static ent_status area_rows(const struct reproduction *r, struct table *t, ent_error *error)
{
    char path[PATH_MAX];
    ent_target *target;
    ent_status status = data_path(path, "targets", "huff-llm-systolic-64", error);
    if (!status) status = ent_target_read(&target, path, error);
    if (status) return status;
    enum { COLUMNS = 128, DECODERS = 3 * COLUMNS };
    double one = ent_target_decoder_um2(target, "huffman", 32, 16), all = ent_target_compute_um2(target);
    const double value[] = { one, all / (COLUMNS * COLUMNS), 100 * DECODERS * one / all };
    table_begin(t, "<quantity|published|<status|ours|difference|<source");
    for (size_t row = 0, i = 0; row < r->cells.rows; row++)
        if (!strcmp(published_get(&r->cells, row, "table"), "area") && i < sizeof value / sizeof *value)
            area_row(t, published_get(&r->cells, row, "quantity"), published_get(&r->cells, row, "published"),
                     published_get(&r->cells, row, "status"), value[i++], published_get(&r->cells, row, "source"));
    const char *scaled = "derived: scaled by the bits of the table";
    area_row(t, "decoders over elements with 405 decoders, %", "6.13", "second-hand", 100 * 405 * one / all,
             "derived: the count that the published share needs");
    area_row(t, "one decoder of 16 entries (BF16), um2", "", "", ent_target_decoder_um2(target, "huffman", 16, 16),
             scaled);
    area_row(t, "one decoder of 256 entries (8-8), um2", "", "", ent_target_decoder_um2(target, "huffman", 256, 16),
             scaled);
    area_row(t, "two of 256 entries a column over elements, %", "", "",
             100 * 2 * COLUMNS * ent_target_decoder_um2(target, "huffman", 256, 16) / all, scaled);
    ent_target_free(target);
    return ENT_OK;
}

ent_status reproduce_table(const struct reproduction *r, const char *name, struct table *table, ent_error *error)
{
    if (!strcmp(name, "area")) return area_rows(r, table, error);
    if (!strcmp(name, "1") || !strcmp(name, "5")) return weights_rows(r, name, table);
    return machine_rows(r, name, table, error);
}

/* ---- decoders --------------------------------------------------------------------------------- */

static const struct decoder_size {
    bool fp16;
    const char *codec;
    ent_cam cam; /* entries, longest, register, refill */
} sizes[] = {
    { true, "huff-llm", { 32, 16, 31, 16 } },  { true, "huff-llm", { 16, 16, 31, 16 } },
    { true, "huff-llm", { 32, 8, 31, 16 } },   { true, "huff-llm", { 32, 16, 23, 8 } },
    { true, "huff-llm", { 32, 16, 19, 4 } },   { false, "huff-llm", { 32, 16, 31, 16 } },
    { false, "huff-llm", { 16, 16, 31, 16 } }, { false, "dfloat11", { 32, 16, 31, 16 } },
    { false, "dfloat11", { 256, 32, 63, 32 } },
};

static ent_status decoder_row(const struct variants *v, const struct decoder_size *size, struct table *t,
                              ent_error *error)
{
    enum { WEIGHTS = 1 << 18 };
    enum variant variant = size->fp16 ? (v->words[CAST_FP16] ? CAST_FP16 : NATIVE_FP16)
                                      : v->words[CAST_BF16] ? CAST_BF16 : NATIVE_BF16;
    ent_cam_count c;
    ent_cam_forecast f;
    bool identical;
    ent_status status = variant_cam(v, variant, size->codec, &size->cam, WEIGHTS, &c, &f, &identical, error);
    if (status) return status;
    double n = (double)c.weights, expected = f.cycles_per_weight * n + (double)c.fill_cycles;
    table_cell(t, "%s", v->name);
    table_cell(t, "%s", variant_dtype(variant));
    table_cell(t, "%s", size->codec);
    table_cell(t, "%u", size->cam.entries);
    table_cell(t, "%u", size->cam.longest);
    table_cell(t, "%u", size->cam.register_bits);
    table_cell(t, "%u", size->cam.refill_bits);
    table_cell(t, "%u", c.streams);
    table_cell(t, "%u", c.live);
    table_cell(t, "%u", f.held);
    table_cell(t, "%u", c.longest);
    table_cell(t, "%llu", (unsigned long long)c.weights);
    table_number(t, (double)c.cycles / n, 4);
    table_number(t, expected / n, 4);
    table_number(t, 100 * (expected / (double)c.cycles - 1), 1);
    table_cell(t, "%llu", (unsigned long long)c.fill_cycles);
    table_cell(t, "%llu", (unsigned long long)c.starved_cycles);
    table_cell(t, "%llu", (unsigned long long)c.walked_cycles);
    table_cell(t, "%llu", (unsigned long long)c.walked_symbols);
    table_cell(t, "%s", identical ? "yes" : "NO");
    return ENT_OK;
}

ent_status reproduce_decoders(const struct reproduction *r, struct table *table, ent_error *error)
{
    ent_status status = ENT_OK;
    table_begin(table, "<weights|<format|<codec|entries|longest code held|register bits|refill bits|streams|symbols|in the table|"
                       "longest code|weights decoded|cycles a weight|predicted|error %|fill cycles|starved cycles|walked cycles|"
                       "walked symbols|<identical");
    for (size_t s = 0; s < r->sets; s++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !status; i++)
            status = decoder_row(&r->weights[s], &sizes[i], table, error);
    return status;
}
