/* field.h - number formats as rows of one table; splitting words into fields and joining them.
 *
 * Layer 1.  A *word* is the bit pattern of one weight.  A *field* is a list of bit ranges of it,
 * concatenated, and a *split* is a list of fields that together hold every bit exactly once, so
 * that join(split(x)) == x for every bit pattern, NaN payloads and negative zero included.
 */
#ifndef ENTROPY_FIELD_H
#define ENTROPY_FIELD_H

#include <entropy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- number formats ------------------------------------------------------------------------- */

/* What words are. */
typedef enum ent_kind {
    ENT_KIND_FLOAT,    /* sign, exponent, mantissa */
    ENT_KIND_SIGNED,   /* integers in two's complement */
    ENT_KIND_UNSIGNED, /* integers */
    ENT_KIND_SCALE,    /* an exponent alone: 2^(word - bias), all ones NaN (E8M0) */
    ENT_KIND_RECORD /* no number: see ent_records */
} ent_kind;

/* What the largest exponent means. */
typedef enum ent_specials {
    ENT_SPECIALS_IEEE, /* infinities and NaNs */
    ENT_SPECIALS_FN,   /* no infinity; only all ones is NaN (OCP F8_E4M3) */
    ENT_SPECIALS_NONE, /* every pattern is a finite number (OCP F6, F4) */
    ENT_SPECIALS_UZ    /* no infinity, no negative zero: the pattern of -0 is NaN (FNUZ) */
} ent_specials;

/* What a record holds `count` times: symbol k is the `bits` bits from bit low + k * stride on. */
typedef struct ent_member {
    const char *name;  /* "code", "scale", ... */
    const char *dtype; /* the number format of a symbol, of at most 16 bits */
    uint16_t low, stride, count; /* bits, bits, symbols */
} ent_member;

enum { ENT_MAX_MEMBERS = 12 }; /* of a record */

/* A number format, or a record. */
typedef struct ent_format {
    const char *name; /* as in safetensors: "BF16", "F8_E4M3", ...; integers "I8", "U4", ... */
    ent_kind kind;    /* says which of the members below mean anything */
    uint16_t bits; /* of a word: 1 .. 16, 32, 64; of a record any number of whole bytes */
    uint8_t sign_bits, exponent_bits, mantissa_bits; /* of floats; highest to lowest in the word */
    int16_t bias;          /* of floats and scales: a stored exponent e means 2^(e - bias) */
    ent_specials specials; /* of floats */
    const char *cite;      /* the standard: a key in paper/refs.bib */
    uint16_t weights; /* in a word: 1, but for records */
    ent_member member[ENT_MAX_MEMBERS]; /* of a record; ends with a NULL name where there are fewer */
} ent_format;

ENT_API extern const ent_format ent_formats[]; /* ends with a row whose name is NULL */
ENT_API const ent_format *ent_format_find(const char *name); /* of that name; NULL: none, treat as opaque bytes */

/* Records: what quantizers that work on blocks of weights store for a block, scales and codes next to each other.  A
 * record is a word of many bytes; each member of it is a stream of its own for statistics and for codecs.  Values,
 * rounding and packing (below) are not for them. */
ENT_API extern const ent_format ent_records[]; /* ends with a row whose name is NULL */
/* The number format or the record of that name; NULL: opaque bytes.  And all of both by number, NULL after the last. */
ENT_API const ent_format *ent_dtype_find(const char *name);
ENT_API const ent_format *ent_dtype_at(size_t i);
/* Symbols of a member of n records, one after the other, as unpacked words of its dtype: n * count of them. */
ENT_API void ent_record_member(const ent_format *record, unsigned member, const void *records, size_t n, void *words);

/* The value of a word; NaN for NaNs.  Exact for every format. */
ENT_API double ent_format_value(const ent_format *format, uint64_t word);
/* The word nearest to a value, ties to even; overflow goes to infinity, or to the largest finite
 * value where the format has none; NaN to a quiet NaN (to zero where there is none).  Integers
 * saturate; a SCALE is never below its least, 2^-bias, whatever the value. */
ENT_API uint64_t ent_format_nearest(const ent_format *format, double value);
/* The same for n unpacked words, to and from floats: a value that a float does not hold is rounded to
 * the nearest one (F64 and integers of over 24 bits).  Neither side need be aligned.  Some GB/s for
 * floats and for formats of up to 8 bits, some 100 MB/s for others and for rounding to integers and scales.
 * F32 is copied as it is, NaN payloads included. */
ENT_API void ent_format_floats(const ent_format *format, const void *words, size_t n, float *values);
ENT_API void ent_format_words(const ent_format *format, const float *values, size_t n, void *words);

/* Words in memory: a tensor packs words that are not whole bytes without gaps, lowest bits first
 * (two F4 in a byte, the first in the low half); unpacked they take 1, 2, 4 or 8 bytes each, the
 * upper bits zero.  Where ent_format_packed is false both are the same and a view is cheaper.
 * Here and below a NULL format means opaque bytes: words of 8 bits. */
ENT_API uint32_t ent_format_width(const ent_format *format); /* bytes of an unpacked word: 1, 2, 4, 8, or a record's */
ENT_API uint32_t ent_format_alignment(const ent_format *format); /* that kernels want of words: the width, 1 of records */
ENT_API bool ent_format_packed(const ent_format *format); /* whether words are not whole bytes */
/* Words first .. first + n - 1 of packed `data` to `words`, and n words to the start of `data`, whose
 * last byte is filled up with zero bits.  `first` must lie on a byte boundary (a multiple of 8 does
 * in every format); so must the end of all packed parts of a tensor but the last. */
ENT_API void ent_format_unpack(const ent_format *format, const void *data, size_t first, size_t n, void *words);
ENT_API void ent_format_pack(const ent_format *format, const void *words, size_t n, void *data);

/* ---- fields and splits ---------------------------------------------------------------------- */

enum {
    ENT_MAX_RANGES = 8,  /* of a field */
    ENT_MAX_FIELDS = 16, /* of a split */
};

typedef struct ent_range { /* bits [low, low + bits) of the word */
    uint16_t low, bits;
} ent_range;

/* A part of a word that is looked at, or coded, on its own. */
typedef struct ent_field {
    char name[64];                    /* a text that ent_field_parse takes, or "rest", "rest0", ... */
    uint8_t ranges;                   /* at least 1 */
    ent_range range[ENT_MAX_RANGES];  /* most significant part of the field's value first */
    uint16_t count, stride;           /* of a record's field, of one range: so many symbols, `stride` bits apart; else 0 */
} ent_field;

/* All of a word in fields.  A plain value: copied as it is, nothing to free. */
typedef struct ent_split {
    uint16_t word_bits; /* 1 .. 16, 32, 64, or a record's */
    uint8_t fields;     /* at least 1 */
    ent_field field[ENT_MAX_FIELDS];
} ent_split;

ENT_API uint32_t ent_field_bits(const ent_field *field);     /* of a symbol: 1 .. 64 */
ENT_API uint32_t ent_field_count(const ent_field *field);    /* symbols in a word: 1, but for records */
ENT_API uint32_t ent_field_alphabet(const ent_field *field); /* 2^bits up to 16 bits; 0 for wider fields */
ENT_API uint32_t ent_field_width(const ent_field *field);    /* bytes of a symbol: 1, 2, 4, 8 */

/* A field by its text, for one format.  Terms joined by '+', most significant first, without blanks:
 *     word                      all bits
 *     sign exponent mantissa    of a float (ENT_EUNSUPPORTED for other kinds)
 *     code, scale               all bits of an integer, of a scale (ENT_EUNSUPPORTED for other kinds)
 *     byteK                     byte K of the word, 0 is the lowest; the highest may be short
 *     [HI:LO]                   bits by number, both included, e.g. [14:10]
 *     TERM:topK TERM:lowK       the K highest or lowest bits of a term, e.g. exponent:top4,
 *                               mantissa:low32:top16
 * The name is the text; where it does not fit, the ranges as "[HI:LO]+...".  ENT_EINVAL when a bit is
 * named twice.  `rest` and `bytes` stand for several fields and are for ent_split_parse. */
ENT_API ent_status ent_field_parse(const ent_format *format, const char *text, ent_field *field, ent_error *error);

/* A split by its text: field texts separated by '|' or blanks, e.g. "sign|exponent|mantissa" or
 * "exponent+mantissa:top2 | rest".  `rest`, last, is all bits not named before, as one field when
 * they are at most 16, else in bytes, highest first ("rest2", "rest1", "rest0": the lowest 8 bits;
 * the highest may be short); `bytes` is byteK for every byte, highest first.  ENT_EINVAL unless every
 * bit is in exactly one field, and for a `rest` of nothing.
 *
 * A record's fields are its members by name, a byte of one ("scale.byte1" holds the upper bits of an F16 scale), or
 * `word`, its bytes as one field; `rest` is all members not named, those of more than 8 bits byte by byte, since most
 * coders take no more. */
ENT_API ent_status ent_split_parse(const ent_format *format, const char *text, ent_split *split, ent_error *error);

/* The split by which statistics are reported: sign|exponent|mantissa, with a mantissa of over 16
 * bits cut at 16-bit boundaries of the word (F32: mantissa:top7|mantissa:low16; F64: mantissa:top4|
 * mantissa:low48:top16|mantissa:low32:top16|mantissa:low16); integers are one field "code", scales
 * "scale", opaque bytes "word", records `rest`. */
ENT_API ent_status ent_split_natural(const ent_format *format, ent_split *split);

/* ENT_OK when every bit of the word is in exactly one field, else ENT_EINVAL; takes any content. */
ENT_API ent_status ent_split_check(const ent_split *split);

/* n unpacked words (of 1, 2, 4 or 8 bytes, by split->word_bits, or records) to one symbol array per field, and
 * back.  stream[i] holds n * ent_field_count symbols of ent_field_width(&split->field[i]) bytes; in ent_split_words a
 * NULL stream is skipped.  Join writes every bit of every word, and no others.  Nothing needs to be
 * aligned, nothing may overlap.  Pure kernels: no checks, no memory, for splits that pass
 * ent_split_check; the common splits run at the speed of memory, others at some operations a range. */
ENT_API void ent_split_words(const ent_split *split, const void *words, size_t n, void *const stream[]);
ENT_API void ent_join_words(const ent_split *split, const void *const stream[], size_t n, void *words);

#ifdef __cplusplus
}
#endif
#endif
