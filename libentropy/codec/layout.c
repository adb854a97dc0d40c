/* layout.c - what is where in a block; one place for both directions. */
#define XXH_INLINE_ALL /* three times as fast as the library of the distribution */
#include <xxhash.h>

#include "codec/block.h"

uint32_t ent_block_checksum(ent_bytes after) { return (uint32_t)XXH3_64bits(after.data, after.size); }

static const ent_coder *raw_coder(void) { return ent_coder_find("raw"); }

bool ent_is_raw(const ent_coder_spec *spec) { return spec->coder == raw_coder(); }

bool ent_has_own_table(const ent_recipe *recipe, uint32_t field)
{
    return recipe->scope == ENT_SCOPE_BLOCK && recipe->spec[field].coder->train;
}

bool ent_block_fits(const ent_recipe *recipe, size_t n)
{
    return n <= UINT32_MAX / 16 && n <= UINT32_MAX / 2 / recipe->word_width;
}

size_t ent_block_header(const ent_recipe *recipe)
{
    size_t size = ENT_CHECKSUM_BYTES;
    for (uint32_t i = 0; i < recipe->split.fields; i++)
        if (!ent_is_raw(&recipe->spec[i])) size += ENT_SIZE_BYTES * (ent_has_own_table(recipe, i) ? 2u : 1u);
    return size;
}

size_t ent_symbols_of(const ent_recipe *recipe, uint32_t field, size_t n)
{
    return n * ent_field_count(&recipe->split.field[field]);
}

size_t ent_raw_size(const ent_recipe *recipe, uint32_t field, size_t n)
{
    size_t bits = ent_field_bits(&recipe->split.field[field]);
    n = ent_symbols_of(recipe, field, n);
    return n / 8 * bits + (n % 8 * bits + 7) / 8;
}

ent_coder_spec ent_raw_spec(const ent_recipe *recipe, uint32_t field)
{
    ent_coder_spec spec;
    uint32_t alphabet = ent_field_alphabet(&recipe->split.field[field]);
    if (alphabet) ent_coder_spec_init(&spec, raw_coder(), alphabet);
    else ent_coder_spec_wide(&spec, raw_coder(), ent_field_width(&recipe->split.field[field]));
    return spec;
}

bool ent_is_whole_word(const ent_recipe *recipe)
{
    return recipe->split.fields == 1 && recipe->split.field[0].ranges == 1; /* a record's: its bytes */
}

bool ent_is_bytes(const ent_recipe *recipe, uint32_t field) { return ent_field_bits(&recipe->split.field[field]) == 8; }

size_t ent_block_bound(const ent_recipe *recipe, const ent_tables *tables, size_t n)
{
    (void)tables; /* a stream that would be larger than raw is stored raw */
    if (n > SIZE_MAX / 64 / recipe->word_width) return SIZE_MAX;
    size_t size = ent_block_header(recipe);
    for (uint32_t i = 0; i < recipe->split.fields; i++) size += ent_raw_size(recipe, i, n);
    return size;
}

void ent_workspace_free(ent_workspace *work)
{
    ent_free(work->symbols.data);
    ent_free(work->code.data);
    *work = (ent_workspace){ { NULL, 0, 0 }, { NULL, 0, 0 } };
}

ent_status ent_block_verify(ent_bytes block)
{
    if (block.size < ENT_CHECKSUM_BYTES) return ENT_ECORRUPT;
    ent_bytes after = { block.data + ENT_CHECKSUM_BYTES, block.size - ENT_CHECKSUM_BYTES };
    uint32_t stated = (uint32_t)block.data[0] | (uint32_t)block.data[1] << 8 | (uint32_t)block.data[2] << 16 |
                      (uint32_t)block.data[3] << 24;
    return stated == ent_block_checksum(after) ? ENT_OK : ENT_ECORRUPT;
}
