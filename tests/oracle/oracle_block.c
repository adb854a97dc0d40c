/* oracle_block.c - see oracle.h. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "oracle.h"

/* What the header says of a field, and its symbols. */
typedef struct stream {
    const ent_coder_spec *spec;
    uint32_t bits, count; /* of a symbol; symbols of a word */
    bool raw, trains; /* its coder is raw; its coder has a table */
    uint64_t size, table_size;
    uint64_t *symbols;
} stream;

static bool read_raw(byte_string part, uint32_t bits, uint64_t *symbols, size_t n)
{
    bit_string s = oracle_bits(part.bytes, part.size);
    for (size_t i = 0; i < n; i++) symbols[i] = oracle_number(&s, bits);
    return oracle_ended(&s);
}

static bool read_coded(const stream *s, ent_bytes table, byte_string code, uint64_t *symbols, size_t n)
{
    const ent_coder_spec *spec = s->spec;
    const uint32_t alphabet = spec->alphabet ? spec->alphabet : (uint32_t)1 << s->bits; /* of a byte coder */
    if (s->bits > 16) return false;
    oracle_decoder *decode = oracle_find(spec->coder->name);
    uint16_t *decoded = calloc(n + 1, sizeof *decoded);
    bool good = decode && decoded &&
                !decode(alphabet, spec->param, table.data, table.size, code.bytes, code.size, decoded, n);
    for (size_t i = 0; good && i < n; i++) symbols[i] = decoded[i];
    free(decoded);
    return good;
}

static size_t raw_size(const stream *s, size_t n) { return (n * s->count * s->bits + 7) / 8; }

static bool read_streams(stream *streams, uint32_t fields, bool own_tables, const ent_bytes *table, byte_string in,
                         size_t n)
{
    for (stream *s = streams; s < streams + fields; s++) {
        if (s->raw) continue;
        s->size = oracle_integer(&in, 4);
        if (own_tables && s->trains) s->table_size = oracle_integer(&in, 4);
        if (n == 0 && (s->size || s->table_size)) return false;
        if (!s->size && s->table_size) return false;
        if (s->size && s->table_size + s->size - 1 >= raw_size(s, n)) return false;
    }
    for (stream *s = streams; s < streams + fields; s++)
        if (s->raw && !read_raw(oracle_part(&in, raw_size(s, n)), s->bits, s->symbols, n * s->count)) return false;
    for (stream *s = streams; s < streams + fields; s++) {
        if (s->raw) continue;
        if (!s->size) {
            if (!read_raw(oracle_part(&in, raw_size(s, n)), s->bits, s->symbols, n * s->count)) return false;
            continue;
        }
        byte_string own = oracle_part(&in, s->table_size), code = oracle_part(&in, s->size - 1);
        ent_bytes given = own_tables || !s->trains ? (ent_bytes){ own.bytes, own.size } : table[s - streams];
        if (in.over || !read_coded(s, given, code, s->symbols, n * s->count)) return false;
    }
    return oracle_all_read(&in);
}

/* Bit by bit: a field's value has the bits of its ranges, the first range highest; symbol k of a record's field stands
 * k strides further. */
static void join(const ent_split *split, const stream *streams, size_t i, uint8_t *bits)
{
    for (uint32_t f = 0; f < split->fields; f++)
        for (uint32_t k = 0; k < streams[f].count; k++) {
            const uint64_t symbol = streams[f].symbols[i * streams[f].count + k];
            uint32_t left = streams[f].bits;
            for (uint32_t r = 0; r < split->field[f].ranges; r++)
                for (int bit = split->field[f].range[r].bits - 1; bit >= 0; bit--) {
                    size_t at = i * split->word_bits + split->field[f].range[r].low + (size_t)bit + (size_t)k * split->field[f].stride;
                    if (symbol >> --left & 1) bits[at / 8] |= (uint8_t)(1u << at % 8);
                }
        }
}

int oracle_block(const ent_recipe *recipe, const ent_bytes *table, ent_bytes block, uint8_t *bits, size_t n)
{
    stream streams[ENT_MAX_FIELDS] = { 0 };
    byte_string in = { block.data, block.size, 0, false };
    uint32_t fields = recipe->split.fields;
    bool good = true;
    uint64_t checksum = oracle_integer(&in, 4);
    if (in.over || checksum != (XXH3_64bits(block.data + 4, block.size - 4) & 0xFFFFFFFF)) return 1;
    for (uint32_t i = 0; i < fields; i++) {
        const ent_coder *coder = recipe->spec[i].coder;
        const ent_field *field = &recipe->split.field[i];
        stream *s = &streams[i];
        s->spec = &recipe->spec[i];
        s->count = field->count ? field->count : 1;
        for (uint32_t r = 0; r < field->ranges; r++) s->bits += field->range[r].bits;
        s->raw = !strcmp(coder->name, "raw");
        s->trains = !s->raw && !coder->wide && !coder->adaptive;
        s->symbols = calloc(n * s->count + 1, sizeof *s->symbols);
        if (!s->symbols) good = false;
    }
    if (good) good = read_streams(streams, fields, recipe->scope == ENT_SCOPE_BLOCK, table, in, n);
    if (good) memset(bits, 0, (n * recipe->split.word_bits + 7) / 8);
    for (size_t i = 0; good && i < n; i++) join(&recipe->split, streams, i, bits);
    for (uint32_t i = 0; i < fields; i++) free(streams[i].symbols);
    return !good;
}
