/* bench_gap.h - `entropy bench --gap`: how far each codec stays from what order-0 coding allows, and why. */
#ifndef ENT_ANALYSES_BENCH_GAP_H
#define ENT_ANALYSES_BENCH_GAP_H

#include "command.h"
#include "sample.h"

/* For the weights that `entropy bench` measures: `sample_bytes` as in sample_take. */
ent_status bench_gap(const struct common *common, const char *model, ent_codec *const codec[], size_t codecs,
                     uint64_t sample_bytes, ent_error *error);

/* One codec's size of the sample, tables and index counted, and its parts in bits. */
ent_status gap_of_codec(const struct sample *sample, const ent_codec *codec, unsigned threads, ent_gap *sum,
                        uint64_t *bytes, ent_error *error);

#endif
