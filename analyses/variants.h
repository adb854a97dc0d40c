/* variants.h - one set of weights in the four ways in which Huff-LLM's tables take a model, each measured.
 *
 * A model trained in BF16 is published as such, and cast to FP16; one trained in FP16 as such, and rounded to
 * BF16.  F32 weights serve as both, BF16 as the first alone, F16 as the second. */
#ifndef ENT_ANALYSES_VARIANTS_H
#define ENT_ANALYSES_VARIANTS_H

#include <entropy/cam.h>
#include <entropy/weights.h>

enum variant { CAST_FP16, CAST_BF16, NATIVE_FP16, NATIVE_BF16, VARIANTS };

struct variant_bits { /* per weight; NaN: these weights do not have this variant */
    double coded;     /* by the codec huff-llm, one table a field for all weights, tables included */
    double word, halves, fields; /* entropies: of the word, of its two bytes, of the codec's fields */
};

struct variants {
    char name[200];
    uint64_t weights;
    uint16_t *words[VARIANTS]; /* NULL: not had */
    struct variant_bits bits[VARIANTS];
};

/* The first `most` weights of a model's commonest float dtype (fewer if it has fewer). */
ent_status variants_measure(struct variants *v, const char *name, const ent_weights *weights, uint64_t most,
                            unsigned threads, ent_error *error);
void variants_free(struct variants *v);

/* "FP16", "BF16": the dtype as the library names it is "F16", "BF16". */
const char *variant_dtype(enum variant variant);

/* Decodes a variant's first `most` weights with a codec by content-addressed decoders; *identical says whether
 * they came out as they were, and *forecast what their counts let expect. */
ent_status variant_cam(const struct variants *v, enum variant variant, const char *codec, const ent_cam *cam,
                       uint64_t most, ent_cam_count *count, ent_cam_forecast *forecast, bool *identical,
                       ent_error *error);

#endif
