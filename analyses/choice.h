/* choice.h - a codec for each tensor of a model, as a file: what `entropy choose` writes and
 * `entropy compress --plan` obeys.
 *
 * JSON: "format" "libentropy choice", "version" 1, "model", "target", "threads", "predicted" {"bytes",
 * "bytes_error", "ns", "raw_ns"} for people and for `entropy bench --plan`; "codecs", a list of {"name",
 * "text"}; "tensors", an object of tensor names, each with a position in that list.
 */
#ifndef ENT_ANALYSES_CHOICE_H
#define ENT_ANALYSES_CHOICE_H

#include <entropy/container.h>
#include <jansson.h>

struct choice_prediction {
    double bytes, bytes_error; /* of blocks and tables; its standard error */
    double ns, raw_ns;         /* to decode all tensors; to copy them uncoded */
    unsigned threads;          /* 0: all of the target */
};

struct choice {
    ent_codec **codec;
    size_t codecs;
    uint32_t *of; /* of each tensor of the model */
    const char *target;
    struct choice_prediction predicted;
    json_t *root; /* what was read: owns the strings; NULL when writing */
};

/* To a temporary name beside `path`, then renamed.  `model` is its name, for people. */
ent_status choice_write(const struct choice *choice, const ent_weights *weights, const char *model, const char *path,
                        ent_error *error);
/* ENT_ECORRUPT, naming what is wrong, for what choice_write cannot have written and for a choice of another
 * model: the tensors' names must be the model's.  `weights` NULL: no model at hand, `of` stays NULL. */
ent_status choice_read(struct choice *choice, const ent_weights *weights, const char *path, ent_error *error);
void choice_free(struct choice *choice); /* codecs too */

#endif
