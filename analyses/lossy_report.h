/* lossy_report.h - what each step of lossy compression took and cost. */
#ifndef ENT_ANALYSES_LOSSY_REPORT_H
#define ENT_ANALYSES_LOSSY_REPORT_H

#include "lossy.h"

struct lossy_result {
    const ent_pipeline *pipeline; /* pipelines of them */
    size_t pipelines;
    const char *pipeline_text, *codec_text;
    ent_pack_report packing;
    ent_container_sizes sizes; /* of the packed model in its container */
    double code_seconds;       /* of processor time */
    double pack_wall_seconds, code_wall_seconds;
    uint64_t peak_bytes; /* of the program's memory */
    /* filled in by lossy_measure */
    uint64_t input_bytes, weights;         /* of the model; elements of its tensors that have a number format */
    double coded_bytes[ENT_PACK_PARTS];    /* of each kind of part, without tables */
    double kept_bytes, kept_coded_bytes;   /* tensors that stay as they are */
};

void lossy_measure(struct lossy_result *result, const ent_weights *weights, const ent_container *container);
void lossy_print(const struct lossy_result *result, const struct lossy *lossy);

#endif
