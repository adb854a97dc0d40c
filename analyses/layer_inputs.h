/* layer_inputs.h - which of a calibration's inputs feeds which tensor of a Llama model. */
#ifndef ENT_ANALYSES_LAYER_INPUTS_H
#define ENT_ANALYSES_LAYER_INPUTS_H

#include <entropy/quality.h>

struct layer_inputs {
    ent_calibration calibration;
    const ent_input_stats **input; /* of each tensor, or NULL; NULL: there is no calibration */
};

/* Reads `file` (NULL: there is none); `config` NULL: config.json beside `model`, which is the argument that names it.  ENT_EINVAL for
 * the calibration of another model. */
ent_status layer_inputs_read(struct layer_inputs *l, const char *file, const char *model, const char *config,
                             const ent_weights *weights, ent_error *error);
void layer_inputs_free(struct layer_inputs *l); /* takes a zeroed one too */

#endif
