/* views.h - what a family of packed checkpoints gives so that its codes are seen, and what it sees them with. */
#ifndef ENT_WEIGHTS_VIEWS_H
#define ENT_WEIGHTS_VIEWS_H

#include "weights/reader.h"

/* The quantization_config of a config.json; what it does not say, or says of some layers alone, is "" or 0. */
typedef struct ent_quantization {
    char method[40];  /* quant_method */
    char variant[40]; /* format of compressed-tensors, quant_algo of modelopt, quant_type of bitsandbytes, version of AWQ */
    uint64_t bits, group_size, block[2];
} ent_quantization;

/* All zero when the folder has no config.json or that has no quantization_config.  ENT_ECORRUPT for one that is not
 * JSON or has values of wrong kinds. */
ent_status ent_quantization_read(ent_quantization *q, const char *path, ent_error *error);

typedef struct ent_viewing {
    ent_weights *model;
    ent_quantization config;
    ent_error *error;
    ent_tensor *codes; /* the tensor at hand */
    size_t stem;       /* bytes of its name before the ending */
    bool promised;     /* config.json names the family */
} ent_viewing;

typedef struct ent_view {
    const char *ending;    /* of the names of its codes */
    const char *method[5]; /* what config.json calls it, NULL at the end */
    /* Whether names, dtypes and ranks are the family's; shapes are for `show`. */
    bool (*named)(const ent_viewing *v);
    /* Changes the tensors' dtypes, shapes and roles, or leaves them alone. */
    ent_status (*show)(const ent_viewing *v);
} ent_view;

/* The tensor whose name has this ending in place of the codes'; NULL when there is none. */
ent_tensor *ent_view_beside(const ent_viewing *v, const char *ending);
bool ent_view_is(const ent_tensor *t, const char *dtype, uint32_t rank); /* false for NULL */
/* Adds to the role what part it is; NULL is no tensor and no error. */
ent_status ent_view_part(const ent_viewing *v, ent_tensor *t, const char *part);
/* Each element becomes `per` codes, along a new last axis. */
ent_status ent_view_unpack(const ent_viewing *v, ent_tensor *t, const char *dtype, uint32_t per, const char *part);
/* For what does not fit: names alone promise nothing and it stays as it is, ENT_OK; what config.json promises is an
 * error, ENT_ECORRUPT. */
ENT_PRINTF(3, 4) ent_status ent_view_misfit(const ent_viewing *v, const ent_tensor *t, const char *format, ...);
/* ENT_ECORRUPT, whatever config.json says. */
ENT_PRINTF(3, 4) ent_status ent_view_wrong(const ent_viewing *v, const ent_tensor *t, const char *format, ...);

static inline uint64_t ent_parts(uint64_t n, uint64_t size) { return n / size + (n % size != 0); }

#endif
