/* containers.c - see containers.h. */
#include <dirent.h>
#include <hdf5.h>
#include <unistd.h>

#include "base/bits.h"
#include "containers.h"

/* Nothing here has to outlive a crash of the machine, and waiting for the disk is most of the time. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* HDF5 1.10 loses the memory of objects whose metadata is damaged, LLVM's OpenMP a little of a team of threads that grows. */
ENT_API const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5\nleak:libomp"; }

/* ---- models made here --------------------------------------------------------------------------------- */

static size_t spec_bytes(const spec *s)
{
    const ent_format *f = ent_format_find(s->dtype);
    size_t bits = f ? f->bits : !strcmp(s->dtype, "BOOL") ? 8 : strchr(s->dtype, '6') ? 64 : 32;
    return s->rows * s->columns * bits / 8;
}

/* A safetensors file; `prefix` and `suffix` are white space around the header's JSON. */
void write_model(const char *path, const spec *specs, size_t n, uint64_t seed, const char *prefix,
                 const char *suffix)
{
    static uint8_t data[1 << 22];
    char *header = (char *)data + 8;
    size_t at = 0, used = (size_t)sprintf(header, "%s{", prefix);
    for (size_t i = 0; i < n; i++) {
        size_t size = spec_bytes(&specs[i]);
        used += (size_t)sprintf(
            header + used, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
            specs[i].name, specs[i].dtype, specs[i].rows, specs[i].columns, at, at + size);
        at += size;
    }
    used += (size_t)sprintf(header + used, "}%s", suffix);
    ent_store64(data, used);
    assert_true(8 + used + at <= sizeof data);
    uint8_t *to = data + 8 + used;
    ent_random r;
    ent_random_seed(&r, seed, 0);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < spec_bytes(&specs[i]); k++) {
            uint64_t byte = ent_random_bits(&r);
            for (int s = 0; s < specs[i].skew; s++) byte &= ent_random_bits(&r);
            *to++ = (uint8_t)byte;
        }
    write_file(path, data, 8 + used + at);
}

const char *model_of_weights(const spec *specs, size_t n, uint64_t seed)
{
    static char path[300];
    size_t size;
    ent_random random;
    ent_random_seed(&random, seed, 0);
    snprintf(path, sizeof path, "%s", scratch_path("model.safetensors"));
    write_model(path, specs, n, 3, "", "  ");
    uint8_t *bytes = read_file(path, &size), *at = bytes + 8 + ent_load64(bytes);
    for (size_t i = 0; i < n; at += spec_bytes(&specs[i++])) {
        const ent_format *f = ent_format_find(specs[i].dtype);
        for (size_t k = 0; k < specs[i].rows * specs[i].columns && f && f->kind == ENT_KIND_FLOAT; k++) {
            double sum = -2;
            for (int j = 0; j < 4; j++) sum += ent_random_uniform(&random);
            uint64_t word = ent_format_nearest(f, 0.05 * sum);
            memcpy(at + k * ent_format_width(f), &word, ent_format_width(f));
        }
    }
    write_file(path, bytes, size);
    free(bytes);
    return path;
}

const spec mixed[MIXED] = {
    { "model.embed_tokens.weight", "BF16", 300, 20, 2 },
    { "model.layers.0.self_attn.q_proj.weight", "F16", 100, 21, 1 },
    { "model.layers.0.self_attn.k_proj.weight", "BF16", 90, 11, 2 },
    { "empty", "BF16", 0, 8, 0 },
    { "model.layers.0.mlp.up_proj.weight", "F32", 333, 3, 1 },
    { "f64", "F64", 41, 7, 1 },
    { "i8", "I8", 1001, 1, 2 },
    { "u8", "U8", 1, 77, 3 },
    { "i32", "I32", 19, 3, 1 },
    { "i64", "I64", 3, 3, 1 },
    { "mask", "BOOL", 5, 5, 1 },
    { "fp8", "F8_E4M3", 64, 9, 1 },
    { "fp8b", "F8_E5M2", 63, 9, 1 },
    { "scales", "F8_E8M0", 63, 1, 3 },
    { "odd", "BF16", 1, 1, 0 },
    { "u16", "U16", 1, 99, 2 },
    { "empty2", "I8", 9, 0, 0 },
};

const char *mixed_model(void)
{
    static char path[300]; /* longer in use than scratch_path promises */
    snprintf(path, sizeof path, "%s", scratch_path("mixed.safetensors"));
    write_model(path, mixed, MIXED, 1, " \n ", "   \t");
    return path;
}

/* ---- helpers --------------------------------------------------------------------------------------------- */

ent_error failure;

ent_weights *open_model(const char *path)
{
    ent_weights *weights;
    assert_done(ent_weights_open(&weights, path, &failure));
    return weights;
}

ent_status compress_model(const char *model, const char *text, const char *path, unsigned threads,
                          ent_container_sizes *sizes)
{
    ent_weights *weights = open_model(model);
    ent_codec *codec;
    const ent_run run = { .threads = threads };
    ent_status status = ent_codec_parse(&codec, text, &failure);
    if (!status) status = ent_container_write(path, weights, codec, NULL, &run, sizes, &failure);
    ent_codec_free(codec);
    ent_weights_close(weights);
    return status;
}

ent_container *open_container(const char *path)
{
    ent_container *container;
    assert_done(ent_container_open(&container, path, &failure));
    return container;
}

void assert_same_file(const char *a, const char *b)
{
    size_t na, nb;
    uint8_t *da = read_file(a, &na), *db = read_file(b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(da, db, na);
    free(da);
    free(db);
}

static void take_finding(void *context, const char *text)
{
    findings *f = context;
    if (f->n < 8) strcpy(f->text[f->n], text);
    f->n++;
}

ent_status verify(const char *path, const char *model, findings *f)
{
    ent_container *container = open_container(path);
    ent_weights *weights = model ? open_model(model) : NULL;
    const ent_run run = { .threads = 2 };
    f->n = 0;
    ent_status status = ent_container_verify(container, weights, &run, take_finding, f, &failure);
    ent_weights_close(weights);
    ent_container_close(container);
    return status;
}

bool is_there(const char *path) { return !access(path, F_OK); }

/* Files in the folder whose names begin with `prefix`. */
size_t count_files(const char *folder, const char *prefix)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += !strncmp(e->d_name, prefix, strlen(prefix));
    closedir(d);
    return n;
}

/* The coders of this build, as codecs that use blocks of all lengths. */
const char *const texts[TEXTS] = {
    "raw block=1k",
    "huffman block=1k",
    "rans scope=role block=64",
    "tiered scope=model",
    "planar-rans block=512",
    "zipnn block=1k",
    "huff-llm scope=block block=2k",
    "rans-word",
    "zstd block=256",
    "lz4-planes block=1k",
    "tans block=1k",
    "arithmetic-adaptive block=1k",
    "arithmetic scope=model block=1k",
    "dfloat11 block=1k",
    "rans-top2 block=1k scope=block",
};

bool is_built(const char *text)
{
    ent_codec *codec;
    ent_status status = ent_codec_parse(&codec, text, &failure);
    ent_codec_free(codec);
    if (status && status != ENT_EUNSUPPORTED) fail_msg("%s", failure.text);
    return !status;
}

void edit_index(const char *path, const char *from, const char *to)
{
    static char text[1 << 16], edited[1 << 16];
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), set = H5Dopen2(file, "/index", H5P_DEFAULT),
          space = H5Dget_space(set);
    hsize_t n = (hsize_t)H5Sget_simple_extent_npoints(space);
    assert_true(n < sizeof text);
    assert_true(H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0);
    text[n] = '\0';
    H5Dclose(set);
    H5Sclose(space);
    H5Ldelete(file, "/index", H5P_DEFAULT);
    char *place = strstr(text, from);
    if (!place) fail_msg("no %s in %s", from, text);
    n = (hsize_t)sprintf(edited, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from));
    space = H5Screate_simple(1, &n, NULL);
    set = H5Dcreate2(file, "/index", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, edited) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
}
