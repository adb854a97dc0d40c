/* warp.h - the language of the kernels: written once, run by a card's warps or, lane for lane, by plain C.
 *
 * A kernel is C that both compilers take.  A value that each of the 32 lanes has is an array of GPU_HELD, used at
 * [ME] inside a block `LANES { ... }`; values outside such blocks are the warp's.  On a card GPU_HELD is 1 and a block
 * is plain code; here it is 32 and a block is a loop.  What one lane gets from another goes through the
 * functions below, which stand between blocks.  So a block may not read what other lanes write in it: after writes to
 * memory that lanes share there is a gpu_sync.
 *
 * Memory is read by READ (does not change while the kernel runs) and GET, written by PUT.  The emulation checks that
 * each such access is aligned and lies in memory that the kernel was given (see emulate.h). */
#ifndef ENT_GPU_WARP_H
#define ENT_GPU_WARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/image.h"

/* What few steps come to.  GPU_PATH leaves it out, so that what remains of a loop is the path of most steps, whose
 * instructions tests/gpu/sass.sh counts. */
#if defined GPU_PATH
#define GPU_RARE(condition) false
#else
#define GPU_RARE(condition) (condition)
#endif

/* A loop whose turns depend on the data; where instructions are counted it has as many as it `usually` has. */
#if defined GPU_PATH
#define GPU_WHILE(condition, usually) GPU_UNROLL for (unsigned turns = 0; turns < (usually); turns++)
#else
#define GPU_WHILE(condition, usually) GPU_ROLLED while (condition)
#endif

#if defined __CUDACC__

enum { GPU_HELD = 1 };
#define ME 0
#define LANES for (unsigned lane = threadIdx.x % 32, turn = lane; turn == lane; turn++)
#define GPU_FUNCTION static __device__ __forceinline__
#define GPU_UNROLL _Pragma("unroll")
#define GPU_ROLLED _Pragma("unroll 1") /* rarely more than once */

typedef uint2 gpu_pair; /* 8 and 16 bytes, moved as one */
typedef uint4 gpu_quad;
typedef uint32_t gpu_word;
typedef uint16_t gpu_half;

#define READ(p) __ldg(p)
#define GET(p) (*(p))
#define PUT(p, value) (*(p) = (value))

GPU_FUNCTION gpu_pair gpu_make_pair(uint32_t x, uint32_t y) { return make_uint2(x, y); }
GPU_FUNCTION uint32_t gpu_popcount(uint32_t x) { return (uint32_t)__popc(x); }
GPU_FUNCTION uint32_t gpu_first(uint32_t x) { return (uint32_t)__ffs((int)x) - 1; }
GPU_FUNCTION uint32_t gpu_dot4(uint32_t a, uint32_t b, uint32_t c) { return __dp4a(a, b, c); }
GPU_FUNCTION uint32_t gpu_funnel(uint32_t low, uint32_t high, uint32_t by) { return __funnelshift_r(low, high, by); }

GPU_FUNCTION uint32_t gpu_permute(uint32_t a, uint32_t b, uint32_t select) /* __byte_perm clears bits 3 of `select` first */
{
    uint32_t bytes;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(bytes) : "r"(a), "r"(b), "r"(select));
    return bytes;
}

GPU_FUNCTION uint32_t gpu_select(uint32_t mask, uint32_t a, uint32_t b) /* compilers make two instructions of the formula */
{
    uint32_t bits;
    asm("lop3.b32 %0, %1, %2, %3, 0xca;" : "=r"(bits) : "r"(mask), "r"(a), "r"(b));
    return bits;
}

GPU_FUNCTION uint32_t gpu_lowest(uint32_t n)
{
    uint32_t mask;
    asm("bmsk.clamp.b32 %0, 0, %1;" : "=r"(mask) : "r"(n));
    return mask;
}

/* Addresses of shared memory are hidden from compilers, which would make each of them anew from its start, in a loop too; and
 * a store that few lanes do is one instruction, not a branch. */
typedef uint32_t gpu_place;

GPU_FUNCTION gpu_place gpu_place_of(void *shared)
{
    gpu_place place = (gpu_place)__cvta_generic_to_shared(shared);
    asm volatile("" : "+r"(place));
    return place;
}

GPU_FUNCTION void gpu_put_byte(uint32_t condition, gpu_place place, uint32_t byte)
{
    asm volatile("{ .reg .pred so; setp.ne.u32 so, %0, 0; @so st.shared.u8 [%1], %2; }" : : "r"(condition), "r"(place), "r"(byte) : "memory");
}

GPU_FUNCTION void gpu_put_quad(gpu_place place, gpu_quad v)
{
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" : : "r"(place), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

GPU_FUNCTION gpu_quad gpu_get_quad(gpu_place place)
{
    gpu_quad v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(place) : "memory");
    return v;
}

GPU_FUNCTION gpu_pair gpu_get_pair(gpu_place place)
{
    gpu_pair v;
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(place) : "memory");
    return v;
}

/* Compilers move loads down to where values are used; this stays where it is. */
GPU_FUNCTION void gpu_prefetch(const void *p) { asm volatile("prefetch.global.L2 [%0];" : : "l"(__cvta_generic_to_global(p))); }

GPU_FUNCTION void gpu_sync(void) { __syncwarp(); }
GPU_FUNCTION uint32_t gpu_ballot(const uint32_t *x) { return __ballot_sync(~0u, x[0] != 0); }
GPU_FUNCTION uint32_t gpu_from(const uint32_t *x, unsigned lane) { return __shfl_sync(~0u, x[0], (int)lane); }
GPU_FUNCTION void gpu_shuffle(uint32_t *to, const uint32_t *x, const uint32_t *from)
{
    to[0] = __shfl_sync(~0u, x[0], (int)from[0]);
}
GPU_FUNCTION void gpu_add_up(uint32_t *x, unsigned by, unsigned span) /* the shuffle itself says whether there is such a lane */
{
    asm volatile("{ .reg .pred there; .reg .b32 lower; shfl.sync.up.b32 lower|there, %0, %1, %2, -1; @there add.u32 %0, %0, lower; }"
                 : "+r"(x[0]) : "r"(by), "r"((GPU_LANES - span) << 8));
}

#else

#include "gpu/emulate.h"

enum { GPU_HELD = GPU_LANES };
#define ME lane
#define LANES for (unsigned lane = 0; lane < GPU_LANES; lane++)
#define GPU_FUNCTION static inline
#define GPU_UNROLL
#define GPU_ROLLED

/* Memory of bytes is read by these. */
typedef struct __attribute__((may_alias)) gpu_pair { _Alignas(8) uint32_t x; uint32_t y; } gpu_pair;
typedef struct __attribute__((may_alias)) gpu_quad { _Alignas(16) uint32_t x; uint32_t y, z, w; } gpu_quad;
typedef uint32_t __attribute__((may_alias)) gpu_word;
typedef uint16_t __attribute__((may_alias)) gpu_half;

#define READ(p) (*(__typeof__(p))(uintptr_t)ent_gpu_touch((p), sizeof *(p)))
#define GET(p) READ(p)
#define PUT(p, value) (*(__typeof__(p))(uintptr_t)ent_gpu_touch((p), sizeof *(p)) = (value))

GPU_FUNCTION gpu_pair gpu_make_pair(uint32_t x, uint32_t y) { return (gpu_pair){ x, y }; }
GPU_FUNCTION uint32_t gpu_popcount(uint32_t x) { return (uint32_t)__builtin_popcount(x); }
/* The lowest bit that is set; for 0, 2^32 - 1. */
GPU_FUNCTION uint32_t gpu_first(uint32_t x) { return (uint32_t)__builtin_ffs((int)x) - 1; }

/* Byte i of the result is the one that bits 4i to 4i + 3 of `select`, 0 to 7, name: 0 to 3 of a, 4 to 7 of b. */
GPU_FUNCTION uint32_t gpu_permute(uint32_t a, uint32_t b, uint32_t select)
{
    uint64_t from = (uint64_t)b << 32 | a;
    uint32_t x = 0;
    for (unsigned i = 0; i < 4; i++) x |= (uint32_t)(from >> 8 * (select >> 4 * i & 7) & 255) << 8 * i;
    return x;
}

/* c and the products of the bytes of a and b. */
GPU_FUNCTION uint32_t gpu_dot4(uint32_t a, uint32_t b, uint32_t c)
{
    for (unsigned i = 0; i < 32; i += 8) c += (a >> i & 255) * (b >> i & 255);
    return c;
}

/* 32 bits of both from bit by % 32 of `low` on. */
GPU_FUNCTION uint32_t gpu_funnel(uint32_t low, uint32_t high, uint32_t by)
{
    return (uint32_t)(((uint64_t)high << 32 | low) >> by % 32);
}

/* Bits of a where the mask has ones, of b elsewhere. */
GPU_FUNCTION uint32_t gpu_select(uint32_t mask, uint32_t a, uint32_t b) { return (a & mask) | (b & ~mask); }

/* The lowest n bits; all for 32 and more. */
GPU_FUNCTION uint32_t gpu_lowest(uint32_t n) { return n < 32 ? (1u << n) - 1 : ~0u; }

/* Where something is in shared memory, and what is there; a byte is put if the condition is not 0. */
typedef uintptr_t gpu_place;

GPU_FUNCTION gpu_place gpu_place_of(void *shared) { return (gpu_place)shared; }
GPU_FUNCTION void gpu_put_byte(uint32_t condition, gpu_place place, uint32_t byte)
{
    if (condition) PUT((uint8_t *)place, (uint8_t)byte);
}
GPU_FUNCTION void gpu_put_quad(gpu_place place, gpu_quad v) { PUT((gpu_quad *)place, v); }
GPU_FUNCTION gpu_quad gpu_get_quad(gpu_place place) { return GET((const gpu_quad *)place); }
GPU_FUNCTION gpu_pair gpu_get_pair(gpu_place place) { return GET((const gpu_pair *)place); }

/* Asks for what is around p, 64 bytes or more, which will be read soon. */
GPU_FUNCTION void gpu_prefetch(const void *p) { (void)ent_gpu_touch(p, 1); }

GPU_FUNCTION void gpu_sync(void) {}

/* A bit for each lane: whether x is not 0. */
GPU_FUNCTION uint32_t gpu_ballot(const uint32_t *x)
{
    uint32_t bits = 0;
    LANES bits |= (uint32_t)(x[ME] != 0) << lane;
    return bits;
}

/* What one lane has. */
GPU_FUNCTION uint32_t gpu_from(const uint32_t *x, unsigned from) { return x[from % GPU_LANES]; }

/* To each lane what lane from % 32 has; `to` may not be x. */
GPU_FUNCTION void gpu_shuffle(uint32_t *to, const uint32_t *x, const uint32_t *from)
{
    LANES to[ME] = x[from[ME] % GPU_LANES];
}

/* Adds to x what the lane `by` lower has, where there is one in the same `span` lanes. */
GPU_FUNCTION void gpu_add_up(uint32_t *x, unsigned by, unsigned span)
{
    for (unsigned lane = GPU_LANES; lane--;)
        if (lane % span >= by) x[lane] += x[lane - by];
}

#endif

/* ---- both ------------------------------------------------------------------------------------ */

/* x becomes the sum of what this lane and all lower ones of its `span` (a power of two of lanes) have. */
GPU_FUNCTION void gpu_sums(uint32_t *x, unsigned span)
{
    GPU_UNROLL
    for (unsigned by = 1; by < span; by *= 2) gpu_add_up(x, by, span);
}

#endif
