/* measure.c - entropy estimates of every field of a format from the counts of its words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"

static ent_status estimate(const ent_counts *counts, const struct measuring *how, ent_estimate *out)
{
    if (how->interval) return ent_estimate_intervals(&how->estimator, 1, counts, how->interval, out);
    *out = how->estimator->from_counts(counts);
    return ENT_OK;
}

static ent_status of_field(const ent_word_counts *counts, const ent_field *field, const struct measuring *how,
                           ent_estimate *out)
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
    ent_status status = ENT_OK;
    snprintf(m->word.field, sizeof m->word.field, "word");
    m->word_is_sum = counts->planes > 1;
    for (uint32_t p = 0; p < counts->planes && !status; p++) {
        ent_estimate e;
        if ((status = estimate(&counts->plane[p], how, &e))) break;
        m->word.estimate.bits += e.bits;
        m->word.estimate.stderr_bits += e.stderr_bits;
        m->word.estimate.low_bits += e.low_bits;
        m->word.estimate.high_bits += e.high_bits;
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
                           .stderr_bits = total > 0 ? sqrt(fmax(square - mean * mean, 0) / total) : NAN };
}

static ent_status conditional(const ent_word_counts *counts, const struct measuring *how, struct measures *m)
{
    const ent_format *format = counts->format;
    ent_field high;
    ent_estimate e;
    if (counts->planes > 1 || format->kind != ENT_KIND_FLOAT || !format->mantissa_bits || !format->sign_bits ||
        !format->exponent_bits)
        return ENT_OK;
    ent_status status = ent_field_parse(format, "sign+exponent", &high, NULL);
    if (!status) status = of_field(counts, &high, &(struct measuring){ how->estimator, NULL }, &e);
    if (status) return status;
    snprintf(m->conditional.field, sizeof m->conditional.field, "mantissa|sign+exponent");
    m->conditional.estimate = of_low_given_high(&counts->plane[0], format->mantissa_bits, m->word.estimate.bits, e.bits);
    return ENT_OK;
}

ent_status measure(const ent_word_counts *counts, const struct measuring *how, struct measures *m)
{
    *m = (struct measures){ .count = ent_word_counts_total(counts), .word_bits = 8, .exponent_bits = NAN };
    ent_status status = of_words(counts, how, m);
    if (status) return status;
    if (!counts->format) {
        m->fields = 1;
        m->field[0] = m->word;
        snprintf(m->field[0].field, sizeof m->field[0].field, "byte");
        m->fields_bits = m->word.estimate.bits;
        return ENT_OK;
    }
    ent_split split;
    m->word_bits = counts->format->bits;
    status = ent_split_natural(counts->format, &split);
    for (m->fields = 0; m->fields < split.fields && !status; m->fields++) {
        const ent_field *field = &split.field[m->fields];
        struct measure *out = &m->field[m->fields];
        snprintf(out->field, sizeof out->field, "%s", field->name);
        status = of_field(counts, field, how, &out->estimate);
        m->fields_bits += out->estimate.bits;
        if (!strcmp(field->name, "exponent"))
            m->exponent_bits = m->word_bits - ent_field_bits(field) + out->estimate.bits;
    }
    return status ? status : conditional(counts, how, m);
}
