/* split.c - words to the symbols of each field, and back.
 *
 * One range of a field is one step: shift, mask, set or add.  The step works on 64-bit integers that
 * hold 8, 4, 2 or 1 words side by side, which the compiler turns into the widest vectors.  (Loops over
 * 8- and 16-bit words with shifts known only at run time it widens to 32 bits first, at a third to a
 * sixth of the speed.)  Symbols narrower than their word are made in the width of the word and
 * narrowed by a second step.  All steps of a block run in the first cache, so that memory is read and
 * written once.
 *
 * BF16 cut into exponent and sign + mantissa, the split of most codecs, has steps of its own. */
#include <string.h>

#include <entropy/field.h>

#include "field/records.h"
#include "field/steps.h"

/* Bytes of words in a block: with a scratch of the same size and the symbols, under half of a first
 * cache of 32 KiB. */
enum { BLOCK_BYTES = 4096 };

static unsigned log2_width(unsigned bits) { return bits <= 8 ? 0 : bits <= 16 ? 1 : bits <= 32 ? 2 : 3; }

/* ---- one block -------------------------------------------------------------------------------------- */

/* From bit `from` to bit `to` of every lane of 2^log2_lane bytes. */
static ent_move move_of(unsigned from, unsigned to, unsigned bits, unsigned log2_lane)
{
    static const uint64_t every_lane[] = { 0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1 };
    uint64_t mask = UINT64_MAX >> (64 - bits) << to;
    return (ent_move){ from > to ? from - to : 0, to > from ? to - from : 0, mask * every_lane[log2_lane] };
}

/* A step over `size` bytes, which need not be whole 64-bit integers. */
static void apply(const ent_steps *steps, const uint8_t *from, size_t size, uint8_t *to, ent_move m, bool first)
{
    size_t whole = size / 8, left = size % 8;
    (first ? steps->set : steps->add)(from, whole, to, m);
    if (!left) return;
    uint64_t in = 0, out = 0;
    memcpy(&in, from + 8 * whole, left);
    if (!first) memcpy(&out, to + 8 * whole, left);
    out |= ent_moved(in, m);
    memcpy(to + 8 * whole, &out, left);
}

/* Whether symbols are the low bytes of their words as they are: a change of width does it all. */
static bool is_low_bytes(const ent_field *field, unsigned log2_word)
{
    unsigned bits = ent_field_bits(field);
    if (log2_width(bits) >= log2_word || bits != 8u << log2_width(bits)) return false;
    return field->ranges == 1 && field->range[0].low == 0;
}

static void split_field(const ent_steps *steps, const ent_field *field, unsigned log2_word, const uint8_t *words,
                        size_t n, uint8_t *symbols)
{
    uint8_t scratch[BLOCK_BYTES];
    unsigned at = ent_field_bits(field), log2_symbol = log2_width(at);
    uint8_t *to = log2_symbol == log2_word ? symbols : scratch;
    if (is_low_bytes(field, log2_word)) {
        steps->resize[log2_word][log2_symbol](words, n, symbols);
        return;
    }
    for (unsigned k = 0; k < field->ranges; k++) {
        ent_range r = field->range[k];
        at -= r.bits;
        apply(steps, words, n << log2_word, to, move_of(r.low, at, r.bits, log2_word), k == 0);
    }
    if (to == scratch) steps->resize[log2_word][log2_symbol](scratch, n, symbols);
}

/* The first field of a block to be joined sets the words, the others add to them. */
static void join_field(const ent_steps *steps, const ent_field *field, unsigned log2_word, const uint8_t *symbols,
                       size_t n, uint8_t *words, bool first)
{
    uint8_t scratch[BLOCK_BYTES];
    unsigned at = ent_field_bits(field), log2_symbol = log2_width(at);
    const uint8_t *from = log2_symbol == log2_word ? symbols : scratch;
    if (first && is_low_bytes(field, log2_word)) {
        steps->resize[log2_symbol][log2_word](symbols, n, words);
        return;
    }
    if (from == scratch) steps->resize[log2_symbol][log2_word](symbols, n, scratch);
    for (unsigned k = 0; k < field->ranges; k++, first = false) {
        ent_range r = field->range[k];
        at -= r.bits;
        apply(steps, from, n << log2_word, words, move_of(at, r.low, r.bits, log2_word), first);
    }
}

/* ---- records ---------------------------------------------------------------------------------------- */

static bool is_record(const ent_split *split) { return split->word_bits > 64; }

static void split_records(const ent_split *split, const uint8_t *records, size_t n, void *const stream[])
{
    for (unsigned i = 0; i < split->fields; i++)
        if (stream[i]) ent_record_gather(&split->field[i], split->word_bits / 8, records, n, stream[i]);
}

static void join_records(const ent_split *split, const void *const stream[], size_t n, uint8_t *records)
{
    if (n) memset(records, 0, n * (split->word_bits / 8));
    for (unsigned i = 0; i < split->fields; i++)
        ent_record_scatter(&split->field[i], split->word_bits / 8, stream[i], n, records);
}

/* ---- whole arrays ----------------------------------------------------------------------------------- */

static bool is_whole_word(const ent_split *split)
{
    return split->fields == 1 && split->field[0].ranges == 1 && split->word_bits == 8u << log2_width(split->word_bits);
}

static bool is_range(ent_range r, unsigned low, unsigned bits) { return r.low == low && r.bits == bits; }

/* The index of the exponent in BF16's exponent | sign + mantissa, in either order; -1 for other splits. */
static int bf16_exponent(const ent_split *split)
{
    if (split->word_bits != 16 || split->fields != 2) return -1;
    for (int e = 0; e < 2; e++) {
        const ent_field *exponent = &split->field[e], *rest = &split->field[1 - e];
        if (exponent->ranges == 1 && is_range(exponent->range[0], 7, 8) && rest->ranges == 2 &&
            is_range(rest->range[0], 15, 1) && is_range(rest->range[1], 0, 7))
            return e;
    }
    return -1;
}

void ent_split_words(const ent_split *split, const void *words, size_t n, void *const stream[])
{
    const ent_steps *steps = ent_steps_best();
    unsigned log2_word = log2_width(split->word_bits);
    int e = bf16_exponent(split);
    if (is_record(split)) {
        split_records(split, words, n, stream);
        return;
    }
    if (e >= 0 && stream[e] && stream[1 - e]) {
        steps->split_bf16(words, n, stream[e], stream[1 - e]);
        return;
    }
    if (is_whole_word(split)) {
        if (n && stream[0]) memcpy(stream[0], words, n << log2_word);
        return;
    }
    for (size_t begin = 0, size; begin < n; begin += size) {
        const uint8_t *block = (const uint8_t *)words + (begin << log2_word);
        size = (size_t)BLOCK_BYTES >> log2_word;
        if (size > n - begin) size = n - begin;
        for (unsigned i = 0; i < split->fields; i++) {
            const ent_field *field = &split->field[i];
            uint8_t *symbols = stream[i];
            if (symbols) split_field(steps, field, log2_word, block, size, symbols + begin * ent_field_width(field));
        }
    }
}

void ent_join_words(const ent_split *split, const void *const stream[], size_t n, void *words)
{
    const ent_steps *steps = ent_steps_best();
    unsigned log2_word = log2_width(split->word_bits), last = split->fields - 1u;
    int e = bf16_exponent(split);
    if (is_record(split)) {
        join_records(split, stream, n, words);
        return;
    }
    if (e >= 0) {
        steps->join_bf16(words, n, stream[e], stream[1 - e]);
        return;
    }
    if (is_whole_word(split)) {
        if (n) memcpy(words, stream[0], n << log2_word);
        return;
    }
    for (size_t begin = 0, size; begin < n; begin += size) {
        uint8_t *block = (uint8_t *)words + (begin << log2_word);
        size = (size_t)BLOCK_BYTES >> log2_word;
        if (size > n - begin) size = n - begin;
        for (unsigned i = split->fields; i-- > 0;) { /* low bytes, which take the fewest steps, are mostly last */
            const ent_field *field = &split->field[i];
            const uint8_t *symbols = (const uint8_t *)stream[i] + begin * ent_field_width(field);
            join_field(steps, field, log2_word, symbols, size, block, i == last);
        }
    }
}
