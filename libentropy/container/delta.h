/* delta.h - words of a tensor told by those of another of the same shape. */
#ifndef ENT_CONTAINER_DELTA_H
#define ENT_CONTAINER_DELTA_H

#include <entropy/container.h>

/* Whether words of a format can be told by others: a number format of whole bytes. */
bool ent_delta_takes(const ent_format *format);

/* The tensor of `base` of the same name, dtype and shape; NULL: there is none, or it cannot be used. */
const ent_tensor *ent_delta_base_of(const ent_weights *base, const ent_tensor *tensor);

/* XXH3-64 of a file of a model, whose pages are let go. */
ent_status ent_file_hash(const ent_weights *weights, size_t file, uint64_t *hash);

/* n words of a block, `fresh`, as what is coded of them, `words`, given those of the base; and back.  Only `words` is
 * aligned; `fresh` and `words` are apart. */
void ent_delta_make(ent_delta way, const ent_format *format, const uint8_t *fresh, const uint8_t *base, size_t n,
                    void *words);
void ent_delta_undo(ent_delta way, const ent_format *format, const void *words, const uint8_t *base, size_t n,
                    uint8_t *fresh);

#endif
