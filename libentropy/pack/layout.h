/* layout.h - how parts lie in a packed model (FORMAT.md), for both directions. */
#ifndef ENT_PACK_LAYOUT_H
#define ENT_PACK_LAYOUT_H

#include <entropy/pack.h>

#define ENT_PACK_FORMAT "libentropy packed model"
enum { ENT_PACK_VERSION = 1 };

/* The format in which words of `format` are stored, one that safetensors has: itself, or the next of whole bytes. */
const ent_format *ent_pack_stored(const ent_format *format);
/* n unpacked words to stored ones, in place; and back.  ENT_ECORRUPT for stored words that `format` does not have. */
void ent_pack_widen(const ent_format *format, void *words, size_t n);
ent_status ent_pack_narrow(const ent_format *format, void *words, size_t n);

/* A format that a matrix may have in the model. */
bool ent_pack_is_matrix_format(const ent_format *format);

/* "NAME/PART", and the tensor of the bytes of file k that are in no tensor; freed by ent_free. */
char *ent_pack_part_name(const char *tensor, const char *part);
char *ent_pack_gap_name(size_t file);

/* Matrices worked on at once: of at most so many weights in all, or one larger one. */
enum { ENT_PACK_WINDOW = 128 << 20, ENT_PACK_WINDOW_TENSORS = 256 };

#endif
