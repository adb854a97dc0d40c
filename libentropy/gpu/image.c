/* image.c - coded blocks to the image that kernels read; see image.h.
 *
 * The host decodes every block once, by the codec's own decoder, which trusts nothing; what follows may then take the
 * bytes as they must be.  Blocks are worked on by many threads, each into a piece of its own, and put one after
 * another at the end. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "codec/block.h"
#include "coder/planar_rans.h"
#include "coder/tiered.h"
#include "gpu/gpu.h"

enum { ALIGN = 16, SECTION = 256 };

static size_t rounded(size_t size, size_t to) { return (size + to - 1) / to * to; }

/* A block's strings, anchor at `anchor`, a multiple of ALIGN from the beginning, and where its units start. */
typedef struct piece {
    uint8_t *code;
    size_t size, anchor, used; /* used: bytes that are the block's */
    gpu_unit *unit;            /* units_per_block, of which the last ones may not be */
    gpu_quarter *quarter;      /* three for each */
    uint32_t units;
} piece;

typedef struct building {
    const ent_recipe *recipe;
    const ent_tables *tables;
    const ent_bytes *code;
    size_t n, blocks;
    uint32_t coded, raw; /* fields */
    gpu_image *image;
    tiered_table tiered;
    planar_table planar;
    uint8_t *rest;
    piece *piece;
    ent_workspace *work;
    uint16_t **words;
} building;

/* ---- what can be done ------------------------------------------------------------------------- */

static bool is_range(const ent_range *r, unsigned low, unsigned bits) { return r->low == low && r->bits == bits; }

/* Finds the coded exponent and the raw rest, sign and mantissa. */
static bool find_fields(building *b)
{
    const ent_split *split = &b->recipe->split;
    if (!b->recipe->format || strcmp(b->recipe->format->name, "BF16") || split->fields != 2) return false;
    for (b->coded = 0; b->coded < 2; b->coded++) {
        b->raw = !b->coded;
        const ent_field *exponent = &split->field[b->coded], *rest = &split->field[b->raw];
        if (exponent->ranges == 1 && is_range(&exponent->range[0], 7, 8) && rest->ranges == 2 &&
            is_range(&rest->range[0], 15, 1) && is_range(&rest->range[1], 0, 7))
            return ent_is_raw(&b->recipe->spec[b->raw]);
    }
    return false;
}

/* The tables as the coders' own files have them, by way of their bytes. */
static ent_status read_table(building *b, ent_error *error)
{
    const ent_coder_spec *spec = &b->recipe->spec[b->coded];
    const ent_table *table = b->tables->table[b->coded];
    ent_buffer bytes = { NULL, 0, 0 };
    if (!table) return ENT_OK; /* all blocks are raw */
    ent_status status = ent_table_write(table, &bytes);
    if (!status)
        status = spec->coder->read_table(spec, (ent_bytes){ bytes.data, bytes.size },
                                         b->image->coding == GPU_TIERED ? (void *)&b->tiered : &b->planar);
    ent_free(bytes.data);
    return status ? ent_fail(error, status, "table of the exponents: %s", ent_status_text(status)) : ENT_OK;
}

static ent_status begin(building *b, ent_error *error)
{
    const ent_coder *coder = NULL;
    const ent_recipe *r = b->recipe;
    if (find_fields(b)) coder = r->spec[b->coded].coder;
    if (coder && coder == ent_coder_find("tiered")) b->image->coding = GPU_TIERED;
    else if (coder && coder == ent_coder_find("planar-rans")) b->image->coding = GPU_PLANAR;
    else return ent_fail(error, ENT_EUNSUPPORTED, "GPUs decode BF16 whose exponent is tiered or planar-rans and whose rest is raw");
    if (r->scope == ENT_SCOPE_BLOCK) return ent_fail(error, ENT_EUNSUPPORTED, "GPUs decode no tables of a block's own");
    if (!r->block || r->block % 64 || r->block > (size_t)1 << 24)
        return ent_fail(error, ENT_EUNSUPPORTED, "GPUs decode blocks of a multiple of 64 weights, 16384k at most, not %zu", r->block);
    b->image->block = (uint32_t)r->block;
    b->image->weights = b->n;
    b->blocks = (b->n + r->block - 1) / r->block;
    return read_table(b, error);
}

/* ---- a block ---------------------------------------------------------------------------------- */

/* Copies the strings of a block, in which the anchor is at `at`. */
static ent_status keep(piece *p, ent_bytes strings, size_t at)
{
    size_t before = rounded(at, ALIGN);
    p->anchor = before;
    p->used = strings.size;
    p->size = rounded(before - at + strings.size, ALIGN);
    p->code = ent_calloc(1, p->size + 1);
    if (!p->code) return ENT_ENOMEM;
    memcpy(p->code + (before - at), strings.data, strings.size);
    return ENT_OK;
}

static ent_status new_units(piece *p, uint32_t units)
{
    p->units = units;
    p->unit = ent_calloc(units, sizeof *p->unit);
    p->quarter = ent_calloc(3 * (size_t)units, sizeof *p->quarter);
    return p->unit && p->quarter ? ENT_OK : ENT_ENOMEM;
}

static ent_status keep_raw(piece *p, ent_bytes exponents, uint32_t units)
{
    ent_status status = new_units(p, units);
    for (uint32_t i = 0; i < units && !status; i++) p->unit[i] = (gpu_unit){ .anchor = GPU_RAW, .back[3] = 1 };
    return status ? status : keep(p, exponents, 0);
}

/* Enters where the block stands as the start of its quarter number i. */
static void start_quarter(piece *p, const tiered_block *at, unsigned tiers, size_t i)
{
    gpu_unit *u = &p->unit[i / 4];
    uint32_t back[4] = { 0 };
    for (unsigned k = 1; k < tiers; k++) back[k - 1] = (uint32_t)(8 * (at->bits[0] - at->bits[k]) - (ptrdiff_t)at->at[k]);
    back[3] = (uint32_t)(at->bits[0] - at->escape);
    for (unsigned k = 0; k < 4; k++) {
        if (i % 4) p->quarter[i / 4 * 3 + i % 4 - 1].on[k] = (uint16_t)(u->back[k] - back[k]); /* at most 4 bits of 3072 weights */
        else u->back[k] = back[k];
    }
}

/* Tiers and escapes without the counts before them; the anchor is tier 1, which is the last.  Goes through the groups to
 * see where each unit starts. */
static ent_status keep_tiered(const building *b, piece *p, ent_bytes in, size_t n)
{
    const tiered_table *t = &b->tiered;
    tiered_block at = { .limit = in.data + in.size };
    uint8_t symbols[TIERED_GROUP];
    uint64_t count;
    for (unsigned k = 1; k < t->tiers; k++) {
        size_t used = ent_varint_get(in.data, in.size, &count);
        at.end[k] = count * t->width[k];
        in.data += used;
        in.size -= used;
    }
    at.end[0] = n * t->width[0];
    const uint8_t *end = at.limit;
    for (unsigned k = 0; k < t->tiers; k++) at.bits[k] = end -= (at.end[k] + 7) / 8;
    at.escape = in.data;
    at.escapes_end = end;
    ent_status status = new_units(p, (uint32_t)((n - 1) / GPU_TILE + 1));
    for (size_t i = 0; i < n && !status; i += TIERED_GROUP) {
        if (i % GPU_QUARTER == 0) start_quarter(p, &at, t->tiers, i / GPU_QUARTER);
        if (!ent_tiered_decode_group(t, &at, symbols, n - i < TIERED_GROUP ? n - i : TIERED_GROUP)) status = ENT_ECORRUPT;
    }
    return status ? status : keep(p, in, (size_t)(at.bits[0] - in.data));
}

/* Repairs, strings and states; the anchor is the states, which are the last. */
static ent_status keep_planar(piece *p, ent_bytes in, size_t n)
{
    uint64_t size[1 + PLANAR_GROUPS] = { 0 }; /* of the repairs and the strings */
    const unsigned groups = in.data[0];
    in.data++;
    in.size--;
    if (!groups) return keep_raw(p, (ent_bytes){ in.data, n }, 1);
    for (unsigned i = 0; i < groups; i++) {
        size_t used = ent_varint_get(in.data, in.size, &size[i]);
        in.data += used;
        in.size -= used;
    }
    ent_status status = new_units(p, groups);
    const size_t states = 2 * PLANAR_LANES * (size_t)groups;
    if (status) return status;
    uint32_t back = (uint32_t)(in.size - states);
    for (unsigned g = 0; g < groups; g++)
        p->unit[g] = (gpu_unit){ .back = { 0, back, (uint32_t)size[0], groups } };
    for (unsigned g = 0; g < groups; g++) p->unit[g].back[0] = back -= (uint32_t)size[g];
    return keep(p, in, in.size - states);
}

/* Exponents as they are, of a code that no kernel reads: one beside low bits, for 65 or more different exponents. */
static ent_status keep_decoded(piece *p, const uint16_t *words, size_t n)
{
    uint8_t *exponents = ent_alloc(n);
    if (!exponents) return ENT_ENOMEM;
    for (size_t i = 0; i < n; i++) exponents[i] = (uint8_t)(words[i] >> 7);
    ent_status status = keep_raw(p, (ent_bytes){ exponents, n }, 1);
    ent_free(exponents);
    return status;
}

/* Verifies a block and takes it apart. */
static ent_status take_block(size_t i, unsigned thread, void *context)
{
    const building *b = context;
    const size_t block = b->recipe->block, n = b->n - i * block < block ? b->n - i * block : block;
    const ent_bytes in = b->code[i];
    piece *p = &b->piece[i];
    if (!b->words[thread] && !(b->words[thread] = ent_alloc(2 * block))) return ENT_ENOMEM;
    ent_status status = ent_block_decode(b->recipe, b->tables, in, 0, b->words[thread], n, &b->work[thread]);
    if (status) return status;
    const uint8_t *at = in.data + ent_block_header(b->recipe);
    const uint32_t size = ent_load32(in.data + ENT_CHECKSUM_BYTES);
    memcpy(b->rest + i * block, at, n);
    at += n;
    if (!size) return keep_raw(p, (ent_bytes){ at, n }, b->image->coding == GPU_TIERED ? (uint32_t)((n - 1) / GPU_TILE + 1) : 1);
    if (b->image->coding == GPU_TIERED) return keep_tiered(b, p, (ent_bytes){ at, size - 1 }, n);
    return b->planar.low ? keep_decoded(p, b->words[thread], n) : keep_planar(p, (ent_bytes){ at, size - 1 }, n);
}

static ent_status take_blocks(building *b, unsigned threads, ent_error *error)
{
    threads = ent_threads(threads);
    b->rest = ent_calloc(1, b->n + GPU_SLACK);
    b->piece = ent_calloc(b->blocks, sizeof *b->piece);
    b->work = ent_calloc(threads, sizeof *b->work);
    b->words = ent_calloc(threads, sizeof *b->words);
    ent_status status = b->rest && b->piece && b->work && b->words ? ENT_OK : ENT_ENOMEM;
    if (!status) status = ent_parallel(b->blocks, threads, take_block, b);
    for (unsigned i = 0; i < threads; i++) {
        if (b->work) ent_workspace_free(&b->work[i]);
        if (b->words) ent_free(b->words[i]);
    }
    ent_free(b->work);
    ent_free(b->words);
    if (!status || status == ENT_ENOMEM) return status;
    for (size_t i = 0; i < b->blocks; i++) /* the first bad one: later ones may not have been tried */
        if (!b->piece[i].code) return ent_fail(error, status, "block %zu: %s", i, ent_status_text(status));
    return status;
}

/* ---- tables ----------------------------------------------------------------------------------- */

/* As the kernels keep exponents: rotated right by a bit. */
static uint32_t turned(uint8_t symbol) { return (uint32_t)(symbol >> 1 | (symbol & 1) << 7); }

/* The symbols of 4 codes of tier k, of 2 bits, whose bits 0 and then 1 are `bits`, turned; `last` where they go on. */
static uint32_t symbols_of(const tiered_table *t, uint32_t first, uint32_t bits, uint32_t last)
{
    uint32_t four = 0;
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t code = (bits >> i & 1) | (bits >> (4 + i) & 1) << 1;
        four |= (code < 3 ? turned(t->symbol[first + code]) : last) << 8 * i;
    }
    return four;
}

/* A byte permute of two words that puts the first bytes of one where `mask` has ones and leaves the other's elsewhere | how many << 16. */
static uint32_t deposit(uint32_t mask)
{
    uint32_t select = 0, next = 0;
    for (unsigned i = 0; i < 4; i++) select |= (mask >> i & 1 ? next++ : 4 + i) << 4 * i;
    return select | next << 16;
}

static bool is_usual(const tiered_table *t)
{
    if (t->tiers < 2 || t->width[0] != 2 || t->width[1] != 2 || t->width[2] > 3) return false;
    for (unsigned i = 0; i < 6; i++)
        if (t->symbol[i] >= 128) return false;
    return true;
}

static void tiered_words(building *b, uint32_t *table)
{
    const tiered_table *t = &b->tiered;
    gpu_image *image = b->image;
    image->tiers = t->tiers;
    for (uint32_t k = 0, first = 0; k < t->tiers; first += (1u << t->width[k++]) - 1) {
        image->width[k] = t->width[k];
        image->first[k] = first;
    }
    image->usual = is_usual(t);
    for (uint32_t bits = 0; bits < GPU_CODES; bits++) {
        table[GPU_FIRST + 2 * bits] = symbols_of(t, 0, bits, 0);
        table[GPU_FIRST + 2 * bits + 1] = deposit(bits & bits >> 4 & 15);
        table[GPU_SECOND + bits] = symbols_of(t, 3, bits, GPU_MARK);
    }
    for (unsigned i = 0; i < 8; i++) image->third[i / 4] |= turned(t->symbol[6 + i]) << 8 * (i % 4);
    memcpy(table + GPU_RANKED, t->symbol, sizeof t->symbol);
}

static void planar_words(const building *b, uint32_t *table)
{
    planar_decoder d;
    memset(&d, 0, sizeof d);
    ent_planar_build_decoder(&b->recipe->spec[b->coded], &b->planar, &d);
    for (uint32_t s = 0; s < GPU_SLOTS; s++)
        table[s] = d.frequency[s] | (uint32_t)d.rank[s] << 8 | (uint32_t)d.symbol[s] << 23;
    memcpy(table + GPU_SLOTS, d.list, sizeof d.list);
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* Puts the pieces together; sizes of sections are multiples of SECTION. */
static ent_status assemble(building *b, uint8_t **memory, ent_tally *tally, ent_error *error)
{
    gpu_image *image = b->image;
    const bool tiered = image->coding == GPU_TIERED;
    size_t code = 0, used = b->n;
    for (size_t i = 0; i < b->blocks; i++) {
        code += b->piece[i].size;
        used += b->piece[i].used;
        if (b->piece[i].units > image->units_per_block) image->units_per_block = b->piece[i].units;
    }
    const size_t units = b->blocks * image->units_per_block;
    /* launches round units up to whole blocks of threads */
    if (code / ALIGN >= GPU_RAW || units > UINT32_MAX - GPU_PLANAR_WARPS) return ent_fail(error, ENT_EUNSUPPORTED, "a tensor of %zu weights is too large", b->n);
    image->units = (uint32_t)units;
    const size_t rest_room = rounded(b->n + GPU_SLACK, SECTION), code_room = rounded(code + GPU_SLACK, SECTION);
    const size_t unit_room = rounded(units * sizeof(gpu_unit), SECTION);
    const size_t quarter_room = tiered ? rounded(3 * units * sizeof(gpu_quarter), SECTION) : 0;
    const size_t table_size = tiered ? 4 * GPU_TIERED_TABLE : 4 * GPU_SLOTS + ALIGN;
    image->bytes = rest_room + code_room + unit_room + quarter_room + table_size;
    uint8_t *at = *memory = ent_calloc(1, image->bytes);
    if (!at) return ent_fail(error, ENT_ENOMEM, "no memory for an image of %zu bytes", (size_t)image->bytes);
    gpu_unit *unit = (gpu_unit *)(void *)(at + rest_room + code_room);
    gpu_quarter *quarter = (gpu_quarter *)(void *)(at + rest_room + code_room + unit_room);
    uint32_t *table = (uint32_t *)(void *)(at + rest_room + code_room + unit_room + quarter_room);
    image->rest = at;
    image->code = at + rest_room;
    image->unit = unit;
    image->quarter = quarter;
    image->table = table;
    memcpy(at, b->rest, b->n);
    at += rest_room;
    for (size_t i = 0; i < b->blocks; i++, unit += image->units_per_block) {
        const piece *p = &b->piece[i];
        for (uint32_t u = 0; u < p->units; u++) {
            unit[u] = p->unit[u];
            unit[u].anchor |= (uint32_t)((size_t)(at - image->code + (ptrdiff_t)p->anchor) / ALIGN);
        }
        if (tiered) memcpy(quarter, p->quarter, 3 * p->units * sizeof *quarter);
        quarter += tiered ? 3 * image->units_per_block : 0;
        memcpy(at, p->code, p->size);
        at += p->size;
    }
    if (b->tables->table[b->coded]) {
        if (tiered) tiered_words(b, table);
        else planar_words(b, table);
    }
    *tally = (ent_tally){ 8 * used, 8 * table_size, 8 * (image->bytes - used - table_size) };
    return ENT_OK;
}

ent_status ent_gpu_build(gpu_image *image, uint8_t **memory, ent_tally *tally, const ent_recipe *recipe,
                         const ent_tables *tables, const ent_bytes code[], size_t n, unsigned threads, ent_error *error)
{
    building b = { .recipe = recipe, .tables = tables, .code = code, .n = n, .image = image };
    *memory = NULL;
    *image = (gpu_image){ 0 };
    ent_status status = begin(&b, error);
    if (!status) status = take_blocks(&b, threads, error);
    if (!status) status = assemble(&b, memory, tally, error);
    for (size_t i = 0; i < b.blocks && b.piece; i++) {
        ent_free(b.piece[i].code);
        ent_free(b.piece[i].unit);
        ent_free(b.piece[i].quarter);
    }
    ent_free(b.piece);
    ent_free(b.rest);
    if (status == ENT_ENOMEM) ent_fail(error, status, "no memory for the image of %zu weights", n);
    return status;
}
