/* steps.c - the loops of split and join, compiled for each target; the choice among them. */
#include <entropy/base.h>

#include "field/steps.h"

typedef uint8_t loose8;
typedef uint16_t loose16 __attribute__((aligned(1), may_alias));
typedef uint32_t loose32 __attribute__((aligned(1), may_alias));
typedef uint64_t loose64 __attribute__((aligned(1), may_alias));

#define TARGET
#define FOR(name) name##_plain
#include "field/steps_target.h"

#if defined __x86_64__
#define TARGET __attribute__((target("avx2")))
#define FOR(name) name##_avx2
#include "field/steps_target.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define FOR(name) name##_avx512
#include "field/steps_target.h"
#endif

const ent_steps *ent_steps_best(void)
{
#if defined __x86_64__
    unsigned features = ent_cpu_features();
    if (features & ENT_CPU_AVX512) return &steps_avx512;
    if (features & ENT_CPU_AVX2) return &steps_avx2;
#endif
    return &steps_plain;
}
