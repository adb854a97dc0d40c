/* parallel.c - the only door to threads: an OpenMP loop whose error does not depend on luck. */
#include <omp.h>

#include <entropy/base.h>

unsigned ent_threads(unsigned threads)
{
    return threads ? threads : (unsigned)omp_get_max_threads();
}

ent_status ent_parallel(size_t n, unsigned threads, ent_job *job, void *context)
{
    size_t failed_at = SIZE_MAX;
    ent_status failed = ENT_OK;
    threads = ent_threads(threads);
    if (threads > n) threads = n ? (unsigned)n : 1;
    if (threads == 1) {
        int most = omp_get_max_threads();
        omp_set_num_threads(1); /* of this thread alone: loops and BLAS inside of a job do what they do beside others */
        for (size_t i = 0; i < n && !failed; i++) failed = job(i, 0, context);
        omp_set_num_threads(most);
        return failed;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)threads)
    for (size_t i = 0; i < n; i++) {
        size_t seen;
#pragma omp atomic read
        seen = failed_at;
        if (seen < i) continue; /* items start in order, so an earlier one that fails still runs */
        ent_status status = job(i, (unsigned)omp_get_thread_num(), context);
        if (status) {
#pragma omp critical
            if (i < failed_at) {
                failed = status;
#pragma omp atomic write
                failed_at = i;
            }
        }
    }
    return failed;
}
