/* oracle.h - a second opinion on every coder: decoders written from the texts of the formats
 * (FORMAT.md of libentropy/coder, codec, container, filter and pack) by someone who had not read the coders.
 *
 * Slow and obvious on purpose: they follow the text line by line, one bit at a time, and call nothing
 * of the library but a recipe's public struct.  Where a coder and its oracle differ, one of the three (text
 * included) is wrong.  They are strict: what the text does not allow is not a code.
 *
 * To add one: a file with the decoder, a line in oracle.c, vectors (see test_vectors.c).
 */
#ifndef ENT_ORACLE_H
#define ENT_ORACLE_H

#include <entropy/entropy.h>

/* Decodes n symbols.  0: done; 1: this is no table, or no code of n symbols by that table.  `param` as
 * in the coder's list of params, in that order. */
typedef int oracle_decoder(uint32_t alphabet, const uint32_t *param, const uint8_t *table, size_t table_size,
                           const uint8_t *code, size_t code_size, uint16_t *symbols, size_t n);

typedef struct oracle {
    const char *coder;
    oracle_decoder *decode;
} oracle;

extern const oracle oracles[]; /* ends with a NULL name */
oracle_decoder *oracle_find(const char *coder); /* NULL: none */
extern oracle_decoder oracle_raw, oracle_bitmap, oracle_tiered, oracle_tbe, oracle_row_palette, oracle_qmoe, oracle_planar_rans, oracle_planar_rans_classes, oracle_huffman,
    oracle_wavelet_tree, oracle_tans, oracle_rans, oracle_arithmetic, oracle_arithmetic_adaptive,
    oracle_mixing;

/* Decodes a block of n words (libentropy/codec/FORMAT.md), which go without gaps to `bits`, lowest bits first.  table[i] is the table of field i, where
 * the field's coder trains one and the scope is not block.  0 or 1 as above; also 1 for a field
 * whose coder has no oracle. */
int oracle_block(const ent_recipe *recipe, const ent_bytes *table, ent_bytes block, uint8_t *bits, size_t n);

/* The files that a container gives back (libentropy/container/FORMAT.md); `base`: those of the checkpoint that it is told
 * by, or NULL.  0 or 1 as above. */
enum { ORACLE_FILES = 8 };
typedef struct oracle_file {
    char name[200];
    uint8_t *bytes;
    size_t size;
} oracle_file;
typedef struct oracle_files {
    size_t n;
    oracle_file file[ORACLE_FILES];
} oracle_files;
int oracle_container(const char *path, const oracle_files *base, oracle_files *out);
void oracle_files_free(oracle_files *files);

/* The files that a packed model gives back (libentropy/pack/FORMAT.md); 1 also for pipelines of other stages than prune, rtn, gptq,
 * ternary, cut, bf16, bitstack, lowrank, slim and eora, and for F16. */
int oracle_pack(ent_bytes packed, oracle_files *out);
/* The same of a stack of which the first `blocks` blocks are loaded. */
int oracle_stack(ent_bytes packed, size_t blocks, oracle_files *out);

/* ---- what the formats share ------------------------------------------------------------------ */

/* Bytes read from the front.  Reading over the end gives zeros and sets `over`, for good. */
typedef struct byte_string {
    const uint8_t *bytes;
    size_t size, at;
    bool over;
} byte_string;

uint8_t oracle_byte(byte_string *s);
uint64_t oracle_integer(byte_string *s, unsigned bytes); /* little-endian */
uint64_t oracle_varint(byte_string *s);                  /* `over` also for one that is not the shortest form */
byte_string oracle_part(byte_string *s, uint64_t size);  /* the next `size` bytes, as a string of their own */
bool oracle_all_read(const byte_string *s);

/* Bits read from the front, as above. */
typedef struct bit_string {
    const uint8_t *bytes;
    uint64_t size, at; /* in bits */
    bool over;
} bit_string;

bit_string oracle_bits(const uint8_t *bytes, size_t size);
unsigned oracle_bit(bit_string *s);
uint64_t oracle_number(bit_string *s, unsigned bits); /* lowest bit first */
uint64_t oracle_gamma(bit_string *s);                 /* less than 2^33, and 1 when `over` */
int64_t oracle_step(bit_string *s);
bool oracle_ended(const bit_string *s); /* all is read but the zeros that fill up the last byte */

unsigned oracle_floor_log2(uint64_t v); /* v >= 1 */
unsigned oracle_ceil_log2(uint64_t v);  /* v >= 1 */

/* A frequency table that takes all of `table`: frequency[alphabet] and L; false if it is none. */
bool oracle_frequencies(uint32_t alphabet, const uint8_t *table, size_t table_size, uint32_t *frequency, unsigned *L);
uint32_t oracle_live(uint32_t alphabet, const uint32_t *frequency); /* symbols of frequency > 0 */
/* The same, with an L as rans and arithmetic want it for their parameter `log`. */
bool oracle_rans_frequencies(uint32_t alphabet, uint32_t log, const uint8_t *table, size_t table_size,
                             uint32_t *frequency, unsigned *L);

#endif
