/* dataset.h - models to work on: the catalogue, downloads that are checked, generated models.
 *
 * Private to the program.  `folder` is the place of the catalogue and of what is shipped: datasets/
 * in the sources, share/libentropy/datasets when installed.
 */
#ifndef ENT_DATASET_H
#define ENT_DATASET_H

#include <entropy/container.h> /* ent_run */

/* ---- the catalogue --------------------------------------------------------------------------- */

/* A row of catalogue.tsv; columns that say nothing are "". */
typedef struct ent_dataset {
    const char *name;    /* as on the command line */
    const char *kind;    /* "shipped", "huggingface" or "generated" */
    const char *source;  /* a folder of `folder`, ORG/NAME[@REVISION], or options of ent_dataset_make */
    const char *files;   /* separated by blanks; "": what the repository's index lists */
    const char *licence; /* SPDX id, or a name */
    const char *bytes;   /* of all files; "?": not known */
    const char *sha256;  /* one a file, in order, separated by blanks; "?": not known */
    const char *cite;    /* papers whose tables are about it: keys in paper/refs.bib */
    const char *note;    /* for lists */
    const char *folder;  /* where the catalogue lies */
} ent_dataset;

typedef struct ent_catalogue {
    ent_dataset *row;
    size_t rows;
    char *text; /* what the rows point into */
} ent_catalogue;

/* Reads FOLDER/catalogue.tsv; ENT_ECORRUPT names the line. */
ent_status ent_catalogue_read(ent_catalogue *catalogue, const char *folder, ent_error *error);
void ent_catalogue_free(ent_catalogue *catalogue);
const ent_dataset *ent_catalogue_find(const ent_catalogue *catalogue, const char *name); /* NULL: none */

/* ---- getting one ----------------------------------------------------------------------------- */

/* Brings a dataset into the folder `into` (made if it is not there): downloads a huggingface one,
 * makes a generated one as model.safetensors; a shipped one is ENT_EINVAL, it is there already.
 *
 * Downloads go to NAME.part, are resumed where a broken one stopped, and get their name once their
 * hash is what the catalogue says (SHA-256), or, where it says nothing, what the server announces
 * (Hugging Face: SHA-256 or git's SHA-1; other servers may say nothing); the SHA-256 is
 * added to SHA256SUMS beside the files (`sha256sum -c` reads it).  Files that are there
 * and listed are not fetched again.  `run` gives progress in bytes of one file after another.
 *
 * The environment: ENT_DATASET_URL, the server (https://huggingface.co); HF_TOKEN, for models whose
 * licence must be accepted first.  ENT_EUNSUPPORTED in a build without libcurl or libcrypto;
 * ENT_ECHECK for a wrong hash (the file is removed); ENT_EIO names the HTTP status. */
ent_status ent_dataset_get(const ent_dataset *dataset, const char *into, const ent_run *run, ent_error *error);

/* Compares every file listed in FOLDER/SHA256SUMS: ENT_ECHECK names the first that differs. */
ent_status ent_dataset_verify(const char *folder, const ent_run *run, ent_error *error);

/* ---- making one ------------------------------------------------------------------------------ */

typedef enum ent_dataset_law {
    ENT_LAW_NORMAL,
    ENT_LAW_LAPLACE,
    ENT_LAW_STUDENT,
    ENT_LAW_MIXTURE, /* normal times exp(spread * another normal), both new for each weight */
    ENT_LAW_HISTOGRAM
} ent_dataset_law;

/* What to make.  Weights lie in rows of 4096 (tensors of at most 64 Mi weights, what is left over in
 * a vector); each is sigma * (its tensor's scale) * (its row's scale) * variate, and the scales are
 * exp(spread * normal).  Rounded to float first, then to `dtype`. */
typedef struct ent_dataset_options {
    ent_dataset_law law;
    char dtype[24];       /* BF16 (preset), F16, F16-from-BF16, F32, F8_E4M3, F8_E5M2 */
    uint64_t weights;     /* preset 16 Mi */
    uint64_t seed;        /* preset 1 */
    double sigma;         /* preset 0.02 */
    double nu;            /* degrees of freedom of student; preset 4 */
    double spread;        /* of mixture; preset 0.3 */
    double row_spread;    /* preset 0 */
    double tensor_spread; /* preset 0 */
    /* law histogram (BF16 only): exponents as counted in a published model, sign and mantissa uniform */
    char histogram[1024];  /* CSV file; columns model, tensor_class, biased_exponent, count among others */
    char model[128];       /* rows to take; "": whatever the model */
    char tensor_class[64]; /* likewise; preset "linear" */
} ent_dataset_options;

/* Presets of a law by name: "normal", "laplace", "student", "mixture", "histogram"; ENT_EINVAL for another. */
ent_status ent_dataset_options_init(ent_dataset_options *options, const char *law, ent_error *error);
/* Sets one by its name above with '-' for '_', from text; whole numbers take Ki, Mi, Gi, k, M, G. */
ent_status ent_dataset_options_set(ent_dataset_options *options, const char *name, const char *value, ent_error *error);
/* Both from one text: "normal weights=64Mi seed=3". */
ent_status ent_dataset_options_parse(ent_dataset_options *options, const char *text, ent_error *error);

/* Writes a safetensors file: to a temporary name beside it, synced, renamed.  The bytes depend on the
 * options alone, not on threads.  Memory: some rows a thread. */
ent_status ent_dataset_make(const char *path, const ent_dataset_options *options, const ent_run *run, ent_error *error);

#endif
