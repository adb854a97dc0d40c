/* sample.h - one run of words gathered from a model, for measurements in memory. */
#ifndef ENT_ANALYSES_SAMPLE_H
#define ENT_ANALYSES_SAMPLE_H

#include <entropy/target.h>
#include <entropy/weights.h>

struct sample {
    const char *dtype; /* of most bytes among the model's float tensors, or among all where there are none */
    void *words;       /* unpacked */
    size_t n, bytes;
    uint64_t distinct_bytes; /* what the model gave; fewer than `bytes` when that was repeated to fill the sample */
};

/* `bytes` is the size to take, 0 for the preset: the model's tensors of that dtype, but at least 64 MiB
 * and at most 256 MiB.  A model with more gives the beginning of each tensor, in proportion; one with
 * less is repeated, because what fits a cache would not show what decoding from memory costs. */
ent_status sample_take(struct sample *sample, const ent_weights *weights, uint64_t bytes, ent_error *error);
/* The same of one dtype; ENT_EINVAL when the model has none of it. */
ent_status sample_take_dtype(struct sample *sample, const ent_weights *weights, const char *dtype, uint64_t bytes,
                             ent_error *error);
/* Normal weights of a float or signed integer dtype, of standard deviation 0.02, in rows of 4096, repeated after 4 Mi
 * of them; integers are scaled so that the largest of a row is that of the format.  bytes 0: 64 MiB. */
ent_status sample_generate(struct sample *sample, const char *dtype, uint64_t bytes, ent_error *error);
void sample_free(struct sample *sample);

/* The dtype that a sample of the model would have; NULL: none of a known number format. */
const char *sample_dtype(const ent_weights *weights);

/* Codes and decodes the sample `runs` times, but for slow codecs only as often as fits in `seconds`;
 * *done says how often. */
ent_status sample_bench(const struct sample *sample, const ent_codec *codec, unsigned threads, unsigned runs, double seconds,
                        ent_bench *bench, unsigned *done, ent_error *error);

#endif
