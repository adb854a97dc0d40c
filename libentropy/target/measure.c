/* measure.c - time of encoding and decoding on this machine, with a memcpy of the same bytes beside it.
 *
 * Source, codes and output are separate buffers whose pages exist before the clock starts.  Every
 * run is one memcpy (cut into one part a thread) and one decode of all blocks, so that whatever slows
 * the machine for a while slows both.  Before the last copy and the last decode the output is spoilt, and
 * after each compared with the source.  Blocks are trusted: their checksums belong to reading a file, not to
 * decoding.  Speeds are of the fastest run, which is the one least disturbed; medians are given too.
 * Left out on purpose: cold caches and cold tables, which depend on what ran before. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <entropy/target.h>

#include "base/clock.h"
#include "target/meter.h"

/* Encoding is slow and its time matters less: again only while that takes a second at most. */
enum { MOST_ENCODES = 3 };

typedef struct bench_block {
    ent_buffer code; /* a slice of one big buffer */
    ent_tally tally;
} bench_block;

typedef struct bench_work {
    ent_recipe recipe;
    ent_tables tables;
    const uint8_t *words;
    uint8_t *output, *codes;
    bench_block *block;
    size_t n, blocks, bytes;
    unsigned threads;
    ent_workspace *work; /* of each thread */
} bench_work;

static size_t block_words(const bench_work *w, size_t i)
{
    size_t first = i * w->recipe.block;
    return w->n - first < w->recipe.block ? w->n - first : w->recipe.block;
}

static size_t block_place(const bench_work *w, size_t i) { return i * w->recipe.block * w->recipe.word_width; }

static ent_status encode_block(size_t i, unsigned thread, void *context)
{
    bench_work *w = context;
    bench_block *b = &w->block[i];
    b->code.size = 0;
    b->tally = (ent_tally){ 0, 0, 0 };
    return ent_block_encode(&w->recipe, &w->tables, w->words + block_place(w, i), block_words(w, i), &b->code,
                            &b->tally, &w->work[thread]);
}

static ent_status decode_block(size_t i, unsigned thread, void *context)
{
    bench_work *w = context;
    unsigned flags = w->bytes > ent_stream_bytes() ? ENT_TRUSTED | ENT_STREAM : ENT_TRUSTED;
    return ent_block_decode(&w->recipe, &w->tables, (ent_bytes){ w->block[i].code.data, w->block[i].code.size }, flags,
                            w->output + block_place(w, i), block_words(w, i), &w->work[thread]);
}

static ent_status copy_part(size_t i, unsigned thread, void *context)
{
    bench_work *w = context;
    size_t part = (w->bytes / w->threads + 63) / 64 * 64, first = i * part; /* whole cache lines */
    (void)thread;
    if (first < w->bytes)
        memcpy(w->output + first, w->words + first, w->bytes - first < part ? w->bytes - first : part);
    return ENT_OK;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* GB/s of the fastest run, and of the middle one; sorts `seconds`. */
static double gbps(const bench_work *w, double *seconds, unsigned runs, double *median)
{
    qsort(seconds, runs, sizeof *seconds, by_time);
    if (median) *median = 1e-9 * (double)w->bytes / (0.5 * (seconds[(runs - 1) / 2] + seconds[runs / 2]));
    return 1e-9 * (double)w->bytes / seconds[0];
}

static ent_status train(bench_work *w, ent_bench *bench)
{
    ent_counts counts[ENT_MAX_FIELDS];
    ent_buffer written = { NULL, 0, 0 };
    ent_status status = ent_recipe_counts_init(&w->recipe, counts);
    if (status) return status;
    status = ent_recipe_count(&w->recipe, w->words, w->n, counts);
    if (!status) status = ent_tables_train(&w->tables, &w->recipe, counts, ENT_ENCODE | ENT_DECODE);
    if (!status) bench->bound_bits = ent_recipe_bound_bits(&w->recipe, counts);
    ent_recipe_counts_free(counts);
    for (uint32_t i = 0; i < w->tables.fields && !status; i++)
        if (w->tables.table[i]) status = ent_table_write(w->tables.table[i], &written);
    bench->tally.table_bits += 8 * (uint64_t)written.size;
    ent_free(written.data);
    return status;
}

/* The buffers, every page touched. */
static ent_status prepare(bench_work *w)
{
    size_t bound = ent_block_bound(&w->recipe, &w->tables, w->recipe.block < w->n ? w->recipe.block : w->n), all;
    if (bound > SIZE_MAX - 64) return ENT_ENOMEM;
    bound = (bound + 63) / 64 * 64;
    if (__builtin_mul_overflow(bound, w->blocks, &all)) return ENT_ENOMEM;
    w->block = ent_calloc(w->blocks, sizeof *w->block);
    w->codes = ent_calloc(w->blocks, bound);
    w->output = ent_calloc(1, w->bytes);
    w->work = ent_calloc(w->threads, sizeof *w->work);
    if (!w->block || !w->codes || !w->output || !w->work) return ENT_ENOMEM;
    for (size_t i = 0; i < w->blocks; i++) w->block[i].code = (ent_buffer){ w->codes + i * bound, 0, bound };
    return ENT_OK;
}

static ent_status time_encode(bench_work *w, double *seconds, unsigned runs, ent_bench *bench)
{
    unsigned most = runs < MOST_ENCODES ? runs : MOST_ENCODES, encodes = 0;
    double spent = 0;
    for (; encodes < most && spent < 1; encodes++) {
        double start = ent_seconds(CLOCK_MONOTONIC);
        ent_status status = ent_parallel(w->blocks, w->threads, encode_block, w);
        spent += seconds[encodes] = ent_seconds(CLOCK_MONOTONIC) - start;
        if (status) return status;
    }
    bench->encode_gbps = gbps(w, seconds, encodes, NULL);
    for (size_t i = 0; i < w->blocks; i++) {
        bench->tally.payload_bits += w->block[i].tally.payload_bits;
        bench->tally.table_bits += w->block[i].tally.table_bits;
        bench->tally.index_bits += w->block[i].tally.index_bits;
    }
    return ENT_OK;
}

/* Makes every byte of the output wrong. */
static void spoil(bench_work *w)
{
    for (size_t i = 0; i < w->bytes; i++) w->output[i] = (uint8_t)~w->words[i];
}

static ent_status time_decode(bench_work *w, double *copy, double *decode, unsigned runs, const ent_meter *meter,
                              ent_bench *bench)
{
    ent_reading from, to;
    double cycles = 0, joules = 0, weights = (double)w->n * runs;
    for (unsigned r = 0; r < runs; r++) {
        bool last = r + 1 == runs;
        if (last) spoil(w);
        double start = ent_seconds(CLOCK_MONOTONIC);
        ent_status status = ent_parallel(w->threads, w->threads, copy_part, w);
        copy[r] = ent_seconds(CLOCK_MONOTONIC) - start;
        if (last && memcmp(w->output, w->words, w->bytes)) return ENT_ECHECK; /* the yardstick itself */
        if (last) spoil(w);
        ent_meter_read(meter, &from);
        start = ent_seconds(CLOCK_MONOTONIC);
        if (!status) status = ent_parallel(w->blocks, w->threads, decode_block, w);
        decode[r] = ent_seconds(CLOCK_MONOTONIC) - start;
        ent_meter_read(meter, &to);
        cycles += ent_meter_cycles(meter, &from, &to);
        joules += ent_meter_joules(meter, &from, &to);
        if (status) return status;
    }
    bench->verified = !memcmp(w->output, w->words, w->bytes);
    bench->decode_cycles = w->threads == 1 ? cycles / weights : NAN;
    bench->decode_pj = 1e12 * joules / weights;
    bench->memcpy_gbps = gbps(w, copy, runs, &bench->memcpy_median_gbps);
    bench->decode_gbps = gbps(w, decode, runs, &bench->decode_median_gbps);
    return bench->verified ? ENT_OK : ENT_ECHECK;
}

static ent_status measure(bench_work *w, unsigned runs, ent_bench *bench)
{
    double *seconds = ent_calloc(runs, 2 * sizeof *seconds);
    ent_status status = seconds ? train(w, bench) : ENT_ENOMEM;
    if (!status) status = prepare(w);
    if (!status) status = time_encode(w, seconds, runs, bench);
    if (!status) {
        ent_meter meter;
        ent_meter_open(&meter);
        status = time_decode(w, seconds, seconds + runs, runs, &meter, bench);
        ent_meter_close(&meter);
    }
    ent_free(seconds);
    return status;
}

ent_status ent_bench_words(const ent_codec *codec, const char *dtype, const void *words, size_t n, unsigned threads,
                           unsigned runs, ent_bench *bench, ent_error *error)
{
    bench_work w = { .words = words, .n = n, .threads = ent_threads(threads) };
    *bench = (ent_bench){ .weights = n };
    if (n == 0 || runs == 0) return ent_fail(error, ENT_EINVAL, "nothing to measure: no weights or no runs");
    ent_status status = ent_codec_bind(codec, dtype, &w.recipe, error);
    if (status) return status;
    if (__builtin_mul_overflow(n, w.recipe.word_width, &w.bytes))
        return ent_fail(error, ENT_ENOMEM, "%zu weights do not fit in memory", n);
    bench->bytes = w.bytes;
    w.blocks = (n - 1) / w.recipe.block + 1;
    status = measure(&w, runs, bench);
    for (unsigned i = 0; i < w.threads && w.work; i++) ent_workspace_free(&w.work[i]);
    ent_free(w.work);
    ent_free(w.output);
    ent_free(w.codes);
    ent_free(w.block);
    ent_tables_free(&w.tables);
    if (status == ENT_ECHECK)
        return ent_fail(error, status, "codec %s: what was decoded differs from the source", ent_codec_name(codec));
    return status ? ent_fail(error, status, "codec %s on %s: %s", ent_codec_name(codec), dtype, ent_status_text(status))
                  : ENT_OK;
}
