/* dot.c - see dot.h.
 *
 * A BF16 word is the upper half of the FP32 of the same value, so that widening is a shift.  Four
 * registers of AVX-512 (eight of AVX2) hold the 64 lanes: enough chains to hide the latency of a
 * fused multiply-add.  Left out on purpose: the BF16 dot products of recent processors, which round
 * x to BF16 and flush subnormals. */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "target/dot.h"

enum { LANES = 64 };

/* The last of the tree: `lane` holds the first `n` lanes. */
static float fold(float *lane, unsigned n)
{
    for (unsigned half = n / 2; half; half /= 2)
        for (unsigned l = 0; l < half; l++) lane[l] += lane[l + half];
    return lane[0];
}

/* The last group, filled up. */
typedef struct rest {
    uint16_t w[LANES];
    float x[LANES];
} rest;

static void fill(rest *r, const uint16_t *w, const float *x, size_t n)
{
    memset(r, 0, sizeof *r);
    memcpy(r->w, w, n * sizeof *w);
    memcpy(r->x, x, n * sizeof *x);
}

static void add_plain(float *lane, const uint16_t *w, const float *x)
{
    for (unsigned l = 0; l < LANES; l++) lane[l] = fmaf(ent_float_of_bf16(w[l]), x[l], lane[l]);
}

float ent_dot_plain(const uint16_t *w, const float *x, size_t n)
{
    float lane[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) add_plain(lane, w + i, x + i);
    if (i < n) {
        rest r;
        fill(&r, w + i, x + i, n - i);
        add_plain(lane, r.w, r.x);
    }
    return fold(lane, LANES);
}

#if defined __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define INLINE static inline __attribute__((always_inline))

/* Asks for the two cache lines of a group to come: processors themselves stop asking at each page.
 * Beyond the end of the array it is harmless. */
INLINE void ask(const uint16_t *w)
{
    enum { AHEAD = 2048, LINE = 64 };
    __builtin_prefetch((const void *)((uintptr_t)w + AHEAD));
    __builtin_prefetch((const void *)((uintptr_t)w + AHEAD + LINE));
}

AVX2 INLINE void add_avx2(__m256 lane[8], const uint16_t *w, const float *x)
{
    for (unsigned k = 0; k < 8; k++) {
        __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(w + 8 * k)));
        __m256 values = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
        lane[k] = _mm256_fmadd_ps(values, _mm256_loadu_ps(x + 8 * k), lane[k]);
    }
}

AVX2 float ent_dot_avx2(const uint16_t *w, const float *x, size_t n)
{
    __m256 lane[8];
    float left[16];
    size_t i = 0;
    for (unsigned k = 0; k < 8; k++) lane[k] = _mm256_setzero_ps();
    for (; i + LANES <= n; i += LANES) {
        ask(w + i);
        add_avx2(lane, w + i, x + i);
    }
    if (i < n) {
        rest r;
        fill(&r, w + i, x + i, n - i);
        add_avx2(lane, r.w, r.x);
    }
    for (unsigned k = 0; k < 2; k++) {
        __m256 even = _mm256_add_ps(lane[k], lane[k + 4]), odd = _mm256_add_ps(lane[k + 2], lane[k + 6]);
        _mm256_storeu_ps(left + 8 * k, _mm256_add_ps(even, odd));
    }
    return fold(left, 16);
}

AVX512 INLINE void add_avx512(__m512 lane[4], const uint16_t *w, const float *x, uint64_t live)
{
    for (unsigned k = 0; k < 4; k++) {
        __mmask16 mask = (__mmask16)(live >> 16 * k);
        __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, w + 16 * k));
        __m512 values = _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
        lane[k] = _mm512_fmadd_ps(values, _mm512_maskz_loadu_ps(mask, x + 16 * k), lane[k]);
    }
}

AVX512 float ent_dot_avx512(const uint16_t *w, const float *x, size_t n)
{
    __m512 lane[4];
    float left[16];
    size_t i = 0;
    for (unsigned k = 0; k < 4; k++) lane[k] = _mm512_setzero_ps();
    for (; i + LANES <= n; i += LANES) {
        ask(w + i);
        add_avx512(lane, w + i, x + i, UINT64_MAX);
    }
    if (i < n) add_avx512(lane, w + i, x + i, ((uint64_t)1 << (n - i)) - 1);
    _mm512_storeu_ps(left, _mm512_add_ps(_mm512_add_ps(lane[0], lane[2]), _mm512_add_ps(lane[1], lane[3])));
    return fold(left, 16);
}

ent_dot *ent_dot_best(void)
{
    unsigned features = ent_cpu_features();
    return features & ENT_CPU_AVX512 ? ent_dot_avx512 : features & ENT_CPU_AVX2 ? ent_dot_avx2 : ent_dot_plain;
}
#else
ent_dot *ent_dot_best(void) { return ent_dot_plain; }
#endif
