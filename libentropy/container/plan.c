/* plan.c - see plan.h. */
#include <pthread.h>
#include <string.h>

#include "codec/block.h"
#include "container/delta.h"
#include "container/plan.h"

/* ---- recipes ------------------------------------------------------------------------------------------ */

/* The format by which a tensor's bytes can be cut into words; "" when they are opaque, which they are
 * too when the file's count of elements is not that of its bytes (padding bits would be lost). */
static const char *recipe_dtype(const ent_tensor *t)
{
    const ent_format *f = ent_dtype_find(t->dtype);
    if (!f || t->elements % f->weights) return "";
    uint64_t words = t->elements / f->weights;
    return words <= UINT64_MAX / f->bits && words * f->bits == 8 * (uint64_t)t->bytes.size ? f->name : "";
}

/* Codecs that treat a dtype alike share a recipe. */
static ent_status add_recipe(ent_plan *plan, const ent_codec *codec, const char *dtype, uint32_t *number,
                             ent_error *error)
{
    ent_index *x = &plan->index;
    ent_index_recipe *r = &x->recipe[x->recipes];
    ent_buffer text = { NULL, 0, 0 };
    ent_status status = ent_codec_bind(codec, dtype, &r->recipe, error);
    if (status) return status;
    if ((status = ent_codec_recipe_text(codec, dtype, &text))) {
        ent_free(text.data);
        return ent_fail(error, status, "out of memory");
    }
    *r = (ent_index_recipe){ dtype, (char *)text.data, r->recipe };
    for (*number = 0; *number < x->recipes; ++*number)
        if (!strcmp(x->recipe[*number].dtype, dtype) && !strcmp(x->recipe[*number].text, r->text)) {
            ent_free(text.data);
            return ENT_OK;
        }
    x->recipes++;
    return ENT_OK;
}

/* Of a codec: one recipe a format at most, and one for opaque bytes; and room for one that is known already. */
static size_t most_recipes(size_t codecs)
{
    size_t n = 1;
    while (ent_dtype_at(n - 1)) n++;
    return n * codecs + 1;
}

/* ---- groups ------------------------------------------------------------------------------------------- */

static bool same_group(ent_scope scope, const ent_group *group, uint32_t recipe, const char *role)
{
    return scope != ENT_SCOPE_TENSOR && group->recipe == recipe &&
           (scope != ENT_SCOPE_ROLE || !strcmp(group->role, role));
}

/* Groups are few but for scope tensor, where none needs to be looked for. */
static uint32_t find_group(ent_plan *plan, uint32_t recipe, const char *role)
{
    ent_scope scope = plan->index.scope;
    size_t i = scope == ENT_SCOPE_TENSOR ? plan->groups : 0;
    while (i < plan->groups && !same_group(scope, &plan->group[i], recipe, role)) i++;
    if (i == plan->groups) plan->group[plan->groups++] = (ent_group){ .recipe = recipe, .role = role };
    return (uint32_t)i;
}

/* ---- making ------------------------------------------------------------------------------------------- */

static ent_status add_tensor(ent_plan *plan, const ent_codec *codec, const ent_tensor *t, ent_error *error)
{
    size_t i = plan->index.tensors++;
    ent_index_tensor *to = &plan->index.tensor[i];
    plan->source[i] = t;
    *to = (ent_index_tensor){ .name = t->name,
                              .dtype = t->dtype,
                              .rank = t->rank,
                              .shape = t->shape,
                              .elements = t->elements,
                              .bytes = t->bytes.size,
                              .file = t->file,
                              .offset = t->offset,
                              .same = -1 };
    const char *dtype = recipe_dtype(t);
    ent_status status = add_recipe(plan, codec, dtype, &to->recipe, error);
    if (status) return status;
    to->words = ent_index_words(&plan->index, to);
    memset(to->table, -1, sizeof to->table);
    plan->group_of[i] = find_group(plan, to->recipe, t->role);
    if (*dtype) {
        plan->index.sizes.weights += t->elements;
        plan->index.sizes.weight_bytes += t->bytes.size;
    }
    return ENT_OK;
}

/* Of the tensor added last. */
static ent_status add_delta(ent_plan *plan, ent_delta delta, const ent_tensor *t, ent_error *error)
{
    size_t i = plan->index.tensors - 1;
    const ent_tensor *base = ent_delta_base_of(plan->base, t);
    if (!base)
        return ent_fail(error, ENT_EINVAL, "tensor %s: the base has none of its name, dtype and shape", t->name);
    plan->index.tensor[i].delta = delta;
    plan->index.tensor[i].base_file = base->file;
    plan->index.tensor[i].base_offset = base->offset;
    return ENT_OK;
}

static void add_files(ent_plan *plan)
{
    ent_index *x = &plan->index;
    for (size_t i = 0; i < x->files; i++) {
        const ent_weights_file *f = ent_weights_file_at(plan->weights, i);
        x->file[i] = (ent_index_file){ f->name, f->bytes.size, 0 };
        x->sizes.input_bytes += f->bytes.size;
    }
    for (size_t i = 0; i < x->bases; i++) {
        const ent_weights_file *f = ent_weights_file_at(plan->base, i);
        x->base[i] = (ent_index_file){ f->name, f->bytes.size, 0 };
    }
}

/* What the index says of all codecs together. */
static ent_status set_codec(ent_index *x, const ent_assignment *assignment, ent_error *error)
{
    const ent_codec *first = assignment->codec[0];
    bool several = assignment->codecs > 1;
    x->codec = several ? "chosen for each tensor" : ent_codec_text(first);
    x->codec_name = several ? "chosen" : ent_codec_name(first);
    x->scope = ent_codec_scope(first);
    x->block = ent_codec_block(first);
    x->readable = assignment->readable;
    if (x->readable && (x->scope != ENT_SCOPE_BLOCK || assignment->base))
        return ent_fail(error, ENT_EINVAL, "codec %s: a readable container needs scope=block, tables in every block, and no base",
                        ent_codec_name(first));
    for (size_t i = 0; i < assignment->codecs && several; i++) {
        const ent_codec *codec = assignment->codec[i];
        if (ent_codec_scope(codec) != ENT_SCOPE_TENSOR)
            return ent_fail(error, ENT_EINVAL, "codec %s: with several codecs, each needs scope=tensor",
                            ent_codec_name(codec));
        if (ent_codec_block(codec) != x->block)
            return ent_fail(error, ENT_EINVAL, "codecs %s and %s: blocks of %zu and %zu weights do not go together",
                            ent_codec_name(first), ent_codec_name(codec), (size_t)x->block, ent_codec_block(codec));
    }
    return ENT_OK;
}

ent_status ent_plan_make(ent_plan *plan, const ent_weights *weights, const ent_assignment *assignment,
                         enum ent_plan_tensors tensors, ent_error *error)
{
    size_t n = ent_weights_tensors(weights), files = ent_weights_files(weights);
    size_t bases = assignment->base ? ent_weights_files(assignment->base) : 0;
    *plan = (ent_plan){ .weights = weights, .base = assignment->base };
    ent_index *x = &plan->index;
    ent_status status = set_codec(x, assignment, error);
    if (status) return status;
    x->file = ent_calloc(files, sizeof *x->file);
    x->base = ent_calloc(bases, sizeof *x->base);
    x->recipe = ent_calloc(most_recipes(assignment->codecs), sizeof *x->recipe);
    x->tensor = ent_calloc(n, sizeof *x->tensor);
    plan->source = ent_calloc(n, sizeof *plan->source);
    plan->group_of = ent_calloc(n, sizeof *plan->group_of);
    plan->group = ent_calloc(n, sizeof *plan->group);
    if (!x->file || !x->base || !x->recipe || !x->tensor || !plan->source || !plan->group_of || !plan->group)
        status = ent_fail(error, ENT_ENOMEM, "out of memory");
    x->files = status ? 0 : files;
    x->bases = status ? 0 : bases;
    add_files(plan);
    for (size_t i = 0; i < n && !status; i++) {
        const ent_tensor *t = ent_weights_tensor(weights, i);
        if (tensors == ENT_PLAN_IN_FILES && t->unpacked) continue;
        status = add_tensor(plan, assignment->codec[assignment->of ? assignment->of[i] : 0], t, error);
        if (!status && assignment->base && assignment->delta[i]) status = add_delta(plan, assignment->delta[i], t, error);
    }
    if (status) ent_plan_free(plan);
    return status;
}

void ent_plan_free(ent_plan *plan)
{
    for (size_t i = 0; i < plan->groups; i++) {
        ent_recipe_counts_free(plan->group[i].counts);
        ent_tables_free(&plan->group[i].tables);
    }
    for (size_t i = 0; i < plan->index.recipes; i++) ent_free((void *)(uintptr_t)plan->index.recipe[i].text);
    ent_free(plan->group);
    ent_free(plan->group_of);
    ent_free(plan->source);
    ent_index_free(&plan->index);
    *plan = (ent_plan){ 0 };
}

bool ent_group_pays(const ent_plan *plan, const ent_group *group, uint32_t field, size_t table_bytes)
{
    const ent_recipe *r = &plan->index.recipe[group->recipe].recipe;
    double bits = ent_field_bits(&r->split.field[field]);
    double saved = (bits - ent_recipe_entropy_bits(r, field, &group->counts[field])) *
                   (double)ent_symbols_of(r, field, group->words);
    return saved > 8 * (double)table_bytes;
}

/* ---- units -------------------------------------------------------------------------------------------- */

ent_status ent_plan_units(const ent_plan *plan, size_t first, size_t end, ent_unit **units, size_t *n, ent_error *error)
{
    const ent_index *x = &plan->index;
    *n = 0;
    for (size_t i = first; i < end; i++) *n += x->tensor[i].same < 0 ? ent_index_blocks(x, &x->tensor[i]) : 0;
    ent_unit *u = *units = ent_calloc(*n, sizeof *u);
    if (!u) return ent_fail(error, ENT_ENOMEM, "out of memory");
    for (size_t i = first; i < end; i++)
        for (uint64_t k = 0; x->tensor[i].same < 0 && k < ent_index_blocks(x, &x->tensor[i]); k++, u++) {
            *u = (ent_unit){ .tensor = (uint32_t)i, .block = k };
            u->words = (uint32_t)ent_index_block(x, &x->tensor[i], k, &u->offset, &u->size);
        }
    return ENT_OK;
}

size_t ent_plan_batch(const ent_plan *plan, size_t first, uint64_t *bytes)
{
    const ent_index *x = &plan->index;
    size_t end = first;
    *bytes = 0;
    do *bytes += x->tensor[end++].bytes;
    while (end < x->tensors && end - first < ENT_BATCH_TENSORS && *bytes + x->tensor[end].bytes <= ENT_BATCH_BYTES);
    return end;
}

static ent_bytes unit_bytes(const ent_plan *plan, const ent_unit *unit)
{
    return (ent_bytes){ plan->source[unit->tensor]->bytes.data + unit->offset, unit->size };
}

/* The same bytes of its counterpart. */
static ent_bytes base_bytes(const ent_plan *plan, const ent_unit *unit)
{
    const ent_index_tensor *t = &plan->index.tensor[unit->tensor];
    const ent_weights_file *f = ent_weights_file_at(plan->base, t->base_file);
    return (ent_bytes){ f->bytes.data + t->base_offset + unit->offset, unit->size };
}

void ent_unit_release(const ent_plan *plan, const ent_unit *unit)
{
    ent_weights_release(plan->weights, unit_bytes(plan, unit));
    if (plan->index.tensor[unit->tensor].delta) ent_weights_release(plan->base, base_bytes(plan, unit));
}

ent_status ent_unit_words(const ent_plan *plan, const ent_unit *unit, ent_buffer *scratch, const void **words)
{
    const ent_index_tensor *t = &plan->index.tensor[unit->tensor];
    const ent_recipe *recipe = &plan->index.recipe[t->recipe].recipe;
    ent_bytes bytes = unit_bytes(plan, unit);
    *words = bytes.data;
    if (!t->delta && !ent_format_packed(recipe->format) && (uintptr_t)bytes.data % ent_format_alignment(recipe->format) == 0)
        return ENT_OK;
    ent_status status = ent_buffer_reserve(scratch, (size_t)unit->words * recipe->word_width);
    if (status) return status;
    if (t->delta)
        ent_delta_make(t->delta, recipe->format, bytes.data, base_bytes(plan, unit).data, unit->words, scratch->data);
    else ent_format_unpack(recipe->format, bytes.data, 0, unit->words, scratch->data);
    *words = scratch->data;
    return ENT_OK;
}

/* ---- counting ----------------------------------------------------------------------------------------- */

typedef struct counting {
    ent_plan *plan;
    const ent_unit *units;
    double *bits; /* of each unit; NULL unless the scope is block */
    bool release;
    pthread_mutex_t lock; /* of the groups' counts: sums do not depend on the order */
} counting;

static ent_status merge(counting *c, ent_group *group, const ent_counts counts[], uint64_t words)
{
    const ent_recipe *recipe = &c->plan->index.recipe[group->recipe].recipe;
    ent_status status = ENT_OK;
    pthread_mutex_lock(&c->lock);
    if (!group->words && !c->bits) status = ent_recipe_counts_init(recipe, group->counts);
    for (uint32_t i = 0; i < recipe->split.fields && !status && !c->bits; i++)
        if (counts[i].count) status = ent_counts_merge(&group->counts[i], &counts[i]);
    group->words += words;
    pthread_mutex_unlock(&c->lock);
    return status;
}

static ent_status count_unit(size_t i, unsigned thread, void *context)
{
    (void)thread;
    counting *c = context;
    const ent_unit *unit = &c->units[i];
    ent_group *group = &c->plan->group[c->plan->group_of[unit->tensor]];
    const ent_recipe *recipe = &c->plan->index.recipe[group->recipe].recipe;
    ent_buffer scratch = { NULL, 0, 0 };
    ent_counts counts[ENT_MAX_FIELDS];
    const void *words;
    ent_status status = ent_recipe_counts_init(recipe, counts);
    if (status) return status;
    status = ent_unit_words(c->plan, unit, &scratch, &words);
    if (!status) status = ent_recipe_count(recipe, words, unit->words, counts);
    if (!status && c->bits) c->bits[i] = ent_recipe_bound_bits(recipe, counts) * unit->words;
    if (!status) status = merge(c, group, counts, unit->words);
    if (c->release) ent_unit_release(c->plan, unit);
    ent_recipe_counts_free(counts);
    ent_free(scratch.data);
    return status;
}

ent_status ent_plan_count(ent_plan *plan, const ent_unit *units, size_t n, unsigned threads, bool release,
                          ent_error *error)
{
    counting c = { .plan = plan, .units = units, .release = release };
    if (plan->index.scope == ENT_SCOPE_BLOCK && !(c.bits = ent_calloc(n, sizeof *c.bits)))
        return ent_fail(error, ENT_ENOMEM, "out of memory");
    pthread_mutex_init(&c.lock, NULL);
    ent_status status = ent_parallel(n, threads, count_unit, &c);
    pthread_mutex_destroy(&c.lock);
    for (size_t i = 0; i < n && c.bits; i++) plan->group[plan->group_of[units[i].tensor]].bits += c.bits[i];
    ent_free(c.bits);
    return status ? ent_fail(error, status, "counting: %s", ent_status_text(status)) : ENT_OK;
}

ent_status ent_plan_count_all(ent_plan *plan, const ent_run *run, ent_error *error)
{
    ent_status status = ENT_OK;
    uint64_t bytes, done = 0;
    for (size_t first = 0, end; first < plan->index.tensors && !status; first = end) {
        ent_unit *units;
        size_t n;
        end = ent_plan_batch(plan, first, &bytes);
        status = ent_plan_units(plan, first, end, &units, &n, error);
        if (!status) status = ent_plan_count(plan, units, n, run->threads, true, error);
        ent_free(units);
        done += bytes;
        if (!status && run->progress) run->progress(run->context, done, plan->index.sizes.input_bytes);
    }
    return status;
}
