/* huffman_code.c - Huffman code lengths: from counts, to bytes and back, to canonical codes.
 *
 * The stored form is that of frequency tables (freq.c) with lengths in the place of magnitudes:
 * runs of live symbols, and for each the step from its neighbour's length.  40 exponents take some
 * 15 bytes.  The code is complete, so its end needs no mark. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "coder/bitio.h"
#include "coder/huffman_code.h"
#include "coder/package_merge.h"

enum {
    LONGEST = ENT_HUFFMAN_LONGEST,
    /* a live symbol's most bits in the table: two gammas of up to 33 and a step of up to 13 */
    TABLE_SYMBOL_BYTES = 10,
};

size_t ent_huffman_table_size(const ent_coder_spec *spec) { return sizeof(ent_huffman_lengths) + spec->alphabet; }

unsigned ent_huffman_limit(const ent_coder_spec *spec, uint32_t live)
{
    unsigned limit = spec->param[ENT_HUFFMAN_MAX], need = ent_bits_for(live);
    if (!limit) limit = spec->width == 1 ? ENT_HUFFMAN_PRESET : ENT_HUFFMAN_PRESET_WORDS;
    return limit < need ? need : limit;
}

typedef struct item { uint64_t weight; uint32_t symbol; } item;

static int lighter(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? -1 : 1;
    return x->symbol < y->symbol ? -1 : 1;
}

/* Live symbols by ascending weight.  Weights are scaled so that LONGEST times their sum fits 64 bits. */
static void sort_live(const ent_counts *counts, item *items, uint64_t *weight)
{
    uint32_t n = 0;
    unsigned shift = 0;
    uint64_t total = 0;
    for (uint32_t s = 0; s < counts->alphabet; s++) total += counts->count[s] >> 17; /* cannot overflow: 2^16 symbols */
    while (total >> shift >> (64 - 17 - 6)) shift++;
    for (uint32_t s = 0; s < counts->alphabet; s++)
        if (counts->count[s]) items[n++] = (item){ counts->count[s] >> shift ? counts->count[s] >> shift : 1, s };
    qsort(items, n, sizeof *items, lighter);
    for (uint32_t i = 0; i < n; i++) weight[i] = items[i].weight;
}

ent_status ent_huffman_train(const ent_coder_spec *spec, const ent_counts *counts, void *table)
{
    ent_huffman_lengths *t = table;
    t->live = ent_counts_live(counts);
    item *items = ent_alloc(t->live * sizeof *items);
    uint64_t *weight = ent_alloc(t->live * sizeof *weight);
    uint8_t *length = ent_alloc(t->live);
    ent_status status = items && weight && length ? ENT_OK : ENT_ENOMEM;
    if (!status) {
        sort_live(counts, items, weight);
        t->only = items[0].symbol;
    }
    if (!status && t->live > 1) status = ent_package_merge(weight, t->live, ent_huffman_limit(spec, t->live), length);
    if (!status && t->live > 1) {
        t->longest = length[0];
        for (uint32_t i = 0; i < t->live; i++) t->length[items[i].symbol] = length[i];
    }
    ent_free(items);
    ent_free(weight);
    ent_free(length);
    return status;
}

static bool is_live(const ent_huffman_lengths *t, uint32_t s) { return t->live == 1 ? s == t->only : t->length[s] != 0; }

ent_status ent_huffman_write(const ent_coder_spec *spec, const void *table, ent_buffer *out)
{
    const ent_huffman_lengths *t = table;
    ent_status status = ent_buffer_reserve(out, out->size + (size_t)t->live * TABLE_SYMBOL_BYTES);
    if (status) return status;
    ent_bit_writer w = { .next = out->data + out->size };
    int before = 0;
    for (uint32_t end = 0, s = 0;; end = s) {
        while (s < spec->alphabet && !is_live(t, s)) s++;
        if (s == spec->alphabet) break;
        ent_gamma_put(&w, s - end + (end == 0)); /* only the first gap may be empty */
        for (end = s; end < spec->alphabet && is_live(t, end);) end++;
        ent_gamma_put(&w, end - s);
        for (; s < end; before = t->length[s++]) ent_gamma_put(&w, ent_step_fold(t->length[s] - before));
    }
    out->size = (size_t)(ent_bits_flush(&w) - out->data);
    return ENT_OK;
}

/* Takes the code space of a run of symbols from *left, which is in codes of LONGEST bits. */
static bool read_run(ent_bit_reader *r, ent_huffman_lengths *t, uint32_t s, uint32_t run, int *before, uint64_t *left)
{
    for (uint32_t end = s + run; s < end; s++) {
        int length = *before += ent_step_unfold(ent_gamma_get(r));
        if (r->bad || length < 0 || length > LONGEST || (uint64_t)1 << (LONGEST - length) > *left) return false;
        *left -= (uint64_t)1 << (LONGEST - length);
        t->length[s] = (uint8_t)length;
        t->only = s;
        t->live++;
        if ((uint32_t)length > t->longest) t->longest = (uint32_t)length;
    }
    return true;
}

ent_status ent_huffman_read(const ent_coder_spec *spec, ent_bytes in, void *table)
{
    ent_huffman_lengths *t = table;
    ent_bit_reader r = { .in = in };
    uint64_t left = (uint64_t)1 << LONGEST; /* complete codes fill it exactly; so does one symbol of length 0 */
    int before = 0;
    for (uint32_t s = 0; left;) {
        uint32_t gap = ent_gamma_get(&r) - (s == 0), run = ent_gamma_get(&r);
        if (r.bad || gap >= spec->alphabet - s || run > spec->alphabet - s - gap) return ENT_ECORRUPT;
        if (!read_run(&r, t, s + gap, run, &before, &left)) return ENT_ECORRUPT;
        s += gap + run;
    }
    return ent_bits_end(&r) && t->longest <= ent_huffman_limit(spec, t->live) ? ENT_OK : ENT_ECORRUPT;
}

void ent_huffman_canonical(const ent_coder_spec *spec, const ent_huffman_lengths *t, ent_huffman_canon *c)
{
    *c = (ent_huffman_canon){ 0 };
    for (uint32_t s = 0; s < spec->alphabet; s++) c->count[t->length[s]] += t->length[s] != 0;
    for (unsigned l = 1; l <= LONGEST; l++) c->first[l + 1] = (c->first[l] + c->count[l]) << 1;
}

double ent_huffman_price(const ent_coder_spec *spec, const void *table, uint32_t symbol)
{
    (void)spec;
    const ent_huffman_lengths *t = table;
    return t->length[symbol] || (t->live == 1 && t->only == symbol) ? t->length[symbol] : INFINITY;
}
