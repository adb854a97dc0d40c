/* block.h - the shape of a block, which encode and decode compute in the same way. */
#ifndef ENT_CODEC_BLOCK_H
#define ENT_CODEC_BLOCK_H

#include <entropy/codec.h>

/* A block is a checksum, the sizes of the coded streams, the streams of raw fields, and the other
 * streams with their tables: see FORMAT.md. */
enum { ENT_CHECKSUM_BYTES = 4, ENT_SIZE_BYTES = 4 };

uint32_t ent_block_checksum(ent_bytes after); /* of the bytes after the checksum */

/* Whether the field's coder is the raw one: its stream has no size field. */
bool ent_is_raw(const ent_coder_spec *spec);
/* Whether the stream carries its own table: scope block, and a coder that trains. */
bool ent_has_own_table(const ent_recipe *recipe, uint32_t field);
/* Whether n words may be a block: sizes are 32 bits, and a code may be twice the words before it is refused. */
bool ent_block_fits(const ent_recipe *recipe, size_t n);
size_t ent_block_header(const ent_recipe *recipe);
/* Symbols of a field in n words. */
size_t ent_symbols_of(const ent_recipe *recipe, uint32_t field, size_t n);
/* Bytes of the symbols of a field of n words stored raw: its bits without gaps. */
size_t ent_raw_size(const ent_recipe *recipe, uint32_t field, size_t n);
/* How a field is coded when its stream is stored raw. */
ent_coder_spec ent_raw_spec(const ent_recipe *recipe, uint32_t field);
/* Whether words are the symbols of the only field. */
bool ent_is_whole_word(const ent_recipe *recipe);
/* Whether raw symbols are plain bytes, one a symbol: such streams need no coder. */
bool ent_is_bytes(const ent_recipe *recipe, uint32_t field);

#endif
