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

typedef struct output_room { /* BAND * cols each */
    double *row, *product;
} output_room;

/* Sum over rows of row^T M row, M the second moments, or their diagonal where there are no more. */
static double energy(const ent_input_stats *input, const output_room *room, size_t rows)
{
    size_t n = rows * input->cols;
    int cols = (int)input->cols;
    double sum = 0;
    if (input->second)
        cblas_dsymm(CblasRowMajor, CblasRight, CblasLower, (int)rows, cols, 1, input->second, cols, room->row, cols, 0,
                    room->product, cols);
    else
        for (size_t i = 0; i < n; i++) room->product[i] = room->row[i] * input->squares[i % input->cols];
    for (size_t i = 0; i < n; i++) sum += room->row[i] * room->product[i];
    return sum;
}

double ent_output_error(const ent_input_stats *input, const float *original, const float *changed, uint32_t rows)
{
    size_t cols = input->cols;
    double signal = 0, noise = 0;
    output_room room = { ent_alloc(BAND * cols * sizeof(double)), ent_alloc(BAND * cols * sizeof(double)) };
    for (uint32_t r = 0; room.row && room.product && r < rows; r += BAND) {
        size_t some = rows - r < BAND ? rows - r : BAND, at = r * cols;
        for (size_t i = 0; i < some * cols; i++) room.row[i] = original[at + i];
        signal += energy(input, &room, some);
        for (size_t i = 0; i < some * cols; i++) room.row[i] = (double)changed[at + i] - original[at + i];
        noise += energy(input, &room, some);
    }
    if (!room.row || !room.product) signal = noise = NAN;
    ent_free(room.row);
    ent_free(room.product);
    return noise > 0 || isnan(noise) ? sqrt(noise / signal) : 0;
}
