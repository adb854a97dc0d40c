/* huffman_runs.c - Huffman decoding of several symbols a look-up, for peaked alphabets.
 *
 * A look-up of RUN_BITS gives all symbols whose codes are in them, up to RUN_MOST: 3.4 for the exponents
 * of weights.  Each string is decoded to a buffer of its own, since strings get out of step; eight
 * buffers in the first cache are then woven together.  A look-up takes 7 operations (mask, load, store,
 * two shifts for length and count, shift the window, move on), five share a reload of 7.
 *
 * With a join they go on to words while they are in the first cache. */
#include <string.h>
#if defined __x86_64__
#include <emmintrin.h>
#endif

#include "coder/bmi2.h"
#include "coder/huffman.h"

enum {
    STREAMS = HUFFMAN_STREAMS,
    RUN_BITS = HUFFMAN_RUN_BITS,
    RUN_MOST = 6,
    ABREAST = 4,                         /* strings whose state fits the registers */
    LOOKUPS = 5,                         /* between reloads: 55 bits, the 7 of a byte before, a mark */
    ROUND_BYTES = (7 + LOOKUPS * RUN_BITS) / 8,
    ROUND_MOST = LOOKUPS * RUN_MOST,
    ROWS = 512,                          /* symbols of each string that are woven at once */
    ROOM = ROWS + 128,                   /* a string may be so far ahead of the slowest */
};
_Static_assert(LOOKUPS * RUN_BITS + 8 <= 64, "windows");

/* RUN_MOST symbols, from the lowest byte up, then the bits of their codes, then how many they are. */
bool ent_huffman_build_runs(uint64_t *run, const uint16_t *entry, unsigned lookup_bits)
{
    size_t symbols = 0;
    for (uint32_t i = 0; i < 1u << RUN_BITS; i++) {
        uint64_t packed = 0, used = 0, count = 0;
        while (count < RUN_MOST) {
            uint32_t e = entry[i >> used & ((1u << lookup_bits) - 1)], length = e & 255;
            if (!length || used + length > RUN_BITS) break;
            packed |= (uint64_t)(e >> 8) << 8 * count++;
            used += length;
        }
        run[i] = packed | used << 48 | count << 56;
        symbols += count;
    }
    return symbols >= (size_t)2 << RUN_BITS;
}

typedef struct chunk {
    uint8_t symbol[STREAMS][ROOM + 8];    /* a store is of 8 bytes */
    size_t have[STREAMS], limit[STREAMS]; /* no string has more than its limit */
} chunk;

/* Rounds for ABREAST strings, for as long as all have bytes to load and room.  A look-up that finds no whole
 * code, or one too long, leaves its string where it is, and so do those after it: the last ones tell. */
ENT_INLINE void decode_rounds(const uint64_t *run, huffman_reader *in, chunk *c, size_t first)
{
    const uint64_t mark = (uint64_t)1 << 63, mask = (1u << RUN_BITS) - 1;
    const uint8_t *next[ABREAST];
    uint8_t *to[ABREAST];
    uint64_t used[ABREAST], window[ABREAST];
    size_t rounds = SIZE_MAX;
    for (size_t s = 0; s < ABREAST; s++) {
        huffman_reader *r = &in[first + s];
        size_t left = (size_t)(r->end - r->next), most = left < 8 ? 0 : (left - 8) / ROUND_BYTES + 1;
        size_t room = (c->limit[first + s] - c->have[first + s]) / ROUND_MOST;
        if (rounds > most) rounds = most;
        if (rounds > room) rounds = room;
        next[s] = r->next;
        used[s] = r->used;
        to[s] = c->symbol[first + s] + c->have[first + s];
    }
    for (bool found = true; rounds && found; rounds--) {
        for (size_t s = 0; s < ABREAST; s++) window[s] = (ent_load64(next[s]) | mark) >> used[s];
        uint64_t least = UINT64_MAX;
#pragma GCC unroll 5
        for (size_t k = 0; k < LOOKUPS; k++)
#pragma GCC unroll 4
            for (size_t s = 0; s < ABREAST; s++) {
                uint64_t e = run[window[s] & mask];
                ent_store64(to[s], e);
                window[s] >>= e >> 48 & 63;
                to[s] += e >> 56;
                if (k + 1 == LOOKUPS && e < least) least = e;
            }
        for (size_t s = 0; s < ABREAST; s++) {
            used[s] = (uint64_t)__builtin_clzll(window[s]);
            next[s] += used[s] / 8;
            used[s] %= 8;
        }
        found = least >> 56;
    }
    for (size_t s = 0; s < ABREAST; s++) {
        in[first + s].next = next[s];
        in[first + s].used = used[s];
        c->have[first + s] = (size_t)(to[s] - c->symbol[first + s]);
    }
}

static void rounds_plain(const uint64_t *run, huffman_reader *in, chunk *c, size_t first)
{
    decode_rounds(run, in, c, first);
}

ENT_BMI2 static void rounds_bmi2(const uint64_t *run, huffman_reader *in, chunk *c, size_t first)
{
    decode_rounds(run, in, c, first);
}

/* `rows` of each of ABREAST strings; false when one ran past its end. */
static bool fill_rows(const huffman_runs *d, huffman_reader *in, chunk *c, size_t first, const size_t *rows)
{
    for (;;) {
        bool some = false;
        if (ent_cpu_features() & ENT_CPU_BMI2)
            rounds_bmi2(d->run, in, c, first);
        else
            rounds_plain(d->run, in, c, first);
        for (size_t s = first; s < first + ABREAST; s++) { /* one symbol on, whatever stopped the rounds */
            if (c->have[s] >= rows[s]) continue;
            if (in[s].used >= 8) return false;
            c->symbol[s][c->have[s]++] = (uint8_t)d->one(d->decoder, &in[s]);
            some = true;
        }
        if (!some) return true;
    }
}

/* Row by row. */
static void weave(const chunk *c, size_t rows, uint8_t *out)
{
    size_t i = 0;
#if defined __x86_64__
    for (; i + 16 <= rows; i += 16) {
        __m128i v[STREAMS], w[STREAMS];
#pragma GCC unroll 8
        for (int s = 0; s < STREAMS; s++) v[s] = _mm_loadu_si128((const void *)(c->symbol[s] + i));
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++) { /* strings 0 and 4, 1 and 5, ... */
            w[2 * s] = _mm_unpacklo_epi8(v[s], v[s + 4]);
            w[2 * s + 1] = _mm_unpackhi_epi8(v[s], v[s + 4]);
        }
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++) { /* 0 2 4 6 and 1 3 5 7, by quarters of the rows */
            int from = s & 1, pair = s / 2;
            v[2 * s] = _mm_unpacklo_epi8(w[2 * pair + from], w[2 * pair + 4 + from]);
            v[2 * s + 1] = _mm_unpackhi_epi8(w[2 * pair + from], w[2 * pair + 4 + from]);
        }
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            _mm_storeu_si128((void *)(out + STREAMS * i + 32 * (size_t)q), _mm_unpacklo_epi8(v[q], v[q + 4]));
            _mm_storeu_si128((void *)(out + STREAMS * i + 32 * (size_t)q + 16), _mm_unpackhi_epi8(v[q], v[q + 4]));
        }
    }
#endif
    for (; i < rows; i++)
        for (size_t s = 0; s < STREAMS; s++) out[STREAMS * i + s] = c->symbol[s][i];
}

static void join_symbols(const ent_join *join, const uint8_t *symbols, size_t first, size_t n, uint8_t *words)
{
    const ent_join_form form = ent_join_form_of(join);
    size_t i = 0;
#if defined __x86_64__
    if (ent_cpu_features() & ENT_CPU_AVX512)
        i = ent_huffman_join_avx512(form, join, symbols, first, n, words);
    else if (ent_cpu_features() & ENT_CPU_AVX2)
        i = ent_huffman_join_avx2(form, join, symbols, first, n, words);
#endif
    ent_join_symbols(form, join, symbols + i, first + i, n - i, words);
}

bool ent_huffman_decode_runs(const huffman_runs *d, huffman_reader *in, const ent_join *join, uint8_t *out, size_t n)
{
    chunk c = { .have = { 0 } };
    _Alignas(64) uint8_t woven[STREAMS * ROWS];
    for (size_t i = 0, taken; i < n; i += taken) {
        size_t rows[STREAMS], whole = (n - i) / STREAMS < ROWS ? (n - i) / STREAMS : ROWS;
        for (size_t s = 0; s < STREAMS; s++) { /* what is left of each string */
            size_t own = (n - i + STREAMS - 1 - s) / STREAMS;
            c.limit[s] = own < ROOM ? own : ROOM;
            rows[s] = own < ROWS ? own : ROWS;
        }
        for (size_t s = 0; s < STREAMS; s += ABREAST)
            if (!fill_rows(d, in, &c, s, rows)) return false;
        uint8_t *symbols = join ? woven : out + i;
        weave(&c, whole, symbols);
        taken = STREAMS * whole;
        for (size_t s = 0; whole < ROWS && s < STREAMS && i + taken < n; s++) /* the last, broken row */
            if (rows[s] > whole) symbols[taken++] = c.symbol[s][whole];
        if (join) join_symbols(join, woven, i, taken, out);
        for (size_t s = 0; s < STREAMS; s++) {
            c.have[s] -= rows[s];
            memmove(c.symbol[s], c.symbol[s] + rows[s], c.have[s]);
        }
    }
    return true;
}
