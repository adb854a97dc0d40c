/* core_speed.c - see core_speed.h.
 *
 * Each loop does one kind of thing so often that the loop itself does not show, and its fastest time of many short
 * runs counts: a run that was not disturbed.  Empty asm statements keep the compiler from knowing values. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include <entropy/base.h>

#include "base/clock.h"
#include "core_speed.h"

enum { STEPS = 200000, RUNS = 41, LANES = 16 };

#define HIDE(x) __asm__ volatile("" : "+r"(x))

/* The fastest run of a loop of STEPS steps, in ns a step. */
static double fastest(void (*loop)(const void *), const void *data)
{
    double best = INFINITY;
    for (int r = 0; r < RUNS; r++) {
        double start = ent_nanoseconds(CLOCK_MONOTONIC);
        loop(data);
        best = fmin(best, ent_nanoseconds(CLOCK_MONOTONIC) - start);
    }
    return best / STEPS;
}

/* ---- chains and lanes ------------------------------------------------------------------------- */

/* 8 additions, each waits for the one before; not of constants, which some cores add while renaming registers. */
static void add_chain(const void *data)
{
    uint64_t x = 1, y = 3;
    (void)data;
    HIDE(y);
    for (int i = 0; i < STEPS; i++) {
        x += y; HIDE(x); x += y; HIDE(x); x += y; HIDE(x); x += y; HIDE(x);
        x += y; HIDE(x); x += y; HIDE(x); x += y; HIDE(x); x += y; HIDE(x);
    }
}

static void add_lanes(const void *data) /* 24 in 8 chains */
{
    uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, y = 3;
    (void)data;
    HIDE(y);
    for (int i = 0; i < STEPS; i++)
        for (int k = 0; k < 3; k++) {
            a += y; HIDE(a); b ^= y; HIDE(b); c += y; HIDE(c); d ^= y; HIDE(d);
            e += y; HIDE(e); f ^= y; HIDE(f); g += y; HIDE(g); h ^= y; HIDE(h);
        }
}

static void multiply_chain(const void *data)
{
    uint64_t x = 3, y = 5;
    (void)data;
    HIDE(y);
    for (int i = 0; i < STEPS; i++) {
        x *= y; HIDE(x); x *= y; HIDE(x); x *= y; HIDE(x); x *= y; HIDE(x);
    }
}

static void load_chain(const void *data) /* a pointer to itself */
{
    const void *p = data;
    for (int i = 0; i < STEPS; i++) {
        p = *(void *const *)p; HIDE(p); p = *(void *const *)p; HIDE(p);
        p = *(void *const *)p; HIDE(p); p = *(void *const *)p; HIDE(p);
    }
}

static void load_lanes(const void *data)
{
    const volatile uint64_t *p = data;
    for (int i = 0; i < STEPS; i++) {
        (void)p[0]; (void)p[1]; (void)p[2]; (void)p[3]; (void)p[4]; (void)p[5];
        (void)p[6]; (void)p[7]; (void)p[8]; (void)p[9]; (void)p[10]; (void)p[11];
    }
}

/* ---- branches --------------------------------------------------------------------------------- */

static void branches(const void *data)
{
    const uint8_t *bits = data;
    uint64_t sum = 0;
    for (int i = 0; i < STEPS; i++) {
        if (bits[i]) __asm__ volatile("add $3, %0" : "+r"(sum)); /* no instruction can stand for both ways */
        else __asm__ volatile("xor $5, %0" : "+r"(sum));
    }
}

/* Mispredicted branches come from data that the predictor cannot learn: new ones for every run. */
static double branch_ns(uint8_t *bits, bool chance)
{
    double best = INFINITY;
    ent_random random;
    for (uint64_t r = 0; r < RUNS; r++) {
        ent_random_seed(&random, 1, r);
        for (int i = 0; i < STEPS; i++) bits[i] = chance ? ent_random_bits(&random) & 1 : 0;
        double start = ent_nanoseconds(CLOCK_MONOTONIC);
        branches(bits);
        best = fmin(best, ent_nanoseconds(CLOCK_MONOTONIC) - start);
    }
    return best / STEPS;
}

/* ---- vectors ---------------------------------------------------------------------------------- */

#ifdef __x86_64__
#define VECTOR_LOOP(name, isa, size) \
    typedef uint8_t name##_vector __attribute__((vector_size(size))); \
    __attribute__((target(isa))) static void name(const void *data) \
    { \
        name##_vector a = { 1 }, b = { 2 }, c = { 3 }, d = { 4 }, e = { 5 }, f = { 6 }; \
        (void)data; \
        for (int i = 0; i < STEPS; i++) \
            for (int k = 0; k < 2; k++) \
                __asm__ volatile("vpaddb %0, %0, %0\n vpaddb %1, %1, %1\n vpaddb %2, %2, %2\n" \
                                 "vpaddb %3, %3, %3\n vpaddb %4, %4, %4\n vpaddb %5, %5, %5" \
                                 : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f)); \
    }
VECTOR_LOOP(vectors32, "avx2", 32)
VECTOR_LOOP(vectors64, "avx512bw", 64)

/* 4 gathers of 32-bit numbers, 8 or 16 each, from a table that the first-level cache holds; the masks are made anew. */
__attribute__((target("avx2"))) static void gathers32(const void *data)
{
    typedef int32_t lanes __attribute__((vector_size(32)));
    const lanes index = { 0, 1, 2, 3, 4, 5, 6, 7 };
    for (int i = 0; i < STEPS; i++)
        for (int k = 0; k < 4; k++) {
            lanes all = { -1, -1, -1, -1, -1, -1, -1, -1 }, sum = { 0 };
            __asm__ volatile("vpgatherdd %1, (%2, %3, 4), %0" : "+x"(sum), "+x"(all) : "r"(data), "x"(index));
        }
}

__attribute__((target("avx512f"))) static void gathers64(const void *data)
{
    typedef int32_t lanes __attribute__((vector_size(64)));
    const lanes index = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    for (int i = 0; i < STEPS; i++)
        for (int k = 0; k < 4; k++) {
            lanes sum = { 0 };
            __asm__ volatile("kxnorw %%k1, %%k1, %%k1\n vpgatherdd (%1, %2, 4), %0%{%%k1%}"
                             : "+v"(sum) : "r"(data), "v"(index) : "k1");
        }
}

static void vector_speed(struct core_speed *speed, double cycle, const void *numbers)
{
    unsigned features = ent_cpu_features();
    speed->vector_bytes = features & ENT_CPU_AVX512 ? 64 : features & ENT_CPU_AVX2 ? 32 : 0;
    if (speed->vector_bytes > 0)
        speed->vectors_per_cycle = 12 * cycle / fastest(speed->vector_bytes > 32 ? vectors64 : vectors32, NULL);
    if (speed->vector_bytes > 0)
        speed->gather_lanes_per_cycle = speed->vector_bytes * cycle /
                                        fastest(speed->vector_bytes > 32 ? gathers64 : gathers32, numbers);
}
#else
static void vector_speed(struct core_speed *speed, double cycle, const void *numbers)
{
    (void)cycle, (void)numbers;
    speed->vector_bytes = speed->vectors_per_cycle = speed->gather_lanes_per_cycle = 0;
}
#endif

void core_speed(struct core_speed *speed)
{
    static uint8_t bits[STEPS];
    static uint64_t numbers[12]; /* of loads and gathers */
    const void *self = &self;
    double cycle = fastest(add_chain, NULL) / 8;
    *speed = (struct core_speed){ .clock_ghz = 1 / cycle };
    speed->operations_per_cycle = 24 * cycle / fastest(add_lanes, NULL);
    speed->loads_per_cycle = 12 * cycle / fastest(load_lanes, numbers);
    speed->load_latency_cycles = fastest(load_chain, &self) / 4 / cycle;
    speed->multiply_latency_cycles = fastest(multiply_chain, NULL) / 4 / cycle;
    speed->branch_cycles = fmax(0, branch_ns(bits, true) - branch_ns(bits, false)) / cycle;
    vector_speed(speed, cycle, numbers);
}

/* ---- memory ----------------------------------------------------------------------------------- */

struct reader {
    const uint64_t *words;
    size_t words_each;
    unsigned passes;
    volatile uint64_t sink;
};

static ent_status read_part(size_t i, unsigned thread, void *context)
{
    struct reader *reader = context;
    const uint64_t *words = reader->words + i * reader->words_each;
    uint64_t sum[LANES] = { 0 };
    (void)thread;
    for (unsigned p = 0; p < reader->passes; p++) {
        for (size_t k = 0; k + LANES <= reader->words_each; k += LANES)
            for (int l = 0; l < LANES; l++) sum[l] += words[k + (size_t)l];
        __asm__ volatile("" : : "r"(sum) : "memory");
    }
    reader->sink = sum[0];
    return ENT_OK;
}

double read_gbps(size_t bytes, unsigned threads)
{
    enum { LEAST = 64 << 20, TIMES = 7 }; /* bytes that are read in a timing */
    struct reader reader = { .words_each = bytes / 8 / threads, .passes = 1 + (unsigned)(LEAST / bytes) };
    uint64_t *words = ent_calloc(bytes / 8, 8);
    double best = INFINITY;
    if (!words) return 0;
    for (size_t i = 0; i < bytes / 8; i++) words[i] = i; /* pages of its own */
    reader.words = words;
    for (int r = 0; r < TIMES; r++) {
        double start = ent_nanoseconds(CLOCK_MONOTONIC);
        ent_parallel(threads, threads, read_part, &reader);
        best = fmin(best, ent_nanoseconds(CLOCK_MONOTONIC) - start);
    }
    ent_free(words);
    return (double)reader.words_each * 8 * threads * reader.passes / best;
}
