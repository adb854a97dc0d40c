/* profile.c - each kernel in cycles a symbol, beside plain C and beside what bounds it.
 *
 * The library chooses its instructions once a process, so each set runs in a child of its own, and what the kernels
 * have made is compared by checksums.  Cycles are those of a chain of dependent multiplications, 3 cycles each on all
 * x86-64 cores of the last ten years, timed between the runs of the kernel: the clock may change.  (Additions will not
 * do: some cores fold those of constants.)  The fastest of many runs counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profile.h"

struct measured {
    double cycles; /* a symbol */
    uint64_t checksum;
};

struct set {
    const char *name, *disabled;
    unsigned needs; /* features of the processor */
};

static const struct set sets[SETS] = {
    [SET_AVX512] = { "avx512", "", ENT_CPU_AVX512 },
    [SET_AVX2] = { "avx2", "avx512", ENT_CPU_AVX2 },
    [SET_PLAIN] = { "plain", "avx512,avx2,bmi2", 0 },
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of a cycle, by this one look at the clock. */
static double cycle_seconds(void)
{
    enum { STEPS = 20000, STEP_CYCLES = 3 };
    uint64_t x = 1, factor = 3;
    const double start = now();
    for (int i = 0; i < STEPS; i++) {
        x *= factor;
        __asm__ volatile("" : "+r"(x), "+r"(factor)); /* known to nobody, one by one */
    }
    return (now() - start) / (STEPS * STEP_CYCLES);
}

static uint64_t checksum(ent_bytes bytes)
{
    uint64_t sum = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < bytes.size; i++) sum = (sum ^ bytes.data[i]) * 0x100000001b3;
    return sum;
}

static ent_status measure(const struct kernel *k, double seconds, struct measured *m)
{
    enum { LEAST_RUNS = 5 };
    double best = 1e9, cycle = 1e9;
    const double end = now() + seconds;
    for (int run = 0; run < LEAST_RUNS || now() < end; run++) {
        if (k->before) k->before(k);
        const double start = now();
        const ent_status status = k->run(k);
        const double time = now() - start, one = cycle_seconds();
        if (status) return status;
        if (time < best) best = time;
        if (one < cycle) cycle = one;
    }
    *m = (struct measured){ best / cycle / (double)k->symbols, checksum(k->output) };
    return ENT_OK;
}

/* All kernels with one set of instructions, in a process that has not asked for its features yet. */
static int run_set(const struct set *set, double seconds, struct measured *m)
{
    struct kernel kernel[MOST_KERNELS];
    size_t kernels;
    setenv("ENT_DISABLE_CPU", set->disabled, 1);
    ent_status status = kernels_make(kernel, &kernels);
    for (size_t i = 0; i < kernels && !status; i++) {
        status = measure(&kernel[i], seconds, &m[i]);
        if (status) fprintf(stderr, "profile: %s, %s: %s\n", kernel[i].name, set->name, ent_status_text(status));
    }
    return status != ENT_OK;
}

static bool run_child(const struct set *set, double seconds, struct measured *m)
{
    int status = 1;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) _exit(run_set(set, seconds, m));
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* A row for each set; `m` has what was measured of the kernels of each, this one and those before it.  Returns whether
 * all made the same. */
static bool show(const struct kernel *k, unsigned features, const struct measured *const m[SETS])
{
    const struct measured *plain = m[SET_PLAIN];
    bool same = true;
    for (int s = 0; s < SETS; s++) {
        if ((features & sets[s].needs) != sets[s].needs) continue;
        same = same && m[s]->checksum == plain->checksum;
        printf("%s\t%s\t%.3f\t%.3f\t%.2f\t", k->name, sets[s].name, m[s]->cycles, plain->cycles,
               plain->cycles / m[s]->cycles);
        struct bound b = k->bound[s];
        if (k->after_read) b = (struct bound){ m[s][-1].cycles, "memory: a pure read of the same, the row above" };
        if (b.cycles > 0)
            printf("%.3f\t%.2f\t%s\t", b.cycles, m[s]->cycles / b.cycles, b.why);
        else
            printf("-\t-\t-\t");
        puts(m[s]->checksum == plain->checksum ? "1" : "0");
    }
    return same;
}

int main(int argc, char **argv)
{
    static struct kernel kernel[MOST_KERNELS];
    size_t kernels;
    const double seconds = argc > 1 ? atof(argv[1]) : 0.05;
    const size_t size = SETS * MOST_KERNELS * sizeof(struct measured);
    struct measured *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool good = m != MAP_FAILED;
    for (int s = 0; s < SETS && good; s++) good = run_child(&sets[s], seconds, m + s * MOST_KERNELS);
    if (!good || kernels_make(kernel, &kernels)) return 1;
    puts("kernel\tset\tcycles\tplain_cycles\tplain_ratio\tbound\tbound_ratio\tbound_by\tsame");
    for (size_t i = 0; i < kernels; i++)
        good = show(&kernel[i], ent_cpu_features(),
                    (const struct measured *const[]){ m + i, m + MOST_KERNELS + i, m + 2 * MOST_KERNELS + i }) && good;
    if (!good) fputs("profile: a kernel and plain C differ\n", stderr);
    return !good;
}
