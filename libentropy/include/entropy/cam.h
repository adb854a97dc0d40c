/* cam.h - a content-addressed Huffman decoder, cycle by cycle: what one symbol a cycle needs.
 *
 * Layer 3.  The decoders of Huff-LLM (yubeaton2025huffllm), one for each coded field, in step: a weight is done
 * when all its fields are.  Each has a bank, which holds the codes of its field one after the other, a
 * register of the next bits, and a table of codes, all of which are compared with the register at once.  In
 * a cycle the one that matches gives its symbol and its length, the register moves on by that length, and
 * refill_bits (fewer at the end) follow from the bank if there was room for them all.  The table holds the
 * shortest codes, those of `longest` bits at most and no more than register_bits - refill_bits + 1; any other
 * code is taken a bit a cycle, and the other decoders wait.
 *
 * So no cycle is lost when every code fits the table, refill_bits is at least the longest code, and
 * register_bits at least the longest code - 1 + refill_bits. */
#ifndef ENTROPY_CAM_H
#define ENTROPY_CAM_H

#include <entropy/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ent_cam {
    uint32_t entries, longest; /* of the table: 1 .. 65536, 1 .. 32 bits */
    uint32_t register_bits;    /* 1 .. 64 */
    uint32_t refill_bits;      /* 1 .. register_bits */
} ent_cam;

typedef struct ent_cam_count {
    uint64_t weights, cycles;
    uint64_t fill_cycles;    /* before the first weight */
    uint64_t starved_cycles; /* lost later, since a register held less than its next code */
    uint64_t walked_cycles;  /* lost to codes that are not in the table */
    uint64_t walked_symbols;
    uint64_t code_bits;      /* in the banks */
    uint32_t streams;        /* decoders at work */
    uint32_t live, longest;  /* most symbols of a field, longest code of all */
} ent_cam_count;

/* Codes n words with the tables and decodes them so; `decoded`, n words, has what came out.  Raw fields go
 * around.  The codes are those of the coder "huffman"; ENT_EUNSUPPORTED for fields of another coder. */
ENT_API ent_status ent_cam_decode(const ent_cam *cam, const ent_recipe *recipe, const ent_tables *tables,
                                  const void *words, size_t n, void *decoded, ent_cam_count *count, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
