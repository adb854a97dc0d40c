/* estimate.h - `entropy stats --estimate`: is coding this model worth it? */
#ifndef ENT_ANALYSES_ESTIMATE_H
#define ENT_ANALYSES_ESTIMATE_H

#include "command.h"

struct estimate {
    const struct common *common;
    const char *model;   /* its argument */
    const char **codec;  /* names or lines of text */
    size_t codecs;       /* 0: all that have a name */
    double share;        /* of the model's bytes; 0: a hundredth, but 8 to 64 MiB */
    uint64_t seed;
};

/* What each codec would make of the model, from a sample of its blocks; and whether that pays. */
ent_status estimate_run(const struct estimate *estimate, ent_error *error);

#endif
