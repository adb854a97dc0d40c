/* sensitivity.c - what an error of one matrix costs the whole model. */
#include <math.h>
#include <string.h>

#include "quality/llama.h"

static const double noise_level = 0.125; /* well above the rounding of a float32 pass, well below where losses bend */

/* White noise of that relative error on values[n]. */
static void add_noise(float *values, size_t n, uint64_t stream)
{
    ent_random random;
    double squares = 0;
    ent_random_seed(&random, 1, stream);
    for (size_t i = 0; i < n; i++) squares += (double)values[i] * values[i];
    double reach = noise_level * sqrt(3 * squares / (double)n); /* uniform noise: variance is reach^2 / 3 */
    for (size_t i = 0; i < n; i++) values[i] += (float)(reach * (2 * ent_random_uniform(&random) - 1));
}

static ent_status measure(ent_calibration *calibration, ent_llama *llama, size_t i, const ent_llama *reference,
                          const ent_text *text, const ent_run *run, float *kept, ent_error *error)
{
    ent_llama_tensor *t = &llama->tensor[i];
    size_t n = (size_t)t->rows * t->cols;
    ent_quality quality;
    double relative = noise_level;
    memcpy(kept, t->values, n * sizeof *kept);
    add_noise(t->values, n, i);
    if (t->input >= 0) relative = ent_output_error(&calibration->input[t->input], kept, t->values, t->rows);
    ent_status status = ent_llama_evaluate(llama, reference, text, run, &quality, error);
    memcpy(t->values, kept, n * sizeof *kept);
    if (status) return status;
    ent_sensitivity *s = &calibration->sensitivity[calibration->matrices++];
    /* a matrix of zeros, or one whose input is silent, is not sensitive */
    s->kl_nats = relative > 0 ? fmax(quality.kl_nats, 0) / (relative * relative) : 0;
    s->name = ent_alloc(strlen(t->name) + 1);
    if (!s->name) return ent_fail(error, ENT_ENOMEM, "out of memory");
    strcpy(s->name, t->name);
    return ENT_OK;
}

ent_status ent_calibrate_sensitivity(ent_calibration *calibration, ent_llama *llama, const ent_llama *reference,
                                     const ent_text *text, const ent_run *run, ent_error *error)
{
    size_t largest = 0;
    const ent_run quiet = { .threads = run ? run->threads : 0 };
    ent_status status = ENT_OK;
    for (size_t i = 0; i < llama->tensors; i++) {
        size_t n = (size_t)llama->tensor[i].rows * llama->tensor[i].cols;
        if (n > largest) largest = n;
    }
    float *kept = ent_calloc(largest, sizeof *kept);
    calibration->sensitivity = ent_calloc(llama->tensors, sizeof *calibration->sensitivity);
    if (!kept || !calibration->sensitivity) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = 0; i < llama->tensors && !status; i++) {
        if (llama->tensor[i].rows > 1) status = measure(calibration, llama, i, reference, text, &quiet, kept, error);
        if (run && run->progress) run->progress(run->context, i + 1, llama->tensors);
    }
    ent_free(kept);
    return status;
}

double ent_calibration_sensitivity(const ent_calibration *calibration, const char *name)
{
    for (size_t i = 0; i < calibration->matrices; i++)
        if (!strcmp(calibration->sensitivity[i].name, name)) return calibration->sensitivity[i].kl_nats;
    return NAN;
}
