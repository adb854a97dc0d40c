/* verify.c - every block checked, decoded, and compared with a model. */
#include <stdio.h>
#include <string.h>

#include "container/flow.h"
#include "container/shapes.h"
#include "weights/reader.h"

static size_t first_difference(ent_bytes a, const uint8_t *b)
{
    size_t i = 0;
    while (i < a.size && a.data[i] == b[i]) i++;
    return i;
}

/* A piece against the same bytes of the model. */
static ent_status compare_piece(void *context, const ent_piece *piece, ent_error *error)
{
    const ent_weights *against = context;
    const ent_weights_file *f = ent_weights_file_at(against, piece->file);
    ent_bytes part = piece->bytes; /* within the file: the sizes have been compared */
    const uint8_t *same = f->bytes.data + piece->offset;
    bool equal = !memcmp(part.data, same, part.size);
    uint64_t at = piece->offset + (equal ? 0 : first_difference(part, same));
    ent_weights_release(against, (ent_bytes){ same, part.size });
    if (equal) return ENT_OK;
    if (!piece->tensor)
        return ent_fail(error, ENT_ECHECK, "file %s, byte %llu: differs, outside any tensor", ent_quote(f->name).text,
                        (unsigned long long)at);
    return ent_fail(error, ENT_ECHECK, "file %s, tensor %s, block %llu: differs at byte %llu of the file",
                    ent_quote(f->name).text, ent_quote(piece->tensor->name).text, (unsigned long long)piece->block,
                    (unsigned long long)at);
}

/* Whether the files can be compared at all. */
static ent_status compare_files(const ent_index *x, const ent_weights *against, const char *path, ent_error *error)
{
    size_t files = ent_weights_files(against);
    if (files != x->files)
        return ent_fail(error, ENT_ECHECK, "%s: holds %zu files, the model has %zu", path, x->files, files);
    for (size_t i = 0; i < files; i++) {
        const ent_weights_file *f = ent_weights_file_at(against, i);
        if (f->bytes.size != x->file[i].bytes)
            return ent_fail(error, ENT_ECHECK, "%s: file %s has %llu bytes, that of the model (%s) %llu", path,
                            ent_quote(x->file[i].name).text, (unsigned long long)x->file[i].bytes,
                            ent_quote(f->name).text, (unsigned long long)f->bytes.size);
    }
    return ENT_OK;
}

static void nothing(void *context, const char *text) { (void)context, (void)text; }

ent_status ent_container_verify(ent_container *container, const ent_weights *against, const ent_run *run,
                                ent_finding *report, void *context, ent_error *error)
{
    ent_flow flow = { .container = container, .report = report ? report : nothing, .report_context = context };
    ent_error why;
    const char *found = NULL; /* wrong beside the blocks */
    if (run) flow.run = *run;
    if (against && compare_files(&container->index, against, container->path, &why)) {
        flow.report(context, why.text);
        found = "not the same model";
    } else if (against) {
        flow.sink = compare_piece;
        flow.context = (void *)(uintptr_t)against;
    }
    ent_h5_tongue tongue = ent_h5_quiet();
    ent_status status = ent_flow_all(&flow, error);
    if (!status || status == ENT_ECHECK) {
        ent_status shapes = ent_shapes_check(&container->index, container->h5, container->path, &why);
        if (shapes == ENT_ECORRUPT) {
            flow.report(context, why.text);
            found = "damaged where other programs find the shapes";
        } else if (shapes) {
            status = ent_fail(error, shapes, "%s", why.text);
        }
    }
    ent_h5_restore(tongue);
    return !status && found ? ent_fail(error, ENT_ECHECK, "%s: %s", container->path, found) : status;
}
