/* unpack.h - copies of what files hold compressed: memory for them, and zlib. */
#ifndef ENT_WEIGHTS_UNPACK_H
#define ENT_WEIGHTS_UNPACK_H

#include "weights/reader.h"

/* Whether so many bytes cannot be the weights that `stored` bytes unpack to: over 64 MiB and a hundred times as much. */
bool ent_is_bomb(uint64_t size, uint64_t stored);

/* Memory of `size` bytes, all zero, that lives as long as the model: an unlinked temporary file, in $TMPDIR or /tmp, so that
 * models larger than memory can be unpacked.  `stored` bytes are to be unpacked into it: ENT_EUNSUPPORTED
 * for what ent_is_bomb says.  ENT_EIO when there is no room for the file. */
ent_status ent_model_scratch(ent_weights *model, const char *file, uint64_t size, uint64_t stored, uint8_t **memory,
                             ent_error *error);

enum {
    ENT_INFLATE_MOST = 1032, /* bytes that deflate can make of one */
    ENT_INFLATE_RAW = -15,   /* what zip archives hold */
    ENT_INFLATE_ZLIB = 15    /* with zlib's head and checksum */
};

/* Inflates all of `in` into `out`, which has room for *size bytes; *size becomes what there is.  ENT_ECORRUPT when there
 * is more, or it is damaged. */
ent_status ent_inflate(ent_bytes in, int form, uint8_t *out, size_t *size);

#endif
