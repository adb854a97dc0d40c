/* law.c - random weights of a row, in the file's format.
 *
 * Normal variates: GSL's ziggurat (Marsaglia and Tsang 2000), Student's t, Laplace's and the
 * alias method (Walker 1977) likewise from GSL, over ent_random, so that a row's numbers depend on the seed and
 * the row alone.  Values are rounded to float and then once to the format, ties to even, as a cast
 * of trained float weights would; all formats here have at most the range of float.
 */
#include <math.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include <entropy/field.h>

#include "base/bits.h"
#include "parts.h"
#include "stats/parts.h"

struct ent_law {
    ent_dataset_options options;
    const ent_format *format; /* of the file */
    const ent_format *first;  /* rounded to before that; NULL: nothing */
    gsl_ran_discrete_t *exponents;
};

/* ---- rounding -------------------------------------------------------------------------------- */

/* The bits of a finite float in a narrower float format.  The significand, leading one included, is
 * shifted to the format's last place and rounded; a carry runs into the exponent, which is right. */
static inline uint32_t narrow(uint32_t bits, const ent_format *f)
{
    uint32_t magnitude = bits & 0x7fffffff, raised = magnitude >> 23;
    uint32_t significand = (magnitude & 0x7fffff) | (raised ? 0x800000u : 0);
    int exponent = (int)(raised ? raised : 1) - 127 + f->bias;
    unsigned shift = 23u - f->mantissa_bits + (exponent < 1 ? (unsigned)(1 - exponent) : 0);
    uint32_t base = exponent < 1 ? 0 : (uint32_t)(exponent - 1) << f->mantissa_bits;
    if (shift > 25) shift = 25; /* below half of the smallest: zero */
    uint32_t word = base + ((significand + (1u << (shift - 1)) - 1 + (significand >> shift & 1)) >> shift);
    uint32_t top = ((1u << f->exponent_bits) - 1) << f->mantissa_bits; /* infinity, where there is one */
    if (f->specials == ENT_SPECIALS_FN) top |= (1u << f->mantissa_bits) - 2; /* the largest finite */
    if (word > top) word = top;
    return word | bits >> 31 << (f->bits - 1);
}

static inline uint32_t widen_bf16(uint32_t word) { return word << 16; }

static void store_row(const ent_law *law, const float *value, size_t n, void *out)
{
    const ent_format *f = law->format;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = ent_load32(&value[i]);
        if (law->first) bits = widen_bf16(narrow(bits, law->first));
        if (f->bits == 32) ((uint32_t *)out)[i] = bits;
        else if (f->bits == 16) ((uint16_t *)out)[i] = (uint16_t)narrow(bits, f);
        else ((uint8_t *)out)[i] = (uint8_t)narrow(bits, f);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

enum { PIECE = 512 }; /* floats at a time: they stay in the cache */

static void exponent_words(const ent_law *law, const gsl_rng *rng, size_t n, uint16_t *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t rest = (uint32_t)(ent_random_bits(rng->state) >> 56); /* sign and mantissa */
        uint32_t exponent = (uint32_t)gsl_ran_discrete(rng, law->exponents);
        out[i] = (uint16_t)((rest & 128) << 8 | exponent << 7 | (rest & 127));
    }
}

static double variate(const ent_dataset_options *o, const gsl_rng *rng, double scale)
{
    switch (o->law) {
    case ENT_LAW_LAPLACE: return gsl_ran_laplace(rng, scale);
    case ENT_LAW_STUDENT: return scale * gsl_ran_tdist(rng, o->nu);
    case ENT_LAW_MIXTURE: scale *= exp(gsl_ran_gaussian_ziggurat(rng, o->spread)); /* fall through */
    default: return gsl_ran_gaussian_ziggurat(rng, scale);
    }
}

void ent_law_row(const ent_law *law, uint64_t row, double scale, size_t n, void *out)
{
    ent_random random;
    const gsl_rng rng = { &ent_gsl_random, &random };
    const ent_dataset_options *o = &law->options;
    float value[PIECE];
    ent_random_seed(&random, o->seed, row);
    if (law->exponents) {
        exponent_words(law, &rng, n, out);
        return;
    }
    for (size_t at = 0; at < n; at += PIECE) {
        size_t k = n - at < PIECE ? n - at : PIECE;
        for (size_t i = 0; i < k; i++) {
            double x = variate(o, &rng, scale);
            x = x > 3e38 ? 3e38 : x < -3e38 ? -3e38 : x; /* within float, which ends at 3.4e38 */
            value[i] = (float)x;
        }
        store_row(law, value, k, (uint8_t *)out + at * ent_law_bytes(law));
    }
}

const char *ent_law_dtype(const ent_law *law) { return law->format->name; }

uint32_t ent_law_bytes(const ent_law *law) { return law->format->bits / 8u; }

ent_status ent_law_new(ent_law **law, const ent_dataset_options *options, ent_error *error)
{
    double weight[256] = { 0 };
    ent_status status = ENT_OK;
    bool cast = !strcmp(options->dtype, "F16-from-BF16");
    ent_law *l = *law = ent_calloc(1, sizeof *l);
    if (!l) return ent_fail(error, ENT_ENOMEM, "out of memory");
    l->options = *options;
    l->format = ent_format_find(cast ? "F16" : options->dtype);
    l->first = cast ? ent_format_find("BF16") : NULL;
    if (!l->format || (cast && !l->first)) {
        status = ent_fail(error, ENT_EINVAL, "dtype '%s' cannot be made", options->dtype);
    } else if (options->law == ENT_LAW_HISTOGRAM) {
        if (strcmp(options->dtype, "BF16"))
            status = ent_fail(error, ENT_EINVAL, "law histogram is for dtype BF16");
        else if (!(status = ent_law_histogram(options, weight, error)) &&
                 !(l->exponents = gsl_ran_discrete_preproc(256, weight)))
            status = ent_fail(error, ENT_ENOMEM, "out of memory");
    }
    if (status) {
        ent_law_free(l);
        *law = NULL;
    }
    return status;
}

void ent_law_free(ent_law *law)
{
    if (!law) return;
    if (law->exponents) gsl_ran_discrete_free(law->exponents);
    ent_free(law);
}
