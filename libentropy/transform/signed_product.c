/* signed_product.c - the loop of signed_product.h, compiled for each target; the choice among them. */
#include "transform/signed_product.h"

enum { ROWS = 4, COLS = ENT_PRODUCT_COLS };

/* Of the signs of COLS entries, the first is the highest of 16 bits. */
static const uint32_t bit_of[COLS] = { 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11, 1 << 10, 1 << 9, 1 << 8,
                                       1 << 7,  1 << 6,  1 << 5,  1 << 4,  1 << 3,  1 << 2,  1 << 1, 1 };

/* The signs of entries at .. at + n - 1, n <= COLS. */
static inline uint32_t signs_at(const uint8_t *signs, size_t at, size_t n)
{
    const size_t first = at / 8, last = (at + n - 1) / 8;
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; i++) bits = bits << 8 | (first + i <= last ? signs[first + i] : 0);
    return bits >> (8 - at % 8);
}

#define TARGET
#define FOR(name) name##_plain
#include "transform/signed_product_target.h"

#if defined __x86_64__
#define TARGET __attribute__((target("avx2")))
#define FOR(name) name##_avx2
#include "transform/signed_product_target.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define FOR(name) name##_avx512
#include "transform/signed_product_target.h"
#endif

void ent_signed_product_add(const ent_signed_product *p, float *values)
{
#if defined __x86_64__
    const unsigned features = ent_cpu_features();
    if (features & ENT_CPU_AVX512) {
        add_avx512(p, values);
        return;
    }
    if (features & ENT_CPU_AVX2) {
        add_avx2(p, values);
        return;
    }
#endif
    add_plain(p, values);
}
