/* bf16.c - rounded to BF16, to be coded as whole words: bf16.
 *
 * For codecs of floats behind stages that change weights: "prune(share=0.5) bf16 => endor" is Endor on pruned weights.
 * Parts: words, BF16, rows x cols.  Bits per weight, plain: 16. */
#include "transform/parts.h"

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    size_t n = (size_t)job->rows * job->cols;
    const ent_part *words = ent_packed_add(job->packed, "words", "BF16", job->rows, job->cols, error);
    (void)setting;
    if (!words) return ENT_ENOMEM;
    for (size_t i = 0; i < n; i++) { /* what is finite stays so */
        const float most = 0x1.fep127f;
        if (job->values[i] > most) job->values[i] = most;
        if (job->values[i] < -most) job->values[i] = -most;
    }
    ent_format_words(words->format, job->values, n, words->words);
    ent_format_floats(words->format, words->words, n, job->values);
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    const ent_part *words = ent_packed_need(packed, "words", "BF16", packed->rows, packed->cols, error);
    (void)setting;
    if (!words) return ENT_ECORRUPT;
    ent_format_floats(words->format, words->words, (size_t)packed->rows * packed->cols, values);
    return ENT_OK;
}

const ent_transform ent_transform_bf16 = {
    .name = "bf16", .brief = "rounded to BF16, for codecs of whole words", .cite = "kalamkar2019", .kind = ENT_QUANTIZER,
    .forward = forward, .inverse = inverse,
};
