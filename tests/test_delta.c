/* test_delta.c - checkpoints told by others.
 *
 * With `--figures MODEL` it prints instead what each way makes of checkpoints that differ from MODEL by noise, as
 * tab-separated values (make deltas). */
#include <math.h>
#include <unistd.h>

#include "base/bits.h"
#include "container/delta.h"
#include "containers.h"

/* ---- checkpoints made here --------------------------------------------------------------------------------------- */

static double normal(ent_random *r)
{
    double u = 1 - ent_random_uniform(r), v = ent_random_uniform(r);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* A copy of a safetensors file in which `share` of the floats, drawn at random, have got normal noise of `noise` times the
 * root mean square of their tensor. */
static void change_model(const char *from, const char *to, double share, double noise, uint64_t seed)
{
    size_t size;
    uint8_t *data = read_file(from, &size);
    ent_weights *w = open_model(from);
    for (size_t i = 0; i < ent_weights_tensors(w); i++) {
        const ent_tensor *t = ent_weights_tensor(w, i);
        const ent_format *f = ent_format_find(t->dtype);
        if (!f || f->kind != ENT_KIND_FLOAT || ent_format_packed(f)) continue;
        float *values = malloc(t->elements * sizeof *values + 1);
        double squares = 0;
        ent_random r;
        ent_random_seed(&r, seed, i);
        ent_format_floats(f, t->bytes.data, t->elements, values);
        for (size_t k = 0; k < t->elements; k++) squares += isfinite(values[k]) ? (double)values[k] * values[k] : 0;
        double scale = noise * sqrt(squares / (double)t->elements);
        for (size_t k = 0; k < t->elements; k++)
            if (ent_random_uniform(&r) < share && isfinite(values[k])) {
                values[k] = (float)(values[k] + scale * normal(&r));
                ent_format_words(f, &values[k], 1, data + t->offset + k * (f->bits / 8u));
            }
        free(values);
    }
    ent_weights_close(w);
    write_file(to, data, size);
    free(data);
}

typedef struct told {
    ent_container_sizes sizes;
    ent_delta way[64];
    double size[64][ENT_DELTAS];
} told;

/* As `entropy compress --base`. */
static ent_status compress_told(const char *model, const char *base, const char *text, const char *delta_text,
                                const char *path, told *out)
{
    ent_weights *w = open_model(model), *b = open_model(base);
    ent_codec *codec[2];
    uint32_t of[64];
    const ent_run run = { .threads = 2 };
    assert_true(ent_weights_tensors(w) <= 64);
    assert_done(ent_codec_parse(&codec[0], text, &failure));
    assert_done(ent_codec_parse(&codec[1], delta_text, &failure));
    const ent_codec *const both[] = { codec[0], codec[1] };
    ent_status status = ent_container_choose_deltas(w, b, both, UINT64_MAX, &run, out->way, out->size, &failure);
    for (size_t i = 0; i < ent_weights_tensors(w); i++) of[i] = out->way[i] != ENT_DELTA_NONE;
    const ent_assignment a = { .codecs = 2, .codec = both, .of = of, .base = b, .delta = out->way };
    if (!status) status = ent_container_write_assigned(path, w, &a, &run, &out->sizes, &failure);
    ent_codec_free(codec[0]);
    ent_codec_free(codec[1]);
    ent_weights_close(w);
    ent_weights_close(b);
    return status;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* The place of a word in the order of values, from the text of FORMAT.md: of a float the numbers of at least +0 are
 * 0, 1, 2, ..., those of at most -0 are -1, -2, ... */
static int64_t place_of(const ent_format *f, uint64_t word)
{
    uint64_t sign = UINT64_C(1) << (f->bits - 1);
    if (f->kind != ENT_KIND_FLOAT) return (int64_t)word;
    return word & sign ? -1 - (int64_t)(word ^ sign) : (int64_t)word;
}

static uint64_t word_at(const uint8_t *data, size_t i, unsigned width)
{
    uint64_t word = 0;
    for (unsigned b = 0; b < width; b++) word |= (uint64_t)data[i * width + b] << 8 * b;
    return word;
}

static void words_are_as_documented(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint8_t fresh[N * 8 + 1], base[N * 8 + 1], back[N * 8 + 1];
    uint64_t words[N], expected[N];
    ent_random r;
    ent_random_seed(&r, 5, 0);
    for (const ent_format *f = ent_formats; f->name; f++) {
        assert_int_equal(ent_delta_takes(f), f->bits % 8 == 0);
        if (f->bits % 8) continue;
        unsigned width = f->bits / 8u;
        for (size_t i = 0; i < sizeof fresh; i++) {
            base[i] = (uint8_t)ent_random_bits(&r);
            fresh[i] = ent_random_below(&r, 3) ? base[i] : (uint8_t)ent_random_bits(&r);
        }
        ent_delta_make(ENT_DELTA_XOR, f, fresh + 1, base + 1, N, words);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(word_at((uint8_t *)words, i, width), word_at(fresh + 1, i, width) ^ word_at(base + 1, i, width));
        /* by the exponent of the base, as many of its highest bits as 8; in each in order */
        uint64_t mask = f->bits == 64 ? UINT64_MAX : (UINT64_C(1) << f->bits) - 1;
        unsigned used = f->exponent_bits < 8 ? f->exponent_bits : 8;
        size_t at = 0;
        for (uint64_t class = 0; class < 256; class++)
            for (size_t i = 0; i < N; i++) {
                uint64_t b = word_at(base + 1, i, width), z = word_at(fresh + 1, i, width);
                uint64_t exponent = f->kind != ENT_KIND_FLOAT ? 0
                                    : (b & (mask >> 1)) >> f->mantissa_bits >> (f->exponent_bits - used);
                if (exponent != class) continue;
                uint64_t d = ((uint64_t)place_of(f, z) - (uint64_t)place_of(f, b)) & mask;
                bool negative = d > mask >> 1;
                expected[at++] = negative ? 2 * ((~d & mask) + 1) - 1 : 2 * d;
            }
        assert_int_equal(at, N);
        ent_delta_make(ENT_DELTA_DIFFERENCE, f, fresh + 1, base + 1, N, words);
        for (size_t i = 0; i < N; i++)
            if (word_at((uint8_t *)words, i, width) != (expected[i] & mask))
                fail_msg("%s, word %zu: %llx, expected %llx", f->name, i,
                         (unsigned long long)word_at((uint8_t *)words, i, width), (unsigned long long)expected[i]);
        for (int way = ENT_DELTA_XOR; way < ENT_DELTAS; way++)
            for (size_t n = 0; n <= N; n = n < 3 ? n + 1 : n * 7) {
                ent_delta_make((ent_delta)way, f, fresh + 1, base + 1, n, words);
                memset(back, 0xa5, sizeof back);
                ent_delta_undo((ent_delta)way, f, words, base + 1, n, back + 1);
                assert_memory_equal(back + 1, fresh + 1, n * width);
                for (size_t i = n * width + 1; i < sizeof back; i++) assert_int_equal(back[i], 0xa5);
            }
    }
    assert_false(ent_delta_takes(NULL));
    assert_false(ent_delta_takes(ent_records));
}

/* ---- containers ---------------------------------------------------------------------------------------------------- */

static const char *made(const char *name, double share, double noise)
{
    static char path[4][300];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, 300, "%s", scratch_path(name));
    change_model(mixed_model(), p, share, noise, 9);
    return p;
}

static void checkpoints_come_back(void **state)
{
    (void)state;
    const char *base = mixed_model();
    char path[300], back[300]; /* longer in use than scratch_path promises */
    snprintf(path, sizeof path, "%s", scratch_path("told.ent"));
    snprintf(back, sizeof back, "%s", scratch_path("told.back"));
    static const double noises[] = { 0, 0.001, 0.1, 10 };
    static const char *const deltas[] = { ENT_DELTA_CODEC " block=1k", "bytes=zstd block=1k", "word=raw block=1k",
                                          "bytes=arithmetic-adaptive block=1k" };
    told t;
    for (size_t k = 0; k < 4; k++) {
        if (!is_built(deltas[k])) continue;
        const char *model = made("fresh.safetensors", 1, noises[k]);
        assert_done(compress_told(model, base, "huffman block=1k", deltas[k], path, &t));
        ent_container *c = open_container(path);
        assert_int_equal(ent_container_base_files(c), 1);
        assert_status(ent_container_extract(c, back, NULL, &failure), ENT_EINVAL);
        assert_non_null(strstr(failure.text, "mixed.safetensors"));
        assert_false(is_there(back));
        ent_weights *b = open_model(base), *w = open_model(model);
        assert_done(ent_container_set_base(c, b, NULL, &failure));
        assert_done(ent_container_extract(c, back, NULL, &failure));
        assert_same_file(model, back);
        assert_done(ent_container_verify(c, w, NULL, NULL, NULL, &failure));
        for (size_t i = 0; i < ent_container_tensors(c); i++) { /* rows across blocks and classes */
            const ent_tensor *of = ent_weights_tensor(w, i);
            uint64_t rows = of->shape[0], first = rows / 3, count = rows - first - rows / 4;
            uint8_t out[1 << 14];
            assert_int_equal(ent_container_tensor_at(c, i).delta, t.way[i]);
            assert_done(ent_container_rows(c, (ent_rows){ i, first, count }, out, NULL, NULL, &failure));
            if (of->bytes.size)
                assert_memory_equal(out, of->bytes.data + of->bytes.size / rows * first, of->bytes.size / rows * count);
        }
        ent_container_close(c);
        ent_weights_close(b);
        ent_weights_close(w);
        unlink(back);
    }
}

enum { NORMAL_ROWS = 256, NORMAL_COLUMNS = 256, NORMALS = NORMAL_ROWS * NORMAL_COLUMNS };

/* A checkpoint with normal weights and two tensors of integers; and the next, with noise on all weights, one tensor of integers
 * unchanged, the other another. */
static void write_normal_pair(const char *base, const char *next)
{
    static const spec three[] = { { "same", "I8", 300, 100, 2 },
                                  { "other", "I8", 300, 100, 2 },
                                  { "w", "BF16", NORMAL_ROWS, NORMAL_COLUMNS, 0 } };
    size_t size;
    ent_random r;
    ent_random_seed(&r, 2, 0);
    write_model(base, three, 3, 1, "", "");
    uint8_t *data = read_file(base, &size);
    for (size_t i = size - 2 * NORMALS; i < size; i += 2) {
        float v = (float)(0.02 * normal(&r));
        ent_format_words(ent_format_find("BF16"), &v, 1, data + i);
    }
    write_file(base, data, size);
    free(data);
    change_model(base, next, 1, 0.01, 3);
    data = read_file(next, &size);
    for (size_t i = size - 2 * NORMALS - 30000; i < size - 2 * NORMALS; i++)
        data[i] = (uint8_t)(ent_random_bits(&r) & ent_random_bits(&r) & ent_random_bits(&r));
    write_file(next, data, size);
    free(data);
}

/* The least of the ways; and what the container takes is what was estimated, all being coded. */
static void the_best_way_is_chosen(void **state)
{
    (void)state;
    const char *base = scratch_path("best0.safetensors"), *model = scratch_path("best1.safetensors"),
               *path = scratch_path("best.ent");
    told t;
    write_normal_pair(base, model);
    assert_done(compress_told(model, base, "huffman block=1k", ENT_DELTA_CODEC " block=1k", path, &t));
    double least = 0;
    for (size_t i = 0; i < 3; i++) {
        double best = t.size[i][0];
        for (int w = 1; w < ENT_DELTAS; w++) best = t.size[i][w] < best ? t.size[i][w] : best;
        assert_close(t.size[i][t.way[i]], best, 0);
        least += best;
    }
    assert_int_equal(t.way[0], ENT_DELTA_XOR); /* nothing differs: the simpler of two that are as good */
    assert_int_equal(t.way[1], ENT_DELTA_NONE);
    assert_int_equal(t.way[2], ENT_DELTA_DIFFERENCE);
    const ent_tally *tally = &t.sizes.tally;
    assert_close((double)(tally->payload_bits + tally->table_bits + tally->index_bits) / 8, least, 0.5);
    /* the same file again: nothing but states and headers of blocks */
    assert_done(compress_told(base, base, "huffman block=64k", ENT_DELTA_CODEC " block=64k", path, &t));
    assert_true((t.sizes.tally.payload_bits + t.sizes.tally.table_bits) / 8 < 2000);
}

/* Order-0 entropy in bits of counts that sum to n, times n. */
static double entropy_of(const uint32_t *count, size_t alphabet, double n)
{
    double bits = 0;
    for (size_t s = 0; s < alphabet; s++)
        if (count[s]) bits += count[s] * log2(n / count[s]);
    return bits;
}

/* What a context is worth: normal noise of the same size on all weights.  With it the code must come near the entropy of the
 * steps given the base's exponent, counted here, and so below that of the steps alone and below that of the bits that
 * differ. */
static void context_is_worth_its_bits(void **state)
{
    (void)state;
    const char *base = scratch_path("normal.safetensors"), *model = scratch_path("updated.safetensors"),
               *path = scratch_path("updated.ent");
    size_t size;
    write_normal_pair(base, model);
    static uint32_t steps[1 << 16], differ[1 << 16], given[256][1 << 16];
    uint8_t *old = read_file(base, &size), *new = read_file(model, &size);
    double entropy = 0;
    for (size_t i = size - 2 * NORMALS; i < size; i += 2) {
        const ent_format *f = ent_format_find("BF16");
        uint64_t b = word_at(old + i, 0, 2), z = word_at(new + i, 0, 2), d = (uint64_t)(place_of(f, z) - place_of(f, b));
        steps[d & 0xffff]++;
        differ[b ^ z]++;
        given[b >> 7 & 0xff][d & 0xffff]++;
    }
    for (size_t c = 0; c < 256; c++) {
        double n = 0;
        for (size_t s = 0; s < 1 << 16; s++) n += given[c][s];
        entropy += entropy_of(given[c], 1 << 16, n);
    }
    free(old);
    free(new);
    told t;
    assert_done(compress_told(model, base, "planar-rans block=64k", ENT_DELTA_CODEC " block=64k", path, &t));
    double got = 8 * t.size[2][ENT_DELTA_DIFFERENCE], alone = entropy_of(steps, 1 << 16, NORMALS),
           xor = entropy_of(differ, 1 << 16, NORMALS);
    assert_int_equal(t.way[2], ENT_DELTA_DIFFERENCE);
    if (!(got < 1.08 * entropy && got > 0.98 * entropy && got < 0.95 * alone && got < 0.9 * xor))
        fail_msg("%.0f bits; entropies %.0f, %.0f without the context, %.0f of bits", got, entropy, alone, xor);
    assert_close(8 * t.size[2][ENT_DELTA_XOR] / xor, 1, 0.05);
}

static void copies_of_told_tensors_come_back(void **state)
{
    (void)state;
    static const spec two[] = { { "a", "BF16", 100, 30, 2 }, { "b", "BF16", 100, 30, 2 } };
    const char *base = scratch_path("pair.safetensors"), *model = scratch_path("pair-new.safetensors"),
               *path = scratch_path("pair.ent"), *back = scratch_path("pair.back");
    size_t size;
    write_model(base, two, 2, 3, "", "");
    change_model(base, model, 0.1, 0.01, 3);
    uint8_t *data = read_file(model, &size);
    memcpy(data + size - 6000, data + size - 12000, 6000);
    write_file(model, data, size);
    free(data);
    told t;
    assert_done(compress_told(model, base, "planar-rans block=1k", ENT_DELTA_CODEC " block=1k", path, &t));
    assert_int_equal(t.sizes.same_tensors, 1);
    assert_int_not_equal(t.way[0], ENT_DELTA_NONE);
    ent_container *c = open_container(path);
    ent_weights *b = open_model(base);
    assert_done(ent_container_set_base(c, b, NULL, &failure));
    assert_done(ent_container_extract(c, back, NULL, &failure));
    assert_same_file(model, back);
    ent_container_close(c);
    ent_weights_close(b);
}

static void another_base_is_refused(void **state)
{
    (void)state;
    const char *base = mixed_model(), *model = made("fresh.safetensors", 1, 0.01), *path = scratch_path("base.ent"),
               *other = scratch_path("other-base.safetensors");
    told t;
    size_t size;
    assert_done(compress_told(model, base, "raw block=1k", ENT_DELTA_CODEC " block=1k", path, &t));
    ent_container *c = open_container(path);
    uint8_t *data = read_file(base, &size);
    data[size - 1] ^= 1; /* in a tensor that may not even be told */
    write_file(other, data, size);
    ent_weights *w = open_model(other);
    assert_status(ent_container_set_base(c, w, NULL, &failure), ENT_EINVAL);
    if (!strstr(failure.text, "\"mixed.safetensors\" has the XXH3 ")) fail_msg("%s", failure.text);
    ent_weights_close(w);
    free(data);
    write_model(other, mixed, MIXED - 1, 1, " \n ", "   \t");
    w = open_model(other);
    assert_status(ent_container_set_base(c, w, NULL, &failure), ENT_EINVAL);
    if (!strstr(failure.text, "\"mixed.safetensors\" has ") || !strstr(failure.text, " bytes")) fail_msg("%s", failure.text);
    uint8_t out[64];
    assert_status(ent_container_read(c, 0, out, NULL, &failure), ENT_EINVAL);
    ent_container_close(c);
    ent_weights_close(w);
    w = open_model(base);
    assert_done(compress_model(model, "raw block=1k", path, 1, NULL));
    c = open_container(path);
    assert_int_equal(ent_container_base_files(c), 0);
    assert_status(ent_container_set_base(c, w, NULL, &failure), ENT_EINVAL);
    assert_non_null(strstr(failure.text, "on its own"));
    ent_container_close(c);
    ent_weights_close(w);
}

static void lies_about_bases_are_refused(void **state)
{
    (void)state;
    static const spec one[] = { { "w", "BF16", 100, 30, 2 } };
    static const char *const lies[][2] = {
        { "\"delta\":\"", "\"delta\":\"no" },     { "\"delta\":\"", "\"delta\":[],\"x\":\"" },
        { "\"base\":[0,", "\"base\":[1,9],\"x\":[0," },  { "\"base\":[0,", "\"base\":[0,9" },
        { "\"base\":[0,", "\"base\":[-1," },      { "\"base\":[0,", "\"base\":3,\"x\":[0," },
        { "\"base\":[{\"name\":\"lie", "\"base\":[{\"name\":\"../lie" }, { "\"base\":[{", "\"base\":[],\"x\":[{" },
        { "\"base\":[{", "\"x\":[{" },            { "\"dtype\":\"BF16\",\"text\":\"", "\"dtype\":\"\",\"text\":\"word=raw\",\"x\":\"" },
    };
    const char *base = scratch_path("lie.safetensors"), *model = scratch_path("lie-new.safetensors"),
               *path = scratch_path("lie.ent");
    write_model(base, one, 1, 3, "", "");
    change_model(base, model, 1, 0.01, 3);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        told t;
        ent_container *c;
        assert_done(compress_told(model, base, "raw block=1k", ENT_DELTA_CODEC " block=1k", path, &t));
        edit_index(path, lies[i][0], lies[i][1]);
        if (ent_container_open(&c, path, &failure) != ENT_ECORRUPT) fail_msg("%s: %s", lies[i][1], failure.text);
        assert_null(c);
    }
}

static void wrong_deltas_are_refused(void **state)
{
    (void)state;
    static const spec here[] = { { "w", "BF16", 100, 30, 2 } }, there[] = { { "w", "BF16", 30, 100, 2 } };
    const char *model = scratch_path("w1.safetensors"), *base = scratch_path("w2.safetensors"), *path = scratch_path("w.ent");
    write_model(model, here, 1, 3, "", "");
    write_model(base, there, 1, 3, "", "");
    ent_weights *w = open_model(model), *b = open_model(base);
    ent_codec *codec;
    assert_done(ent_codec_parse(&codec, "raw", &failure));
    const ent_delta way = ENT_DELTA_XOR;
    const ent_assignment a = { .codecs = 1, .codec = (const ent_codec *const[]){ codec }, .base = b, .delta = &way };
    assert_null(ent_delta_base_of(b, ent_weights_tensor(w, 0)));
    assert_status(ent_container_write_assigned(path, w, &a, NULL, NULL, &failure), ENT_EINVAL);
    assert_false(is_there(path));
    ent_codec_free(codec);
    ent_weights_close(w);
    ent_weights_close(b);
}

/* ---- figures ------------------------------------------------------------------------------------------------------- */

static double bits_of(const told *t, const char *model, int way)
{
    ent_weights *w = open_model(model);
    double bytes = 0, elements = 0;
    for (size_t i = 0; i < ent_weights_tensors(w); i++)
        if (t->size[i][ENT_DELTA_XOR] >= 0) {
            bytes += t->size[i][way < 0 ? (int)t->way[i] : way];
            elements += (double)ent_weights_tensor(w, i)->elements;
        }
    ent_weights_close(w);
    return 8 * bytes / elements;
}

static int print_figures(const char *base, const char *codec)
{
    static const double noises[] = { 0.0001, 0.001, 0.01, 0.1 }, shares[] = { 1, 0.1, 0.01 };
    const char *model = scratch_path("figure.safetensors"), *path = scratch_path("figure.h5");
    printf("share\tnoise\tplain_bits\txor_zstd_bits\txor_bits\tdifference_bits\tbest_bits\n");
    for (size_t s = 0; s < 3; s++)
        for (size_t k = 0; k < 4; k++) {
            told ours, zstd;
            change_model(base, model, shares[s], noises[k], 1);
            assert_done(compress_told(model, base, "planar-rans", codec, path, &ours));
            assert_done(compress_told(model, base, "planar-rans", "bytes=zstd block=256k", path, &zstd));
            printf("%g\t%g\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\n", shares[s], noises[k], bits_of(&ours, model, ENT_DELTA_NONE),
                   bits_of(&zstd, model, ENT_DELTA_XOR), bits_of(&ours, model, ENT_DELTA_XOR),
                   bits_of(&ours, model, ENT_DELTA_DIFFERENCE), bits_of(&ours, model, -1));
            fflush(stdout);
        }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_as_documented),
        cmocka_unit_test(checkpoints_come_back),
        cmocka_unit_test(the_best_way_is_chosen),
        cmocka_unit_test(context_is_worth_its_bits),
        cmocka_unit_test(copies_of_told_tensors_come_back),
        cmocka_unit_test(another_base_is_refused),
        cmocka_unit_test(lies_about_bases_are_refused),
        cmocka_unit_test(wrong_deltas_are_refused),
    };
    if (argc > 2 && !strcmp(argv[1], "--figures")) return print_figures(argv[2], argc > 3 ? argv[3] : ENT_DELTA_CODEC " block=256k");
    return cmocka_run_group_tests_name("deltas", tests, NULL, NULL);
}
