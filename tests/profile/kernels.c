/* kernels.c - the list of kernels.  Coders come from the library's own list, with the operations that they state. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profile.h"

enum {
    SYMBOLS = 65536, /* with what is made of them they fit a second-level cache of 1 MiB */
    WIDTH = 6,       /* operations that a core begins in a cycle */
    PORTS64 = 2,     /* of them on registers of 64 bytes, */
    PORTS32 = 3,     /* and on those of 32: of Sapphire Rapids */
    LOAD_CYCLES = 5, /* from the first cache to an address or operand */
    ROWS = 256,
    COPIES = 512, /* of the words, for what is read from memory: 64 MiB of BF16 */
};

struct work {
    size_t words;
    const uint8_t *from; /* words */
    ent_split split;
    void *stream[ENT_MAX_FIELDS];
    uint8_t *joined;
    ent_counts counts[3]; /* sign, exponent, mantissa, one behind the other; or of one kind of symbol */
    uint64_t sum;
    ent_word_counts planes;
    ent_table *table;
    const uint8_t *symbols;
    ent_buffer code;
    ent_matrix matrix;
    const float *x;
    float *y;
};

/* Normal weights of a standard deviation of 0.02, which is usual, as F32. */
static float *make_weights(void)
{
    float *weight = ent_alloc(SYMBOLS * sizeof *weight);
    ent_random random;
    ent_random_seed(&random, 1, 0);
    for (size_t i = 0; weight && i < SYMBOLS; i++) {
        const double u = 1 - ent_random_uniform(&random), v = ent_random_uniform(&random);
        weight[i] = (float)(0.02 * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
    }
    return weight;
}

/* The weights as unpacked words of a format of 16 or 32 bits. */
static uint8_t *make_words(const float *weight, const ent_format *format)
{
    const uint32_t width = ent_format_width(format);
    uint8_t *words = ent_alloc((size_t)SYMBOLS * width);
    for (size_t i = 0; words && i < SYMBOLS; i++) {
        const uint64_t word = ent_format_nearest(format, (double)weight[i]);
        memcpy(words + i * width, &word, width);
    }
    return words;
}

/* ---- a list under construction --------------------------------------------------------------------------------- */

struct list {
    struct kernel *kernel;
    size_t *kernels;
    const float *weight;
};

/* A new kernel at the end of the list, with its own work; NULL when there is no room. */
static struct kernel *add(struct list *l, const char *name, ent_status (*run)(const struct kernel *))
{
    if (*l->kernels == MOST_KERNELS) return NULL;
    struct kernel *k = &l->kernel[*l->kernels];
    *k = (struct kernel){ .symbols = SYMBOLS, .run = run, .work = ent_calloc(1, sizeof *k->work) };
    if (!k->work) return NULL;
    snprintf(k->name, sizeof k->name, "%s", name);
    ++*l->kernels;
    return k;
}

static void bound(struct kernel *k, int set, double cycles, const char *why)
{
    k->bound[set].cycles = cycles;
    snprintf(k->bound[set].why, sizeof k->bound[set].why, "%s", why);
}

static void bound_all(struct kernel *k, double cycles, const char *why)
{
    for (int s = 0; s < SETS; s++) bound(k, s, cycles, why);
}

/* ---- counting --------------------------------------------------------------------------------------------------- */

static void clear(const struct kernel *k)
{
    for (int i = 0; i < 3; i++) {
        const ent_counts *c = &k->work->counts[i];
        if (c->count) memset(c->count, 0, c->alphabet * sizeof *c->count);
    }
    if (k->work->planes.planes) memset(k->work->planes.plane[0].count, 0, k->output.size);
}

static ent_bytes bytes_of(const ent_counts *counts)
{
    return (ent_bytes){ (const uint8_t *)counts->count, counts->alphabet * sizeof *counts->count };
}

static ent_status run_count(const struct kernel *k)
{
    return ent_counts_add(k->work->counts, k->work->symbols, 1, k->symbols);
}

static ent_status run_count_bf16(const struct kernel *k)
{
    ent_counts *c = k->work->counts;
    return ent_counts_add_bf16(&(ent_bf16_counts){ &c[0], &c[1], &c[2] }, k->work->from, k->symbols);
}

/* What reading alone takes; lines are asked for AHEAD of use, as without it a core keeps too few under way. */
static ent_status run_read(const struct kernel *k)
{
    enum { LINE = 64 / sizeof(uint64_t), AHEAD = 8192 / sizeof(uint64_t) };
    const uint64_t *from = (const uint64_t *)(const void *)k->work->from;
    const size_t n = k->symbols * sizeof(uint16_t) / sizeof *from;
    uint64_t sum[LINE] = { 0 };
    for (size_t i = 0; i < n; i += LINE) {
        __builtin_prefetch(from + (n - i > AHEAD ? i + AHEAD : i));
        for (size_t j = 0; j < LINE; j++) sum[j] += from[i + j];
    }
    k->work->sum = 0;
    for (size_t j = 0; j < LINE; j++) k->work->sum += sum[j];
    return ENT_OK;
}

static ent_status run_count_words(const struct kernel *k)
{
    ent_word_counts_add(&k->work->planes, k->work->from, k->symbols);
    return ENT_OK;
}

/* Counts of all fields in one piece, to be compared as a whole. */
static ent_status make_bf16_counts(struct kernel *k)
{
    static const uint32_t alphabet[3] = { 2, 256, 128 };
    const size_t size = (2 + 256 + 128) * sizeof(uint64_t);
    uint64_t *count = ent_calloc(1, size);
    if (!count) return ENT_ENOMEM;
    k->output = (ent_bytes){ (const uint8_t *)count, size };
    for (int i = 0; i < 3; count += alphabet[i++]) k->work->counts[i] = (ent_counts){ alphabet[i], count };
    return ENT_OK;
}

/* All fields of words that no cache holds, beside a pure read of them. */
static ent_status add_counting_from_memory(struct list *l, const uint8_t *bf16)
{
    const size_t size = SYMBOLS * sizeof(uint16_t);
    uint8_t *words = ent_alloc(COPIES * size);
    struct kernel *r = add(l, "read BF16 from memory", run_read);
    struct kernel *f = add(l, "count fields of BF16 from memory", run_count_bf16);
    if (!words || !r || !f) return ENT_ENOMEM;
    for (size_t i = 0; i < COPIES; i++) memcpy(words + i * size, bf16, size);
    r->symbols = f->symbols = (size_t)COPIES * SYMBOLS;
    r->work->from = f->work->from = words;
    r->output = (ent_bytes){ (const uint8_t *)&r->work->sum, sizeof r->work->sum };
    f->before = clear;
    f->after_read = true;
    return make_bf16_counts(f);
}

static ent_status add_counting(struct list *l, const uint8_t *bf16, const uint8_t *exponent, const uint8_t *rest)
{
    static const char store[] = "port: a store a symbol, one a cycle";
    struct kernel *e = add(l, "count exponents", run_count);
    struct kernel *r = add(l, "count sign + mantissa", run_count);
    struct kernel *f = add(l, "count fields of BF16", run_count_bf16);
    struct kernel *w = add(l, "count words of BF16", run_count_words);
    if (!e || !r || !f || !w) return ENT_ENOMEM;
    bound_all(e, 1, store);
    bound(e, SET_AVX512, 13 / 2.0 / 64, "ports: 13 vector operations for 64 symbols on two ports");
    bound_all(r, 1, store);
    bound_all(f, 1.5, "port: stores of an exponent and of half a pair of mantissas, one a cycle");
    bound(f, SET_AVX512, 0.5, "port: a store for two mantissas, one a cycle");
    bound_all(w, 1, store);
    e->before = r->before = f->before = w->before = clear;
    e->work->symbols = exponent;
    r->work->symbols = rest;
    f->work->from = w->work->from = bf16;
    ent_status status = ent_counts_init(e->work->counts, 256);
    if (!status) status = ent_counts_init(r->work->counts, 256);
    if (!status) status = ent_word_counts_init(&w->work->planes, ent_format_find("BF16"));
    if (!status) status = make_bf16_counts(f);
    if (status) return status;
    e->output = bytes_of(e->work->counts);
    r->output = bytes_of(r->work->counts);
    w->output = bytes_of(&w->work->planes.plane[0]);
    return add_counting_from_memory(l, bf16);
}

/* ---- split and join --------------------------------------------------------------------------------------------- */

static ent_status run_split(const struct kernel *k)
{
    ent_split_words(&k->work->split, k->work->from, k->symbols, k->work->stream);
    return ENT_OK;
}

static ent_status run_join(const struct kernel *k)
{
    ent_join_words(&k->work->split, (const void *const *)k->work->stream, k->symbols, k->work->joined);
    return ENT_OK;
}

/* Streams, one after another in one piece of memory, which is the output of the split. */
static ent_status make_streams(struct kernel *k, const uint8_t *words)
{
    struct work *w = k->work;
    size_t size = 0;
    for (uint32_t i = 0; i < w->split.fields; i++) size += SYMBOLS * (size_t)ent_field_width(&w->split.field[i]);
    uint8_t *memory = ent_alloc(size);
    if (!memory) return ENT_ENOMEM;
    k->output = (ent_bytes){ memory, size };
    for (uint32_t i = 0; i < w->split.fields; i++) {
        w->stream[i] = memory;
        memory += SYMBOLS * (size_t)ent_field_width(&w->split.field[i]);
    }
    w->from = words;
    return run_split(k);
}

static ent_status add_split(struct list *l, const char *dtype, const char *text)
{
    const ent_format *format = ent_format_find(dtype);
    const uint32_t width = ent_format_width(format);
    const uint8_t *words = make_words(l->weight, format);
    ent_split split;
    char name[64], why[96];
    ent_status status = words ? ent_split_parse(format, text, &split, NULL) : ENT_ENOMEM;
    for (int join = 0; join < 2 && !status; join++) {
        uint32_t bytes = join ? width : 0;
        for (uint32_t i = 0; i < split.fields && !join; i++) bytes += ent_field_width(&split.field[i]);
        snprintf(name, sizeof name, "%s %s %s", join ? "join" : "split", dtype, text);
        snprintf(why, sizeof why, "port: %u bytes stored a word, 64 a cycle", bytes);
        struct kernel *k = add(l, name, join ? run_join : run_split);
        if (!k) return ENT_ENOMEM;
        bound(k, SET_AVX512, bytes / 64.0, why);
        k->work->split = split;
        status = make_streams(k, words);
        if (!join || status) continue;
        if (!(k->work->joined = ent_alloc((size_t)SYMBOLS * width))) return ENT_ENOMEM;
        k->output = (ent_bytes){ k->work->joined, (size_t)SYMBOLS * width };
    }
    return status;
}

/* ---- coders ----------------------------------------------------------------------------------------------------- */

static ent_status run_encode(const struct kernel *k)
{
    k->work->code.size = 0;
    return ent_encode(k->work->table, k->work->symbols, k->symbols, &k->work->code, NULL);
}

static ent_status run_decode(const struct kernel *k)
{
    return ent_decode(k->work->table, (ent_bytes){ k->work->code.data, k->work->code.size }, k->work->joined,
                      k->symbols);
}

/* What the instructions of a vector loop take, where the coder states them: all of them to begin, those on
 * vectors by the ports that have these registers. */
static void bound_vectors(struct kernel *k, int set, ent_loop loop, int ports)
{
    char why[96];
    bool issue = loop.all / WIDTH > loop.vectors / ports;
    if (issue)
        snprintf(why, sizeof why, "issue: %.3g instructions a symbol, %d a cycle", loop.all, WIDTH);
    else
        snprintf(why, sizeof why, "ports: %.3g vector instructions a symbol, %d a cycle", loop.vectors, ports);
    bound(k, set, issue ? loop.all / WIDTH : loop.vectors / ports, why);
}

/* From what the coder states of its decoder (see ent_ops).  Of plain C the operations, or the chain of a lane over the
 * lanes, whichever take longer. */
static void bound_decoder(struct kernel *k, const ent_ops *ops)
{
    const double all = ops->lookups + ops->multiplies + ops->simple + ops->branches;
    const double chain = (ops->chain + (LOAD_CYCLES - 1) * fmin(ops->lookups, 1)) / ops->lanes;
    char why[96];
    bound_vectors(k, SET_AVX512, ops->vector64, PORTS64);
    bound_vectors(k, SET_AVX2, ops->vector32, PORTS32);
    if (chain > all / WIDTH)
        snprintf(why, sizeof why, "latency: a chain of %.3g, one a load, in %.3g lanes", ops->chain, ops->lanes);
    else
        snprintf(why, sizeof why, "issue: %.3g operations a symbol, %d a cycle", all, WIDTH);
    bound(k, SET_PLAIN, chain > all / WIDTH ? chain : all / WIDTH, why);
}

static ent_status add_coder(struct list *l, const ent_coder *coder, const uint8_t *exponent, const ent_counts *counts)
{
    ent_coder_spec spec;
    ent_table *table;
    char name[64];
    ent_status status = ent_coder_spec_init(&spec, coder, 256);
    if (!status) status = ent_table_train(&table, &spec, counts, ENT_ENCODE | ENT_DECODE);
    if (status) return status;
    snprintf(name, sizeof name, "%s encode", coder->name);
    struct kernel *e = add(l, name, run_encode);
    snprintf(name, sizeof name, "%s decode", coder->name);
    struct kernel *d = e ? add(l, name, run_decode) : NULL;
    if (!d || !(d->work->joined = ent_alloc(SYMBOLS))) return ENT_ENOMEM;
    status = ent_buffer_reserve(&e->work->code, ent_encode_bound(table, SYMBOLS));
    e->work->table = d->work->table = table;
    e->work->symbols = exponent;
    if (!status) status = run_encode(e);
    d->work->code = e->work->code;
    e->output = (ent_bytes){ e->work->code.data, e->work->code.size };
    d->output = (ent_bytes){ d->work->joined, SYMBOLS };
    if (!coder->wide) bound_decoder(d, &coder->ops); /* byte coders have no such loop of their own */
    return status;
}

/* ---- products --------------------------------------------------------------------------------------------------- */

static ent_status run_product(const struct kernel *k)
{
    return ent_product(&k->work->matrix, 0, k->work->x, ent_format_find("F32"), k->work->y, 1);
}

static ent_status add_product(struct list *l, const uint8_t *bf16)
{
    static ent_recipe recipe;
    ent_codec *codec;
    ent_status status = ent_codec_parse(&codec, "raw", NULL);
    if (!status) status = ent_codec_bind(codec, "BF16", &recipe, NULL);
    struct kernel *k = add(l, "product of BF16, F32 x", run_product);
    if (status || !k) return status ? status : ENT_ENOMEM;
    bound(k, SET_AVX512, 3 / 2.0 / 16, "ports: 3 vector operations for 16 weights on two ports");
    struct work *w = k->work;
    if (!(w->y = ent_alloc(ROWS * sizeof *w->y))) return ENT_ENOMEM;
    w->x = l->weight;
    w->matrix = (ent_matrix){ .rows = ROWS, .cols = SYMBOLS / ROWS, .recipe = &recipe,
                              .words = (const uint16_t *)(const void *)bf16 };
    k->output = (ent_bytes){ (const uint8_t *)w->y, ROWS * sizeof *w->y };
    return ENT_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

ent_status kernels_make(struct kernel *kernel, size_t *kernels)
{
    struct list l = { kernel, kernels, make_weights() };
    const uint8_t *bf16 = l.weight ? make_words(l.weight, ent_format_find("BF16")) : NULL;
    uint8_t *exponent = ent_alloc(SYMBOLS), *rest = ent_alloc(SYMBOLS);
    ent_counts counts;
    ent_split split;
    *kernels = 0;
    if (!bf16 || !exponent || !rest) return ENT_ENOMEM;
    ent_status status = ent_split_parse(ent_format_find("BF16"), "exponent|rest", &split, NULL);
    if (!status) status = ent_counts_init(&counts, 256);
    if (status) return status;
    ent_split_words(&split, bf16, SYMBOLS, (void *[]){ exponent, rest });
    status = ent_counts_add(&counts, exponent, 1, SYMBOLS);
    if (!status) status = add_counting(&l, bf16, exponent, rest);
    static const char *const splits[][2] = { { "BF16", "exponent|rest" }, { "BF16", "sign|exponent|mantissa" },
                                             { "F16", "exponent|rest" },  { "F16", "sign|exponent|mantissa" },
                                             { "F32", "exponent|rest" },  { "F8_E4M3", "exponent|rest" } };
    for (size_t i = 0; i < sizeof splits / sizeof *splits && !status; i++)
        status = add_split(&l, splits[i][0], splits[i][1]);
    for (size_t i = 0; ent_coders[i] && !status; i++) status = add_coder(&l, ent_coders[i], exponent, &counts);
    if (!status) status = add_product(&l, bf16);
    ent_counts_free(&counts);
    return status;
}
