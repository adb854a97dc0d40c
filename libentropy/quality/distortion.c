/* distortion.c - the error of changed weights, in their own terms and in the layer's output. */
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

/* row^T M row for the symmetric M of which the lower triangle is given. */
static double quadratic(const double *lower, const double *row, size_t cols)
{
    double sum = 0;
    for (size_t i = 0; i < cols; i++) {
        double inner = 0.5 * lower[i * cols + i] * row[i];
        for (size_t j = 0; j < i; j++) inner += lower[i * cols + j] * row[j];
        sum += 2 * row[i] * inner;
    }
    return sum;
}

static double diagonal(const double *squares, const double *row, size_t cols)
{
    double sum = 0;
    for (size_t i = 0; i < cols; i++) sum += squares[i] * row[i] * row[i];
    return sum;
}

double ent_output_error(const ent_input_stats *input, const float *original, const float *changed, uint32_t rows)
{
    size_t cols = input->cols;
    double signal = 0, noise = 0;
    double *row = ent_alloc(2 * cols * sizeof *row), *error = row + cols;
    if (!row) return NAN;
    for (uint32_t r = 0; r < rows; r++, original += cols, changed += cols) {
        for (size_t i = 0; i < cols; i++) {
            row[i] = original[i];
            error[i] = (double)changed[i] - row[i];
        }
        signal += input->second ? quadratic(input->second, row, cols) : diagonal(input->squares, row, cols);
        noise += input->second ? quadratic(input->second, error, cols) : diagonal(input->squares, error, cols);
    }
    ent_free(row);
    return noise > 0 ? sqrt(noise / signal) : 0;
}
