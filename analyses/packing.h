/* packing.h - matrices packed by a pipeline of transforms and coded, in memory: sizes as they would be stored. */
#ifndef ENT_ANALYSES_PACKING_H
#define ENT_ANALYSES_PACKING_H

#include <entropy/entropy.h>

/* How parts are coded unless the user says otherwise: each word as a symbol, scales and levels by their exponents. */
#define PACKING_CODEC "I2,I3,I4,I5,I6,I7,I8,U2,U3,U4,U5,U6,U7,U8,F4: word=rans | F8_E4M3,F8_E5M2,F8_E8M0: word=rans | " \
                      "int: word=rans | F16,BF16: exponent=rans rest=raw | *: word=raw"

struct packing {
    uint64_t weights;              /* of all tensors */
    double plain_bits, coded_bits; /* of all, tensors that are not packed as their file stores them */
    ent_distortion distortion;     /* of the packed tensors */
    uint64_t packed, zeros;        /* weights in packed tensors, and how many of them came back as zero */
};

/* Replaces the matrices of `llama` by what they come back as; `stored_bits` are those of a weight in the
 * file.  Vectors stay; so does the embedding when `keep_embedding` is set.  calibration: NULL, or of this model. */
ent_status packing_apply(struct packing *packing, ent_llama *llama, const ent_pipeline *pipeline, const ent_codec *codec,
                         const ent_calibration *calibration, unsigned stored_bits, bool keep_embedding, const ent_run *run,
                         ent_error *error);

/* Bits of a packed matrix with each part coded by `codec`, tables and headers included. */
ent_status packing_coded_bits(const ent_packed *packed, const ent_codec *codec, double *bits, ent_error *error);

#endif
