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

enum { GPU_LANES = 32 };

typedef enum gpu_coding { GPU_TIERED, GPU_PLANAR } gpu_coding;

typedef struct gpu_unit {
    uint32_t anchor;  /* of its block, from the start of the code, in units of 16 bytes; | GPU_RAW */
    uint32_t back[4]; /* distances from the anchor back to where it starts.  Tiered: bits, in tiers 2 to 4, and bytes, in the
                       * escaped symbols.  Planar: bytes, to the group's string and to the block's repairs; the size of
                       * these; the number of groups */
} gpu_unit;

/* Tiered: where quarters 1 to 3 of a unit start in tiers 2 to 4 (bits) and among the escaped symbols (bytes), from where the unit
 * does.  A product takes each quarter by a span of lanes of its own. */
typedef struct gpu_quarter {
    uint16_t on[4]; /* read as one */
} gpu_quarter;

typedef struct gpu_image { /* pointers into the card's memory */
    const uint8_t *rest; /* sign << 7 | mantissa of all weights */
    const uint8_t *code;
    const gpu_unit *unit;
    const gpu_quarter *quarter; /* tiered: three for each unit */
    const uint32_t *table;
    uint64_t weights;
    uint32_t block; /* weights of all blocks but the last, a multiple of 64 */
    uint32_t units, units_per_block;
    gpu_coding coding;
    uint32_t usual; /* tiered: tiers 1 and 2 are of 2 bits, their symbols below 128, and tier 3, if any, of 3 bits at most */
    uint32_t tiers; /* tiered, in all */
    uint32_t third[2]; /* tiered: symbols of tier 3 as bytes, turned */
    uint32_t width[4], first[4]; /* of a tier: bits; the rank of its code 0 */
    uint64_t bytes; /* of this memory, from `rest` on, which is its start */
} gpu_image;

enum {
    GPU_TILE = 4096,    /* weights of a tiered unit */
    GPU_QUARTER = 1024,
    GPU_STEP = 256,     /* weights of which each lane has 8 */
    GPU_MARK = 0x40,    /* of a symbol that goes on from tier 2: what no usual one has, turned */
    /* Tables in the image, in words.  Tiered, by bits 0 and then 1 of 4 codes: of tier 1 the symbols as bytes, turned; and a
     * byte permute that puts the first bytes where they go on | how many do << 16.  Of tier 2 the symbols likewise, marked
     * where they go on.  Then all symbols by rank. */
    GPU_CODES = 256,
    GPU_FIRST = 0,
    GPU_SECOND = GPU_FIRST + 2 * GPU_CODES,
    GPU_RANKED = GPU_SECOND + GPU_CODES,
    GPU_TIERED_TABLE = GPU_RANKED + 16,
    /* planar: by slot, frequency | rank << 8 | symbol << 23; then the listed symbols as bytes */
    GPU_SLOTS = 256,
    /* In shared memory, in words.  Tiered: for each of the codes 16 copies of both words of tier 1 and 32 of tier 2; a warp has symbols */
    GPU_ALIGN = 256, /* of its start, in bytes */
    GPU_COPIES = 64,
    GPU_TIERED_SHARED = GPU_CODES * GPU_COPIES,
    GPU_TIERED_SCRATCH = GPU_LANES * 64 / 4,
    GPU_TIERED_WARPS = 16,
    /* planar: a copy for each lane, as lanes look up different slots; a warp has the part of the string under work, and sign and
     * mantissa bytes of a step */
    GPU_PLANAR_SHARED = GPU_SLOTS * GPU_LANES,
    GPU_PLANAR_SCRATCH = 256,
    GPU_PLANAR_WARPS = 16,
    GPU_SLACK = 1024 /* bytes after rest and code that loads may reach */
};

#endif
