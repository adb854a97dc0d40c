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

/* A decoder's sizes. */
typedef struct ent_cam {
    uint32_t entries, longest; /* of the table: 1 .. 65536, 1 .. 32 bits */
    uint32_t register_bits;    /* 1 .. 64 */
    uint32_t refill_bits;      /* 1 .. register_bits */
} ent_cam;

/* What a run took. */
typedef struct ent_cam_count {
    uint64_t weights, cycles; /* decoded; in all, the first ones included */
    uint64_t fill_cycles;    /* before the first weight */
    uint64_t starved_cycles; /* lost later, since a register held less than its next code */
    uint64_t walked_cycles;  /* lost to codes that are not in the table */
    uint64_t walked_symbols; /* of such codes */
    uint64_t code_bits;      /* in the banks */
    uint32_t streams;        /* decoders at work */
    uint32_t live, longest;  /* most symbols of a field, longest code of all */
} ent_cam_count;

/* Codes n words with the tables and decodes them so; `decoded`, n words, has what came out.  Raw fields go
 * around.  The codes are those of the coder "huffman"; ENT_EUNSUPPORTED for fields of another coder, ENT_EINVAL for sizes
 * out of range, ENT_ENOMEM.  Time: some operations a cycle. */
ENT_API ent_status ent_cam_decode(const ent_cam *cam, const ent_recipe *recipe, const ent_tables *tables,
                                  const void *words, size_t n, void *decoded, ent_cam_count *count, ent_error *error);

/* What follows from the codes and how often they occur, without running anything. */
typedef struct ent_cam_forecast {
    double cycles_per_weight; /* in the long run */
    double walked_per_weight; /* symbols whose code is not in the table, of all fields */
    double code_bits;         /* a weight, of all fields */
    uint32_t live, held;      /* symbols of the field with most of them, and how many of these the table holds */
    uint32_t longest;         /* code of all fields */
} ent_cam_forecast;

/* From tables and the counts that they were trained on, or others (by field, as ent_recipe_count makes them): a field
 * takes a cycle for a code in the table and as many as its bits for another, a weight as many as its slowest field,
 * and no fewer than the bits of a field over refill_bits:
 *
 *     max( sum over k >= 0 of 1 - prod over fields of P(cycles <= k),  max over fields of bits / refill_bits )
 *
 * Exact for one field but for the first cycle; with several as if they were independent, as exponents and mantissas are.
 * Registers too short to hide a long code are left out.  Errors as above; time and memory of the tables. */
ENT_API ent_status ent_cam_predict(const ent_cam *cam, const ent_recipe *recipe, const ent_tables *tables,
                                   const ent_counts counts[], ent_cam_forecast *forecast, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
