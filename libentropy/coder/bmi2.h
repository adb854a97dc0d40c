/* bmi2.h - for loops that are written once, as inline functions, and compiled twice, the second time for BMI2. */
#ifndef ENT_CODER_BMI2_H
#define ENT_CODER_BMI2_H

#define ENT_INLINE static inline __attribute__((always_inline))
#if defined __x86_64__
#define ENT_BMI2 __attribute__((target("bmi,bmi2,lzcnt")))
#else
#define ENT_BMI2 /* never run: ent_cpu_features() does not report it there */
#endif

#endif
