/* model.c - what every reader builds: mapped files, tensors, the index of names.
 *
 * Files are mapped private and read only.  A file that another process shortens while it is mapped
 * raises SIGBUS at the first touch of what is gone; that is left out on purpose, as it is in every
 * program that maps files: replace models by renaming, not in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights/reader.h"

_Static_assert(sizeof(size_t) == 8, "models are mapped whole: a 64-bit address space is needed");

struct ent_arena {
    ent_arena *next;
    size_t used, size;
    uint64_t memory[];
};

void *ent_model_alloc(ent_weights *model, size_t size)
{
    enum { CHUNK = 1 << 16 };
    ent_arena *arena = model->arena;
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + 7) / 8;
    if (!arena || arena->size - arena->used < size) {
        size_t words = size > CHUNK / 8 ? size : CHUNK / 8;
        if (!(arena = ent_alloc(sizeof *arena + 8 * words))) return NULL;
        *arena = (ent_arena){ .next = model->arena, .size = words };
        model->arena = arena;
    }
    void *memory = arena->memory + arena->used;
    arena->used += size;
    return memory;
}

char *ent_model_copy(ent_weights *model, ent_bytes text)
{
    char *copy = ent_model_alloc(model, text.size + 1);
    if (!copy) return NULL;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

char *ent_model_text(ent_weights *model, const char *text)
{
    return ent_model_copy(model, (ent_bytes){ (const uint8_t *)text, strlen(text) });
}

ent_tensor *ent_model_add(ent_weights *model)
{
    ent_tensor *tensor = ent_grow(model->tensor, &model->tensor_capacity, model->tensors, sizeof *tensor);
    if (!tensor) return NULL;
    model->tensor = tensor;
    tensor += model->tensors++;
    *tensor = (ent_tensor){ 0 };
    return tensor;
}

static ent_status open_regular(const char *path, int *fd, size_t *size, ent_error *error)
{
    struct stat st;
    /* not blocking: opening a pipe must not wait for its writer */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0) return ent_fail(error, ENT_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(*fd, &st)) return ent_fail(error, ENT_EIO, "%s: cannot read its size: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return ent_fail(error, ENT_EUNSUPPORTED, "%s: not a regular file", path);
    *size = (size_t)st.st_size;
    return ENT_OK;
}

ent_status ent_model_map(ent_weights *model, const char *path, ent_error *error)
{
    static const uint8_t nothing[1];
    const char *slash = strrchr(path, '/');
    void *data = (void *)(uintptr_t)nothing;
    size_t size = 0;
    int fd;
    ent_status status = open_regular(path, &fd, &size, error);
    if (!status && size) { /* an empty file cannot be mapped */
        data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) status = ent_fail(error, ENT_EIO, "%s: cannot map: %s", path, strerror(errno));
    }
    if (fd >= 0) close(fd);
    if (status) return status;
    char *name = ent_model_text(model, slash ? slash + 1 : path);
    ent_weights_file *larger = ent_grow(model->file, &model->file_capacity, model->files, sizeof *larger);
    if (larger) model->file = larger;
    if (!larger || !name) {
        if (size) munmap(data, size);
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    }
    model->file[model->files++] = (ent_weights_file){ name, { data, size } };
    return ENT_OK;
}

bool ent_plain_name(const char *name)
{
    enum { NAME_CAP = 255 }; /* bytes of a file name, as in Linux file systems */
    if (!*name || strlen(name) > NAME_CAP || *name == '.') return false;
    for (const char *c = name; *c; c++)
        if (strchr("/\\:", *c) || (unsigned char)*c < ' ') return false;
    return true;
}

ent_status ent_model_map_beside(ent_weights *model, const char *path, const char *name, const char *what,
                                uint32_t *file, ent_error *error)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    size_t size = (size_t)folder + strlen(name) + 1;
    struct stat st;
    for (*file = 0; *file < model->files; ++*file)
        if (!strcmp(model->file[*file].name, name)) return ENT_OK;
    char *place = ent_model_alloc(model, size);
    if (!place) return ent_fail(error, ENT_ENOMEM, "%s: out of memory", path);
    snprintf(place, size, "%.*s%s", folder, path, name);
    if (stat(place, &st) && errno == ENOENT)
        return ent_fail(error, ENT_ECORRUPT, "%s: %s \"%s\" is listed but not there: fetch it", model->file[0].name,
                        what, name);
    return ent_model_map(model, place, error);
}

/* ---- order ------------------------------------------------------------------------------------------------ */

/* By place, larger ones first, then as they came. */
static int order_of_places(const void *left, const void *right)
{
    const ent_tensor *const *x = left, *const *y = right, *a = *x, *b = *y;
    if (a->file != b->file) return a->file < b->file ? -1 : 1;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    if (a->bytes.size != b->bytes.size) return a->bytes.size > b->bytes.size ? -1 : 1;
    return (a > b) - (a < b);
}

/* `last` comes to hold all bytes up to the end of `t`, as far as they are whole elements. */
static void widen(ent_tensor *last, const ent_tensor *t)
{
    uint64_t *shape = (uint64_t *)(uintptr_t)last->shape;
    last->elements = (t->offset + t->bytes.size - last->offset) * 8 / last->dtype_bits;
    last->bytes.size = last->elements * last->dtype_bits / 8;
    last->rank = 1;
    shape[0] = last->elements;
}

static void settle(const ent_tensor *const order[], size_t n, ent_tensor *out, size_t *kept)
{
    ent_tensor *last = NULL; /* that is part of a file */
    *kept = 0;
    for (size_t i = 0; i < n; i++) {
        const ent_tensor *t = order[i];
        uint64_t end = last && last->file == t->file ? last->offset + last->bytes.size : 0;
        if (t->unpacked || t->offset >= end) {
            out[*kept] = *t;
            if (!t->unpacked) last = &out[*kept];
            ++*kept;
        } else if (t->offset + t->bytes.size > end) {
            widen(last, t);
        }
    }
}

ent_status ent_model_settle(ent_weights *model, size_t first, ent_error *error)
{
    size_t n = model->tensors - first, kept = 0;
    ent_tensor *copy = ent_calloc(n, sizeof *copy);
    const ent_tensor **order = ent_calloc(n, sizeof *order);
    ent_status status = copy && order ? ENT_OK : ent_fail(error, ENT_ENOMEM, "%s: out of memory", model->file[0].name);
    for (size_t i = 0; i < n && !status; i++) {
        copy[i] = model->tensor[first + i];
        order[i] = &copy[i];
    }
    if (!status && n) {
        qsort(order, n, sizeof *order, order_of_places);
        settle(order, n, model->tensor + first, &kept);
        model->tensors = first + kept;
    }
    ent_free(copy);
    ent_free(order);
    return status;
}

static int order_of_names(const void *left, const void *right)
{
    const ent_tensor *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

ent_status ent_model_finish(ent_weights *model, ent_error *error)
{
    size_t n = model->tensors;
    if (!(model->by_name = ent_calloc(n, sizeof *model->by_name)))
        return ent_fail(error, ENT_ENOMEM, "%s: out of memory", model->file[0].name);
    for (size_t i = 0; i < n; i++) model->by_name[i] = &model->tensor[i];
    if (n) qsort(model->by_name, n, sizeof *model->by_name, order_of_names);
    for (size_t i = 1; i < n; i++) {
        const ent_tensor *a = model->by_name[i - 1], *b = model->by_name[i];
        if (!strcmp(a->name, b->name))
            return ent_fail(error, ENT_ECORRUPT, "%s: tensor %s is in %s as well", model->file[b->file].name,
                            ent_quote(b->name).text, model->file[a->file].name);
    }
    return ENT_OK;
}

const ent_tensor *ent_weights_find(const ent_weights *weights, const char *name)
{
    ent_tensor wanted = { .name = name };
    const ent_tensor *key = &wanted;
    if (!weights->tensors) return NULL;
    const ent_tensor **found =
        bsearch(&key, weights->by_name, weights->tensors, sizeof *weights->by_name, order_of_names);
    return found ? *found : NULL;
}

void ent_weights_close(ent_weights *weights)
{
    if (!weights) return;
    for (size_t i = 0; i < weights->files; i++) {
        ent_bytes b = weights->file[i].bytes;
        if (b.size) munmap((void *)(uintptr_t)b.data, b.size);
    }
    for (size_t i = 0; i < weights->scratches; i++)
        munmap((void *)(uintptr_t)weights->scratch[i].data, weights->scratch[i].size);
    for (ent_arena *arena = weights->arena, *next; arena; arena = next) {
        next = arena->next;
        ent_free(arena);
    }
    ent_free(weights->file);
    ent_free(weights->tensor);
    ent_free(weights->by_name);
    ent_free(weights);
}

void ent_weights_release(const ent_weights *weights, ent_bytes part)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)part.data + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)part.data + part.size) / page * page; /* whole pages inside the part alone */
    if (to <= from) return;
    for (size_t i = 0; i < weights->files + weights->scratches; i++) { /* never somebody else's: it would be lost */
        ent_bytes b = i < weights->files ? weights->file[i].bytes : weights->scratch[i - weights->files];
        uintptr_t first = (uintptr_t)b.data, last = first + b.size;
        if (first <= from && to <= last) madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

bool ent_is_utf8(ent_bytes text)
{
    json_t *checked = json_stringn((const char *)text.data, text.size);
    bool valid = checked != NULL;
    json_decref(checked);
    return valid;
}

bool ent_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && !strcmp(text + n - k, end);
}

ent_quoted ent_quote(const char *name)
{
    enum { SHOWN = 80 };
    ent_quoted q;
    size_t n = strnlen(name, SHOWN + 1), cut = n > SHOWN ? SHOWN : n, k = 0;
    while (n > SHOWN && cut && ((unsigned char)name[cut] & 0xc0) == 0x80) cut--; /* not inside a character */
    q.text[k++] = '"';
    for (size_t i = 0; i < cut; i++) {
        unsigned char c = (unsigned char)name[i];
        q.text[k++] = (char)(c < ' ' || c == 127 ? '?' : c);
    }
    snprintf(q.text + k, sizeof q.text - k, n > SHOWN ? "...\"" : "\"");
    return q;
}
