/* freq.c - frequency tables as bytes: which symbols live, as runs; how often, as steps of magnitude.
 *
 * Live symbols of a weight field sit in a few runs, and neighbours have frequencies of about the
 * same size, so a symbol costs one to three bits for the step from its neighbour's magnitude and
 * the bits below its top bit.  Coding the table by a model of its own would save little more.
 * FORMAT.md, "Frequency table", states the bits. */
#include <string.h>

#include "base/bits.h"
#include "coder/bitio.h"
#include "coder/freq.h"

enum {
    LOG2_MOST = 24,
    LOG2_BITS = 5,
    /* a symbol with a run of its own: two gammas of 33 bits for gap and run, one of 11 for a step
     * of up to 24, 24 bits of frequency: 101 bits */
    SYMBOL_BYTES = 13,
};

static unsigned magnitude(uint32_t v) { return 31u - (unsigned)__builtin_clz(v); }

/* The first symbol from `s` on whose being live is `live`; alphabet if there is none. */
static uint32_t find(const uint32_t *freq, uint32_t alphabet, uint32_t s, bool live)
{
    while (s < alphabet && (freq[s] != 0) != live) s++;
    return s;
}

static void write_run(ent_bit_writer *w, const uint32_t *freq, uint32_t run, unsigned *before)
{
    ent_gamma_put(w, run);
    for (uint32_t i = 0; i < run; i++) {
        unsigned now = magnitude(freq[i]);
        ent_gamma_put(w, ent_step_fold((int)now - (int)*before));
        ent_bits_put(w, freq[i] & ((1u << now) - 1), now);
        *before = now;
    }
}

ent_status ent_freq_write(const uint32_t *freq, uint32_t alphabet, unsigned log2_total, ent_buffer *out)
{
    size_t live = 0;
    for (uint32_t s = 0; s < alphabet; s++) live += freq[s] != 0;
    ent_status status = ent_buffer_reserve(out, out->size + live * SYMBOL_BYTES + 1);
    if (status) return status;
    ent_bit_writer w = { .next = out->data + out->size };
    ent_bits_put(&w, log2_total, LOG2_BITS);
    unsigned before = log2_total / 2;
    for (uint32_t end = 0, s; (s = find(freq, alphabet, end, true)) < alphabet;) {
        ent_gamma_put(&w, s - end + (end == 0)); /* only the first gap may be empty */
        end = find(freq, alphabet, s, false);
        write_run(&w, freq + s, end - s, &before);
    }
    out->size = (size_t)(ent_bits_flush(&w) - out->data);
    return ENT_OK;
}

/* Takes what it reads from *left; false when there is less left or the magnitude is absurd. */
static bool read_run(ent_bit_reader *r, uint32_t *freq, uint32_t run, unsigned *before, uint32_t *left)
{
    for (uint32_t i = 0; i < run; i++) {
        int now = (int)*before + ent_step_unfold(ent_gamma_get(r));
        if (r->bad || now < 0 || now > LOG2_MOST) return false;
        freq[i] = 1u << now | ent_bits_get(r, (unsigned)now);
        if (freq[i] > *left) return false;
        *left -= freq[i];
        *before = (unsigned)now;
    }
    return true;
}

ent_status ent_freq_read(ent_bytes in, uint32_t alphabet, unsigned log2_total_max, uint32_t *freq, unsigned *log2_total)
{
    ent_bit_reader r = { .in = in };
    memset(freq, 0, alphabet * sizeof *freq);
    *log2_total = ent_bits_get(&r, LOG2_BITS);
    if (r.bad || *log2_total > log2_total_max) return ENT_ECORRUPT;
    uint32_t left = 1u << *log2_total;
    unsigned before = *log2_total / 2;
    for (uint32_t s = 0; left;) {
        uint32_t gap = ent_gamma_get(&r) - (s == 0);
        uint32_t run = ent_gamma_get(&r);
        if (r.bad || gap >= alphabet - s || run > alphabet - s - gap) return ENT_ECORRUPT;
        s += gap;
        if (!read_run(&r, freq + s, run, &before, &left)) return ENT_ECORRUPT;
        s += run;
    }
    return ent_bits_end(&r) ? ENT_OK : ENT_ECORRUPT;
}
