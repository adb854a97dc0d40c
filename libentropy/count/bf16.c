/* bf16.c - counts of the fields of BF16 words.
 *
 * In one pass where that is possible and the exponents are peaked (window_avx512.c).  Else by piece: vector loops cut
 * words into exponents, which are counted as bytes, and into pairs of mantissas, which are one symbol each. */
#include <entropy/count.h>

#include "base/bits.h"
#include "count/bytes.h"

enum { PIECE = 2 * COUNT_WINDOW_STEP }; /* words: with the table they and what is made of them fit a cache of 48 KiB */

typedef struct bf16_counter {
    byte_counter exponent;
    bf16_cells cells;
    size_t in_cells;              /* pairs */
    uint64_t mantissa[MANTISSAS]; /* but for those */
} bf16_counter;

/* The mantissas of all pairs in the cells, which are at most MOST_PAIRS: 16 bits hold each sum. */
static inline __attribute__((always_inline)) void sum_pairs(const uint16_t *restrict pair, uint16_t *restrict first,
                                                            uint16_t *restrict second)
{
    for (unsigned high = 0; high < MANTISSAS; high++) {
        const uint16_t *row = pair + high * MANTISSAS;
        uint16_t sum = 0;
        for (unsigned low = 0; low < MANTISSAS; low++) sum = (uint16_t)(sum + row[low]);
        for (unsigned low = 0; low < MANTISSAS; low++) first[low] = (uint16_t)(first[low] + row[low]);
        second[high] = sum;
    }
}

#if defined __x86_64__
__attribute__((target("avx2"))) static void sum_pairs_avx2(const uint16_t *pair, uint16_t *first, uint16_t *second)
{
    sum_pairs(pair, first, second);
}
#endif

static void sum_cells(bf16_counter *c)
{
    uint16_t first[MANTISSAS] = { 0 }, second[MANTISSAS];
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX2)
        sum_pairs_avx2(c->cells.pair, first, second);
    else
#endif
        sum_pairs(c->cells.pair, first, second);
    for (unsigned m = 0; m < MANTISSAS; m++) c->mantissa[m] += (uint64_t)first[m] + second[m];
    memset(c->cells.pair, 0, sizeof c->cells.pair);
    c->in_cells = 0;
}

static void add_word(bf16_counter *c, uint16_t word)
{
    c->cells.negative += word >> 15;
    c->exponent.count[word >> 7 & 255]++;
    c->mantissa[word & (MANTISSAS - 1)]++;
}

static void make_room(bf16_counter *c, size_t words)
{
    if (c->in_cells + words / 2 > MOST_PAIRS) sum_cells(c);
    c->in_cells += words / 2;
}

static inline __attribute__((always_inline)) void cut_exponents(const uint8_t *words, uint8_t *exponent, size_t n)
{
    for (size_t i = 0; i < n; i++) exponent[i] = (uint8_t)(ent_load16(words + 2 * i) >> 7);
}

static inline __attribute__((always_inline)) void add_piece(bf16_counter *c, const uint8_t *words)
{
    uint8_t exponent[PIECE];
    uint16_t index[PIECE / 2], negative = 0;
    make_room(c, PIECE);
    cut_exponents(words, exponent, PIECE);
    for (size_t i = 0; i < PIECE; i++) negative = (uint16_t)(negative + (ent_load16(words + 2 * i) >> 15));
    for (size_t i = 0; i < PIECE / 2; i++) {
        const uint32_t two = ent_load32(words + 4 * i);
        index[i] = (uint16_t)((two & 0x7f) | (two >> 9 & 0x3f80));
    }
    c->cells.negative += negative;
    ent_byte_counter_add(&c->exponent, exponent, PIECE);
    for (size_t i = 0; i < PIECE / 2; i++) c->cells.pair[index[i]]++;
}

static void add_piece_plain(bf16_counter *c, const uint8_t *words) { add_piece(c, words); }

#if defined __x86_64__
__attribute__((target("avx2"))) static void add_piece_avx2(bf16_counter *c, const uint8_t *words)
{
    add_piece(c, words);
}

/* Counts a chunk, if its exponents are in a window; returns the words that it has counted. */
static size_t add_by_window(bf16_counter *c, bool mantissas, const uint8_t *words, size_t n)
{
    enum { CHUNK = 64 * COUNT_WINDOW_STEP };
    byte_counter *e = &c->exponent;
    uint8_t sample[BYTE_SAMPLE];
    if (!(ent_cpu_features() & ENT_CPU_AVX512) || n < COUNT_WINDOW_STEP) return 0;
    n = n < CHUNK ? n / COUNT_WINDOW_STEP * COUNT_WINDOW_STEP : CHUNK;
    cut_exponents(words, sample, e->windowed ? 0 : BYTE_SAMPLE);
    if (!ent_byte_counter_windowed(e, sample)) return 0;
    if (mantissas) make_room(c, n);
    const size_t outside = ent_count_bf16_avx512(&e->window, e->count, mantissas ? &c->cells : NULL, words, n);
    e->windowed = outside <= n / BYTE_FEW;
    return n;
}
#else
static size_t add_by_window(bf16_counter *c, bool mantissas, const uint8_t *words, size_t n)
{
    (void)c, (void)mantissas, (void)words, (void)n;
    return 0;
}
#endif

static void add_words(bf16_counter *c, bool mantissas, const uint8_t *words, size_t n)
{
    void (*add)(bf16_counter *, const uint8_t *) = add_piece_plain;
    size_t i = 0, done;
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX2) add = add_piece_avx2;
#endif
    for (; n - i >= PIECE; i += done) {
        done = add_by_window(c, mantissas, words + 2 * i, n - i);
        if (done) continue;
        add(c, words + 2 * i);
        done = PIECE;
    }
    for (; i < n; i++) add_word(c, ent_load16(words + 2 * i));
    ent_byte_counter_sum(&c->exponent);
    sum_cells(c);
}

static bool is_of(const ent_counts *counts, uint32_t alphabet) { return !counts || counts->alphabet == alphabet; }

ent_status ent_counts_add_bf16(const ent_bf16_counts *to, const void *words, size_t n)
{
    if (!is_of(to->sign, 2) || !is_of(to->exponent, 256) || !is_of(to->mantissa, MANTISSAS)) return ENT_EINVAL;
    bf16_counter *c = ent_calloc(1, sizeof *c);
    if (!c) return ENT_ENOMEM;
    add_words(c, to->sign || to->mantissa, words, n);
    if (to->sign) {
        to->sign->count[0] += n - c->cells.negative;
        to->sign->count[1] += c->cells.negative;
    }
    for (unsigned e = 0; e < 256 && to->exponent; e++) to->exponent->count[e] += c->exponent.count[e];
    for (unsigned m = 0; m < MANTISSAS && to->mantissa; m++) to->mantissa->count[m] += c->mantissa[m];
    ent_free(c);
    return ENT_OK;
}
