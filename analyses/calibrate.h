/* calibrate.h - `entropy bench --calibrate`: this machine, measured once, as a target's file. */
#ifndef ENT_ANALYSES_CALIBRATE_H
#define ENT_ANALYSES_CALIBRATE_H

#include "command.h"

struct calibrate {
    const struct common *common;
    const char *model, *output;
    const char *command; /* that was typed, for the file */
    ent_codec **codec;   /* NULL: not in this build */
    size_t codecs;
    unsigned runs;
    double seconds;        /* of each codec, state of the cache and number of threads */
    uint64_t sample_bytes; /* cold; 0: the preset of a sample */
    bool force;
};

/* Measures and writes the file; prints what a codec takes on 1 .. all threads, cold and warm, and beside it what the
 * numbers of the core alone predict. */
ent_status calibrate(const struct calibrate *calibrate, ent_error *error);

#endif
