/* npz.c - the reader of NumPy's archives of arrays, .npz: a zip whose members are .npy files.
 *
 * Members that are stored as they are (numpy.savez) are views of the file, deflated ones (savez_compressed) are
 * unpacked. */
#include <string.h>

#include "weights/npy.h"
#include "weights/zip.h"

static ent_status read_member(ent_weights *model, const ent_zip_member *m, ent_bytes data, ent_error *error)
{
    const char *file = model->file[0].name;
    if (!ent_ends_with(m->name, ".npy"))
        return ent_fail(error, ENT_ECORRUPT, "%s: member %s is no .npy file", file, ent_quote(m->name).text);
    char *name = ent_model_text(model, m->name);
    if (!name) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", file);
    name[strlen(name) - 4] = '\0';
    return ent_npy_append(model, 0, m->offset, data, m->method != ENT_ZIP_STORED, name, error);
}

static ent_status read_file(ent_weights *model, const char *path, ent_error *error)
{
    ent_zip zip;
    (void)path;
    ent_status status = ent_zip_open(&zip, model, 0, error);
    if (status) return status;
    ent_bytes *data = ent_calloc(zip.members, sizeof *data);
    if (!data) status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", zip.file->name);
    if (!status) status = ent_zip_unpack(model, 0, zip.member, zip.members, data, error);
    for (size_t i = 0; i < zip.members && !status; i++) status = read_member(model, &zip.member[i], data[i], error);
    ent_free(data);
    ent_zip_close(&zip);
    return status ? status : ent_model_finish(model, error);
}

static bool recognises(ent_bytes file) { return ent_zip_has(file, ".npy"); }

const ent_reader ent_reader_npz = {
    .name = "npz",
    .brief = "NumPy arrays in a zip archive",
    .extension = ".npz",
    .zip = true,
    .recognises = recognises,
    .read = read_file,
};
