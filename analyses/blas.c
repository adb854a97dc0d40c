/* blas.c - the right kernels for matrix products, on as many threads as we say. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <entropy/base.h>

#include "blas.h"

void blas_choose(char **argv)
{
    if (openblas_get_parallel() == OPENBLAS_THREAD) openblas_set_num_threads(1);
    unsigned features = ent_cpu_features();
    if (getenv("OPENBLAS_CORETYPE") || !(features & ENT_CPU_AVX2)) return;
    if (strcmp(openblas_get_corename(), "Prescott")) return;
    setenv("OPENBLAS_CORETYPE", features & ENT_CPU_AVX512 ? "SkylakeX" : "Haswell", 1);
    execv("/proc/self/exe", argv); /* where that fails the slow ones do */
}
