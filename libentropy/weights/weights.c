/* weights.c - opening a model: a file, or what a folder holds, by the reader that knows it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "weights/reader.h"

#define X(name) extern const ent_reader ent_reader_##name;
#include "readers.def"
#undef X

static const ent_reader *const readers[] = {
#define X(name) &ent_reader_##name,
#include "readers.def"
#undef X
};
enum { READERS = sizeof readers / sizeof *readers };

/* By content; what begins like a format known to have no reader is that, whatever its name; by name.  A zip archive
 * that no reader recognised may be a damaged one of the format that its name says. */
static ent_status choose(ent_weights *model, const char *path, ent_error *error)
{
    ent_bytes bytes = model->file[0].bytes;
    const char *known = ent_known_format(bytes);
    for (size_t i = 0; i < READERS && !model->reader; i++)
        if (readers[i]->recognises(bytes)) model->reader = readers[i];
    bool zip = bytes.size >= 4 && !memcmp(bytes.data, "PK\3\4", 4);
    for (size_t i = 0; i < READERS && !model->reader && (!known || zip); i++)
        if (ent_ends_with(path, readers[i]->extension) && (!zip || readers[i]->zip)) model->reader = readers[i];
    if (model->reader) return ENT_OK;
    if (known) return ent_fail(error, ENT_EUNSUPPORTED, "%s: %s", path, known);
    return ent_fail(error, ENT_EUNSUPPORTED, "%s: not a model file of a known format (`entropy list readers` names "
                    "them)", path);
}

static char *join(ent_weights *model, const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = ent_model_alloc(model, size);
    if (path) snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* A file by whose name a model is meant: not its index, which has been looked for, nor a later file of a split GGUF. */
static bool names_model(const char *name)
{
    const char *of = strstr(name, "-of-");
    bool later = ent_ends_with(name, ".gguf") && of && of - name >= 6 && memcmp(of - 6, "-00001", 6) != 0;
    for (size_t i = 0; i < READERS && *name != '.' && !later; i++)
        if (ent_ends_with(name, readers[i]->extension) && !ent_ends_with(name, ".json")) return true;
    return false;
}

/* The name of the only model file in a folder, into `name`. */
static ent_status only_file(const char *folder, char name[static 256], ent_error *error)
{
    DIR *dir = opendir(folder);
    size_t found = 0;
    if (!dir) return ent_fail(error, ENT_EIO, "%s: cannot list: %s", folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(dir));)
        if (names_model(entry->d_name) && !found++) snprintf(name, 256, "%s", entry->d_name);
    closedir(dir);
    if (found == 1) return ENT_OK;
    if (found)
        return ent_fail(error, ENT_EUNSUPPORTED, "%s: %zu model files and no model.safetensors.index.json: name the "
                        "file that is meant", folder, found);
    return ent_fail(error, ENT_EUNSUPPORTED, "%s: no model.safetensors.index.json, no model.safetensors and no other "
                    "file in this folder that has the name of a model", folder);
}

/* `*path`, a folder, becomes the path of the model file in it. */
static ent_status find_in_folder(ent_weights *model, const char **path, ent_error *error)
{
    static const char *const usual[] = { "model.safetensors.index.json", "model.safetensors",
                                         "pytorch_model.bin.index.json", "pytorch_model.bin" };
    const char *folder = *path;
    char name[256];
    struct stat st;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (!(*path = join(model, folder, usual[i]))) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", folder);
        if (!stat(*path, &st)) return ENT_OK;
    }
    ent_status status = only_file(folder, name, error);
    if (status) return status;
    return (*path = join(model, folder, name)) ? ENT_OK : ent_fail(error, ENT_ENOMEM, "%s: out of memory", folder);
}

ent_status ent_weights_open(ent_weights **weights, const char *path, ent_error *error)
{
    struct stat st;
    ent_status status = ENT_OK;
    *weights = NULL;
    ent_weights *model = ent_calloc(1, sizeof *model);
    if (!model) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (stat(path, &st))
        status = ent_fail(error, ENT_EIO, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        status = find_in_folder(model, &path, error);
    if (!status && !(model->path = ent_model_text(model, path)))
        status = ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    if (!status) status = ent_model_map(model, path, error);
    if (!status) status = choose(model, path, error);
    if (!status) status = model->reader->read(model, path, error);
    if (status)
        ent_weights_close(model);
    else
        *weights = model;
    return status;
}

size_t ent_weights_name_raw(ent_weights *weights, const char *dtype, uint32_t bits)
{
    char raw[8];
    size_t named = 0;
    snprintf(raw, sizeof raw, "V%u", bits / 8 & 0xff);
    for (size_t i = 0; i < weights->tensors; i++) {
        if (bits % 8 || strcmp(weights->tensor[i].dtype, raw)) continue;
        weights->tensor[i].dtype = dtype;
        named++;
    }
    return named;
}

const char *ent_weights_note(const ent_weights *weights) { return weights->note; }

const char *ent_weights_format(const ent_weights *weights) { return weights->reader->name; }

size_t ent_weights_tensors(const ent_weights *weights) { return weights->tensors; }

const ent_tensor *ent_weights_tensor(const ent_weights *weights, size_t i) { return &weights->tensor[i]; }

size_t ent_weights_files(const ent_weights *weights) { return weights->files; }

const ent_weights_file *ent_weights_file_at(const ent_weights *weights, size_t i) { return &weights->file[i]; }

size_t ent_readers(void) { return READERS; }

ent_reader_info ent_reader_at(size_t i) { return (ent_reader_info){ readers[i]->name, readers[i]->brief }; }
