/* pytorch.h - PyTorch checkpoints, alone or as shards of a model. */
#ifndef ENT_WEIGHTS_PYTORCH_H
#define ENT_WEIGHTS_PYTORCH_H

#include "weights/reader.h"

bool ent_pytorch_recognises(ent_bytes file);
/* Appends the tensors of a file of the model, without ent_model_finish. */
ent_status ent_pytorch_append(ent_weights *model, uint32_t file, ent_error *error);

#endif
