/* cpu.c - what the processor can do, less what the user takes away. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <entropy/base.h>

static const struct { const char *name; unsigned bit; } names[] = {
    { "bmi2", ENT_CPU_BMI2 }, { "avx2", ENT_CPU_AVX2 }, { "avx512", ENT_CPU_AVX512 },
};

static unsigned features;
static size_t stream_bytes;
static char text[160];

#if defined __x86_64__
#include <cpuid.h>

static unsigned detect(char brand[49])
{
    unsigned a, b, c, d, found = 0;
    if (__get_cpuid(0x80000000u, &a, &b, &c, &d) && a >= 0x80000004u)
        for (unsigned leaf = 0; leaf < 3; leaf++) {
            unsigned r[4];
            __cpuid(0x80000002u + leaf, r[0], r[1], r[2], r[3]);
            memcpy(brand + 16 * leaf, r, 16);
        }
    /* __builtin_cpu_supports also asks whether the system saves the wide registers */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")) found |= ENT_CPU_BMI2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found |= ENT_CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq") &&
        (found & ENT_CPU_BMI2) && (found & ENT_CPU_AVX2))
        found |= ENT_CPU_AVX512;
    return found;
}
#else
static unsigned detect(char brand[49])
{
    snprintf(brand, 49, "unknown processor");
    return 0;
}
#endif

static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (!strncmp(p, name, n) && (p[n] == ',' || p[n] == '\0')) return true;
    return false;
}

/* Asked once: sysconf reads it from the processor, which on a virtual machine takes microseconds. */
static size_t second_level_cache(void)
{
    long size = -1;
#ifdef _SC_LEVEL2_CACHE_SIZE
    size = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return size > 0 ? (size_t)size : (size_t)1 << 20;
}

static void find(void)
{
    char brand[49] = "";
    const char *disabled = getenv("ENT_DISABLE_CPU");
    features = detect(brand);
    stream_bytes = 4 * second_level_cache();
    for (size_t i = 0; disabled && i < sizeof names / sizeof *names; i++)
        if (listed(disabled, names[i].name)) features &= ~names[i].bit;
    int n = snprintf(text, sizeof text, "%s (", brand[strspn(brand, " ")] ? brand + strspn(brand, " ") : "processor");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (features & names[i].bit)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s ", names[i].name);
    snprintf(text + n - (text[n - 1] == ' '), sizeof text - (size_t)n, ")");
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

unsigned ent_cpu_features(void)
{
    pthread_once(&once, find);
    return features;
}

const char *ent_cpu_text(void)
{
    pthread_once(&once, find);
    return text;
}

size_t ent_stream_bytes(void)
{
    pthread_once(&once, find);
    return stream_bytes;
}
