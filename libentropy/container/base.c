/* base.c - the checkpoint that a container's tensors are told by: whether it is the same as when they were coded. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "container/delta.h"
#include "container/load.h"
#include "weights/reader.h"

ent_status ent_file_hash(const ent_weights *weights, size_t file, uint64_t *hash)
{
    enum { PIECE = 16 << 20 };
    ent_bytes left = ent_weights_file_at(weights, file)->bytes;
    XXH3_state_t *state = XXH3_createState();
    if (!state) return ENT_ENOMEM;
    XXH3_64bits_reset(state);
    while (left.size) {
        ent_bytes piece = { left.data, left.size < PIECE ? left.size : PIECE };
        XXH3_64bits_update(state, piece.data, piece.size);
        ent_weights_release(weights, piece);
        left = (ent_bytes){ left.data + piece.size, left.size - piece.size };
    }
    *hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return ENT_OK;
}

size_t ent_container_base_files(const ent_container *container) { return container->index.bases; }

/* Sizes first, which cost nothing. */
static ent_status compare_sizes(const ent_container *c, const ent_weights *base, uint64_t *all, ent_error *error)
{
    const ent_index *x = &c->index;
    if (x->bases != ent_weights_files(base))
        return ent_fail(error, ENT_EINVAL, "%s: its base has %zu files, the model given %zu", c->path, x->bases,
                        ent_weights_files(base));
    for (size_t i = 0; i < x->bases; i++) {
        const ent_weights_file *f = ent_weights_file_at(base, i);
        *all += f->bytes.size;
        if (f->bytes.size != x->base[i].bytes)
            return ent_fail(error, ENT_EINVAL, "%s: its base %s has %llu bytes, the file given (%s) %zu", c->path,
                            ent_quote(x->base[i].name).text, (unsigned long long)x->base[i].bytes,
                            ent_quote(f->name).text, f->bytes.size);
    }
    return ENT_OK;
}

static ent_status compare_hash(const ent_container *c, const ent_weights *base, size_t i, ent_error *error)
{
    const ent_index_file *file = &c->index.base[i];
    uint64_t hash;
    ent_status status = ent_file_hash(base, i, &hash);
    if (status) return ent_fail(error, status, "%s: out of memory", c->path);
    if (hash == file->hash) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: its base %s has the XXH3 %016llx, the file given (%s) %016llx", c->path,
                    ent_quote(file->name).text, (unsigned long long)file->hash,
                    ent_quote(ent_weights_file_at(base, i)->name).text, (unsigned long long)hash);
}

ent_status ent_container_set_base(ent_container *container, const ent_weights *base, const ent_run *run,
                                  ent_error *error)
{
    uint64_t done = 0, all = 0;
    if (!container->index.bases)
        return ent_fail(error, ENT_EINVAL, "%s: stands on its own, without a base", container->path);
    ent_status status = compare_sizes(container, base, &all, error);
    for (size_t i = 0; i < container->index.bases && !status; i++) {
        status = compare_hash(container, base, i, error);
        done += container->index.base[i].bytes;
        if (!status && run && run->progress) run->progress(run->context, done, all);
    }
    if (!status) container->base = base;
    return status;
}

ent_status ent_need_base(const ent_container *container, ent_error *error)
{
    if (!container->index.bases || container->base) return ENT_OK;
    return ent_fail(error, ENT_EINVAL, "%s: stored as what differs from %s: that model is needed too (--base)",
                    container->path, ent_quote(container->index.base[0].name).text);
}
