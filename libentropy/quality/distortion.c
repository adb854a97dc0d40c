/* distortion.c - the error of changed weights, in their own terms and in the layer's output. */
#include <cblas.h>
#include <math.h>

#include <entropy/quality.h>

void ent_distortion_add(ent_distortion *distortion, const float *original, const float *changed, size_t n)
{
    double signal = 0, noise = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        double value = original[i], error = (double)changed[i] - value;
        if (!isfinite(value) || !isfinite(error)) {
            distortion->not_finite++;
            continue;
        }
        signal += value * value;
        noise += error * error;
        largest = fmax(largest, fabs(error));
    }
    distortion->n += n;
    distortion->signal += signal;
    distortion->noise += noise;
    distortion->largest = fmax(distortion->largest, largest);
}

double ent_relative_error(const ent_distortion *d)
{
    return d->noise > 0 ? sqrt(d->noise / d->signal) : 0; /* x / 0 is infinite */
}

double ent_sqnr_db(const ent_distortion *d)
{
    return d->noise > 0 ? 10 * log10(d->signal / d->noise) : INFINITY;
}

/* ---- the layer's output ------------------------------------------------------------------------------ */

enum { BAND = 64 }; /* rows at a time */

typedef struct output_job {
    const ent_input_stats *input;
    const float *original, *changed;
    uint32_t rows;
    double *row, *product;   /* BAND * cols each, of each thread */
    double *signal, *noise;  /* of each band */
} output_job;

/* Sum over rows of row^T M row, M the second moments, or their diagonal where there are no more. */
static double energy(const ent_input_stats *input, const double *row, double *product, size_t rows)
{
    size_t n = rows * input->cols;
    int cols = (int)input->cols;
    double sum = 0;
    if (input->second)
        cblas_dsymm(CblasRowMajor, CblasRight, CblasLower, (int)rows, cols, 1, input->second, cols, row, cols, 0, product, cols);
    else
        for (size_t i = 0; i < n; i++) product[i] = row[i] * input->squares[i % input->cols];
    for (size_t i = 0; i < n; i++) sum += row[i] * product[i];
    return sum;
}

static ent_status add_band(size_t band, unsigned thread, void *context)
{
    const output_job *job = context;
    size_t cols = job->input->cols, first = band * BAND, some = job->rows - first < BAND ? job->rows - first : BAND;
    const float *original = job->original + first * cols, *changed = job->changed + first * cols;
    double *row = job->row + thread * BAND * cols, *product = job->product + thread * BAND * cols;
    for (size_t i = 0; i < some * cols; i++) row[i] = original[i];
    job->signal[band] = energy(job->input, row, product, some);
    for (size_t i = 0; i < some * cols; i++) row[i] = (double)changed[i] - original[i];
    job->noise[band] = energy(job->input, row, product, some);
    return ENT_OK;
}

double ent_output_error(const ent_input_stats *input, const float *original, const float *changed, uint32_t rows)
{
    size_t bands = (rows + (size_t)BAND - 1) / BAND, room = (size_t)ent_threads(0) * BAND * input->cols;
    double signal = 0, noise = 0;
    output_job job = { input, original, changed, rows, ent_calloc(room, sizeof(double)), ent_calloc(room, sizeof(double)),
                       ent_calloc(bands, sizeof(double)), ent_calloc(bands, sizeof(double)) };
    if (!job.row || !job.product || !job.signal || !job.noise || ent_parallel(bands, 0, add_band, &job)) signal = noise = NAN;
    for (size_t i = 0; i < bands && !isnan(signal); i++) {
        signal += job.signal[i];
        noise += job.noise[i];
    }
    ent_free(job.row);
    ent_free(job.product);
    ent_free(job.signal);
    ent_free(job.noise);
    return noise > 0 || isnan(noise) ? sqrt(noise / signal) : 0;
}
