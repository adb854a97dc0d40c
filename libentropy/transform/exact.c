/* exact.c - what makes the weights those that they were, bit for bit: exact.
 *
 * The weight and what the stages before give back are rounded to words of its format and counted from the least number up; their
 * difference d, which is small where the copy is near, is folded: 2 d, or -2 d - 1 below 0.
 * Parts: exact.BF16, exact.F16 or exact.F32, the first whose numbers all weights are, U16, rows x cols: the folded differences;
 * of F32 their upper halves, and exact.low the lower.  Bits per weight, plain: 16 or 32; what they take coded is what the
 * copy does not say, and what it says twice. */
#include <stdio.h>

#include "transform/parts.h"

static const char *const formats[] = { "BF16", "F16", "F32" };
enum { FORMATS = sizeof formats / sizeof *formats };

/* Words of `bits` bits, signs above all. */
typedef struct words {
    const ent_format *format;
    uint32_t mask, sign;
} words;

static words words_of(int k)
{
    const ent_format *f = ent_format_find(formats[k]);
    uint32_t sign = UINT32_C(1) << ((f->bits - 1) & 31);
    return (words){ f, sign | (sign - 1), sign };
}

/* Words in order of their values: 0 for the least. */
static uint32_t rank_of(const words *w, float value)
{
    uint32_t word = (uint32_t)ent_format_nearest(w->format, value);
    return (word & w->sign ? ~word : word | w->sign) & w->mask;
}

static float value_of(const words *w, uint32_t rank)
{
    uint32_t word = rank & w->sign ? rank & ~w->sign : ~rank & w->mask;
    return (float)ent_format_value(w->format, word);
}

static uint32_t fold(const words *w, uint32_t d) { return (d & w->sign ? ~(d << 1) : d << 1) & w->mask; }
static uint32_t unfold(const words *w, uint32_t d) { return (d & 1 ? ~(d >> 1) : d >> 1) & w->mask; }

/* Whether all values are numbers of the format. */
static bool holds(const words *w, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float near = (float)ent_format_value(w->format, ent_format_nearest(w->format, values[i]));
        if (near < values[i] || near > values[i]) return false;
    }
    return true;
}

static const char *part_name(int k, char name[16])
{
    snprintf(name, 16, "exact.%s", formats[k]);
    return name;
}

static ent_status forward(const double setting[], ent_matrix_job *job, ent_error *error)
{
    size_t n = (size_t)job->rows * job->cols;
    char name[16];
    int k = 0;
    words w = words_of(0);
    (void)setting;
    while (k + 1 < FORMATS && !holds(&w, job->original, n)) w = words_of(++k);
    bool wide = w.format->bits > 16;
    ent_part *part = ent_packed_add(job->packed, part_name(k, name), "U16", job->rows, job->cols, error), *low = NULL;
    if (part && wide) low = ent_packed_add(job->packed, "exact.low", "U16", job->rows, job->cols, error);
    if (!part || (wide && !low)) return ENT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        uint32_t d = fold(&w, rank_of(&w, job->original[i]) - rank_of(&w, job->values[i]));
        ent_part_set_word(part, i, wide ? d >> 16 : d);
        if (low) ent_part_set_word(low, i, d & UINT16_MAX);
        job->values[i] = job->original[i];
    }
    return ENT_OK;
}

static ent_status inverse(const double setting[], const ent_packed *packed, float *values, ent_error *error)
{
    char name[16];
    int k = 0;
    (void)setting;
    while (k + 1 < FORMATS && !ent_packed_find(packed, part_name(k, name))) k++;
    const words w = words_of(k);
    bool wide = w.format->bits > 16;
    const ent_part *part = ent_packed_need(packed, part_name(k, name), "U16", packed->rows, packed->cols, error);
    const ent_part *low = part && wide ? ent_packed_need(packed, "exact.low", "U16", packed->rows, packed->cols, error) : NULL;
    if (!part || (wide && !low)) return ENT_ECORRUPT;
    for (size_t i = 0; i < (size_t)packed->rows * packed->cols; i++) {
        uint32_t d = wide ? ent_part_word(part, i) << 16 | ent_part_word(low, i) : ent_part_word(part, i);
        values[i] = value_of(&w, (rank_of(&w, values[i]) + unfold(&w, d)) & w.mask);
    }
    return ENT_OK;
}

const ent_transform ent_transform_exact = {
    .name = "exact", .brief = "adds what makes the weights those that they were", .cite = "", .kind = ENT_REPAIR,
    .forward = forward, .inverse = inverse,
};
