/* bitio.h - bit strings, lowest bit first, for the tables of coders: small, checked, not fast. */
#ifndef ENT_CODER_BITIO_H
#define ENT_CODER_BITIO_H

#include <entropy/base.h>

/* Writes into memory that was reserved for the most that can come: no checks here. */
typedef struct ent_bit_writer {
    uint8_t *next;
    uint32_t held; /* bits not yet stored, lowest first */
    unsigned bits; /* how many: 0 .. 7 between calls */
} ent_bit_writer;

static inline void ent_bits_put(ent_bit_writer *w, uint32_t value, unsigned bits) /* bits <= 24, value < 2^bits */
{
    w->held |= value << w->bits;
    for (w->bits += bits; w->bits >= 8; w->bits -= 8, w->held >>= 8) *w->next++ = (uint8_t)w->held;
}

/* Elias gamma of v, 1 .. 2^24 - 1: as many zeros as v has bits below its top one, a one, those bits. */
static inline void ent_gamma_put(ent_bit_writer *w, uint32_t v)
{
    unsigned below = 31u - (unsigned)__builtin_clz(v);
    ent_bits_put(w, 0, below);
    ent_bits_put(w, 1, 1);
    ent_bits_put(w, v & ((1u << below) - 1), below);
}

/* Fills the last byte up with zeros; returns the first byte not written. */
static inline uint8_t *ent_bits_flush(ent_bit_writer *w)
{
    if (w->bits) *w->next++ = (uint8_t)w->held;
    w->held = 0;
    w->bits = 0;
    return w->next;
}

/* Reads of bits that are not there give zeros and set `bad`, which is asked for once at the end. */
typedef struct ent_bit_reader {
    ent_bytes in;
    uint64_t at; /* in bits */
    bool bad;
} ent_bit_reader;

static inline uint32_t ent_bits_get(ent_bit_reader *r, unsigned bits) /* bits <= 24 */
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bits; i++, r->at++) {
        if (r->at / 8 >= r->in.size) {
            r->bad = true;
            return 0;
        }
        value |= (uint32_t)(r->in.data[r->at / 8] >> r->at % 8 & 1) << i;
    }
    return value;
}

static inline uint32_t ent_gamma_get(ent_bit_reader *r)
{
    unsigned below = 0;
    while (!r->bad && !ent_bits_get(r, 1))
        if (++below == 24) r->bad = true;
    return r->bad ? 1 : 1u << below | ent_bits_get(r, below);
}

/* Whether everything was there, and nothing is left but zeros that fill the last byte up. */
static inline bool ent_bits_end(ent_bit_reader *r)
{
    if (r->bad || (r->at + 7) / 8 != r->in.size) return false;
    return r->at % 8 == 0 || ent_bits_get(r, 8 - (unsigned)(r->at % 8)) == 0;
}

/* Signed steps as 1, 2, 3, 4, 5 ... for 0, -1, 1, -2, 2 ...: what gamma takes. */
static inline uint32_t ent_step_fold(int step) { return step < 0 ? 2u * (uint32_t)-step : 2u * (uint32_t)step + 1; }
static inline int ent_step_unfold(uint32_t v) { return v & 1 ? (int)(v / 2) : -(int)(v / 2); }

#endif
