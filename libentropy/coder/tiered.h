/* tiered.h - the inside of tiered, for its files and their tests.  See tiered.c. */
#ifndef ENT_CODER_TIERED_H
#define ENT_CODER_TIERED_H

#include <entropy/coder.h>

#include "base/bits.h"

enum {
    TIERED_TIERS = 4,  /* at most */
    TIERED_WIDTH = 4,  /* bits of a tier at most */
    TIERED_GROUP = 64, /* symbols whose bits lie together: a machine word a plane */
    TIERED_RANKS = 64, /* more than 4 tiers of 15, so that a byte permute maps ranks to symbols */
    TIERED_SLACK = 9   /* bytes that the fast decoder may read after what it needs */
};

typedef struct tiered_table {
    _Alignas(64) uint8_t symbol[TIERED_RANKS]; /* by rank; the first one again where there are no more */
    uint32_t tiers, ranked;
    uint8_t width[TIERED_TIERS]; /* 0 beyond the last tier */
    bool escapes;                /* the last code of the last tier is a byte to come, not a rank */
} tiered_table;

typedef struct tiered_encoder {
    _Alignas(64) uint8_t rank[256]; /* by symbol; of those that have none what the escape has */
    uint8_t key[256];               /* by symbol: its code in the tier where it stays | the tier << TIERED_WIDTH */
    uint8_t escape_key;
    uint8_t block[16];              /* the 16s of symbols that have other keys */
    uint32_t blocks, tiers;
    uint32_t last;                  /* rank: all ones in every tier */
    uint8_t width[TIERED_TIERS], most; /* the largest of them */
    bool escapes;
} tiered_encoder;

/* A block being decoded: where it stands, group by group. */
typedef struct tiered_block {
    const uint8_t *bits[TIERED_TIERS];           /* the tiers' bit strings */
    size_t at[TIERED_TIERS], end[TIERED_TIERS]; /* bits used, bits there */
    const uint8_t *escape, *escapes_end;
    const uint8_t *limit; /* nothing from here on may be read */
} tiered_block;

/* Decodes the next n <= 64 symbols; false when a tier or the escapes run out. */
bool ent_tiered_decode_group(const tiered_table *table, tiered_block *block, uint8_t *symbols, size_t n);

/* A block being encoded: buffers with room for all symbols and 64 bytes more. */
typedef struct tiered_job {
    uint8_t *bits[TIERED_TIERS], *escape; /* where the next full byte goes */
    uint64_t held[TIERED_TIERS];          /* bits of the byte under work */
    unsigned fill[TIERED_TIERS];          /* how many, below 8 */
    uint64_t count[TIERED_TIERS];         /* symbols that reached the tier */
} tiered_job;

/* Appends the lowest n <= 64 bits of `bits`, which has no others, to a tier. */
static inline void tiered_put(tiered_job *job, unsigned tier, uint64_t bits, unsigned n)
{
    unsigned before = job->fill[tier], fill = before + n;
    uint64_t held = job->held[tier] | bits << before;
    ent_store64(job->bits[tier], held);
    job->bits[tier] += fill / 8;
    job->held[tier] = fill < 64 ? held >> (fill & ~7u) : bits >> 1 >> (63 - before);
    job->fill[tier] = fill & 7;
}

void ent_tiered_encode_group(const tiered_encoder *encoder, tiered_job *job, const uint8_t *symbols, size_t n);

#if defined __x86_64__
/* The loops over `groups` whole groups, to symbols, or to words where `join`, of a form that
 * ent_join_form_of knows, is not NULL; `stream` needs words aligned to 64 bytes.  TIERED_SLACK bytes
 * after every tier but the first must be readable, and there is one more group or the first tier
 * has more bytes than that. */
bool ent_tiered_decode_avx512(const tiered_table *table, tiered_block *block, const ent_join *join, uint8_t *out,
                              size_t groups);
/* Need BMI2 too. */
void ent_tiered_encode_avx2(const tiered_encoder *encoder, tiered_job *job, const uint8_t *symbols, size_t groups);
bool ent_tiered_decode_avx2(const tiered_table *table, tiered_block *block, const ent_join *join, uint8_t *out,
                            size_t groups);
void ent_tiered_encode_avx512(const tiered_encoder *encoder, tiered_job *job, const uint8_t *symbols, size_t groups);
#endif

#endif
