/* reader.h - what a reader of one file format gives, and what it builds a model with. */
#ifndef ENT_WEIGHTS_READER_H
#define ENT_WEIGHTS_READER_H

#include <jansson.h>

#include <entropy/weights.h>

typedef struct ent_reader {
    const char *name, *brief;
    const char *extension;              /* taken when the content says nothing, e.g. for a truncated file */
    bool zip;                           /* an archive, and so whatever a damaged archive of that name is */
    bool (*recognises)(ent_bytes file); /* by the content alone */
    /* Appends the tensors of file 0, which is mapped, and of the files that it names; ends with
     * ent_model_finish.  `path` is that of file 0. */
    ent_status (*read)(ent_weights *model, const char *path, ent_error *error);
} ent_reader;

typedef struct ent_arena ent_arena; /* memory that lives as long as the model */

struct ent_weights {
    const ent_reader *reader;
    const char *path; /* of file 0 */
    ent_weights_file *file;
    ent_tensor *tensor;
    const ent_tensor **by_name; /* sorted */
    size_t files, tensors, file_capacity, tensor_capacity;
    ent_bytes scratch[2]; /* memory for what was unpacked, see unpack.h */
    size_t scratches;
    const char *note; /* see ent_weights_note */
    ent_arena *arena;
};

/* Maps a file, whole, as the model's last file: its index is model->files - 1. */
ent_status ent_model_map(ent_weights *model, const char *path, ent_error *error);
/* Memory from the model's arena, not cleared, aligned to 8; NULL when there is none. */
void *ent_model_alloc(ent_weights *model, size_t size);
/* A copy of text in the arena, with a NUL after it. */
char *ent_model_copy(ent_weights *model, ent_bytes text);
char *ent_model_text(ent_weights *model, const char *text);
/* A new last tensor, all zero; NULL when there is no memory.  Earlier pointers become invalid. */
ent_tensor *ent_model_add(ent_weights *model);
/* Puts the tensors from number `first` on in the order of (file, offset).  Of those that share bytes (tied weights,
 * views) one stays, the first of the largest, widened to a vector of all their bytes when it does not hold the others;
 * their arrays of sizes have room for one.  Tensors that were unpacked share none. */
ent_status ent_model_settle(ent_weights *model, size_t first, ent_error *error);
/* Indexes the names: ENT_ECORRUPT when two tensors share one.  Nothing may be added after it. */
ent_status ent_model_finish(ent_weights *model, ent_error *error);

/* A name from a file, quoted for a message: shortened, control characters made harmless. */
typedef struct ent_quoted {
    char text[100];
} ent_quoted;
ent_quoted ent_quote(const char *name);

/* A plain file name: no folder, no drive, nothing that a terminal or another system would read otherwise. */
bool ent_plain_name(const char *name);
/* Maps the file of that name beside `path`, unless the model has it already; *file is its number.  `what` it is: for
 * ENT_ECORRUPT, when it is not there. */
ent_status ent_model_map_beside(ent_weights *model, const char *path, const char *name, const char *what,
                                uint32_t *file, ent_error *error);

bool ent_is_utf8(ent_bytes text); /* and nothing that JSON cannot hold */
bool ent_ends_with(const char *text, const char *end);

/* `text`, which starts at byte `start` of file `name`, as a JSON object; to be freed by json_decref.
 * ENT_ECORRUPT for anything else, duplicate keys included, with the reason and the byte. */
ent_status ent_json_object(json_t **object, ent_bytes text, uint64_t start, const char *name, ent_error *error);

/* Whether a safetensors file can hold a dtype. */
bool ent_safetensors_knows(const char *dtype);
/* Appends the tensors of file `file`, a safetensors file, without ent_model_finish. */
ent_status ent_safetensors_append(ent_weights *model, uint32_t file, ent_error *error);

/* What is known about a file that no reader takes: what it is and what to do, or NULL. */
const char *ent_known_format(ent_bytes file);

#endif
