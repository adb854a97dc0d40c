/* zip.h - the directory of a zip archive, for the formats that are one (NumPy's .npz, PyTorch's .pt, Keras's .keras). */
#ifndef ENT_WEIGHTS_ZIP_H
#define ENT_WEIGHTS_ZIP_H

#include "weights/reader.h"

enum { ENT_ZIP_STORED = 0, ENT_ZIP_DEFLATED = 8 };

typedef struct ent_zip_member {
    const char *name;              /* in the model's arena */
    uint64_t offset, stored, size; /* of its data in the file; bytes there, and unpacked */
    uint64_t header;               /* where its local header begins */
    uint32_t sum;                  /* CRC-32 of the unpacked data */
    uint16_t method;
} ent_zip_member;

typedef struct ent_zip {
    const ent_weights_file *file;
    ent_zip_member *member; /* in order of offset */
    const ent_zip_member **named; /* by name */
    size_t members;
} ent_zip;

/* The members of a file of the model.  ENT_ECORRUPT unless the directory, the local headers and the file agree, members
 * lie apart, no two share a name and none leaves the folder; ENT_EUNSUPPORTED for encrypted and split archives. */
ent_status ent_zip_open(ent_zip *zip, ent_weights *model, uint32_t file, ent_error *error);
void ent_zip_close(ent_zip *zip);
/* The member of that name; NULL: none. */
const ent_zip_member *ent_zip_find(const ent_zip *zip, const char *name);
/* The data of `members` members: views, and copies of what is deflated, whose sums are checked.  Once for a model. */
ent_status ent_zip_unpack(ent_weights *model, uint32_t file, const ent_zip_member member[], size_t members,
                          ent_bytes data[], ent_error *error);
/* Whether a file is an archive one of whose names ends so; for recognising, so without any check. */
bool ent_zip_has(ent_bytes file, const char *end);

#endif
