/* known.c - formats that people do pass and that have no reader here: what to do instead. */
#include <string.h>

#include "weights/reader.h"

static const struct {
    const char *magic;
    size_t size;
    const char *text;
} known[] = {
#define MAGIC(bytes) bytes, sizeof bytes - 1
    { MAGIC("version https://git-lfs"), "a Git LFS pointer, not the model: fetch it with `git lfs pull`" },
    { MAGIC("PK\x03\x04"), "a zip archive that is no PyTorch checkpoint, no .npz and no .keras with its weights as HDF5" },
    { MAGIC("PK\x05\x06"), "an empty zip archive, no model" },
    { MAGIC("\x80\x02"), "a Python pickle (PyTorch before 1.6), which can run code when loaded and is not read here: "
                         "convert it to safetensors" },
    { MAGIC("\x80\x03"), "a Python pickle, which can run code when loaded and is not read here: convert it to "
                         "safetensors" },
    { MAGIC("\x80\x04"), "a Python pickle, which can run code when loaded and is not read here: convert it to "
                         "safetensors" },
#undef MAGIC
};

/* PyTorch's first checkpoints were archives of tar, whose mark stands far in. */
static bool is_tar(ent_bytes file)
{
    enum { MARK = 257 };
    return file.size >= MARK + 5 && !memcmp(file.data + MARK, "ustar", 5);
}

const char *ent_known_format(ent_bytes file)
{
    if (is_tar(file)) return "a tar archive (PyTorch before 0.1.10, or a packed folder): unpack it, or save it again as safetensors";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (file.size >= known[i].size && !memcmp(file.data, known[i].magic, known[i].size)) return known[i].text;
    return NULL;
}
