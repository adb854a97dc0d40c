/* views.c - packed codes of quantized checkpoints, seen as codes: see ent_weights_view_packed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "weights/views.h"

#define X(name) extern const ent_view ent_view_##name;
#include "views.def"
#undef X

static const ent_view *const views[] = {
#define X(name) &ent_view_##name,
#include "views.def"
#undef X
};
enum { VIEWS = sizeof views / sizeof *views };

/* ---- for the families -------------------------------------------------------------------------------------- */

ent_tensor *ent_view_beside(const ent_viewing *v, const char *ending)
{
    char text[1024];
    size_t size = v->stem + strlen(ending) + 1;
    if (size > sizeof text) return NULL; /* no model's names are as long */
    memcpy(text, v->codes->name, v->stem);
    memcpy(text + v->stem, ending, size - v->stem);
    const ent_tensor *found = ent_weights_find(v->model, text);
    return found ? &v->model->tensor[found - v->model->tensor] : NULL;
}

bool ent_view_is(const ent_tensor *t, const char *dtype, uint32_t rank)
{
    return t && t->rank == rank && !strcmp(t->dtype, dtype);
}

static ent_status no_memory(const ent_viewing *v)
{
    return ent_fail(v->error, ENT_ENOMEM, "%s: out of memory", v->model->file[0].name);
}

ent_status ent_view_part(const ent_viewing *v, ent_tensor *t, const char *part)
{
    char text[64];
    if (!t) return ENT_OK;
    snprintf(text, sizeof text, "%s %s", t->role, part);
    return (t->role = ent_model_text(v->model, text)) ? ENT_OK : no_memory(v);
}

ent_status ent_view_unpack(const ent_viewing *v, ent_tensor *t, const char *dtype, uint32_t per, const char *part)
{
    uint64_t *shape = ent_model_alloc(v->model, (t->rank + 1) * sizeof *shape);
    if (!shape) return no_memory(v);
    memcpy(shape, t->shape, t->rank * sizeof *shape);
    shape[t->rank++] = per;
    t->shape = shape;
    t->elements *= per;
    t->dtype_bits /= per;
    t->dtype = dtype;
    return ent_view_part(v, t, part);
}

static ent_status wrong(const ent_viewing *v, const ent_tensor *t, const char *format, va_list args)
{
    char text[400];
    vsnprintf(text, sizeof text, format, args);
    return ent_fail(v->error, ENT_ECORRUPT, "%s: tensor %s, at byte %llu: %s (--stored shows it as it is stored)",
                    v->model->file[t->file].name, ent_quote(t->name).text, (unsigned long long)t->offset, text);
}

ent_status ent_view_misfit(const ent_viewing *v, const ent_tensor *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ent_status status = v->promised ? wrong(v, t, format, args) : ENT_OK;
    va_end(args);
    return status;
}

ent_status ent_view_wrong(const ent_viewing *v, const ent_tensor *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ent_status status = wrong(v, t, format, args);
    va_end(args);
    return status;
}

/* ---- the families ------------------------------------------------------------------------------------------ */

static bool has_method(const ent_view *view, const char *method)
{
    for (size_t i = 0; view->method[i]; i++)
        if (!strcmp(view->method[i], method)) return true;
    return false;
}

static bool is_known(const char *method)
{
    for (size_t i = 0; i < VIEWS; i++)
        if (has_method(views[i], method)) return true;
    return false;
}

static ent_status show(ent_viewing *v, const ent_view *view)
{
    bool opaque = !strcmp(v->codes->dtype, "I32") || !strcmp(v->codes->dtype, "U8"); /* the dtype tells nothing */
    v->promised = has_method(view, v->config.method);
    if (opaque && !v->promised && is_known(v->config.method))
        return ent_view_wrong(v, v->codes, "it has the names of %s%s%s, but config.json says quant_method \"%s\"",
                              view->method[0], view->method[1] ? " or " : "", view->method[1] ? view->method[1] : "",
                              v->config.method);
    return view->show(v);
}

ent_status ent_weights_view_packed(ent_weights *model, ent_error *error)
{
    ent_viewing v = { .model = model, .error = error };
    bool read = false;
    ent_status status = ENT_OK;
    for (size_t i = 0; i < model->tensors && !status; i++) {
        v.codes = &model->tensor[i];
        for (size_t k = 0; k < VIEWS; k++) {
            if (!ent_ends_with(v.codes->name, views[k]->ending)) continue;
            v.stem = strlen(v.codes->name) - strlen(views[k]->ending);
            if (!views[k]->named(&v)) continue;
            if (!read) status = ent_quantization_read(&v.config, model->path, error); /* when it is needed at all */
            read = true;
            if (!status) status = show(&v, views[k]);
            break;
        }
    }
    return status;
}
