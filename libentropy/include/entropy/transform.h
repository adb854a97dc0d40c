/* transform.h - changes of the weights before they are coded: rescale, prune, quantize, repair.
 *
 * Layer 2.  A *pipeline* is one line of text, stages in the order in which they are applied:
 *
 *     pipeline = stage { blank stage }
 *     stage    = transform [ '(' setting '=' value { ',' setting '=' value } ')' ]
 *
 * e.g. "rescale(alpha=0.5) prune(share=0.3,by=1) rtn(bits=8)".  One stage is a quantizer: it
 * leaves a matrix as *parts*, small tensors of codes and of what is needed to read them (scales,
 * levels).  Parts have number formats of their own, so a codec codes them like any other tensor; what
 * they say is all that decoding needs, and all that is counted.  After the quantizer there may be *repairs*, as in
 * "prune rtn lowrank(rank=8)": they see what all before them lost, and store parts that give some of it back.
 */
#ifndef ENTROPY_TRANSFORM_H
#define ENTROPY_TRANSFORM_H

#include <entropy/field.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what goes in ----------------------------------------------------------------------------- */

/* Statistics of the input of a linear layer over calibration tokens, channel by channel. */
typedef struct ent_input_stats {
    uint32_t cols;   /* channels: columns of the layer's matrix */
    uint64_t rows;   /* tokens seen */
    float *largest;  /* cols: max |x| */
    double *squares; /* cols: sum of x^2 */
    double *second;  /* cols * cols: sum of x x^T, lower triangle and diagonal filled, or NULL */
} ent_input_stats;

ENT_API void ent_input_stats_free(ent_input_stats *input); /* frees its arrays and zeroes it */

/* ---- what comes out --------------------------------------------------------------------------- */

enum {
    ENT_PARTS = 64,      /* of a matrix, at most */
    ENT_FEW_PARTS = 12,  /* of a quantizer that says nothing of more */
    ENT_REPAIR_PARTS = 4 /* of a repair */
};

/* A part of a packed matrix: n unpacked words of a format, owned. */
typedef struct ent_part {
    char name[16]; /* "codes", "scales", "levels", "columns", ... */
    const ent_format *format;
    uint32_t rows, cols; /* n = rows * cols */
    void *words;         /* row by row, ent_format_width(format) bytes each */
} ent_part;

/* A packed matrix: its parts; owned, all zero is none. */
typedef struct ent_packed {
    uint32_t rows, cols; /* of the matrix */
    uint32_t parts;      /* how many */
    ent_part part[ENT_PARTS];
} ent_packed;

ENT_API void ent_packed_free(ent_packed *packed); /* frees its parts and zeroes it */
ENT_API const ent_part *ent_packed_find(const ent_packed *packed, const char *name); /* the part of that name; NULL: none */
/* Bits of all parts as they are stored plain, and with each part of at most 16-bit words coded to its
 * order-0 plug-in entropy. */
ENT_API double ent_packed_plain_bits(const ent_packed *packed);
ENT_API double ent_packed_entropy_bits(const ent_packed *packed);

/* ---- transforms ------------------------------------------------------------------------------- */

enum {
    ENT_SETTINGS = 6, /* of a transform, at most */
    ENT_STAGES = 6    /* of a pipeline, at most */
};

/* A knob of a transform: a number, least .. most. */
typedef struct ent_setting {
    const char *name, *brief;
    double least, most, preset;
    bool whole; /* takes whole numbers only */
} ent_setting;

/* What a transform works on: a matrix of finite values, row by row, which it replaces by those that
 * decoding will give back at its place in the pipeline, and the parts that it appends.  A repair is given what all stages
 * before it give back. */
typedef struct ent_matrix_job {
    uint32_t rows, cols;
    float *values;         /* rows * cols */
    const float *original; /* of a repair: the values as they came to the pipeline; else NULL */
    const ent_input_stats *input; /* of the layer whose matrix it is, its columns as they are at this
                                     stage; NULL: not calibrated */
    ent_input_stats own;          /* what input points to once a stage has changed it; freed by the pipeline */
    ent_packed *packed;           /* where parts go */
} ent_matrix_job;

/* Where in a pipeline a transform stands. */
typedef enum ent_transform_kind {
    ENT_BEFORE,    /* changes values for the quantizer */
    ENT_QUANTIZER, /* leaves codes; one in every pipeline */
    ENT_REPAIR     /* after it: adds to what it gives back */
} ent_transform_kind;

/* A transform.  Its functions run in any number of threads at once. */
typedef struct ent_transform {
    const char *name, *brief; /* stable key; one line */
    const char *cite; /* key in paper/refs.bib, "" for common knowledge */
    ent_transform_kind kind; /* its place */
    bool calibrated; /* needs job->input */
    ent_setting setting[ENT_SETTINGS]; /* ends with a NULL name, or is full */
    uint32_t (*parts)(const double setting[]); /* of a quantizer that may append more than ENT_FEW_PARTS; else NULL */
    /* Does it: values are replaced, parts appended.  ENT_EINVAL, ENT_ENOMEM. */
    ent_status (*forward)(const double setting[], ent_matrix_job *job, ent_error *error);
    /* Values from parts (quantizers), from values of the stage after (stages before; NULL: they are those), or from those of the
     * stage before (repairs). */
    ent_status (*inverse)(const double setting[], const ent_packed *packed, float *values, ent_error *error);
} ent_transform;

ENT_API extern const ent_transform *const ent_transforms[]; /* NULL at the end; order of transforms.def */
ENT_API const ent_transform *ent_transform_find(const char *name); /* NULL: none */

/* ---- pipelines -------------------------------------------------------------------------------- */

/* A transform with its knobs set. */
typedef struct ent_stage {
    const ent_transform *transform;
    double setting[ENT_SETTINGS]; /* in the transform's order */
} ent_stage;

/* Stages in order.  A plain value: copied as it is, nothing to free. */
typedef struct ent_pipeline {
    uint32_t stages;             /* at least 1 */
    ent_stage stage[ENT_STAGES];
} ent_pipeline;

/* ENT_EINVAL with the place in the text: an unknown name, a setting out of its range, not one quantizer, stages on the wrong side of
 * it, two that would store the same parts. */
ENT_API ent_status ent_pipeline_parse(ent_pipeline *pipeline, const char *text, ent_error *error);
/* The canonical text, all settings written out, appended, with a NUL; parses to the same pipeline.  ENT_ENOMEM. */
ENT_API ent_status ent_pipeline_text(const ent_pipeline *pipeline, ent_buffer *text);
ENT_API uint32_t ent_pipeline_quantizer(const ent_pipeline *pipeline); /* the place of its quantizer */
ENT_API bool ent_pipeline_calibrated(const ent_pipeline *pipeline); /* a stage needs ent_input_stats */
ENT_API uint32_t ent_pipeline_parts(const ent_pipeline *pipeline);   /* at most so many a matrix: ENT_FEW_PARTS or more, up to ENT_PARTS */

/* Packs rows x cols values, which become those that ent_pipeline_undo gives back, bit for bit.  rows, cols
 * >= 1, rows * cols < 2^32.  ENT_EINVAL for values that are not finite (the place is told), for a size
 * that a stage cannot divide, and when a stage needs an input that is NULL or of another width. */
ENT_API ent_status ent_pipeline_apply(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, float *values,
                                      const ent_input_stats *input, ent_packed *packed, ent_error *error);
/* Sees what would be given back if the pipeline ended after `stage`, and how long that stage took. */
typedef void ent_stage_seen(void *context, uint32_t stage, double ns, const float *values);
/* As ent_pipeline_apply, with `seen` called after each stage: takes a copy of the values while stages with an
 * inverse lie before.  (Repairs take one of their own.) */
ENT_API ent_status ent_pipeline_apply_seen(const ent_pipeline *pipeline, uint32_t rows, uint32_t cols, float *values,
                                           const ent_input_stats *input, ent_packed *packed, ent_stage_seen *seen,
                                           void *context, ent_error *error);
/* ENT_ECORRUPT when parts are missing, of a wrong shape or format, or say what cannot be. */
ENT_API ent_status ent_pipeline_undo(const ent_pipeline *pipeline, const ent_packed *packed, float *values, ent_error *error);

#ifdef __cplusplus
}
#endif
#endif
