/* choose_deltas.c - which way of telling each tensor by another checkpoint takes the fewest bytes. */
#include "container/delta.h"
#include "container/trial.h"

typedef struct choosing {
    const ent_weights *weights, *base;
    ent_delta *delta; /* of each tensor: what is tried */
    uint32_t *codec;
    ent_tensor_size *size;
    double (*best)[ENT_DELTAS];
} choosing;

static ent_status try_way(choosing *c, ent_delta way, const ent_codec *const codec[2], uint64_t sample_bytes,
                          const ent_run *run, ent_error *error)
{
    size_t n = ent_weights_tensors(c->weights);
    for (size_t i = 0; i < n; i++) {
        bool told = way && ent_delta_base_of(c->base, ent_weights_tensor(c->weights, i));
        c->delta[i] = told ? way : ENT_DELTA_NONE;
        c->codec[i] = told;
    }
    const ent_assignment assignment = { .codecs = 2, .codec = codec, .of = c->codec, .base = c->base, .delta = c->delta };
    ent_status status = ent_trial_sizes(c->weights, &assignment, sample_bytes, run, c->size, error);
    for (size_t i = 0; i < n && !status; i++)
        c->best[i][way] = way && !c->delta[i] ? -1 : c->size[i].bytes;
    return status;
}

ent_status ent_container_choose_deltas(const ent_weights *weights, const ent_weights *base,
                                       const ent_codec *const codec[2], uint64_t sample_bytes, const ent_run *run,
                                       ent_delta *delta, double (*size)[ENT_DELTAS], ent_error *error)
{
    size_t n = ent_weights_tensors(weights);
    choosing c = { weights, base, delta, ent_calloc(n, sizeof *c.codec), ent_calloc(n, sizeof *c.size), size };
    double (*own)[ENT_DELTAS] = size ? NULL : ent_calloc(n, sizeof *own);
    ent_status status = ENT_OK;
    if (!size) c.best = own;
    if (!c.codec || !c.size || !c.best) status = ent_fail(error, ENT_ENOMEM, "out of memory");
    for (int way = 0; way < ENT_DELTAS && !status; way++)
        status = try_way(&c, (ent_delta)way, codec, sample_bytes, run, error);
    for (size_t i = 0; i < n && !status; i++) {
        delta[i] = ENT_DELTA_NONE;
        for (int way = 1; way < ENT_DELTAS; way++)
            if (c.best[i][way] >= 0 && c.best[i][way] < c.best[i][delta[i]]) delta[i] = (ent_delta)way;
    }
    ent_free(c.codec);
    ent_free(c.size);
    ent_free(own);
    return status;
}
