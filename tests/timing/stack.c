/* stack.c - times of a stack: build/time_stack SIDE [LEVELS [RANK]]
 *
 * Takes a SIDE x SIDE normal matrix apart into LEVELS (16) blocks of rank RANK (16); packs it, writes the stack to a file of the working
 * folder, and adds its blocks one at a time; and for comparison finds one full SVD of its magnitudes by LAPACK.  Tab-separated
 * values; all but norms and bytes are timings of this machine, on as many threads as OpenMP has. */
#include <lapacke.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <entropy/entropy.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *room(size_t bytes)
{
    void *p = malloc(bytes);
    if (p) return p;
    fprintf(stderr, "time_stack: no memory\n");
    exit(1);
}

static void must(ent_status status, const ent_error *error)
{
    if (!status) return;
    fprintf(stderr, "time_stack: %s\n", error->text);
    exit(1);
}

static void fill(float *w, size_t n)
{
    ent_random random;
    ent_random_seed(&random, 1, 0);
    for (size_t i = 0; i < n; i++) {
        double u = 1 - ent_random_uniform(&random), v = ent_random_uniform(&random);
        w[i] = (float)(0.02 * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
    }
}

static double norm(const float *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)w[i] * w[i];
    return sqrt(sum);
}

static void take_apart(uint32_t side, uint32_t levels, uint32_t rank, float *w)
{
    size_t n = (size_t)side * side;
    ent_bitstack_block b = { side, side, rank, room(n / 8 + 1), room(2 * (size_t)side * rank), room(2 * (size_t)side * rank) };
    ent_error error = { 0 };
    double whole = norm(w, n), all = 0;
    printf("block\tseconds\tnorm of what is left\n");
    for (uint32_t i = 0; i < levels; i++) {
        double start = now();
        must(ent_bitstack_take(&b, w, NULL, &error), &error);
        double seconds = now() - start;
        all += seconds;
        printf("%u\t%.3f\t%.6f\n", i, seconds, norm(w, n) / whole);
    }
    printf("all\t%.3f\t\n", all);
    free(b.signs), free(b.left), free(b.right);
}

static void full_svd(uint32_t side, const float *w)
{
    size_t n = (size_t)side * side;
    float *a = room(n * sizeof *a), *u = room(n * sizeof *u), *vt = room(n * sizeof *vt), *s = room(side * sizeof *s);
    for (size_t i = 0; i < n; i++) a[i] = fabsf(w[i]);
    double start = now();
    lapack_int k = (lapack_int)side;
    if (LAPACKE_sgesdd(LAPACK_COL_MAJOR, 'S', k, k, a, k, s, u, k, vt, k)) exit(1);
    printf("full SVD\t%.3f\t\n", now() - start);
    free(a), free(u), free(vt), free(s);
}

/* A model of one matrix, F32. */
static void write_model(const char *path, uint32_t side, const float *w)
{
    char header[200];
    size_t bytes = (size_t)side * side * sizeof *w;
    uint64_t size = (uint64_t)snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"F32\",\"shape\":[%u,%u],\"data_offsets\":[0,%zu]}}",
                                       side, side, bytes);
    FILE *f = fopen(path, "wb");
    bool done = f && fwrite(&size, 8, 1, f) && fwrite(header, size, 1, f) && fwrite(w, bytes, 1, f);
    if (f && fclose(f)) done = false;
    if (!done) exit(1);
}

static void go_up(uint32_t side, uint32_t rank, float *w)
{
    enum { LEVELS = 3 };
    const char *model = "time_stack.safetensors", *packed = "time_stack.packed.safetensors";
    char text[100];
    ent_pipeline pipeline;
    ent_weights *weights;
    ent_stack *stack;
    ent_error error = { 0 };
    write_model(model, side, w);
    snprintf(text, sizeof text, "bitstack(levels=%d,rank=%u)", LEVELS, rank);
    must(ent_pipeline_parse(&pipeline, text, &error), &error);
    must(ent_weights_open(&weights, model, &error), &error);
    must(ent_pack(packed, weights, &(ent_packing){ .pipeline = &pipeline }, NULL, NULL, &error), &error);
    ent_weights_close(weights);
    must(ent_weights_open(&weights, packed, &error), &error);
    must(ent_stack_open(&stack, weights, &error), &error);
    memset(w, 0, (size_t)side * side * sizeof *w);
    printf("block added\tmilliseconds\tbytes read\n");
    for (size_t i = 0; i < LEVELS; i++) {
        double start = now();
        must(ent_stack_add(stack, i, w, &error), &error);
        printf("%zu\t%.2f\t%llu\n", i, 1e3 * (now() - start), (unsigned long long)ent_stack_block_at(stack, i).bytes);
    }
    ent_stack_close(stack);
    ent_weights_close(weights);
    unlink(model), unlink(packed);
}

int main(int argc, char **argv)
{
    uint32_t side = argc > 1 ? (uint32_t)atoi(argv[1]) : 0, levels = argc > 2 ? (uint32_t)atoi(argv[2]) : 16;
    uint32_t rank = argc > 3 ? (uint32_t)atoi(argv[3]) : 16;
    if (side < 16 || side > 16384 || rank < 1 || rank > side) return fprintf(stderr, "usage: time_stack SIDE [LEVELS [RANK]]\n"), 2;
    size_t n = (size_t)side * side;
    float *w = room(n * sizeof *w);
    setvbuf(stdout, NULL, _IOLBF, 0); /* the last part takes long */
    printf("# %u x %u, rank %u, %d threads\n", side, side, rank, omp_get_max_threads());
    fill(w, n);
    take_apart(side, levels, rank, w);
    fill(w, n);
    go_up(side, rank, w);
    fill(w, n);
    full_svd(side, w);
    free(w);
    return 0;
}
