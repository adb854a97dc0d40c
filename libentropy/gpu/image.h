/* image.h - a coded tensor as it lies in a card's memory, and the shared memory of the kernels that read it.
 *
 * The strings are those of the codec's blocks, byte for byte (coder/FORMAT.md), only taken out of the blocks, so that
 * wide loads are aligned and nothing is parsed: sign and mantissa bytes of all blocks one after another; the coded
 * exponents block by block, each with its *anchor*, the string that is read by wide loads, at a multiple of 16 bytes and
 * its other strings right before it.  A *unit* is what a warp decodes; its entry of the index says where it starts. */
#ifndef ENT_GPU_IMAGE_H
#define ENT_GPU_IMAGE_H

#include <stdint.h>

#define GPU_RAW 0x80000000u /* in gpu_unit.anchor: exponents as they are, from the anchor on */

typedef enum gpu_coding { GPU_TIERED, GPU_PLANAR } gpu_coding;

typedef struct gpu_unit {
    uint32_t anchor;  /* of its block, from the start of the code, in units of 16 bytes; | GPU_RAW */
    uint32_t back[4]; /* distances from the anchor back to where it starts.  Tiered: bits, in tiers 2 to 4, and bytes, in the
                       * escaped symbols.  Planar: bytes, to the group's string and to the block's repairs; the size of
                       * these; the number of groups */
} gpu_unit;

typedef struct gpu_image { /* pointers into the card's memory */
    const uint8_t *rest; /* sign << 7 | mantissa of all weights */
    const uint8_t *code;
    const gpu_unit *unit;
    const uint32_t *table;
    uint64_t weights;
    uint32_t block; /* weights of all blocks but the last, a multiple of 64 */
    uint32_t units, units_per_block;
    gpu_coding coding;
    uint32_t usual;        /* tiered: tiers 1 and 2 are of 2 bits, and there are later ones, of 3 at most */
    uint32_t tiers, dense; /* tiered: in all; of them decoded by look-up of 4 symbols at once */
    uint32_t width[4], first[4]; /* of a tier: bits; the rank of its code 0 */
    uint64_t bytes; /* of this memory, from `rest` on, which is its start */
} gpu_image;

/* Tables as the kernels have them in shared memory, in words. */
enum {
    GPU_TILE = 4096, /* weights of a tiered unit */
    GPU_STEP = 256,  /* weights that a warp decodes at a time */
    /* tiered: by bits 0 and then 1 of the codes of 4 symbols, the symbols as bytes, 0 where they are in a later tier */
    GPU_CODES = 256,
    GPU_DEPOSIT = 2 * GPU_CODES,      /* by a mask of 4: a byte permute that puts the first bytes where it has ones | how many << 16 */
    GPU_SCATTER = GPU_DEPOSIT + 16,   /* bytes: by a mask of 4 << 4 | bits: the bits put where it has ones */
    GPU_RANKED = GPU_SCATTER + 64,    /* bytes: symbols by rank */
    GPU_TIERED_TABLE = GPU_RANKED + 16,
    GPU_TIERED_SCRATCH = 4 * GPU_STEP / 4, /* a warp: symbols of two steps as bytes, places in 2 bytes each */
    GPU_TIERED_WARPS = 8,
    /* planar: by slot, frequency | rank << 8 | symbol << 23, a copy for each lane, as lanes look up different slots */
    GPU_SLOTS = 256,
    GPU_PLANAR_TABLE = GPU_SLOTS * 32,
    GPU_PLANAR_SCRATCH = 256, /* a warp: the part of the string under work, sign and mantissa bytes of a step */
    GPU_PLANAR_WARPS = 16,
    GPU_SLACK = 1024 /* bytes after rest and code that may be read */
};

#endif
