/* measure.c - entropy estimates of every field of a format from the counts of its words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"

/* An estimate of each estimator. */
static ent_status estimate(const ent_counts *counts, const struct measuring *how, ent_estimate out[])
{
    if (how->interval) return ent_estimate_intervals(how->estimator, how->estimators, counts, how->interval, out);
    for (size_t e = 0; e < how->estimators; e++) {
        out[e] = how->estimator[e]->from_counts(counts);
        out[e].low_bits = out[e].high_bits = NAN;
    }
    return ENT_OK;
}

static ent_status of_field(const ent_word_counts *counts, const ent_field *field, const struct measuring *how,
                           ent_estimate out[])
{
    ent_counts marginal;
    ent_status status = ent_word_counts_field(counts, field, &marginal);
    if (!status) status = estimate(&marginal, how, out);
    ent_counts_free(&marginal);
    return status;
}

/* Planes depend on one another, so the standard error of their sum is at most the sum of theirs; the same holds
 * for the width of the interval. */
static ent_status of_words(const ent_word_counts *counts, const struct measuring *how, struct measures *m)
{
    const struct measuring words = { how->estimator, how->estimators, how->words_too ? how->interval : NULL, false };
    ent_status status = ENT_OK;
    ent_estimate plane[MAX_ESTIMATORS];
    for (uint32_t p = 0; p < counts->planes && !status; p++) {
        if ((status = estimate(&counts->plane[p], &words, plane))) break;
        for (size_t e = 0; e < how->estimators; e++) {
            ent_estimate *sum = &m[e].word.estimate;
            sum->bits += plane[e].bits;
            sum->stderr_bits += plane[e].stderr_bits;
            sum->low_bits += plane[e].low_bits;
            sum->high_bits += plane[e].high_bits;
        }
    }
    return status;
}

/* H(low bits | high bits) = H(word) - H(high bits).  Its standard error by the delta method: the
 * estimate is, to first order, the mean of log2(n(high) / n(word)) over the sample. */
static ent_estimate of_low_given_high(const ent_counts *words, uint32_t low_bits, double joint, double high)
{
    double total = (double)ent_counts_total(words), mean = 0, square = 0;
    uint32_t span = (uint32_t)1 << low_bits;
    for (uint32_t base = 0; base < words->alphabet; base += span) {
        uint64_t group = 0;
        for (uint32_t s = base; s < base + span; s++) group += words->count[s];
        for (uint32_t s = base; s < base + span; s++) {
            if (!words->count[s]) continue;
            double n = (double)words->count[s], bits = log2((double)group / n);
            mean += n / total * bits;
            square += n / total * bits * bits;
        }
    }
    return (ent_estimate){ .bits = joint - high,
                           .stderr_bits = total > 0 ? sqrt(fmax(square - mean * mean, 0) / total) : NAN,
                           .low_bits = NAN, .high_bits = NAN };
}

static ent_status conditional(const ent_word_counts *counts, const struct measuring *how, struct measures *m)
{
    const ent_format *format = counts->format;
    const struct measuring plain = { how->estimator, how->estimators, NULL, false };
    ent_field high;
    ent_estimate of_high[MAX_ESTIMATORS];
    if (counts->planes > 1 || format->kind != ENT_KIND_FLOAT || !format->mantissa_bits || !format->sign_bits ||
        !format->exponent_bits)
        return ENT_OK;
    ent_status status = ent_field_parse(format, "sign+exponent", &high, NULL);
    if (!status) status = of_field(counts, &high, &plain, of_high);
    for (size_t e = 0; e < how->estimators && !status; e++) {
        struct measure *out = &m[e].conditional;
        snprintf(out->field, sizeof out->field, "mantissa|sign+exponent");
        out->estimate = of_low_given_high(&counts->plane[0], format->mantissa_bits, m[e].word.estimate.bits, of_high[e].bits);
    }
    return status;
}

static ent_status natural_field(const ent_word_counts *counts, const ent_field *field, const struct measuring *how,
                                struct measures *m)
{
    ent_estimate estimates[MAX_ESTIMATORS];
    ent_status status = of_field(counts, field, how, estimates);
    for (size_t e = 0; e < how->estimators && !status; e++) {
        struct measure *out = &m[e].field[m[e].fields++];
        snprintf(out->field, sizeof out->field, "%s", field->name);
        out->estimate = estimates[e];
        m[e].fields_bits += out->estimate.bits;
        if (!strcmp(field->name, "exponent"))
            m[e].exponent_bits = m[e].word_bits - ent_field_bits(field) + out->estimate.bits;
    }
    return status;
}

static void begin(const ent_word_counts *counts, struct measures *m)
{
    *m = (struct measures){ .count = ent_word_counts_total(counts), .exponent_bits = NAN };
    m->word_bits = counts->format ? counts->format->bits : 8;
    m->word_is_sum = counts->planes > 1;
    snprintf(m->word.field, sizeof m->word.field, "word");
}

/* Opaque bytes have one field. */
static void bytes(struct measures *m)
{
    m->fields = 1;
    m->field[0] = m->word;
    snprintf(m->field[0].field, sizeof m->field[0].field, "byte");
    m->fields_bits = m->word.estimate.bits;
}

ent_status measure(const ent_word_counts *counts, const struct measuring *how, struct measures m[])
{
    ent_split split;
    for (size_t e = 0; e < how->estimators; e++) begin(counts, &m[e]);
    ent_status status = of_words(counts, how, m);
    if (status) return status;
    for (size_t e = 0; e < how->estimators && !counts->format; e++) bytes(&m[e]);
    if (!counts->format) return ENT_OK;
    status = ent_split_natural(counts->format, &split);
    for (uint32_t f = 0; !status && f < split.fields; f++) status = natural_field(counts, &split.field[f], how, m);
    return status ? status : conditional(counts, how, m);
}
